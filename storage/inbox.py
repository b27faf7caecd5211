"""Stripe webhook events: stored before they are answered, processed once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, func, select, text, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from domain.booking import Status
from domain.stripe_events import KNOWN, is_relevant
from models import StripeWebhookEvent, utc_now
from storage.database import Connection
from storage.echoes import IS_ECHO, echo_parameters

NOTHING_NEW: Final = "nothing new"
"""The note on an event that the booking's row already shows."""

# The booking first, as changes do. The lock waits for a change that is being written: it may not see this event, so
# this event has to see the change.
_ADDRESSEE: Final = (
    f"SELECT b.booking_id, b.status, b.payment_intent_id, h.slug, {IS_ECHO} AS is_echo"  # noqa: S608  constants only
    " FROM booking b JOIN hotel h ON h.id = b.hotel_id WHERE b.booking_id = coalesce("
    "  (SELECT booking_id FROM booking WHERE booking_id = :booking_id),"
    "  (SELECT booking_id FROM booking WHERE payment_intent_id = :payment_intent_id),"
    "  (SELECT booking_id FROM payment_session WHERE session_id = :session_id))"
    " FOR SHARE OF b"
)
_REASON: Final = (
    "CASE WHEN NOT :is_known THEN 'a type we do not act on'"
    " WHEN booking_id IS NULL THEN 'no booking of ours'"
    " WHEN status = ANY(CASE WHEN payment_intent_id = coalesce(:payment_intent_id, payment_intent_id)"
    "  THEN CAST(:own_shown_in AS text[]) ELSE CAST(:other_shown_in AS text[]) END)"
    f" THEN '{NOTHING_NEW}' END"
)
# A duplicate waits for a delivery of the same event that has not committed. It rewrites an open event only.
_KEEP: Final = text(
    f"WITH addressee AS ({_ADDRESSEE}), judged AS ("  # noqa: S608  constants only
    f" SELECT addressee.*, {_REASON} AS reason FROM (VALUES (1)) AS one_row LEFT JOIN addressee ON true"
    "), kept AS ("
    " INSERT INTO stripe_webhook_event AS e (event_id, event_type, booking_id, session_id, payment_intent_id,"
    "  received_at, processed_at, note)"
    " SELECT :event_id, :event_type, :booking_id, :session_id, :payment_intent_id,"
    "  :received_at, CASE WHEN reason IS NOT NULL THEN now() END, reason FROM judged"
    " ON CONFLICT (event_id) DO UPDATE SET processed_at = excluded.processed_at,"
    "  note = coalesce(excluded.note, e.note) WHERE e.processed_at IS NULL RETURNING e.event_id"
    ") SELECT kept.event_id IS NULL, reason, is_echo, booking_id, status, payment_intent_id, slug"
    " FROM judged LEFT JOIN kept ON true"
)
_MARK: Final = (
    update(StripeWebhookEvent)
    .where(col(StripeWebhookEvent.event_id) == bindparam("id"))
    .values(processed_at=bindparam("at"))
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
        is_processed: an earlier delivery of it was.
        reason: why no workflow needs to hear of it; None if one does. The event is then marked with it.
        is_echo: see `storage.echoes`.
        addressee: None if the event is about no booking of ours.
    """

    event: StripeWebhookEvent
    is_processed: bool
    reason: str | None
    is_echo: bool
    addressee: Addressee | None


async def keep_event(db: Connection, event: StripeWebhookEvent) -> InboxEntry:
    """Store an event in the inbox unless it is there, and find its booking by any of the ids that it carries.

    The booking's own id counts most, then the PaymentIntent that the booking holds, then a session opened for it. An
    event that brings nothing new is marked at once, with the reason.
    """
    asked = {
        **event.model_dump(),
        **echo_parameters(event),
        "is_known": event.event_type in KNOWN,
        "own_shown_in": _shown_in(event.event_type, about_own_payment=True),
        "other_shown_in": _shown_in(event.event_type, about_own_payment=False),
    }
    is_processed, reason, is_echo, *booking = (await db.execute(_KEEP, asked)).one()
    id_, status, payment_intent_id, slug = booking
    addressee = Addressee(id_, Status(status), payment_intent_id, slug) if id_ else None
    return InboxEntry(event, is_processed, reason, bool(is_echo), addressee)


def _shown_in(event_type: str, *, about_own_payment: bool) -> list[Status]:
    """The statuses in which a booking's row shows all that an event could tell."""
    return [each for each in Status if not is_relevant(event_type, each, about_own_payment=about_own_payment)]


async def mark_processed(db: Connection, event_id: str) -> None:
    """Mark an event as handed to its workflow.

    Call this after the workflow accepted the signal, never before. A crash in between leads to a second signal,
    which the workflow drops by the event's id; the other order would lose the event.
    """
    await db.execute(_MARK, {"id": event_id, "at": utc_now()})


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
