"""Money movements: written with a booking's amounts, read for the hotel's books."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Date, cast, func, select, union
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from domain.messages.changes import Change
from domain.period import Period
from models import Booking, Hotel, RoomType
from storage.owed import own_paid_elsewhere_minor
from storage.tables import MoneyMovement


class MovementKind(StrEnum):
    """The kinds of money movements, by the part of a booking's row that they add to."""

    CAPTURED = "captured"
    REFUNDED = "refunded"
    PAID_ELSEWHERE = "paid_elsewhere"


@dataclass(frozen=True)
class MovementSum:
    """The movements of one kind on one day at the hotel, in one currency."""

    day: date
    kind: MovementKind
    currency: str
    minor: int


@dataclass(frozen=True)
class BookingMoney:
    """A booking with the money that moved in a period, in the currency's smallest unit."""

    booking: Booking
    room_type: str
    captured_minor: int
    refunded_minor: int
    paid_elsewhere_minor: int

    @property
    def net_minor(self) -> int:
        """The captured amount less the refunds and the amounts paid elsewhere."""
        return self.captured_minor - self.refunded_minor - self.paid_elsewhere_minor


def movements_of(booking: Booking, change: Change) -> list[tuple[MovementKind, int]]:
    """A kind and an amount for each amount of the booking that a change alters. The row still has the old ones.

    Money paid elsewhere for an unmatched payment is no movement: that payment was never counted as captured.
    """
    own = change.payment_intent_id or booking.payment_intent_id or ""
    paid_elsewhere = booking.paid_elsewhere if change.paid_elsewhere is None else change.paid_elsewhere
    amounts = (
        (MovementKind.CAPTURED, booking.amount_captured_minor, change.amount_captured_minor),
        (MovementKind.REFUNDED, booking.amount_refunded_minor, change.amount_refunded_minor),
        (MovementKind.PAID_ELSEWHERE, own_paid_elsewhere_minor(booking), paid_elsewhere.get(own, 0)),
    )
    return [
        (kind, after - before) for kind, before, after in amounts if after is not None and after != before
    ]


async def movements_by_day(db: AsyncSession, hotel: Hotel, period: Period) -> list[MovementSum]:
    """The sums of a period by the hotel's days, kinds and currencies."""
    day = cast(func.timezone(hotel.timezone, col(MoneyMovement.at)), Date).label("day")
    kind, currency = col(MoneyMovement.kind), col(MoneyMovement.currency)
    rows = await db.execute(
        select(day, kind, currency, func.sum(col(MoneyMovement.amount_minor)))
        .where(*within(MoneyMovement, MoneyMovement.at, hotel, period))
        .group_by("day", kind, currency)
    )
    return [MovementSum(row[0], MovementKind(row[1]), row[2], int(row[3])) for row in rows]


async def bookings_in(db: AsyncSession, hotel: Hotel, period: Period) -> Sequence[BookingMoney]:
    """The bookings whose hold, decision or money movement lies in a period, the oldest first."""
    moved = (
        select(col(MoneyMovement.booking_id), *(_sum_of(kind) for kind in MovementKind))
        .where(*within(MoneyMovement, MoneyMovement.at, hotel, period))
        .group_by(col(MoneyMovement.booking_id))
        .subquery()
    )
    ids = union(
        select(moved.c.booking_id),
        *(
            select(col(Booking.booking_id)).where(*within(Booking, instant, hotel, period))
            for instant in (Booking.payment_authorized_at, Booking.decision_made_at)
        ),
    )
    rows = await db.execute(
        select(Booking, col(RoomType.name), *(func.coalesce(moved.c[kind], 0) for kind in MovementKind))
        .join(RoomType, col(RoomType.id) == col(Booking.room_type_id))
        .outerjoin(moved, moved.c.booking_id == col(Booking.booking_id))
        .where(col(Booking.booking_id).in_(ids))
        .order_by(col(Booking.created_at), col(Booking.id))
    )
    return [BookingMoney(row[0], row[1], *map(int, row[2:])) for row in rows]


def _sum_of(kind: MovementKind) -> ColumnElement[int]:
    of_kind = col(MoneyMovement.kind) == kind
    return func.sum(col(MoneyMovement.amount_minor)).filter(of_kind).label(kind)


def within(
    table: type[Booking | MoneyMovement], instant: datetime | Any, hotel: Hotel, period: Period
) -> tuple[ColumnElement[bool], ...]:
    """The conditions that a row is the hotel's and its instant lies in a period of the hotel's days."""
    start, end = period.instants(hotel.timezone)
    return col(table.hotel_id) == hotel.id, col(instant) >= start, col(instant) < end
