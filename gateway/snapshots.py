"""Snapshots of payments: Stripe's objects in the product's terms."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import stripe

from domain.money import from_stripe
from domain.payment import PaymentSnapshot, PaymentStatus

WITH_CHARGE: Final = "latest_charge.refunds"
"""What a PaymentIntent has to be expanded with, to be read whole."""

_UNDER_WAY: Final = frozenset({"pending", "requires_action"})
_RETURNED: Final = frozenset({"failed", "canceled"})
"""Statuses of a refund: https://docs.stripe.com/refunds#failed-refunds."""


def payment_snapshot(intent: stripe.PaymentIntent) -> PaymentSnapshot:
    """Read a PaymentIntent that was expanded `WITH_CHARGE`."""
    charge = intent.latest_charge if isinstance(intent.latest_charge, stripe.Charge) else None
    currency = intent.currency.upper()
    refunds = {refund.status for refund in charge.refunds.data} if charge and charge.refunds else set()
    return PaymentSnapshot(
        status=_status(intent.status),
        payment_intent_id=intent.id,
        booking_id=booking_named_by(intent.metadata),
        amount_minor=from_stripe(intent.amount, currency),
        currency=currency,
        amount_received_minor=from_stripe(intent.amount_received, currency),
        amount_refunded_minor=from_stripe(_refunded(charge), currency) if charge else 0,
        authorized_at=instant(charge.created) if charge else None,
        capture_before=_capture_before(charge),
        disputed=bool(charge and charge.disputed),
        refund_pending=not refunds.isdisjoint(_UNDER_WAY),
        refund_returned=not refunds.isdisjoint(_RETURNED),
    )


def booking_named_by(metadata: Any) -> str:
    """The booking id in a payment's or session's metadata; empty if there is none."""
    found = metadata.to_dict().get("booking_id") if metadata else None
    return found if isinstance(found, str) else ""


def instant(unix_time_s: int) -> datetime:
    """Convert Stripe's Unix time in seconds."""
    return datetime.fromtimestamp(unix_time_s, UTC)


def _status(status: str) -> PaymentStatus:
    try:
        return PaymentStatus(status)
    except ValueError:
        # The guest, the bank or Stripe has not finished.
        return PaymentStatus.PENDING


def _refunded(charge: stripe.Charge) -> int:
    """The refunded amount of captured money. Stripe's own figure also counts released parts of a hold."""
    let_go = charge.amount - charge.amount_captured
    return max(charge.amount_refunded - let_go, 0)


def _capture_before(charge: stripe.Charge | None) -> datetime | None:
    details = charge.payment_method_details if charge else None
    card = details.card if details else None
    return instant(card.capture_before) if card and card.capture_before else None
