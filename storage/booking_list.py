"""A hotel's bookings as staff list them, page by page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, Select, and_, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from domain.booking import DECIDED_AS, Status
from models import Booking, BookingCommand, BookingTimeline, RoomType
from storage.tables import RoomClaim


class Sort(StrEnum):
    """The order of the list."""

    DEADLINE = "deadline"
    """What must be decided first comes first; what has no deadline comes last."""
    CREATED = "created"
    """The newest first."""
    CHECK_IN = "check_in"
    """The earliest stay first."""


@dataclass(frozen=True)
class Position:
    """The position of a row in the list; the next page begins after it.

    Args:
        at: the row's time in this order; its day of check-in in the order of stays.
    """

    at: datetime | date | None
    row_id: int


@dataclass(frozen=True)
class ClaimedNight:
    """One night of a room type, by the type's code."""

    room_code: str
    night: date


@dataclass(frozen=True)
class BookingFilter:
    """The selection of bookings to list.

    Args:
        statuses: all, if empty.
        text: part of a booking id, a guest's name or an e-mail address; case is ignored.
        claimed: the night on which they have a room of that type.
        check_in_from: the first day of check-in.
        check_in_to: the last day of check-in.
        after: the position of the previous page's last row.
        limit: the largest number of rows.
    """

    statuses: Sequence[Status] = ()
    text: str | None = None
    claimed: ClaimedNight | None = None
    check_in_from: date | None = None
    check_in_to: date | None = None
    sort: Sort = Sort.DEADLINE
    after: Position | None = None
    limit: int = 50


async def list_bookings(
    db: AsyncSession, hotel_id: int, filters: BookingFilter
) -> list[tuple[Booking, RoomType]]:
    """One page of a hotel's bookings, with their room types."""
    query = (
        select(Booking, RoomType)
        .join(RoomType, col(RoomType.id) == col(Booking.room_type_id))
        .where(col(Booking.hotel_id) == hotel_id)
    )
    if filters.statuses:
        query = query.where(col(Booking.status).in_(list(filters.statuses)))
    if filters.text:
        query = query.where(_mentions(filters.text))
    if filters.claimed:
        claims = _claims(hotel_id, filters.claimed)
        query = query.where(col(Booking.booking_id).in_(claims))
    if filters.check_in_from:
        query = query.where(col(Booking.check_in) >= filters.check_in_from)
    if filters.check_in_to:
        query = query.where(col(Booking.check_in) <= filters.check_in_to)
    rows = await db.execute(_ordered(query, filters.sort, filters.after).limit(filters.limit))
    return [(row[0], row[1]) for row in rows]


def position(booking: Booking, sort: Sort) -> Position:
    """A booking's position in the list of that order."""
    assert booking.id is not None
    at: dict[Sort, datetime | date | None] = {
        Sort.DEADLINE: booking.decision_deadline,
        Sort.CREATED: booking.created_at,
        Sort.CHECK_IN: booking.check_in,
    }
    return Position(at[sort], booking.id)


def _claims(hotel_id: int, claimed: ClaimedNight) -> Select[str]:
    room_types = select(col(RoomType.id)).where(
        col(RoomType.hotel_id) == hotel_id, col(RoomType.code) == claimed.room_code
    )
    return select(col(RoomClaim.booking_id)).where(
        col(RoomClaim.night) == claimed.night, col(RoomClaim.room_type_id).in_(room_types)
    )


def _mentions(text: str) -> ColumnElement[bool]:
    name = col(Booking.guest_first_name) + " " + col(Booking.guest_last_name)
    # autoescape: `%` and `_` are letters like any other.
    return or_(
        col(Booking.booking_id).icontains(text, autoescape=True),
        name.icontains(text, autoescape=True),
        col(Booking.guest_email).icontains(text, autoescape=True),
    )


def _ordered(
    query: Select[Booking, RoomType], sort: Sort, after: Position | None
) -> Select[Booking, RoomType]:
    row_id = col(Booking.id)
    if sort is Sort.CREATED:
        created = col(Booking.created_at)
        if after is not None:
            query = query.where(tuple_(created, row_id) < (after.at, after.row_id))
        return query.order_by(created.desc(), row_id.desc())
    if sort is Sort.CHECK_IN:
        check_in = col(Booking.check_in)
        if after is not None:
            query = query.where(tuple_(check_in, row_id) > (after.at, after.row_id))
        return query.order_by(check_in, row_id)
    deadline = col(Booking.decision_deadline)
    if after is not None and after.at is None:
        query = query.where(deadline.is_(None), row_id > after.row_id)
    elif after is not None:
        later = and_(deadline == after.at, row_id > after.row_id)
        query = query.where(or_(deadline > after.at, later, deadline.is_(None)))
    return query.order_by(deadline.asc().nulls_last(), row_id)


async def timelines(db: AsyncSession, booking_ids: Sequence[str]) -> dict[str, list[BookingTimeline]]:
    """The timelines of several bookings, each oldest first."""
    found: dict[str, list[BookingTimeline]] = defaultdict(list)
    query = select(BookingTimeline).where(col(BookingTimeline.booking_id).in_(booking_ids))
    for row in await db.scalars(query.order_by(col(BookingTimeline.version))):
        found[row.booking_id].append(row)
    return found


async def pending_decisions(db: AsyncSession, booking_ids: Sequence[str]) -> dict[str, str]:
    """The oldest decision without an outcome, for each booking that has one."""
    query = (
        select(col(BookingCommand.booking_id), col(BookingCommand.kind))
        .where(
            col(BookingCommand.booking_id).in_(booking_ids),
            col(BookingCommand.closed_at).is_(None),
            col(BookingCommand.kind).in_(list(DECIDED_AS)),
        )
        .order_by(col(BookingCommand.created_at).desc())
    )
    # The oldest comes last and replaces newer ones; more than one is seldom open.
    return {row[0]: row[1] for row in await db.execute(query)}
