"""`room-type block` and `unblock`: rooms out of service or sold elsewhere; and how refusals name the bookings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from management import checks
from management.tools import Tools, fail, say, tools_of
from models import Hotel, RoomType
from storage import catalogue
from storage.room_blocks import (
    LONGEST_BLOCK,
    BlockedStretch,
    RoomsTakenError,
    block_rooms,
    find_block,
    overlapping_blocks,
    unblock_rooms,
)
from storage.tables import RoomBlock
from wording.values import count_in_words

OfHotel = Annotated[str, typer.Option("--hotel", callback=checks.slug, help="The hotel's slug.")]
Code = Annotated[str, typer.Option("--code", callback=checks.code, help="The room type's name in requests.")]
From = Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="The first night.")]
To = Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="The day after the last night.")]
Rooms = Annotated[int, typer.Option(min=1, max=10_000, help="Number of rooms to block.")]
Note = Annotated[str | None, typer.Option(callback=checks.name, help="The reason, for staff only.")]


def block(
    context: typer.Context, hotel: OfHotel, code: Code, first: From, end: To, rooms: Rooms, note: Note = None
) -> None:
    """Take rooms out of service, or note that they are sold elsewhere. A repeat changes nothing."""
    stretch, tools = _stretch(first, end), tools_of(context)

    async def work() -> RoomBlock | None:
        async with tools.database() as database, database.transaction() as db:
            _, room_type = await locked_room_type(db, hotel, code)
            with bookings_named(f"{count_in_words(rooms, 'room')} of {code} cannot be blocked"):
                return await block_rooms(db, room_type, stretch, rooms, note)

    present = tools.run(work())
    if present is None:
        say(f"{count_in_words(rooms, 'room')} of {hotel}/{code} blocked: {_nights(stretch)}.")
    elif (present.rooms, present.note) == (rooms, note):
        say(f"{hotel}/{code} is so already; nothing changed.")
    else:
        fail(f"{hotel}/{code} has a block for these nights already: {_described(present)}. Unblock it first.")


def unblock(
    context: typer.Context,
    hotel: OfHotel,
    code: Code,
    first: From,
    end: To,
    rooms: Annotated[
        int | None,
        typer.Option(min=1, max=10_000, help="The number of rooms that the block must have, as a check."),
    ] = None,
    note: Note = None,
) -> None:
    """Put the rooms of a block back into service. A repeat changes nothing."""
    stretch, tools = _stretch(first, end), tools_of(context)
    asked = {name: value for name, value in (("rooms", rooms), ("note", note)) if value is not None}
    done = tools.run(_unblock(tools, (hotel, code), stretch, asked))
    say(f"{hotel}/{code}: {done} back in service." if done else "Nothing is blocked there; nothing changed.")


async def _unblock(
    tools: Tools, name: tuple[str, str], stretch: BlockedStretch, asked: Mapping[str, object]
) -> str | None:
    async with tools.database() as database, database.transaction() as db:
        _, room_type = await locked_room_type(db, *name)
        found = await find_block(db, room_type, stretch)
        if found is not None:
            if any(getattr(found, key) != value for key, value in asked.items()):
                fail(f"The block is another one: {_described(found)}.")
            await unblock_rooms(db, room_type, found)
            return _described(found)
        others = await overlapping_blocks(db, room_type, stretch)
        if others:
            told = "; ".join(_described(other) for other in others)
            fail(f"No block has exactly these nights. There are: {told}.")
        return None


async def locked_room_type(db: AsyncSession, slug: str, code: str) -> tuple[Hotel, RoomType]:
    """A hotel and its room type, while no booking claims a room it has not claimed yet."""
    hotel = await catalogue.hotel_by_slug(db, slug, lock=True)
    if hotel is None or hotel.id is None:
        fail(f"There is no hotel {slug}. `hotel add {slug}` adds it.")
    room_type = await catalogue.room_type_by_code(db, hotel.id, code)
    if room_type is None:
        fail(f"{slug} has no room type {code}.")
    return hotel, room_type


@contextmanager
def bookings_named(what: str) -> Iterator[None]:
    """End the command, and name the nights and bookings that prevent it.

    Args:
        what: which change cannot be made.
    """
    try:
        yield
    except RoomsTakenError as error:
        fail(f"{what}: {error}.")


def _stretch(first: datetime, end: datetime) -> BlockedStretch:
    nights = (end - first).days
    if not 1 <= nights <= LONGEST_BLOCK:
        raise typer.BadParameter(f"--to lies 1 to {LONGEST_BLOCK} days after --from")
    return BlockedStretch(first.date(), end.date())


def _nights(stretch: BlockedStretch) -> str:
    count = (stretch.end_day - stretch.first_night).days
    return f"{count_in_words(count, 'night')} from {stretch.first_night}"


def _described(block: RoomBlock) -> str:
    note = f" ({block.note})" if block.note else ""
    stretch = BlockedStretch(block.first_night, block.end_day)
    return f"{count_in_words(block.rooms, 'room')}, {_nights(stretch)}{note}"
