"""Stripe webhook events: stored before they are answered, processed once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import String, bindparam, func, select, text, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from domain.booking import Status
from models import StripeWebhookEvent, utc_now
from storage.database import Connection

NOTHING_NEW: Final = "nothing new"
"""The note on an event that the booking's row already shows."""

# A duplicate rewrites its own id: so it waits for a delivery of the same event that has not committed, and is returned.
_KEEP: Final = text(
    "WITH kept AS ("
    " INSERT INTO stripe_webhook_event"
    "  (event_id, event_type, booking_id, session_id, payment_intent_id, received_at)"
    " VALUES (:event_id, :event_type, :booking_id, :session_id, :payment_intent_id, :received_at)"
    " ON CONFLICT (event_id) DO UPDATE SET event_id = excluded.event_id RETURNING processed_at"
    ") SELECT kept.processed_at, b.booking_id, b.status, b.payment_intent_id, h.slug FROM kept"
    " LEFT JOIN booking b ON b.booking_id = coalesce("
    "  (SELECT booking_id FROM booking WHERE booking_id = :booking_id),"
    "  (SELECT booking_id FROM booking WHERE payment_intent_id = :payment_intent_id),"
    "  (SELECT booking_id FROM payment_session WHERE session_id = :session_id))"
    " LEFT JOIN hotel h ON h.id = b.hotel_id"
)
_MARK: Final = (
    update(StripeWebhookEvent)
    .where(col(StripeWebhookEvent.event_id) == bindparam("id"))
    # The workflow may have noted something first.
    .values(
        processed_at=bindparam("at"),
        note=func.coalesce(bindparam("reason", type_=String), col(StripeWebhookEvent.note)),
    )
)


@dataclass(frozen=True)
class Addressee:
    """The booking that an event is for, as far as its delivery depends on it."""

    booking_id: str
    status: Status
    payment_intent_id: str | None
    hotel_slug: str


@dataclass(frozen=True)
class InboxEntry:
    """An event in the inbox.

    Args:
        addressee: None if the event is about no booking of ours.
    """

    event: StripeWebhookEvent
    is_processed: bool
    addressee: Addressee | None


async def keep_event(db: Connection, event: StripeWebhookEvent) -> InboxEntry:
    """Store an event in the inbox unless it is there, and find its booking by any of the ids that it carries.

    The booking's own id counts most, then the PaymentIntent that the booking holds, then a session opened for it.
    """
    row = (await db.execute(_KEEP, event.model_dump())).one()
    addressee = Addressee(row[1], Status(row[2]), row[3], row[4]) if row[1] else None
    return InboxEntry(event, is_processed=row[0] is not None, addressee=addressee)


async def mark_processed(db: Connection, event_id: str, note: str | None = None) -> None:
    """Mark an event as handed to its workflow, or `note` why there was nothing to do.

    Call this after the workflow accepted the signal, never before. A crash in between leads to a second signal,
    which the workflow drops by the event's id; the other order would lose the event.
    """
    await db.execute(_MARK, {"id": event_id, "at": utc_now(), "reason": note})


async def note_event(db: AsyncSession, event_id: str, note: str) -> None:
    """Note on an event why its workflow did not follow it."""
    await db.execute(
        update(StripeWebhookEvent).where(col(StripeWebhookEvent.event_id) == event_id).values(note=note)
    )


async def unprocessed_events(
    db: AsyncSession, before: datetime, limit: int, *, after: StripeWebhookEvent | None = None
) -> list[StripeWebhookEvent]:
    """Events stored before `before` that no workflow has taken yet, oldest first.

    Args:
        after: the last event of the previous page; None for the first page.
    """
    order = (col(StripeWebhookEvent.received_at), col(StripeWebhookEvent.event_id))
    query = (
        select(StripeWebhookEvent)
        .where(col(StripeWebhookEvent.processed_at).is_(None), order[0] < before)
        .order_by(*order)
        .limit(limit)
    )
    if after is not None:
        query = query.where(tuple_(*order) > (after.received_at, after.event_id))
    return list((await db.scalars(query)).all())


async def missing_events(db: AsyncSession, event_ids: Sequence[str]) -> set[str]:
    """The ids among `event_ids` that are not in the inbox."""
    query = select(col(StripeWebhookEvent.event_id)).where(col(StripeWebhookEvent.event_id).in_(event_ids))
    return set(event_ids) - set((await db.scalars(query)).all())


async def inbox_backlog(db: AsyncSession) -> int:
    """The number of events that wait to be processed."""
    query = select(func.count()).select_from(StripeWebhookEvent)
    return (await db.scalar(query.where(col(StripeWebhookEvent.processed_at).is_(None)))) or 0
