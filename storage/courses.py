"""Bookings with what has happened to them, read together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from domain.booking import DECIDED_AS
from models import Booking, BookingCommand, BookingTimeline, Hotel, RoomType

_PENDING: Final = (
    select(col(BookingCommand.kind))
    .where(
        col(BookingCommand.booking_id) == col(BookingTimeline.booking_id),
        col(BookingCommand.closed_at).is_(None),
        col(BookingCommand.kind).in_(list(DECIDED_AS)),
    )
    .order_by(col(BookingCommand.created_at))
    .limit(1)
    .correlate(BookingTimeline)
    .scalar_subquery()
)
_ONE: Final = (
    select(Booking, Hotel, RoomType, BookingTimeline, _PENDING)
    .join(Hotel, col(Hotel.id) == col(Booking.hotel_id))
    .join(RoomType, col(RoomType.id) == col(Booking.room_type_id))
    .join(BookingTimeline, col(BookingTimeline.booking_id) == col(Booking.booking_id))
    .where(col(Booking.booking_id) == bindparam("booking_id"))
    .order_by(col(BookingTimeline.version))
)
_SEVERAL: Final = (
    select(BookingTimeline, _PENDING)
    .where(col(BookingTimeline.booking_id).in_(bindparam("ids", expanding=True)))
    .order_by(col(BookingTimeline.version))
)


@dataclass
class BookingCourse:
    """What has happened to a booking, oldest first, and the oldest decision that has no outcome yet."""

    timeline: list[BookingTimeline] = field(default_factory=list)
    pending_decision: str | None = None


async def booking_with_course(
    db: AsyncSession, booking_id: str
) -> tuple[Booking, Hotel, RoomType, BookingCourse] | None:
    """Find a booking with its hotel, room type and course, whichever hotel it belongs to."""
    rows = (await db.execute(_ONE, {"booking_id": booking_id})).all()
    if not rows:
        return None
    booking, hotel, room_type, _, pending = rows[0]
    return booking, hotel, room_type, BookingCourse([row[3] for row in rows], pending)


async def courses_of(db: AsyncSession, booking_ids: Sequence[str]) -> dict[str, BookingCourse]:
    """The courses of several bookings, by booking id."""
    found: dict[str, BookingCourse] = defaultdict(BookingCourse)
    for line, pending in await db.execute(_SEVERAL, {"ids": booking_ids}):
        found[line.booking_id].timeline.append(line)
        found[line.booking_id].pending_decision = pending
    return found
