"""Lists and counts of the staff console beside the queue itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Date, SQLColumnExpression, and_, cast, func, select, true
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from domain.booking import DECIDED_AS, UNDER_DECISION, ActorKind, Decision, Event, Status
from domain.decisions import CommandOutcome
from models import Booking, BookingCommand, BookingTimeline, RoomType
from storage.bookings import DECISION_EVENTS

COUNTED_AT_MOST: Final = 1000
"""A badge above this number is no more useful, and an exact count would cost more with each booking."""

_BY_PEOPLE: Final = (Event.APPROVED, Event.DECLINED)


async def count_waiting(db: AsyncSession, hotel_id: int) -> int:
    """The number of requests that wait for a decision; counting stops at `COUNTED_AT_MOST`."""
    waiting = col(Booking.status) == Status.PENDING_APPROVAL
    return await _count(db, hotel_id, waiting, col(Booking.decision_deadline))


async def count_attention(db: AsyncSession, hotel_id: int) -> int:
    """The number of bookings that need attention; counting stops at `COUNTED_AT_MOST`."""
    return await _count(db, hotel_id, col(Booking.needs_attention) == true(), col(Booking.updated_at))


async def _count(
    db: AsyncSession, hotel_id: int, condition: ColumnElement[bool], order: SQLColumnExpression[Any]
) -> int:
    # The order of an index: PostgreSQL reads its first entries only.
    some = select(col(Booking.id)).where(col(Booking.hotel_id) == hotel_id, condition)
    some = some.order_by(order, col(Booking.id)).limit(COUNTED_AT_MOST)
    return (await db.scalar(select(func.count()).select_from(some.subquery()))) or 0


async def needing_attention(
    db: AsyncSession, hotel_id: int, limit: int
) -> Sequence[tuple[Booking, RoomType]]:
    """Bookings that need attention, the least recently changed first."""
    rows = await db.execute(
        select(Booking, RoomType)
        .join(RoomType, col(RoomType.id) == col(Booking.room_type_id))
        .where(col(Booking.hotel_id) == hotel_id, col(Booking.needs_attention) == true())
        .order_by(col(Booking.updated_at), col(Booking.id))
        .limit(limit)
    )
    return [(row[0], row[1]) for row in rows]


async def open_decision(db: AsyncSession, booking_id: str) -> BookingCommand | None:
    """The oldest decision without an outcome, with who requested it and when."""
    query = (
        select(BookingCommand)
        .where(
            col(BookingCommand.booking_id) == booking_id,
            col(BookingCommand.closed_at).is_(None),
            col(BookingCommand.kind).in_(list(DECIDED_AS)),
        )
        .order_by(col(BookingCommand.created_at))
        .limit(1)
    )
    return (await db.scalars(query)).one_or_none()


async def is_cancellation_overtaken(db: AsyncSession, booking_id: str) -> bool:
    """Whether the guest's last command was to cancel, and the hotel's confirmation came first."""
    query = (
        select(BookingCommand)
        .where(
            col(BookingCommand.booking_id) == booking_id,
            col(BookingCommand.kind) == Decision.CANCEL,
            col(BookingCommand.actor) == ActorKind.GUEST,
        )
        .order_by(col(BookingCommand.created_at).desc())
        .limit(1)
    )
    last = (await db.scalars(query)).one_or_none()
    return (
        last is not None
        and last.outcome == CommandOutcome.IN_PROGRESS
        and last.status_when_issued in UNDER_DECISION
    )


# --- figures --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DaySum:
    """The number of events of one kind on one day at the hotel, and their total amount."""

    day: date
    event: Event
    currency: str
    count: int
    minor: int


@dataclass(frozen=True)
class HeldTotal:
    """The total of the holds that stand now in one currency."""

    currency: str
    count: int
    minor: int


@dataclass(frozen=True)
class TimeToDecide:
    """Seconds from the hold to the decision; None if no decision was made."""

    median_s: float | None
    p90_s: float | None


def _day(instant: Any, timezone: str) -> ColumnElement[date]:
    return cast(func.timezone(timezone, instant), Date)


async def holds_by_day(
    db: AsyncSession, hotel_id: int, since: datetime, until: datetime, timezone: str
) -> list[DaySum]:
    """Holds that were placed from `since` to before `until`, by the hotel's days."""
    day = _day(col(Booking.payment_authorized_at), timezone).label("day")
    placed = col(Booking.payment_authorized_at)
    rows = await db.execute(
        select(day, col(Booking.currency), func.count(), func.sum(col(Booking.amount_minor)))
        .where(col(Booking.hotel_id) == hotel_id, placed >= since, placed < until)
        .group_by("day", col(Booking.currency))
    )
    return [DaySum(row[0], Event.AUTHORIZED, row[1], row[2], int(row[3])) for row in rows]


async def decisions_by_day(
    db: AsyncSession, hotel_id: int, since: datetime, until: datetime, timezone: str
) -> list[DaySum]:
    """Outcomes of requests from `since` to before `until`, by the hotel's days, with the bookings' totals."""
    day = _day(col(Booking.decision_made_at), timezone).label("day")
    event, made = col(BookingTimeline.event), col(Booking.decision_made_at)
    rows = await db.execute(
        select(day, event, col(Booking.currency), func.count(), func.sum(col(Booking.amount_minor)))
        .join(BookingTimeline, _is_decision())
        .where(col(Booking.hotel_id) == hotel_id, made >= since, made < until)
        .group_by("day", event, col(Booking.currency))
    )
    return [DaySum(row[0], Event(row[1]), row[2], row[3], int(row[4])) for row in rows]


async def time_to_decide(db: AsyncSession, hotel_id: int, since: datetime, until: datetime) -> TimeToDecide:
    """Seconds from hold to decision, for decisions from `since` to before `until`; lapsed requests are left out."""
    took = func.extract("epoch", col(Booking.decision_made_at) - col(Booking.payment_authorized_at))
    row = (
        await db.execute(
            select(func.percentile_cont(0.5).within_group(took), func.percentile_cont(0.9).within_group(took))
            .select_from(Booking)
            .join(BookingTimeline, _is_decision())
            .where(
                col(Booking.hotel_id) == hotel_id,
                col(Booking.decision_made_at) >= since,
                col(Booking.decision_made_at) < until,
                col(BookingTimeline.event).in_(list(_BY_PEOPLE)),
            )
        )
    ).one()
    return TimeToDecide(row[0], row[1])


def _is_decision() -> ColumnElement[bool]:
    return and_(
        col(BookingTimeline.booking_id) == col(Booking.booking_id),
        col(BookingTimeline.event).in_(list(DECISION_EVENTS)),
    )


async def held_now(db: AsyncSession, hotel_id: int) -> list[HeldTotal]:
    """The holds that stand now, by currency."""
    rows = await db.execute(
        select(col(Booking.currency), func.count(), func.sum(col(Booking.amount_minor)))
        .where(col(Booking.hotel_id) == hotel_id, col(Booking.status) == Status.PENDING_APPROVAL)
        .group_by(col(Booking.currency))
        .order_by(col(Booking.currency))
    )
    return [HeldTotal(row[0], row[1], int(row[2])) for row in rows]
