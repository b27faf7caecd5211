"""Messages as the JSON of Temporal's payloads."""

from __future__ import annotations

from typing import Final

from temporalio.contrib.pydantic import PydanticPayloadConverter
from temporalio.converter import CompositePayloadConverter, DataConverter

_ENCODINGS: Final = tuple(PydanticPayloadConverter().converters.values())


class MessageConverter(CompositePayloadConverter):
    """Pydantic's converter, which prepares each type of message once.

    The SDK creates a converter for each workflow; all of them share what was prepared. Its own converter evaluates
    the annotations of a message's type anew for each payload.
    """

    def __init__(self) -> None:
        super().__init__(*_ENCODINGS)


DATA_CONVERTER: Final = DataConverter(payload_converter_class=MessageConverter)
