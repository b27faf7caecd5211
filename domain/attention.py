"""Why a booking needs a person, and what a person can do about it.

A reason is known by its code and by what it is about. Several may be open at once, and each is cleared by itself.
The table in docs/runbook.md says the same as the advice here at more length.
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
    """Stripe refused such a step because of our key: HTTP 401 or 403."""
    STRIPE_UNANSWERED = "stripe_unanswered"
    """Stripe gave no clear answer to such a step in the time there was."""
    PAYMENT_UNREAD = "payment_unread"
    """Stripe refuses to tell what became of the booking's own payment or payment page."""
    EVENT_UNREAD = "event_unread"
    """Stripe refuses to tell about the payment that an event names."""
    HOLD_STILL_PLACED = "hold_still_placed"
    """The time to capture is over, and the hold was not released."""
    REFUND_NOT_DONE = "refund_not_done"
    """Stripe took a refund of the booking's payment, and the payment does not show it."""
    REFUND_RETURNED = "refund_returned"
    """The guest's bank sent a refund back."""
    UNMATCHED_PAYMENT_KEPT = "unmatched_payment_kept"
    """An unmatched payment could not be released or refunded."""
    PAYMENT_MISMATCH_RETURNED = "payment_mismatch_returned"
    """A payment of the wrong amount, currency or booking was released or refunded."""
    EMAIL_FAILED = "email_failed"
    """An e-mail could not be sent."""
    ROW_CHANGED = "row_changed"
    """Something other than the booking's workflow wrote its row."""


@dataclass(frozen=True)
class Attention:
    """One reason why a booking needs a person. Code and subject say which; a repeat of it is no new one.

    Args:
        subject: what it is about: a PaymentIntent's or Checkout session's id, or kinds of e-mails.
        detail: what was answered, in technical terms, as first heard. No guest data.
    """

    code: AttentionCode = AttentionCode.STRIPE_REFUSED
    subject: str = ""
    detail: str = ""

    @property
    def key(self) -> tuple[AttentionCode, str]:
        """What tells it from other reasons."""
        return self.code, self.subject

    @property
    def text(self) -> str:
        """Subject and detail in one line."""
        return ": ".join(part for part in (self.subject, self.detail) if part)


ABOUT_PAYMENTS_BESIDE: Final = frozenset({AttentionCode.UNMATCHED_PAYMENT_KEPT, AttentionCode.EVENT_UNREAD})
"""Reasons that end when a later look at the same payment finds nothing to do."""

ABOUT_STEPS: Final = frozenset(
    {
        AttentionCode.STRIPE_REFUSED,
        AttentionCode.STRIPE_KEY_REJECTED,
        AttentionCode.STRIPE_UNANSWERED,
        AttentionCode.REFUND_NOT_DONE,
    }
)
"""Reasons why a step on a payment got stuck."""

OUTLIVES_STATUS_CHANGE: Final = ABOUT_PAYMENTS_BESIDE | {AttentionCode.REFUND_RETURNED}
"""Money that is still to be given back stays a reason whatever becomes of the booking.

A change of status settles every other reason: the step that failed is over, and e-mails that failed are sent anew.
"""


@dataclass(frozen=True)
class _Help:
    """What people are told of a reason. `{retry}` and `{resolve}` stand for the reader's own way to do so."""

    meaning: str
    advice: str


_HELP: Final[Mapping[AttentionCode, _Help]] = MappingProxyType(
    {
        AttentionCode.STRIPE_REFUSED: _Help(
            "Stripe refused a step on the payment.",
            "Look the payment up in the Stripe Dashboard, settle it there, then {resolve}.",
        ),
        AttentionCode.STRIPE_KEY_REJECTED: _Help(
            "Stripe rejected the product's key.",
            "Mend STRIPE_SECRET_KEY, restart the workers, then {retry}.",
        ),
        AttentionCode.STRIPE_UNANSWERED: _Help(
            "Stripe gave no clear answer in time.", "Wait until Stripe is back, then {retry}."
        ),
        AttentionCode.PAYMENT_UNREAD: _Help(
            "Stripe refuses to tell what became of the payment.",
            "Check that STRIPE_SECRET_KEY is right and may read payments, restart the workers, then {retry}.",
        ),
        AttentionCode.EVENT_UNREAD: _Help(
            "Stripe refuses to tell about a payment that one of its events named.",
            "Look the payment up in the Stripe Dashboard. Check STRIPE_SECRET_KEY, then {retry}.",
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
            "The refund came back and is still owed to the guest.",
            "{retry} makes a new refund. Or pay the guest by other means, then {resolve} with the amount.",
        ),
        AttentionCode.UNMATCHED_PAYMENT_KEPT: _Help(
            "A payment that this booking cannot use could not be given back.",
            "Mend what Stripe names, or release or refund the payment in the Stripe Dashboard, then {retry}.",
        ),
        AttentionCode.PAYMENT_MISMATCH_RETURNED: _Help(
            "A payment with the wrong amount or booking was given back.",
            "The money went back, nothing is left to do: {resolve}.",
        ),
        AttentionCode.EMAIL_FAILED: _Help(
            "An e-mail could not be sent.", "Mend the address or the mail server; {retry} sends it again."
        ),
        AttentionCode.ROW_CHANGED: _Help(
            "Something else changed the booking in the database.",
            "Put the row's status and amounts right, then {retry}.",
        ),
    }
)


def meaning(code: AttentionCode) -> str:
    """Say what is the matter, in one sentence."""
    return _HELP[code].meaning


def advice(code: AttentionCode, *, retry: str, resolve: str) -> str:
    """Say what to do next.

    Args:
        retry, resolve: what the reader knows these two by: a command, a button.
    """
    return _HELP[code].advice.format(retry=retry, resolve=resolve)
