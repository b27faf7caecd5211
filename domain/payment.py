"""What Stripe says of a payment, in the few words that matter to a booking."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class PaymentStatus(StrEnum):
    """A PaymentIntent's status where it matters to us, by Stripe's own names.

    `NONE` stands for a session nobody has paid on; `PENDING` for every status in which the guest, the
    bank or Stripe is still at work.
    """

    NONE = "none"
    PENDING = "pending"
    REQUIRES_CAPTURE = "requires_capture"
    SUCCEEDED = "succeeded"
    CANCELED = "canceled"


@dataclass(frozen=True)
class PaymentSnapshot:
    """What Stripe says of a booking's money. Amounts in the smallest unit of the payment's own currency.

    Args:
        session_open: the guest may still pay on the session that was asked about.
        matches: amount, currency and booking id are the booking's own.
        authorized_at: when the hold was placed.
        capture_before: when the hold lapses, if Stripe says.
    """

    status: PaymentStatus = PaymentStatus.NONE
    session_open: bool = False
    payment_intent_id: str | None = None
    matches: bool = True
    amount_received_minor: int = 0
    amount_refunded_minor: int = 0
    authorized_at: datetime | None = None
    capture_before: datetime | None = None
    disputed: bool = False
