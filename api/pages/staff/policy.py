"""The hotel's terms and contact, set by its managers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Final

from fastapi.responses import Response
from pydantic import ValidationError

from api.outages import transaction
from api.pages.staff.console import Console, ManagingConsole, staff_router
from api.schemas import ContactIn
from domain.hotel_terms import BOUNDS, HotelTerms, TermsError, check_term
from models import Hotel
from storage.catalogue import hotel_by_slug

router = staff_router()

_UNITS: Final = {"days": 86400, "hours": 3600, "minutes": 60, "seconds": 1}
_SPANS: Final = ("approval_sla_s", "payment_window_s")
_NUMBERS: Final = (
    "check_in_hour",
    "check_out_hour",
    "cutoff_days_before",
    "cutoff_hour",
    "free_cancel_days",
    "late_cancel_fee_percent",
)
_CONTACT: Final = tuple(ContactIn.model_fields)
_MOST_DIGITS: Final = 9

_LABELS: Final = {
    "check_in_hour": "Check-in from",
    "check_out_hour": "Check-out by",
    "approval_sla_s": "The hotel answers within",
    "payment_window_s": "Guests pay within",
    "cutoff_days_before": "Days before check-in",
    "cutoff_hour": "At this hour",
    "free_cancel_days": "Free until",
    "late_cancel_fee_percent": "Fee after that",
    "contact_email": "E-mail address for guests",
    "contact_phone": "Telephone for guests",
    "address": "Address",
    "directions": "Directions",
    "location": "Place on the map",
}

Values = dict[str, str]
Errors = dict[str, str]


@router.get("/policy/")
async def policy(console: ManagingConsole, saved: str = "") -> Response:
    """Show the terms."""
    return await _show(console, _values(console.hotel), saved=bool(saved))


@router.post("/policy/")
async def change_policy(console: ManagingConsole) -> Response:
    """Set both; earlier bookings keep their terms, but not the hotel's old telephone number."""
    form = await console.page.form()
    terms, errors = _read_terms(form)
    contact, mistakes = _read_contact(form)
    if terms is None or contact is None:
        values = _values(console.hotel) | dict(form)
        return await _show(console, values, errors=errors | mistakes, status=422)
    async with transaction(console.services.database) as db:
        hotel = await hotel_by_slug(db, console.hotel.slug, lock=True)
        assert hotel is not None
        for name, value in (asdict(terms) | contact.model_dump()).items():
            setattr(hotel, name, value)
    return console.page.redirect("/staff/policy/?saved=yes")


async def _show(
    console: Console,
    values: Values,
    *,
    errors: Mapping[str, str] | None = None,
    saved: bool = False,
    status: int = 200,
) -> Response:
    hotel = console.hotel
    policy = hotel.cancellation_policy
    return await console.show(
        "policy.html",
        status,
        values=values,
        errors=errors or {},
        saved=saved,
        units=[(unit, unit) for unit in reversed(_UNITS)],
        labels=_LABELS,
        bounds=BOUNDS,
        in_words=policy.in_words(),
    )


def _values(hotel: Hotel) -> Values:
    """Terms and contact as values of the form's fields."""
    values = {name: str(getattr(hotel, name)) for name in _NUMBERS}
    values |= {name: getattr(hotel, name) or "" for name in _CONTACT}
    for name in _SPANS:
        seconds: int = getattr(hotel, name)
        unit = next(unit for unit, each in _UNITS.items() if seconds % each == 0)
        values |= {name: str(seconds // _UNITS[unit]), f"{name}_unit": unit}
    return values


def _read_terms(form: Mapping[str, str]) -> tuple[HotelTerms | None, Errors]:
    """The terms, or the errors by field."""
    values: dict[str, int] = {}
    errors: Errors = {}
    for name in BOUNDS:
        try:
            values[name] = _span(form, name) if name in _SPANS else _number(form, name)
            check_term(name, values[name])
        except TermsError as error:
            errors[name] = f"{error}."
    return (None if errors else HotelTerms(**values)), errors


def _read_contact(form: Mapping[str, str]) -> tuple[ContactIn | None, Errors]:
    # Browsers send line ends as two characters; counted as one, the text fits the limit shown to its author.
    given = {name: text for name in _CONTACT if (text := form.get(name, "").replace("\r\n", "\n").strip())}
    try:
        return ContactIn.model_validate(given), {}
    except ValidationError as error:
        return None, {str(item["loc"][0]): _mistake(item["type"], item["msg"]) for item in error.errors()}


def _mistake(kind: str, words: str) -> str:
    return "is too long." if kind == "string_too_long" else f"{words}."


def _span(form: Mapping[str, str], name: str) -> int:
    """A duration in seconds, within its bounds."""
    unit = _UNITS.get(form.get(f"{name}_unit", ""))
    if unit is None:
        raise TermsError(name, "must have a unit")
    seconds = _number(form, name) * unit
    bounds = BOUNDS[name]
    if not bounds.least <= seconds <= bounds.most:
        raise TermsError(name, f"must be between a second and {bounds.most // _UNITS['days']} days")
    return seconds


def _number(form: Mapping[str, str], name: str) -> int:
    text = form.get(name, "").strip()
    if not text.isascii() or not text.isdecimal() or len(text) > _MOST_DIGITS:
        raise TermsError(name, "must be a whole number")
    return int(text)
