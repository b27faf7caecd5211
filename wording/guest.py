"""Words for guests, on the booking's page and in its e-mails."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from domain.booking import Event, ReasonCode
from domain.deadlines import HOLD_WITHOUT_CAPTURE_BEFORE
from wording.values import limit_in_words

REASONS: Final = {
    ReasonCode.NO_AVAILABILITY: "The hotel has no rooms of this type left for your dates.",
    ReasonCode.RATE_ERROR: "The price of this booking was not correct.",
    ReasonCode.GUEST_REQUIREMENTS: "The hotel cannot meet the requirements of this stay.",
    # As for OTHER: a suspicion is unproven, and would teach a fraudster.
    ReasonCode.SUSPECTED_FRAUD: "The hotel cannot take this booking.",
    ReasonCode.OTHER: "The hotel cannot take this booking.",
    ReasonCode.APPROVAL_TIMEOUT: "The hotel did not answer in time, so your request has ended.",
    ReasonCode.AUTHORIZATION_EXPIRED: (
        "The hold on your card ended before the hotel had confirmed, and without it we cannot keep the room."
    ),
    ReasonCode.SOLD_OUT: (
        "Another guest took the last room of this type for your dates before your card was authorized."
    ),
    ReasonCode.PAYMENT_MISMATCH: "The amount that was charged did not match this booking.",
}
"""Why a booking was declined, as its guest reads it."""

EVENTS: Final = {
    Event.CREATED: "You filled in the form",
    Event.SUBMITTED: "You made the request",
    Event.AUTHORIZED: "The hotel received your request; the amount is held on your card, not charged",
    Event.SOLD_OUT: "No room of this type was left for your dates, and the hold was released",
    Event.PAYMENT_WINDOW_CLOSED: "The time to pay was over",
    Event.APPROVED: "The hotel confirmed, and the held amount was charged",
    Event.DECLINED: "The hotel declined, and the hold was released",
    Event.APPROVAL_TIMED_OUT: "The hotel did not answer in time, and the hold was released",
    Event.AUTHORIZATION_LOST: "The hold on your card ended before the hotel had confirmed",
    Event.CAPTURED_OUTSIDE: "The hotel confirmed, and the held amount was charged",
    Event.CAPTURE_MISMATCHED: "The amount charged differed from the total, and was refunded",
    Event.CANCELLED_BY_GUEST: "You cancelled",
    Event.CANCELLED_BY_STAFF: "The hotel cancelled",
    Event.REFUND_RECORDED: "Money was refunded to your card",
    Event.REFUND_RETURNED: "Your bank returned the refund",
    Event.PAID_ELSEWHERE: "The hotel paid you by other means",
    Event.CANCELLATION_WITHDRAWN: "The hotel kept your booking: your cancellation was not carried out",
    Event.DISPUTE_RECORDED: "Your bank opened a dispute about the payment",
    Event.UNMATCHED_PAYMENT_RETURNED: "A payment that was not needed was returned to you",
}
"""Events in words. Guests do not see the events that are missing here."""


def cancelling_notice(check_in_at: datetime, answer_by: datetime, now: datetime) -> str | None:
    """The notice to a guest who cannot, or possibly cannot, cancel once the hotel confirms; None for all others.

    Args:
        check_in_at: the start of the stay.
        answer_by: the latest time at which the hotel may confirm.
    """
    if now >= check_in_at:
        return "The stay has started: once the hotel has confirmed, you cannot cancel."
    if answer_by > check_in_at:
        return "You cannot cancel once the stay has started, and the hotel may confirm only after that."
    return None


def answer_limit(approval_sla_s: int) -> str:
    """The hotel's time to answer, as promised before the hold's length is known; no hotel may outlast the hold.

    Args:
        approval_sla_s: seconds from the hold.
    """
    limit = limit_in_words(approval_sla_s)
    if timedelta(seconds=approval_sla_s) < HOLD_WITHOUT_CAPTURE_BEFORE * 0.9:
        return limit
    return f"{limit}, and always before the hold on your card ends"
