"""The guests who arrive today, tomorrow or within a week, by the hotel's calendar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby
from types import MappingProxyType
from typing import Final
from urllib.parse import urlencode

from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncSession

from api.cursors import decode, encode
from api.errors import ProblemError
from api.outages import reading
from api.pages.staff.console import AtConsole, staff_router
from domain.booking import CLAIMS_ROOM, Status
from domain.deadlines import hotel_today, nights
from models import Booking, Hotel, RoomType, utc_now
from storage.booking_list import BookingFilter, Position, Sort, list_bookings, position
from wording import staff as words
from wording.values import count_in_words, people_in_words, short_day

router = staff_router()

PAGE: Final = 50
_ADDRESS: Final = "/staff/arrivals/"


@dataclass(frozen=True)
class ArrivalPeriod:
    """Days of arrivals.

    Args:
        name: its name in the address.
        offset: days from today to its first day.
        days: how many there are.
    """

    name: str
    title: str
    offset: int
    days: int

    @property
    def address(self) -> str:
        """The address of its page."""
        return _ADDRESS + (f"?period={self.name}" if self.offset or self.days > 1 else "")


_PERIODS: Final = (
    ArrivalPeriod("today", "Today", 0, 1),
    ArrivalPeriod("tomorrow", "Tomorrow", 1, 1),
    ArrivalPeriod("week", "Next 7 days", 0, 7),
)
PERIODS: Final[Mapping[str, ArrivalPeriod]] = MappingProxyType({period.name: period for period in _PERIODS})


@dataclass(frozen=True)
class ArrivalLine:
    """One booking whose guests arrive."""

    booking_id: str
    guest: str
    phone: str | None
    room: str
    people: str
    nights: str
    until: str
    status: Status
    status_words: str
    requests: str | None


@dataclass(frozen=True)
class ArrivalDay:
    """The arrivals of one day."""

    day: date
    name: str
    lines: Sequence[ArrivalLine]


@dataclass(frozen=True)
class ArrivalList:
    """One page of arrivals by day, and the address of the next."""

    days: Sequence[ArrivalDay]
    next_address: str | None


@router.get("/arrivals/")
async def arrivals(console: AtConsole, period: str = "", cursor: str = "") -> Response:
    """Guests who arrive, with their special requests."""
    chosen = PERIODS.get(period, _PERIODS[0])
    async with reading(console.services.database) as db:
        found = await arrival_list(db, console.hotel, chosen, _position(cursor), utc_now())
        frame = await console.frame(db)
    return await console.show(
        "arrivals.html",
        frame=frame,
        period=chosen,
        periods=_PERIODS,
        arrivals=found,
        is_first=not cursor,
    )


def _position(cursor: str) -> Position | None:
    try:
        return decode(cursor, Sort.CHECK_IN) if cursor else None
    except ProblemError:
        return None


async def arrival_list(
    db: AsyncSession, hotel: Hotel, period: ArrivalPeriod, after: Position | None, now: datetime
) -> ArrivalList:
    """Read one page of arrivals: confirmed bookings, and requests that may still be confirmed."""
    assert hotel.id is not None
    first = hotel_today(now, hotel.timezone) + timedelta(days=period.offset)
    filters = BookingFilter(
        statuses=sorted(CLAIMS_ROOM),
        check_in_from=first,
        check_in_to=first + timedelta(days=period.days - 1),
        sort=Sort.CHECK_IN,
        after=after,
        limit=PAGE + 1,
    )
    rows = await list_bookings(db, hotel.id, filters)
    page = rows[:PAGE]
    days = [
        ArrivalDay(day, short_day(day), [_line(booking, room) for booking, room in group])
        for day, group in groupby(page, key=lambda row: row[0].check_in)
    ]
    return ArrivalList(days, _next(period, page[-1][0]) if len(rows) > PAGE else None)


def _next(period: ArrivalPeriod, last: Booking) -> str:
    cursor = encode(position(last, Sort.CHECK_IN), Sort.CHECK_IN)
    return f"{_ADDRESS}?{urlencode({'period': period.name, 'cursor': cursor})}"


def _line(booking: Booking, room: RoomType) -> ArrivalLine:
    status = Status(booking.status)
    return ArrivalLine(
        booking_id=booking.booking_id,
        guest=f"{booking.guest_first_name} {booking.guest_last_name}",
        phone=booking.guest_phone,
        room=room.name,
        people=people_in_words(booking.adults, booking.children),
        nights=count_in_words(nights(booking.check_in, booking.check_out), "night"),
        until=short_day(booking.check_out),
        status=status,
        status_words=words.STATUS[status],
        requests=booking.special_requests,
    )
