"""The booking form: its fields, their meaning, and the texts for their errors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Any, Final

from pydantic import ValidationError

from api.schemas import NewBooking
from wording.values import sentence

LABELS: Final = MappingProxyType(
    {
        "room_type": "Room",
        "check_in": "Check-in",
        "check_out": "Check-out",
        "adults": "Adults",
        "children": "Children",
        "first_name": "First name",
        "last_name": "Last name",
        "email": "E-mail address",
        "phone": "Telephone",
        "special_requests": "Special requests",
    }
)
"""The form's fields, in the order and by the names of the page."""

_OF_THE_GUEST: Final = ("first_name", "last_name", "email", "phone")
_ISO_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_SMALL_NUMBER: Final = re.compile(r"[0-9]{1,3}")
_START: Final = MappingProxyType({"adults": "2", "children": "0"})

_EMPTY: Final = {
    "room_type": "Please choose a room.",
    "check_in": "Please choose the day you arrive.",
    "check_out": "Please choose the day you leave.",
}
# By the kind of Pydantic's error; for other kinds its own message is clear enough.
_WORDS: Final = {
    "date": "Please give a date.",
    "date_from_datetime_parsing": "There is no such date.",
    "date_parsing": "There is no such date.",
    "int_type": "Please give a number.",
    "greater_than_equal": "There has to be at least one adult.",
    "less_than_equal": "That is more than any room takes.",
    "string_too_long": "This is too long; it may have {max_length} characters.",
    "control_characters": "This contains characters that cannot be shown; please type it again.",
    "link_in_name": "Please write a name only, without a web or e-mail address.",
    "invisible_name": "Please write a name with visible letters.",
    "email": "This is not an e-mail address. They look like name@example.com.",
    "phone": "This is not a telephone number; write it like +353 1 234 5678.",
}


@dataclass(frozen=True)
class StayFields:
    """The dates and numbers of guests."""

    check_in: date
    check_out: date
    adults: int
    children: int


def values_of(fields: Mapping[str, str]) -> dict[str, str]:
    """The values the form shows: those typed, or its defaults."""
    return {name: fields.get(name, _START.get(name, "")).strip() for name in LABELS}


def read_booking(values: Mapping[str, str]) -> NewBooking | dict[str, str]:
    """The requested booking, or the errors by field."""
    try:
        return NewBooking.model_validate(_body(values))
    except ValidationError as error:
        found: dict[str, str] = {}
        for item in error.errors(include_url=False, include_input=False):
            name = str(item["loc"][-1])
            found.setdefault(name, _words(name, values.get(name, ""), item["type"], item.get("ctx", {})))
        return in_order(found)


def in_order(errors: Mapping[str, str]) -> dict[str, str]:
    """Sort errors by the form's order."""
    return {name: errors[name] for name in LABELS if name in errors}


def read_stay(values: Mapping[str, str]) -> StayFields | None:
    """The fields that a price depends on; None while they are incomplete."""
    try:
        check_in, check_out = (_date(values[name]) for name in ("check_in", "check_out"))
        adults, children = (_number(values[name]) for name in ("adults", "children"))
    except ValueError:
        return None
    return StayFields(check_in, check_out, adults, children) if adults else None


def refusals(members: Mapping[str, Any]) -> dict[str, str]:
    """The texts for a refusal of the API, by field of the form."""
    return {
        str(error["field"]).rpartition(".")[2]: sentence(str(error["message"]))
        for error in members.get("errors") or ()
    }


def _body(values: Mapping[str, str]) -> dict[str, Any]:
    guest = {name: values[name] for name in _OF_THE_GUEST}
    people = {
        name: int(values[name]) if _SMALL_NUMBER.fullmatch(values[name]) else values[name]
        for name in ("adults", "children")
    }
    rest = {name: values[name] for name in ("room_type", "check_in", "check_out", "special_requests")}
    return {**rest, **people, "guest": guest}


def _words(name: str, value: str, kind: str, context: Mapping[str, Any]) -> str:
    if not value:
        return _EMPTY.get(name, "Please fill this in.")
    return _WORDS.get(kind, "This is not valid; please check it.").format(**context)


def _date(text: str) -> date:
    # Python accepts more than one notation for a date; the API accepts this one.
    if not _ISO_DATE.fullmatch(text):
        raise ValueError(text)
    return date.fromisoformat(text)


def _number(text: str) -> int:
    if not _SMALL_NUMBER.fullmatch(text):
        raise ValueError(text)
    return int(text)
