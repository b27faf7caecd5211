"""Held cards: written when a hold is verified, read for the people who decide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Final

from sqlalchemy import String, and_, literal, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from domain.payment_card import PaymentCard
from models import Booking
from storage.tables import CardDetails

_NAMES: Final = [field.name for field in fields(PaymentCard)]


async def keep_card(db: AsyncSession, booking_id: str, payment_intent_id: str, card: PaymentCard) -> None:
    """Store the card of a hold, unless it is stored already, the guest was erased or the booking's row is gone."""
    values = {"payment_intent_id": payment_intent_id} | asdict(card)
    # The lock waits for an erasure under way: otherwise the card could be stored behind its back.
    booking = (
        select(col(Booking.booking_id), *(literal(value, String) for value in values.values()))
        .where(col(Booking.booking_id) == booking_id, col(Booking.guest_erased_at).is_(None))
        .with_for_update(read=True)
    )
    await db.execute(
        insert(CardDetails).from_select(["booking_id", *values], booking).on_conflict_do_nothing()
    )


async def cards_of(db: AsyncSession, booking_ids: Sequence[str]) -> Mapping[str, PaymentCard]:
    """The cards of the holds that bookings count on, by booking id, without those that are not stored."""
    counted = and_(
        col(CardDetails.booking_id) == col(Booking.booking_id),
        col(CardDetails.payment_intent_id) == col(Booking.payment_intent_id),
    )
    query = select(CardDetails).join(Booking, counted).where(col(Booking.booking_id).in_(booking_ids))
    return {
        row.booking_id: PaymentCard(**{name: getattr(row, name) for name in _NAMES})
        for row in await db.scalars(query)
    }
