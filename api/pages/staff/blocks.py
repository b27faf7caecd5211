"""The calendar's pages, and blocking rooms from there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Final

from fastapi.responses import Response

from api.outages import reading, transaction
from api.pages.staff.calendar import FURTHEST, block_line, calendar_address, read_day, room_calendar
from api.pages.staff.console import AtConsole, Console, ManagingConsole, staff_router
from domain.deadlines import hotel_today
from domain.errors import DomainError
from domain.room_types import BOUNDS, NAME_LONGEST, check_count, check_name, read_count
from models import RoomType, utc_now
from storage.catalogue import hotel_by_slug, room_type_by_code
from storage.room_blocks import LONGEST_BLOCK, BlockedStretch, RoomsTakenError, block_rooms, unblock_rooms
from storage.room_calendar import block_of_hotel
from wording.values import count_in_words, sentence, short_day

router = staff_router()

_LABELS: Final = {
    "room_type": "Room type",
    "first_night": "First night",
    "last_night": "Last night",
    "rooms": "Rooms to block",
    "note": "Note",
}
_DONE: Final = {
    "blocked": "The rooms are blocked.",
    "unblocked": "The rooms are back in service.",
    "unchanged": "This block was there already; nothing changed.",
    "gone": "This block is not there any more; nothing changed.",
}


@dataclass(frozen=True)
class BlockRefusal:
    """Why rooms were not blocked.

    Args:
        errors: words by the form's field.
        booking_ids: bookings that prevent it; the first ones, if they are many.
        unnamed: how many more prevent it.
    """

    errors: Mapping[str, str]
    booking_ids: Sequence[str] = ()
    unnamed: int = 0


@dataclass(frozen=True)
class BlockForm:
    """The block that a manager asks for; what is wrong with the form is in `errors`."""

    room_type: str
    stretch: BlockedStretch
    rooms: int
    note: str | None
    errors: dict[str, str] = field(default_factory=dict)


@router.get("/calendar/")
async def calendar(console: AtConsole, first: str = "", done: str = "") -> Response:
    """Thirty nights of every room type."""
    return await _show(console, first, done=_DONE.get(done))


@router.post("/calendar/")
async def block(console: ManagingConsole, first: str = "") -> Response:
    """Block rooms, unless bookings claim them."""
    form = await console.page.form()
    wanted = _read(form, hotel_today(utc_now(), console.hotel.timezone))
    outcome = BlockRefusal(wanted.errors) if wanted.errors else await _block(console, wanted)
    if isinstance(outcome, BlockRefusal):
        return await _show(console, first, form=form, refusal=outcome)
    return console.page.redirect(calendar_address(wanted.stretch.first_night, done=outcome))


@router.post("/calendar/unblock/")
async def unblock(console: ManagingConsole) -> Response:
    """Put the rooms of a block back into service."""
    form = await console.page.form()
    today = hotel_today(utc_now(), console.hotel.timezone)
    first = read_day(form.get("first", "")) or today
    async with transaction(console.services.database) as db:
        await hotel_by_slug(db, console.hotel.slug, lock=True)
        found = await block_of_hotel(db, console.hotel_id, max(0, read_count(form.get("block", ""))))
        if found is None:
            return console.page.redirect(calendar_address(first, done="gone"))
        await unblock_rooms(db, found[1], found[0])
    return console.page.redirect(calendar_address(first, done="unblocked"))


async def _block(console: Console, wanted: BlockForm) -> str | BlockRefusal:
    try:
        async with transaction(console.services.database) as db:
            # Locked, so that no booking begins a night meanwhile.
            await hotel_by_slug(db, console.hotel.slug, lock=True)
            room_type = await room_type_by_code(db, console.hotel_id, wanted.room_type)
            if room_type is None:
                return BlockRefusal({"room_type": "Choose a room type."})
            present = await block_rooms(db, room_type, wanted.stretch, wanted.rooms, wanted.note)
    except RoomsTakenError as error:
        return BlockRefusal({"rooms": _too_few(error.nights)}, error.booking_ids, error.unnamed)
    if present is None:
        return "blocked"
    if (present.rooms, present.note) == (wanted.rooms, wanted.note):
        return "unchanged"
    there = block_line(present, room_type)
    return BlockRefusal({"rooms": f"These nights have a block of {there.rooms} already: unblock it first."})


def _too_few(nights: Sequence[date]) -> str:
    more = f" and {count_in_words(len(nights) - 1, 'more night')}" if len(nights) > 1 else ""
    return f"Too few rooms would be left on {short_day(nights[0])}{more}."


def _read(form: Mapping[str, str], today: date) -> BlockForm:
    first, last = (read_day(form.get(name, "")) for name in ("first_night", "last_night"))
    errors = _errors_of_days(first, last, today)
    rooms, note = 0, None
    try:
        rooms = check_count("rooms", read_count(form.get("rooms", "").strip()))
    except DomainError as error:
        errors["rooms"] = f"{sentence(str(error))}."
    try:
        note = check_name(form["note"]) if form.get("note", "").strip() else None
    except DomainError as error:
        errors["note"] = f"{sentence(str(error))}."
    first, last = first or today, last or today
    end_day = last + timedelta(days=1) if not errors else last
    return BlockForm(form.get("room_type", ""), BlockedStretch(first, end_day), rooms, note, errors)


def _errors_of_days(first: date | None, last: date | None, today: date) -> dict[str, str]:
    errors = {}
    if first is None or not today <= first <= today + FURTHEST:
        errors["first_night"] = "Give a night from today on, within the next three years."
    elif last is None or not 0 <= (last - first).days < LONGEST_BLOCK:
        errors["last_night"] = (
            f"Give a night from the first one on; a block has at most {LONGEST_BLOCK} nights."
        )
    return errors


async def _show(
    console: Console,
    first: str,
    *,
    done: str | None = None,
    form: Mapping[str, str] | None = None,
    refusal: BlockRefusal | None = None,
) -> Response:
    async with reading(console.services.database) as db:
        shown = await room_calendar(db, console.hotel, first, utc_now())
        frame = await console.frame(db)
    return await console.show(
        "calendar.html",
        422 if refusal else 200,
        frame=frame,
        calendar=shown,
        done=done,
        values=form or {},
        errors=refusal.errors if refusal else {},
        against=refusal.booking_ids if refusal else (),
        unnamed=count_in_words(refusal.unnamed, "more booking") if refusal and refusal.unnamed else None,
        **_form_context(shown.room_types, shown.today),
    )


def _form_context(types: Sequence[RoomType], today: date) -> dict[str, Any]:
    return {
        "labels": _LABELS,
        "room_choices": [(each.code, each.name) for each in types],
        "earliest": today.isoformat(),
        "latest": (today + FURTHEST).isoformat(),
        "most_rooms": BOUNDS["rooms"].most,
        "longest_note": NAME_LONGEST,
    }
