"""Stripe webhook events: stored before they are answered, processed once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from models import Booking, PaymentSession, StripeWebhookEvent, utc_now


async def keep_event(db: AsyncSession, event: StripeWebhookEvent) -> bool:
    """Store an event in the inbox.

    Returns:
        Whether the event still has to be processed: False for a duplicate of a processed event.
    """
    # A plain insert, not the ORM's: two concurrent deliveries of one event must both get an answer.
    statement = insert(StripeWebhookEvent).values(**event.model_dump()).on_conflict_do_nothing()
    if await db.scalar(statement.returning(col(StripeWebhookEvent.event_id))) is not None:
        return True
    query = select(col(StripeWebhookEvent.processed_at)).where(
        col(StripeWebhookEvent.event_id) == event.event_id
    )
    return (await db.scalars(query)).one() is None


async def mark_processed(db: AsyncSession, event_id: str, note: str | None = None) -> None:
    """Mark an event as handed to its workflow, or `note` why there was nothing to do.

    Call this after the workflow accepted the signal, never before. A crash in between leads to a second signal,
    which the workflow drops by the event's id; the other order would lose the event.
    """
    # The workflow may have noted something first.
    noted = {} if note is None else {"note": note}
    await db.execute(
        update(StripeWebhookEvent)
        .where(col(StripeWebhookEvent.event_id) == event_id)
        .values(processed_at=utc_now(), **noted)
    )


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


async def booking_behind(
    db: AsyncSession, *, booking_id: str | None, session_id: str | None, payment_intent_id: str | None
) -> Booking | None:
    """Find an event's booking by any of the ids that the event carries."""
    query = select(Booking)
    if booking_id is not None:
        found = (await db.scalars(query.where(col(Booking.booking_id) == booking_id))).one_or_none()
        if found is not None:
            return found
    if payment_intent_id is not None:
        by_intent = query.where(col(Booking.payment_intent_id) == payment_intent_id)
        found = (await db.scalars(by_intent)).one_or_none()
        if found is not None:
            return found
    if session_id is None:
        return None
    by_session = query.join(PaymentSession, col(PaymentSession.booking_id) == col(Booking.booking_id))
    return (await db.scalars(by_session.where(col(PaymentSession.session_id) == session_id))).one_or_none()


async def inbox_backlog(db: AsyncSession) -> int:
    """The number of events that wait to be processed."""
    query = select(func.count()).select_from(StripeWebhookEvent)
    return (await db.scalar(query.where(col(StripeWebhookEvent.processed_at).is_(None)))) or 0
