"""The calendar: the free, claimed, waiting and blocked rooms of each type on thirty nights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from urllib.parse import urlencode

from sqlalchemy.ext.asyncio import AsyncSession

from domain.deadlines import hotel_today
from models import Hotel, RoomType
from storage.catalogue import room_types
from storage.room_calendar import NightOccupancy, blocks_between, occupancy
from storage.tables import RoomBlock
from wording.values import count_in_words, short_day, short_stay

ADDRESS: Final = "/staff/calendar/"
NIGHTS: Final = 30
FURTHEST: Final = timedelta(days=1095)
"""The calendar shows this long before and after today."""


@dataclass(frozen=True)
class CalendarCell:
    """The rooms of one type on one night. `free`, `confirmed`, `waiting` and `blocked` add up to all rooms.

    Args:
        free: below 0 where more rooms are claimed and blocked than there are.
        confirmed: rooms that confirmed bookings have claimed.
        waiting: rooms that requests to decide have claimed.
        address: the list of its bookings; None if there are none.
        label: the night, the room type and the counts, in words.
    """

    room: str
    free: int
    confirmed: int
    waiting: int
    blocked: int
    address: str | None
    label: str

    @property
    def counts(self) -> Sequence[tuple[str, str]]:
        """Each count's style and words; counts of nothing are left out, except free rooms."""
        free = "full" if self.free == 0 else f"{self.free} free"
        if self.free < 0:
            free = f"{-self.free} too many"
        counts = [("free" if self.free > 0 else "full", free)]
        others = (("claimed", self.confirmed), ("waiting", self.waiting), ("blocked", self.blocked))
        return counts + [(kind, f"{count} {kind}") for kind, count in others if count]


@dataclass(frozen=True)
class CalendarNight:
    """One night of the calendar, with a cell for each room type."""

    day: date
    name: str
    is_today: bool
    is_weekend: bool
    cells: Sequence[CalendarCell]


@dataclass(frozen=True)
class BlockLine:
    """A block of rooms in words."""

    id: int
    room: str
    rooms: str
    nights: str
    note: str | None


@dataclass(frozen=True)
class RoomCalendar:
    """Thirty nights of a hotel, and the blocks among them."""

    first: date
    today: date
    room_types: Sequence[RoomType]
    nights: Sequence[CalendarNight]
    blocks: Sequence[BlockLine]

    @property
    def days(self) -> str:
        """The first and the last night, in words."""
        return short_stay(self.nights[0].day, self.nights[-1].day)

    @property
    def earlier(self) -> str | None:
        """The address of the nights before; None at the calendar's beginning."""
        first = max(self.first - timedelta(days=NIGHTS), self.today - FURTHEST)
        return calendar_address(first) if first < self.first else None

    @property
    def later(self) -> str | None:
        """The address of the nights after; None at the calendar's end."""
        first = min(self.first + timedelta(days=NIGHTS), self.today + FURTHEST)
        return calendar_address(first) if first > self.first else None


def calendar_address(first: date, **more: str) -> str:
    """The address of the calendar from one night on."""
    return f"{ADDRESS}?{urlencode({'first': first.isoformat(), **more})}"


def first_shown(text: str, today: date) -> date:
    """The first night that an address asks for: today, unless it names a day within the calendar."""
    day = read_day(text)
    return day if day is not None and abs(day - today) <= FURTHEST else today


def read_day(text: str) -> date | None:
    """The day in a text; None if it is none."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


async def room_calendar(db: AsyncSession, hotel: Hotel, first: str, now: datetime) -> RoomCalendar:
    """Read thirty nights from the one that an address asks for."""
    assert hotel.id is not None
    today = hotel_today(now, hotel.timezone)
    start = first_shown(first, today)
    days = (start, start + timedelta(days=NIGHTS))
    types = await room_types(db, hotel.id)
    known = await occupancy(db, hotel.id, days)

    def cell(room_type: RoomType, day: date) -> CalendarCell:
        assert room_type.id is not None
        unused = NightOccupancy(room_type.rooms + hotel.overbooking)
        return _cell(room_type, day, known.get((room_type.id, day), unused))

    nights = [
        CalendarNight(
            day, short_day(day), day == today, day.weekday() >= 5, [cell(each, day) for each in types]
        )
        for day in (start + timedelta(days=number) for number in range(NIGHTS))
    ]
    blocks = [block_line(*row) for row in await blocks_between(db, hotel.id, days)]
    return RoomCalendar(start, today, types, nights, blocks)


def _cell(room_type: RoomType, day: date, night: NightOccupancy) -> CalendarCell:
    query = urlencode({"view": "all", "room": room_type.code, "night": day.isoformat()})
    free = night.capacity - night.claimed - night.blocked
    bookings = count_in_words(night.claimed, "booking")
    return CalendarCell(
        room=room_type.name,
        free=free,
        confirmed=night.claimed - night.waiting,
        waiting=night.waiting,
        blocked=night.blocked,
        address=f"/staff/?{query}" if night.claimed else None,
        label=f"{bookings} of {room_type.name}, {short_day(day)}",
    )


def block_line(block: RoomBlock, room_type: RoomType) -> BlockLine:
    """A block in words."""
    assert block.id is not None
    last = block.end_day - timedelta(days=1)
    stretch = short_stay(block.first_night, last) if last > block.first_night else short_day(last)
    return BlockLine(block.id, room_type.name, count_in_words(block.rooms, "room"), stretch, block.note)
