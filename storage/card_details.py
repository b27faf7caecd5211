"""Held cards: written when a hold is verified, read for the people who decide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Final

from sqlalchemy import and_, bindparam, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from domain.payment_card import NO_RISK_LEVEL, RISK_LEVELS, UNKNOWN_RISK, PaymentCard
from models import Booking
from storage.database import Connection
from storage.tables import CardDetails

_NAMES: Final = [field.name for field in fields(PaymentCard)]
# The lock waits for an erasure under way: otherwise the card could be stored behind its back.
_KEEP: Final = text(
    f"INSERT INTO card_details (booking_id, payment_intent_id, {', '.join(_NAMES)})"  # noqa: S608  names of columns only
    f" SELECT booking_id, :payment_intent_id, {', '.join(f':{name}' for name in _NAMES)} FROM booking"
    " WHERE booking_id = :booking_id AND guest_erased_at IS NULL FOR SHARE ON CONFLICT DO NOTHING"
)


OF_COUNTED_HOLD: Final = and_(
    col(CardDetails.booking_id) == col(Booking.booking_id),
    col(CardDetails.payment_intent_id) == col(Booking.payment_intent_id),
)
"""The condition that joins a card to the booking that counts on its hold."""
_CARDS: Final = (
    select(CardDetails)
    .join(Booking, OF_COUNTED_HOLD)
    .where(col(Booking.booking_id).in_(bindparam("booking_ids", expanding=True)))
)
_RANKS: Final = " ".join(f"WHEN '{level}' THEN {rank}" for rank, level in enumerate(RISK_LEVELS))
RISK_RANK: Final = (
    f"coalesce((SELECT CASE c.risk_level {_RANKS} ELSE {UNKNOWN_RISK} END FROM card_details c"  # noqa: S608  constants only
    " WHERE c.booking_id = :booking_id AND c.risk_level IS NOT NULL"
    f" AND c.payment_intent_id = coalesce(:payment_intent_id, booking.payment_intent_id)), {NO_RISK_LEVEL})"
)
"""SQL for the `Booking.risk_rank` of the hold that a booking counts on, in the statement that writes the booking."""


async def keep_card(db: Connection, booking_id: str, payment_intent_id: str, card: PaymentCard) -> None:
    """Store the card of a hold, unless it is stored already, the guest was erased or the booking's row is gone."""
    ids = {"booking_id": booking_id, "payment_intent_id": payment_intent_id}
    await db.execute(_KEEP, ids | asdict(card))


async def cards_of(db: AsyncSession, booking_ids: Sequence[str]) -> Mapping[str, PaymentCard]:
    """The cards of the holds that bookings count on, by booking id, without those that are not stored."""
    rows = await db.scalars(_CARDS, {"booking_ids": booking_ids})
    return {row.booking_id: as_card(row) for row in rows}


def as_card(row: CardDetails) -> PaymentCard:
    """A card as e-mails and pages show it."""
    return PaymentCard(**{name: getattr(row, name) for name in _NAMES})
