"""Bookings with what has happened to them, read together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from sqlalchemy import Boolean, bindparam, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from domain.booking import DECIDED_AS
from models import Booking, BookingCommand, BookingTimeline, Hotel, RoomType
from storage.rooms import ROOMS_TAKEN

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
    select(
        Booking,
        Hotel,
        RoomType,
        BookingTimeline,
        _PENDING,
        col(RoomType.rooms) + col(Hotel.overbooking) - ROOMS_TAKEN,
    )
    .join(Hotel, col(Hotel.id) == col(Booking.hotel_id))
    .join(RoomType, col(RoomType.id) == col(Booking.room_type_id))
    .join(BookingTimeline, col(BookingTimeline.booking_id) == col(Booking.booking_id))
    .where(col(Booking.booking_id) == bindparam("booking_id"))
    .order_by(col(BookingTimeline.version))
)
_ONCE_ANSWERED: Final = (
    _ONE.add_columns(col(BookingCommand.outcome))
    .join(BookingCommand, col(BookingCommand.booking_id) == col(Booking.booking_id))
    .where(
        col(BookingCommand.command_id) == bindparam("command_id"),
        or_(
            col(BookingCommand.outcome).is_not(None),
            col(Booking.needs_attention) & ~bindparam("needed_attention", type_=Boolean),
        ),
    )
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


BookingWithCourse: TypeAlias = tuple[Booking, Hotel, RoomType, BookingCourse, int]
"""A booking, its hotel, room type and course, and the rooms left of this type on its fullest night."""


async def booking_with_course(db: AsyncSession, booking_id: str) -> BookingWithCourse | None:
    """Find a booking, whichever hotel it belongs to."""
    rows = (await db.execute(_ONE, {"booking_id": booking_id})).all()
    return _with_course(rows) if rows else None


async def booking_once_answered(
    db: AsyncSession, command_id: str, booking: Booking
) -> tuple[BookingWithCourse, str | None] | None:
    """Find a booking as `booking_with_course` does, and a command's outcome, as soon as there is news of the command.

    Args:
        booking: its row, as it was when the command was sent.

    Returns:
        None while the command has no outcome. Without an outcome, the booking has come to need attention since.
    """
    asked = {
        "booking_id": booking.booking_id,
        "command_id": command_id,
        "needed_attention": booking.needs_attention,
    }
    rows = (await db.execute(_ONCE_ANSWERED, asked)).all()
    return (_with_course(rows), rows[0].outcome) if rows else None


def _with_course(rows: Sequence[tuple[Any, ...]]) -> BookingWithCourse:
    booking, hotel, room_type, _, pending, rooms_left = rows[0][:6]
    return booking, hotel, room_type, BookingCourse([row[3] for row in rows], pending), rooms_left


async def courses_of(db: AsyncSession, booking_ids: Sequence[str]) -> dict[str, BookingCourse]:
    """The courses of several bookings, by booking id."""
    found: dict[str, BookingCourse] = defaultdict(BookingCourse)
    for line, pending in await db.execute(_SEVERAL, {"ids": booking_ids}):
        found[line.booking_id].timeline.append(line)
        found[line.booking_id].pending_decision = pending
    return found
