"""Disputes: written when a payment is read, shown to staff and operators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Final

from sqlalchemy import and_, not_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from domain.dispute import DECIDED, UNDECIDED, Dispute
from storage.tables import DisputeDetails

_NAMES: Final = [field.name for field in fields(Dispute)]


async def keep_disputes(
    db: AsyncSession, booking_id: str, payment_intent_id: str, disputes: Sequence[Dispute]
) -> None:
    """Store a payment's disputes as Stripe shows them now.

    Two workflows of an ended booking may read at once: an older answer never undoes a decision.
    """
    whose = {"booking_id": booking_id, "payment_intent_id": payment_intent_id}
    for dispute in disputes:
        statement = insert(DisputeDetails).values(**whose, **asdict(dispute))
        new = statement.excluded
        is_older = and_(col(DisputeDetails.status).in_(sorted(DECIDED)), new["status"].in_(sorted(UNDECIDED)))
        await db.execute(
            statement.on_conflict_do_update(
                index_elements=["dispute_id"], set_={name: new[name] for name in _NAMES}, where=not_(is_older)
            )
        )


async def disputes_of(db: AsyncSession, booking_id: str) -> Sequence[Dispute]:
    """A booking's disputes, newest first."""
    query = select(DisputeDetails).where(col(DisputeDetails.booking_id) == booking_id)
    rows = await db.scalars(query.order_by(col(DisputeDetails.opened_at).desc()))
    return [Dispute(**{name: getattr(row, name) for name in _NAMES}) for row in rows]
