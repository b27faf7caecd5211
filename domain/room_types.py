"""The bounds of a room type's description, for operators' commands and managers' forms alike."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from types import MappingProxyType
from typing import Final

from domain.errors import DomainError
from domain.hotel_terms import Bounds
from domain.money import Money, check_chargeable, parse

CODE_LONGEST: Final = 40
NAME_LONGEST: Final = 200
BOUNDS: Final = MappingProxyType(
    {"max_guests": Bounds(1, 100), "rooms": Bounds(1, 10_000), "overbooking": Bounds(0, 1000)}
)
"""By the names of the room type's columns; `overbooking` is the hotel's, for each of its types."""

_MOST_DIGITS: Final = 9
_NOT_IN_CODES: Final = re.compile(r"[^a-z0-9]+")


class RoomTypeError(DomainError):
    """A room type cannot be described so."""


def check_name(text: str) -> str:
    """Return a name as it is kept: composed (NFC), without blanks around it.

    Raises:
        RoomTypeError: empty, too long, or more than one line.
    """
    text = unicodedata.normalize("NFC", text).strip()
    if not text or len(text) > NAME_LONGEST or not text.isprintable():
        raise RoomTypeError(f"give one line of 1 to {NAME_LONGEST} characters")
    return text


def check_price(text: str, currency: str) -> Money:
    """Read a price per night in a hotel's currency that Stripe would charge.

    Raises:
        RoomTypeError: the text is empty.
        AmountError: no amount, or one that cannot be charged.
    """
    if not text.strip():
        raise RoomTypeError(f"give a price, such as {Money(15000, currency)}")
    return check_chargeable(parse(text, currency))


def read_count(text: str) -> int:
    """The whole number in a text; -1, which no bounds allow, for anything else."""
    is_number = text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS
    return int(text) if is_number else -1


def check_count(term: str, number: int) -> int:
    """Return a number of guests or rooms.

    Raises:
        RoomTypeError: outside the bounds of `term`.
    """
    bounds = BOUNDS[term]
    if not bounds.least <= number <= bounds.most:
        raise RoomTypeError(f"give a whole number between {bounds.least} and {bounds.most}")
    return number


def code_from(name: str, taken: Collection[str]) -> str:
    """Make a code for requests from a name: `Double room` becomes `double-room`.

    Args:
        taken: codes the hotel's other room types have.
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    stem = _NOT_IN_CODES.sub("-", plain)[: CODE_LONGEST - 5].strip("-") or "room"
    code, number = stem, 1
    while code in taken:
        number += 1
        code = f"{stem}-{number}"
    return code
