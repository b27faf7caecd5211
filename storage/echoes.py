"""Echoes: Stripe's events about what a booking's workflow is already learning from Stripe (docs/decisions/16).

Either a decision on the hold is under way, and the event reports a capture or release of that hold; or the booking
waits for its payment, and an earlier event about the same hold was delivered within a minute. The change that follows
marks the event (`storage.shown_events`). If none follows, the sweep delivers the event within two minutes.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from domain.booking import Decision, Status
from domain.stripe_events import AUTHORIZING, SETTLING
from models import StripeWebhookEvent, utc_now

_STEP_LASTS: Final = timedelta(minutes=1)
"""A step that was begun longer ago met an obstacle: then any event may bring news."""

_DELIVERY_LASTS: Final = timedelta(seconds=2)
"""An event that is no older is probably being delivered. An older one that is still unprocessed was not: Temporal was
away, say."""

_STATUS_OF_STEP: Final = {
    **dict.fromkeys(SETTLING, Status.PENDING_APPROVAL),
    **dict.fromkeys(AUTHORIZING, Status.PENDING_PAYMENT),
}

_DECISION: Final = (
    "EXISTS (SELECT FROM booking_command c WHERE c.booking_id = b.booking_id AND c.closed_at IS NULL"
    " AND c.kind = ANY(CAST(:decisions AS text[])) AND c.created_at > :step_since)"
)
# Two events may arrive at the same moment: the earlier one never waits for the later one.
_SAME_HOLD: Final = (
    "EXISTS (SELECT FROM stripe_webhook_event e WHERE e.booking_id = b.booking_id"
    " AND e.payment_intent_id = :payment_intent_id AND e.event_type = ANY(CAST(:authorizing AS text[]))"
    " AND (e.received_at, e.event_id) < (:received_at, :event_id) AND e.event_id <> :event_id"
    " AND e.received_at > :step_since"
    " AND (e.processed_at IS NOT NULL OR e.received_at > :delivery_since))"
)
IS_ECHO: Final = (
    "b.status = :status_of_step AND NOT b.needs_attention AND CASE b.status"
    f" WHEN '{Status.PENDING_APPROVAL}' THEN b.payment_intent_id = :payment_intent_id AND {_DECISION}"
    f" WHEN '{Status.PENDING_PAYMENT}' THEN {_SAME_HOLD} END"
)
"""Whether an event is an echo for its booking `b`: an expression with the parameters of `echo_parameters` and those of
the event's columns. The caller has locked the row."""


def echo_parameters(event: StripeWebhookEvent) -> dict[str, Any]:
    """The parameters of `IS_ECHO` beside the event's own columns."""
    now = utc_now()
    return {
        "status_of_step": _STATUS_OF_STEP.get(event.event_type),
        "decisions": list(Decision),
        "authorizing": sorted(AUTHORIZING),
        "step_since": now - _STEP_LASTS,
        "delivery_since": now - _DELIVERY_LASTS,
    }
