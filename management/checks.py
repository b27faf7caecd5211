"""Checks of operators' input. Each returns the value as it is stored, or refuses it with a reason."""

from __future__ import annotations

import re
from typing import Annotated, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from api.accounts import staff_address
from domain.accounts import check_password
from domain.errors import DomainError
from domain.identifiers import ALPHABET
from domain.money import Money, decimals
from domain.room_types import CODE_LONGEST, RoomTypeError, check_name, check_price

_NAME_IN_ADDRESSES: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_BOOKING_ID: Final = re.compile(rf"BK(-[{ALPHABET}]{{5}}){{3}}")


def slug(text: str) -> str:
    """A hotel's name in URLs, such as `hotel-killarney`."""
    return _code(text, longest=60)


def code(text: str) -> str:
    """A room type's name in requests, such as `double`."""
    return _code(text, longest=CODE_LONGEST)


def _code(text: str, *, longest: int) -> str:
    if len(text) > longest or not _NAME_IN_ADDRESSES.fullmatch(text):
        raise typer.BadParameter(
            f"{text!r}: use small letters, digits and single hyphens, at most {longest} characters"
        )
    return text


def name(text: str | None) -> str | None:
    """A name for guests: one line, not empty."""
    if text is None:
        return None
    try:
        return check_name(text)
    except RoomTypeError as error:
        raise typer.BadParameter(str(error)) from None


def currency(text: str | None) -> str | None:
    """An ISO 4217 code the product charges in."""
    if text is None:
        return None
    try:
        decimals(text.upper())
    except DomainError as error:
        raise typer.BadParameter(str(error)) from None
    return text.upper()


def timezone(text: str | None) -> str | None:
    """An IANA time zone, such as `Europe/Dublin`."""
    if text is None:
        return None
    try:
        return ZoneInfo(text).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise typer.BadParameter(f"{text!r} is no IANA time zone; write it like Europe/Dublin") from None


def price(text: str, of_currency: str) -> Money:
    """A price per night in a hotel's currency, within Stripe's limits.

    Raises:
        typer.BadParameter: not an amount, or one that Stripe cannot charge.
    """
    try:
        return check_price(text, of_currency)
    except DomainError as error:
        raise typer.BadParameter(str(error), param_hint="--price-per-night") from None


def email(text: str) -> str:
    """An e-mail address in lower case; log-ins ignore case."""
    try:
        return staff_address(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def password(text: str) -> str:
    """A password of the minimum length."""
    try:
        return check_password(text)
    except DomainError as error:
        raise typer.BadParameter(str(error)) from None


def booking_id(text: str) -> str:
    """A booking's id, forgiving of case and spaces."""
    text = text.strip().upper()
    if not _BOOKING_ID.fullmatch(text):
        raise typer.BadParameter(f"{text!r} is no booking id; they look like BK-7Q2M9-XKD4T-ZRW3H")
    return text


BookingId = Annotated[
    str, typer.Argument(callback=booking_id, metavar="ID", help="Such as BK-7Q2M9-XKD4T-ZRW3H.")
]
