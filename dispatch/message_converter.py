"""Messages as the JSON of Temporal's payloads."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from pydantic import TypeAdapter
from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import PydanticJSONPlainPayloadConverter, PydanticPayloadConverter
from temporalio.converter import CompositePayloadConverter, DataConverter

_adapter = cache(TypeAdapter)


class StrictJson(PydanticJSONPlainPayloadConverter):
    """Pydantic's converter, which takes no text for a number and no `yes` for a truth: messages move money."""

    def from_payload(self, payload: Payload, type_hint: type | None = None) -> Any:
        """See base class."""
        return _adapter(type_hint or Any).validate_json(payload.data, strict=True)


_ENCODINGS: Final = tuple({**PydanticPayloadConverter().converters, b"json/plain": StrictJson()}.values())


class MessageConverter(CompositePayloadConverter):
    """Pydantic's converters, which prepare each type of message once.

    The SDK creates a converter for each workflow; all of them share what was prepared. Its own converter evaluates
    the annotations of a message's type anew for each payload.
    """

    def __init__(self) -> None:
        super().__init__(*_ENCODINGS)


DATA_CONVERTER: Final = DataConverter(payload_converter_class=MessageConverter)
