"""Echoes: Stripe's events about what a booking's workflow is already learning from Stripe (docs/decisions/16).

Either a decision on the hold is under way, and the event reports a capture or release of that hold; or the booking
waits for its payment, and an earlier event about the same hold was delivered within a minute. The change that follows
marks the event (`storage.shown_events`). If none follows, the sweep delivers the event within two minutes.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Final

from sqlalchemy import DateTime, String, bindparam, or_, select, tuple_
from sqlmodel import col

from domain.booking import Decision, Status
from domain.stripe_events import AUTHORIZING, SETTLING
from models import Booking, BookingCommand, StripeWebhookEvent, utc_now
from storage.database import Connection
from storage.inbox import Addressee

LEFT_TO_ITS_STEP: Final = "left to the step under way"

_STEP_LASTS: Final = timedelta(minutes=1)
"""A step that was begun longer ago met an obstacle: then any event may bring news."""

_DELIVERY_LASTS: Final = timedelta(seconds=2)
"""An event that is no older is probably being delivered. An older one that is still unprocessed was not: Temporal was
away, say."""

_DECISION: Final = (
    select(BookingCommand)
    .where(
        col(BookingCommand.booking_id) == col(Booking.booking_id),
        col(BookingCommand.kind).in_([str(decision) for decision in Decision]),
        col(BookingCommand.closed_at).is_(None),
        col(BookingCommand.created_at) > bindparam("since"),
    )
    .exists()
)
# Two events may arrive at the same moment: the earlier one never waits for the later one.
_SAME_HOLD: Final = (
    select(StripeWebhookEvent)
    .where(
        col(StripeWebhookEvent.booking_id) == col(Booking.booking_id),
        col(StripeWebhookEvent.payment_intent_id) == bindparam("payment_intent_id"),
        tuple_(col(StripeWebhookEvent.received_at), col(StripeWebhookEvent.event_id))
        < tuple_(
            bindparam("received_at", type_=DateTime(timezone=True)), bindparam("event_id", type_=String)
        ),
        col(StripeWebhookEvent.event_id) != bindparam("event_id"),
        col(StripeWebhookEvent.event_type).in_(AUTHORIZING),
        col(StripeWebhookEvent.received_at) > bindparam("since"),
        or_(
            col(StripeWebhookEvent.processed_at).is_not(None),
            col(StripeWebhookEvent.received_at) > bindparam("just_now"),
        ),
    )
    .exists()
)
_IS_UNDER_WAY: Final = or_(
    (col(Booking.status) == Status.PENDING_APPROVAL) & _DECISION,
    (col(Booking.status) == Status.PENDING_PAYMENT) & _SAME_HOLD,
)
# The lock waits for a change that is being written: it may not have seen the event, so the event has to see it.
_STEP: Final = (
    select(col(Booking.status), col(Booking.payment_intent_id), col(Booking.needs_attention), _IS_UNDER_WAY)
    .where(col(Booking.booking_id) == bindparam("id"))
    .with_for_update(read=True, of=Booking)
)


def may_be_echo(event: StripeWebhookEvent, addressee: Addressee) -> bool:
    """Whether an event reports what a step of its booking's workflow may be about; `read_step` finds that out."""
    if event.payment_intent_id is None:
        return False
    if event.event_type in SETTLING:
        is_own = event.payment_intent_id == addressee.payment_intent_id
        return is_own and addressee.status is Status.PENDING_APPROVAL
    return event.event_type in AUTHORIZING and addressee.status is Status.PENDING_PAYMENT


async def read_step(
    db: Connection, event: StripeWebhookEvent, addressee: Addressee
) -> tuple[bool, Addressee]:
    """Return whether a stored event is an echo of a step under way, and its booking as it is now."""
    now = utc_now()
    parameters = {
        "id": addressee.booking_id,
        "since": now - _STEP_LASTS,
        "just_now": now - _DELIVERY_LASTS,
        "event_id": event.event_id,
        "payment_intent_id": event.payment_intent_id,
        "received_at": event.received_at,
    }
    status, own, needs_attention, is_under_way = (await db.execute(_STEP, parameters)).one()
    is_same = status == addressee.status and not needs_attention
    return is_same and is_under_way, replace(addressee, status=Status(status), payment_intent_id=own)
