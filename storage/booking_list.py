"""A hotel's bookings as staff list them, page by page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final, TypeVarTuple

from sqlalchemy import ColumnElement, Select, and_, literal_column, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.base import ReadOnlyColumnCollection
from sqlmodel import col

from domain.booking import DECIDED_AS, Status
from models import Booking, BookingCommand, BookingTimeline, RoomType
from storage.search import has_words, matches, wanted
from storage.tables import BookingSearch, RoomClaim

Columns = TypeVarTuple("Columns")

_COLUMNS: Final = Booking.__table__.columns  # type: ignore[attr-defined]  # SQLModel does not declare it
_SEARCHED_FIRST: Final = 12_000
"""Rows of a list that a search looks through before it asks the index of words."""


class Sort(StrEnum):
    """The order of the list."""

    DEADLINE = "deadline"
    """What must be decided first comes first; what has no deadline comes last."""
    CREATED = "created"
    """The newest first."""
    CHECK_IN = "check_in"
    """The earliest stay first."""
    RISK = "risk"
    """Of the requests that wait for a decision, those with the highest risk first, then the oldest."""


@dataclass(frozen=True)
class Position:
    """The position of a row in the list; the next page begins after it.

    Args:
        at: the row's time in this order; its day of check-in in the order of stays, its rank in the order of risk.
    """

    at: datetime | date | int | None
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
        text: words to find (`domain.search_words`): names, e-mail addresses, booking ids, dates, amounts.
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
        .where(*_selection(hotel_id, filters))
    )
    if filters.text:
        query = query.where(col(Booking.id).in_(await _found_ids(db, hotel_id, filters)))
    rows = await db.execute(_ordered(query, filters.sort, filters.after).limit(filters.limit))
    return [(row[0], row[1]) for row in rows]


def _selection(hotel_id: int, filters: BookingFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [col(Booking.hotel_id) == hotel_id]
    if filters.statuses:
        conditions.append(col(Booking.status).in_(list(filters.statuses)))
    if filters.sort is Sort.RISK:
        # In the statement's text: an index for these rows alone serves it.
        conditions.append(col(Booking.status) == literal_column(f"'{Status.PENDING_APPROVAL}'"))
    if filters.claimed:
        conditions.append(col(Booking.booking_id).in_(_claims(hotel_id, filters.claimed)))
    if filters.check_in_from:
        conditions.append(col(Booking.check_in) >= filters.check_in_from)
    if filters.check_in_to:
        conditions.append(col(Booking.check_in) <= filters.check_in_to)
    return conditions


async def _found_ids(db: AsyncSession, hotel_id: int, filters: BookingFilter) -> Sequence[int]:
    """Find the rows of one page of a search.

    PostgreSQL cannot estimate how many bookings have a word that begins so. Frequent words fill the page from the
    first rows of the list; rare ones are found by the index of words. Neither statement leaves PostgreSQL a choice.
    """
    query = wanted(filters.text or "")
    if query is None:
        return []
    ordered_by = [
        col(Booking.created_at),
        col(Booking.decision_deadline),
        col(Booking.check_in),
        col(Booking.risk_rank),
    ]
    selected = select(col(Booking.id), *ordered_by).where(*_selection(hotel_id, filters))
    begin = _ordered(selected, filters.sort, filters.after).limit(_SEARCHED_FIRST).subquery()
    first = select(begin.c.id).where(has_words(begin.c.id, query)).order_by(*_order(begin.c, filters.sort))
    found = (await db.scalars(first.limit(filters.limit))).all()
    if len(found) == filters.limit:
        return found
    ids = col(BookingSearch.row_id) == col(Booking.id)
    by_words = _after(selected.join(BookingSearch, ids).where(matches(query)), filters.sort, filters.after)
    # Materialized: else PostgreSQL may read the whole list in its order, for a word that hardly any booking has.
    candidates = by_words.cte("candidates").prefix_with("MATERIALIZED")
    rare = select(candidates.c.id).order_by(*_order(candidates.c, filters.sort))
    return (await db.scalars(rare.limit(filters.limit))).all()


def position(booking: Booking, sort: Sort) -> Position:
    """A booking's position in the list of that order."""
    assert booking.id is not None
    at: dict[Sort, datetime | date | int | None] = {
        Sort.DEADLINE: booking.decision_deadline,
        Sort.CREATED: booking.created_at,
        Sort.CHECK_IN: booking.check_in,
        Sort.RISK: booking.risk_rank,
    }
    return Position(at[sort], booking.id)


def _claims(hotel_id: int, claimed: ClaimedNight) -> Select[str]:
    room_types = select(col(RoomType.id)).where(
        col(RoomType.hotel_id) == hotel_id, col(RoomType.code) == claimed.room_code
    )
    return select(col(RoomClaim.booking_id)).where(
        col(RoomClaim.night) == claimed.night, col(RoomClaim.room_type_id).in_(room_types)
    )


def _ordered(query: Select[*Columns], sort: Sort, after: Position | None) -> Select[*Columns]:
    return _after(query, sort, after).order_by(*_order(_COLUMNS, sort))


def _order(columns: ReadOnlyColumnCollection[str, Any], sort: Sort) -> tuple[ColumnElement[Any], ...]:
    if sort is Sort.CREATED:
        return columns.created_at.desc(), columns.id.desc()
    if sort is Sort.CHECK_IN:
        return columns.check_in, columns.id
    if sort is Sort.RISK:
        return columns.risk_rank, columns.id
    return columns.decision_deadline.asc().nulls_last(), columns.id


def _after(query: Select[*Columns], sort: Sort, after: Position | None) -> Select[*Columns]:
    if after is None:
        return query
    row_id = col(Booking.id)
    if sort is Sort.CREATED:
        return query.where(tuple_(col(Booking.created_at), row_id) < (after.at, after.row_id))
    if sort is Sort.CHECK_IN:
        return query.where(tuple_(col(Booking.check_in), row_id) > (after.at, after.row_id))
    if sort is Sort.RISK:
        return query.where(tuple_(col(Booking.risk_rank), row_id) > (after.at, after.row_id))
    deadline = col(Booking.decision_deadline)
    if after.at is None:
        return query.where(deadline.is_(None), row_id > after.row_id)
    later = and_(deadline == after.at, row_id > after.row_id)
    return query.where(or_(deadline > after.at, later, deadline.is_(None)))


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
