"""A payment at Stripe, as Stripe described it at one moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class PaymentStatus(StrEnum):
    """A PaymentIntent's status as far as the product distinguishes it, by Stripe's own names.

    `NONE` stands for a session without a payment; `PENDING` for every status in which the guest, the bank or Stripe
    still has to act.
    """

    NONE = "none"
    PENDING = "pending"
    REQUIRES_CAPTURE = "requires_capture"
    SUCCEEDED = "succeeded"
    CANCELED = "canceled"


@dataclass(frozen=True)
class PaymentSnapshot:
    """A snapshot of a payment at Stripe. Amounts in the smallest unit of the payment's own currency.

    Args:
        booking_id: the booking that the payment's metadata names; empty if it names none.
        amount_minor: the authorized amount, or the amount to authorize.
        currency: ISO 4217 code.
        session_open: the guest may still pay on the session that was asked about.
        matches: amount, currency and booking id are those of the booking that was asked about.
        amount_refunded_minor: the refunded part of the captured money.
        authorized_at: when the hold was placed.
        capture_before: when the hold lapses, if Stripe says.
        disputed: the guest's bank has disputed it, now or before.
        refund_pending: a refund is under way and the bank has not confirmed it.
        refund_returned: a refund of it failed, now or before.
    """

    status: PaymentStatus = PaymentStatus.NONE
    payment_intent_id: str | None = None
    booking_id: str = ""
    amount_minor: int = 0
    currency: str = ""
    session_open: bool = False
    matches: bool = True
    amount_received_minor: int = 0
    amount_refunded_minor: int = 0
    authorized_at: datetime | None = None
    capture_before: datetime | None = None
    disputed: bool = False
    refund_pending: bool = False
    refund_returned: bool = False

    @property
    def intent_id(self) -> str:
        """The PaymentIntent's id, of a payment that is known to have one."""
        assert self.payment_intent_id is not None, "a session without a payment has no PaymentIntent"
        return self.payment_intent_id

    @property
    def is_held(self) -> bool:
        """Whether a card is held."""
        return self.status is PaymentStatus.REQUIRES_CAPTURE

    @property
    def is_captured(self) -> bool:
        """Whether money was captured, even if all of it was refunded."""
        return self.status is PaymentStatus.SUCCEEDED

    @property
    def is_paid(self) -> bool:
        """Whether the guest has paid: the card is held, or the hold has been captured already."""
        return self.is_held or self.is_captured

    @property
    def kept_minor(self) -> int:
        """The captured amount less its refunds."""
        return self.amount_received_minor - self.amount_refunded_minor if self.is_captured else 0

    @property
    def is_at_stake(self) -> bool:
        """Whether a card is held, or captured money has not been refunded in full."""
        return self.is_held or self.kept_minor > 0
