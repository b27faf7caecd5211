"""The reasons why a booking needs attention, and the advice for each.

A reason is identified by its code and subject. Several may be open at once, and each is cleared separately.
The table in docs/runbook.md gives the same advice in more detail.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class AttentionCode(StrEnum):
    """The kinds of reasons."""

    STRIPE_REFUSED = "stripe_refused"
    """Stripe refused a step on the booking's own payment for good."""
    STRIPE_KEY_REJECTED = "stripe_key_rejected"
    """Stripe refused such a step because of the product's key: HTTP 401 or 403."""
    STRIPE_UNANSWERED = "stripe_unanswered"
    """Stripe gave no clear answer to such a step in time."""
    PAYMENT_UNREAD = "payment_unread"
    """Stripe refuses to show the booking's own payment or payment page."""
    EVENT_UNREAD = "event_unread"
    """Stripe refuses to show the payment that an event names."""
    HOLD_STILL_PLACED = "hold_still_placed"
    """The time to capture is over, and the hold was not released."""
    REFUND_NOT_DONE = "refund_not_done"
    """Stripe accepted a refund of the booking's payment, and the payment does not show it."""
    REFUND_RETURNED = "refund_returned"
    """The guest's bank returned a refund."""
    UNMATCHED_PAYMENT_KEPT = "unmatched_payment_kept"
    """An unmatched payment could not be released or refunded."""
    PAYMENT_MISMATCH_RETURNED = "payment_mismatch_returned"
    """A payment of the wrong amount, currency or booking was released or refunded."""
    EMAIL_FAILED = "email_failed"
    """An e-mail could not be sent."""
    ROW_CHANGED = "row_changed"
    """Another writer than the booking's workflow changed its row."""


@dataclass(frozen=True)
class Attention:
    """One reason why a booking needs attention. Code and subject identify it; a repeat adds no second one.

    Args:
        subject: the id of a PaymentIntent or Checkout session, or kinds of e-mails.
        detail: the first answer, in technical terms. No guest data.
    """

    code: AttentionCode = AttentionCode.STRIPE_REFUSED
    subject: str = ""
    detail: str = ""

    @property
    def key(self) -> tuple[AttentionCode, str]:
        """The code and subject, which identify the reason."""
        return self.code, self.subject

    @property
    def text(self) -> str:
        """The subject and detail in one line."""
        return ": ".join(part for part in (self.subject, self.detail) if part)


ABOUT_PAYMENTS_BESIDE: Final = frozenset({AttentionCode.UNMATCHED_PAYMENT_KEPT, AttentionCode.EVENT_UNREAD})
"""Reasons that end when a later read of the same payment leaves nothing to do."""

ABOUT_STEPS: Final = frozenset(
    {
        AttentionCode.STRIPE_REFUSED,
        AttentionCode.STRIPE_KEY_REJECTED,
        AttentionCode.STRIPE_UNANSWERED,
        AttentionCode.REFUND_NOT_DONE,
    }
)
"""Reasons why a step on a payment failed."""

OUTLIVES_STATUS_CHANGE: Final = ABOUT_PAYMENTS_BESIDE | {AttentionCode.REFUND_RETURNED}
"""Reasons about money that is still to be returned outlive every change of status.

A change of status clears every other reason: the failed step is over, and failed e-mails are sent again.
"""


@dataclass(frozen=True)
class _Help:
    """The texts for a reason. `{retry}` and `{resolve}` stand for the reader's command or button."""

    meaning: str
    advice: str


_HELP: Final[Mapping[AttentionCode, _Help]] = MappingProxyType(
    {
        AttentionCode.STRIPE_REFUSED: _Help(
            "Stripe refused a step on the payment.",
            "Find the payment in the Stripe Dashboard, fix it there, then {resolve}.",
        ),
        AttentionCode.STRIPE_KEY_REJECTED: _Help(
            "Stripe rejected the product's secret key.",
            "Correct STRIPE_SECRET_KEY, restart the workers, then {retry}.",
        ),
        AttentionCode.STRIPE_UNANSWERED: _Help(
            "Stripe gave no clear answer in time.", "Wait until Stripe is available, then {retry}."
        ),
        AttentionCode.PAYMENT_UNREAD: _Help(
            "Stripe refuses to show the payment.",
            "Check that STRIPE_SECRET_KEY is right and may read payments, restart the workers, then {retry}.",
        ),
        AttentionCode.EVENT_UNREAD: _Help(
            "Stripe refuses to show a payment that one of its events named.",
            "Find the payment in the Stripe Dashboard. Check STRIPE_SECRET_KEY, then {retry}.",
        ),
        AttentionCode.HOLD_STILL_PLACED: _Help(
            "The card is still held although the time to capture is over.",
            "Cancel the hold in the Stripe Dashboard, then {resolve}.",
        ),
        AttentionCode.REFUND_NOT_DONE: _Help(
            "The refund did not go through.",
            "{retry} makes another refund. Or pay the guest by other means, then {resolve} with the amount.",
        ),
        AttentionCode.REFUND_RETURNED: _Help(
            "The guest's bank returned the refund, and the guest is still owed it.",
            "{retry} makes a new refund. Or pay the guest by other means, then {resolve} with the amount.",
        ),
        AttentionCode.UNMATCHED_PAYMENT_KEPT: _Help(
            "An unmatched payment could not be released or refunded.",
            "Correct what Stripe reports, or release or refund the payment in the Stripe Dashboard, then {retry}.",
        ),
        AttentionCode.PAYMENT_MISMATCH_RETURNED: _Help(
            "A payment with the wrong amount or booking was released or refunded.",
            "No money is left to return: {resolve}.",
        ),
        AttentionCode.EMAIL_FAILED: _Help(
            "An e-mail could not be sent.",
            "Correct the address or the mail server, then {retry} to send it again.",
        ),
        AttentionCode.ROW_CHANGED: _Help(
            "Something other than its workflow changed the booking in the database.",
            "Correct the row's status and amounts, then {retry}.",
        ),
    }
)


def meaning(code: AttentionCode) -> str:
    """Describe the reason in one sentence."""
    return _HELP[code].meaning


def advice(code: AttentionCode, *, retry: str, resolve: str) -> str:
    """Say what to do about a reason.

    Args:
        retry, resolve: the reader's names for these two: a command or a button.
    """
    return _HELP[code].advice.format(retry=retry, resolve=resolve)
