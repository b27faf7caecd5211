"""A hotel's place on earth."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from domain.errors import DomainError

_NUMBER: Final = r"-?[0-9]{1,3}(?:\.[0-9]{1,20})?"
_LOCATION: Final = re.compile(rf"({_NUMBER})\s*,\s*({_NUMBER})")


class LocationError(DomainError):
    """This is no place on earth."""


@dataclass(frozen=True)
class Location:
    """A place: degrees north and east, to a tenth of a metre (six decimals, as RFC 5545 writes them).

    Raises:
        LocationError: beyond the poles, or more than half around the earth.
    """

    latitude: float
    longitude: float

    def __post_init__(self) -> None:
        if abs(self.latitude) > 90 or abs(self.longitude) > 180:
            raise LocationError("a latitude lies between -90 and 90, a longitude between -180 and 180")

    def __str__(self) -> str:
        """As people and maps write it: `52.059900,-9.504400`."""
        return f"{self.latitude:.6f},{self.longitude:.6f}"


def read_location(text: str) -> Location:
    """Read `52.0599, -9.5044`, as maps give it.

    Raises:
        LocationError: not two numbers, or no place on earth.
    """
    written = _LOCATION.fullmatch(text.strip())
    if written is None:
        raise LocationError("write latitude and longitude like 52.0599, -9.5044")
    return Location(float(written[1]), float(written[2]))
