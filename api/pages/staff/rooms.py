"""Rooms and prices, set by the hotel's managers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

from fastapi import Path
from fastapi.responses import Response

from api.errors import not_found
from api.outages import reading, transaction
from api.pages.staff.console import Console, ManagingConsole, staff_router
from domain.errors import DomainError
from domain.money import Money
from domain.room_types import (
    BOUNDS,
    CODE_LONGEST,
    NAME_LONGEST,
    check_count,
    check_name,
    check_price,
    code_from,
    read_count,
)
from models import Hotel, RoomType
from storage.catalogue import (
    change_overbooking,
    change_room_type,
    hotel_by_slug,
    room_type_by_code,
    room_types,
)
from storage.room_blocks import RoomsTakenError
from wording.values import money_in_words, sentence

router = staff_router()

_ADDRESS: Final = "/staff/rooms/"
_LABELS: Final = {
    "name": "Name",
    "price_per_night": "Price per night",
    "max_guests": "Guests at most",
    "rooms": "Rooms of this type",
    "overbooking": "Overbooking allowance",
}
_NAME_TAKEN: Final = "Another room type has this name: guests could not tell them apart."

Code = Annotated[str, Path(max_length=CODE_LONGEST, pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
Errors = dict[str, str]


@router.get("/rooms/")
async def rooms(console: ManagingConsole, saved: str = "", allowance: str = "") -> Response:
    """List every room type with its price, and the overbooking allowance."""
    return await _show(console, saved=saved, allowance_saved=bool(allowance))


@router.post("/rooms/")
async def add_room_type(console: ManagingConsole) -> Response:
    """Add a room type."""
    form = await console.page.form()
    code, errors = await _save(console, form)
    if errors:
        return await _show(console, form=form, errors=errors, status=422)
    return console.page.redirect(f"{_ADDRESS}?saved={code}")


@router.post("/overbooking/")
async def set_overbooking(console: ManagingConsole) -> Response:
    """Set how many rooms of each type may be sold beyond those the hotel has."""
    form = await console.page.form()
    text = form.get("overbooking", "").strip()
    try:
        allowance = check_count("overbooking", read_count(text))
        async with transaction(console.services.database) as db:
            hotel = await hotel_by_slug(db, console.hotel.slug, lock=True)
            assert hotel is not None
            await change_overbooking(db, hotel, allowance)
    except DomainError as error:
        words = f"{sentence(str(error))}."
    except RoomsTakenError as error:
        words = f"{error.name}: {error}."
    else:
        return console.page.redirect(f"{_ADDRESS}?allowance=saved")
    return await _show(console, form=form, errors={"overbooking": words}, status=422)


@router.get("/rooms/{code}/")
async def room_type(console: ManagingConsole, code: Code) -> Response:
    """Show one room type."""
    return await _show_room_type(console, await _find(console, code))


@router.post("/rooms/{code}/")
async def change(console: ManagingConsole, code: Code) -> Response:
    """Change a room type; earlier bookings keep their price."""
    form = await console.page.form()
    found = await _find(console, code)
    try:
        _, errors = await _save(console, form, code)
    except RoomsTakenError as error:
        errors = {"rooms": f"{sentence(str(error))}."}
    if errors:
        return await _show_room_type(console, found, form=form, errors=errors, status=422)
    return console.page.redirect(f"{_ADDRESS}?saved={code}")


async def _save(console: Console, form: Mapping[str, str], code: str | None = None) -> tuple[str, Errors]:
    """Add a room type, or change the one with that code.

    Returns:
        Its code, and the errors by field; with errors, no change is written.

    Raises:
        RoomsTakenError: bookings occupy more rooms than would be left.
    """
    async with transaction(console.services.database) as db:
        # Locked, so that neither the hotel's currency nor its room types change meanwhile.
        hotel = await hotel_by_slug(db, console.hotel.slug, lock=True)
        assert hotel is not None
        others = {each.code: each for each in await room_types(db, console.hotel_id)}
        row = others.pop(code, None) if code else None
        values, errors = _read(form, hotel)
        if "name" in values and values["name"].casefold() in {
            each.name.casefold() for each in others.values()
        }:
            errors["name"] = _NAME_TAKEN
        if errors:
            return "", errors
        if row is not None:
            await change_room_type(db, hotel, row, values)
            return row.code, {}
        row = RoomType(hotel_id=console.hotel_id, code=code_from(values["name"], others), **values)
        db.add(row)
        return row.code, {}


async def _find(console: Console, code: str) -> RoomType:
    async with reading(console.services.database) as db:
        found = await room_type_by_code(db, console.hotel_id, code)
    if found is None:
        raise not_found("room type")
    return found


async def _show(
    console: Console,
    *,
    saved: str = "",
    allowance_saved: bool = False,
    form: Mapping[str, str] | None = None,
    errors: Errors | None = None,
    status: int = 200,
) -> Response:
    async with reading(console.services.database) as db:
        found = await room_types(db, console.hotel_id)
    currency = console.hotel.currency
    lines = [(each, money_in_words(each.price_per_night_minor, currency)) for each in found]
    return await console.show(
        "rooms.html",
        status,
        lines=lines,
        saved=next((each.name for each in found if each.code == saved), None),
        allowance_saved=allowance_saved,
        values={"overbooking": console.hotel.overbooking, **(form or {})},
        errors=errors or {},
        **_form_context(console.hotel),
    )


async def _show_room_type(
    console: Console,
    found: RoomType,
    *,
    form: Mapping[str, str] | None = None,
    errors: Errors | None = None,
    status: int = 200,
) -> Response:
    price = str(Money(found.price_per_night_minor, console.hotel.currency))
    kept = {
        "name": found.name,
        "price_per_night": price,
        "max_guests": found.max_guests,
        "rooms": found.rooms,
    }
    return await console.show(
        "room_type.html",
        status,
        room_type=found,
        values=form or kept,
        errors=errors or {},
        **_form_context(console.hotel),
    )


def _form_context(hotel: Hotel) -> dict[str, Any]:
    example = Money(15000, hotel.currency)
    return {"labels": _LABELS, "bounds": BOUNDS, "name_longest": NAME_LONGEST, "example": example}


def _read(form: Mapping[str, str], hotel: Hotel) -> tuple[dict[str, Any], Errors]:
    """A room type's columns, and the errors by field."""
    readers: dict[str, tuple[str, Callable[[str], Any]]] = {
        "name": ("name", check_name),
        "price_per_night": ("price_per_night_minor", lambda text: check_price(text, hotel.currency).minor),
        "max_guests": ("max_guests", lambda text: check_count("max_guests", read_count(text))),
        "rooms": ("rooms", lambda text: check_count("rooms", read_count(text))),
    }
    values: dict[str, Any] = {}
    errors: Errors = {}
    for field, (column, read) in readers.items():
        try:
            values[column] = read(form.get(field, "").strip())
        except DomainError as error:
            errors[field] = f"{sentence(str(error))}."
    return values, errors
