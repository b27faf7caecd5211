"""Which Stripe events can mean something to a booking, by where it stands.

An event is a hint to ask Stripe, never a fact: https://docs.stripe.com/webhooks#event-ordering. Asking costs
a request, so the echoes of our own captures and releases are told from news.
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

AFTERMATH: Final = frozenset(
    {
        "charge.refunded",
        "refund.created",
        "refund.updated",
        "refund.failed",
        "charge.dispute.created",
        "charge.dispute.updated",
        "charge.dispute.closed",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.funds_reinstated",
    }
)
"""Captured money may have gone back, or be contested."""

UNEXPECTED: Final = frozenset(
    {"checkout.session.async_payment_succeeded", "checkout.session.async_payment_failed"}
)
"""Cards alone never cause these; they are looked at like a hold and logged as a surprise."""

KNOWN: Final = AUTHORIZING | SETTLING | AFTERMATH | UNEXPECTED

_BOOKING_ID_LONGEST: Final = 40
"""As long as its column; ours have 20 characters."""

_LOOK_AT: Final[Mapping[Status, frozenset[str]]] = MappingProxyType(
    {
        Status.DRAFT: KNOWN,
        Status.PENDING_PAYMENT: KNOWN,
        Status.PENDING_APPROVAL: SETTLING | AFTERMATH,
        Status.CONFIRMED: AFTERMATH,
        # A hold that arrives now is released; a release or capture now is our own doing.
        Status.DECLINED: AUTHORIZING | AFTERMATH,
        Status.EXPIRED: AUTHORIZING | AFTERMATH,
        Status.CANCELLED: AUTHORIZING | AFTERMATH,
    }
)


def is_relevant(event_type: str, status: Status, *, about_own_payment: bool) -> bool:
    """Say whether `event_type` may tell a booking in `status` something it does not know.

    Args:
        about_own_payment: the event names the PaymentIntent the booking holds. Anything about another
            one is always worth a look: it may be a second hold.
    """
    if event_type not in KNOWN:
        return False
    if not about_own_payment and status is not Status.PENDING_PAYMENT:
        return event_type in AUTHORIZING | SETTLING | AFTERMATH
    return event_type in _LOOK_AT[status]


@dataclass(frozen=True)
class Subject:
    """What an event names: our booking by its metadata, a Checkout session, a PaymentIntent."""

    booking_id: str | None = None
    session_id: str | None = None
    payment_intent_id: str | None = None


def subject_of(event_object: Mapping[str, Any]) -> Subject:
    """Read from an event's `data.object` what it is about.

    Only ids and the metadata we wrote ourselves are looked at: the rest may be in another API version's
    shape, and is asked of Stripe anyway. Whatever is no string where one belongs counts as absent, and so does
    a booking id longer than ours: it is another system's.
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
