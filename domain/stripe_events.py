"""The Stripe events that are relevant to a booking, by its status.

An event is a hint to ask Stripe, never a fact: https://docs.stripe.com/webhooks#event-ordering. Asking costs
a request, so events that only echo our own captures and releases are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from domain.booking import Status

AUTHORIZING: Final = frozenset({"checkout.session.completed", "payment_intent.amount_capturable_updated"})
"""A hold may have been placed. These are sent to the workflow as the signal `authorized`."""

SETTLING: Final = frozenset(
    {"payment_intent.succeeded", "charge.captured", "payment_intent.canceled", "charge.expired"}
)
"""A hold may have been captured, released, or may have lapsed."""

DISPUTES: Final = frozenset(
    {
        "charge.dispute.created",
        "charge.dispute.updated",
        "charge.dispute.closed",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.funds_reinstated",
    }
)
"""A dispute may have been opened, changed or decided."""

AFTERMATH: Final = DISPUTES | {"charge.refunded", "refund.created", "refund.updated", "refund.failed"}
"""Captured money may have been refunded or disputed."""

UNEXPECTED: Final = frozenset(
    {"checkout.session.async_payment_succeeded", "checkout.session.async_payment_failed"}
)
"""Card payments alone never cause these; they are checked like a hold and logged as unexpected."""

KNOWN: Final = AUTHORIZING | SETTLING | AFTERMATH | UNEXPECTED

_BOOKING_ID_LONGEST: Final = 40
"""The length of its column; ours have 20 characters."""

_LOOK_AT: Final[Mapping[Status, frozenset[str]]] = MappingProxyType(
    {
        Status.DRAFT: KNOWN,
        Status.PENDING_PAYMENT: KNOWN,
        Status.PENDING_APPROVAL: SETTLING | AFTERMATH,
        Status.CONFIRMED: AFTERMATH,
        # A hold that arrives now is released; a release or capture now is our own.
        Status.DECLINED: AUTHORIZING | AFTERMATH,
        Status.EXPIRED: AUTHORIZING | AFTERMATH,
        Status.CANCELLED: AUTHORIZING | AFTERMATH,
    }
)


def is_relevant(event_type: str, status: Status, *, about_own_payment: bool) -> bool:
    """Say whether `event_type` may bring a booking in `status` new information.

    Args:
        about_own_payment: the event names the PaymentIntent the booking holds. An event about another payment
            is always relevant: it may be a second hold.
    """
    if event_type not in KNOWN:
        return False
    if not about_own_payment and status is not Status.PENDING_PAYMENT:
        return event_type in AUTHORIZING | SETTLING | AFTERMATH
    return event_type in _LOOK_AT[status]


@dataclass(frozen=True)
class Subject:
    """The ids that an event names: our booking by its metadata, a Checkout session, a PaymentIntent."""

    booking_id: str | None = None
    session_id: str | None = None
    payment_intent_id: str | None = None


def subject_of(event_object: Mapping[str, Any]) -> Subject:
    """Read the subject from an event's `data.object`.

    Only ids and our own metadata are read: the rest may have another API version's shape, and Stripe is asked for it
    anyway. A value that is not a string counts as absent, and so does a booking id longer than ours, which belongs to
    another system.
    """
    kind, own_id = event_object.get("object"), _text(event_object.get("id"))
    metadata = event_object.get("metadata")
    intent = event_object.get("payment_intent")
    return Subject(
        booking_id=_text(metadata.get("booking_id"), _BOOKING_ID_LONGEST)
        if isinstance(metadata, Mapping)
        else None,
        session_id=own_id if kind == "checkout.session" else None,
        payment_intent_id=own_id
        if kind == "payment_intent"
        else _text(intent.get("id") if isinstance(intent, Mapping) else intent),
    )


def _text(value: Any, longest: int = 255) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= longest and value.isprintable() else None
