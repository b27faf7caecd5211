"""Stripe's fees: written when a payment was captured, read for the hotel's books."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, cast

from sqlalchemy import ColumnElement, Table, and_, exists, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col

from domain.money import Money
from domain.period import Period
from models import Booking, Hotel
from storage.database import Connection
from storage.money_movements import MovementKind, within
from storage.tables import MoneyMovement, StripeFee

_KEEP: Final = insert(cast("Table", StripeFee.__table__)).on_conflict_do_nothing()  # type: ignore[attr-defined]


@dataclass(frozen=True)
class FeeSum:
    """Captures of a period with their fees, by the captures' currency and the fees'.

    Args:
        currency: of the captures.
        fee: None for the captures whose fee Stripe has not told.
        captures: how many.
    """

    currency: str
    fee: Money | None
    captures: int


@dataclass(frozen=True)
class BookedMovement:
    """One movement with the booking that it belongs to.

    Args:
        fee: of a capture, if Stripe told it.
    """

    movement: MoneyMovement
    booking: Booking
    fee: Money | None


async def keep_fee(db: Connection, booking_id: str, payment_intent_id: str, fee: Money) -> None:
    """Store the fee of a captured payment, unless it is stored already."""
    values = {"fee_minor": fee.minor, "fee_currency": fee.currency}
    ids = {"booking_id": booking_id, "payment_intent_id": payment_intent_id}
    await db.execute(_KEEP, ids | values)


async def fees_in(db: AsyncSession, hotel: Hotel, period: Period) -> list[FeeSum]:
    """The fees of the captures of a period."""
    currency, fee_currency = col(MoneyMovement.currency), col(StripeFee.fee_currency)
    rows = await db.execute(
        select(currency, fee_currency, func.sum(col(StripeFee.fee_minor)), func.count())
        .select_from(MoneyMovement)
        .join(Booking, col(Booking.booking_id) == col(MoneyMovement.booking_id))
        .outerjoin(StripeFee, _fee_of_movement())
        .where(*within(MoneyMovement, MoneyMovement.at, hotel, period), _is_first_capture())
        .group_by(currency, fee_currency)
        .order_by(currency, fee_currency)
    )
    return [FeeSum(row[0], Money(int(row[2]), row[1]) if row[1] else None, row[3]) for row in rows]


async def movements_in(db: AsyncSession, hotel: Hotel, period: Period) -> list[BookedMovement]:
    """Each movement of a period, the oldest first."""
    rows = await db.execute(
        select(MoneyMovement, Booking, StripeFee)
        .join(Booking, col(Booking.booking_id) == col(MoneyMovement.booking_id))
        .outerjoin(StripeFee, _fee_of_movement())
        .where(*within(MoneyMovement, MoneyMovement.at, hotel, period))
        .order_by(col(MoneyMovement.at), col(MoneyMovement.id))
    )
    return [
        BookedMovement(movement, booking, Money(fee.fee_minor, fee.fee_currency) if fee else None)
        for movement, booking, fee in rows
    ]


def _fee_of_movement() -> ColumnElement[bool]:
    """The condition that joins a fee to its capture, for statements that read both with the booking."""
    return and_(
        col(StripeFee.booking_id) == col(MoneyMovement.booking_id),
        col(StripeFee.payment_intent_id) == col(Booking.payment_intent_id),
        _is_first_capture(),
    )


def _is_first_capture() -> ColumnElement[bool]:
    """The condition that a movement is its booking's first capture: a later one corrects the amount of the same."""
    earlier = aliased(MoneyMovement)
    before = and_(
        col(earlier.booking_id) == col(MoneyMovement.booking_id),
        col(earlier.kind) == MovementKind.CAPTURED,
        col(earlier.id) < col(MoneyMovement.id),
    )
    return and_(col(MoneyMovement.kind) == MovementKind.CAPTURED, ~exists().where(before))
