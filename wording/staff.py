"""Words for staff: statuses, events and deadlines."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from domain.booking import ActorKind, Decision, Event, MailKind, ReasonCode, Status
from domain.decisions import CommandOutcome
from domain.roles import Role
from wording.values import count_in_words, duration_in_words

_URGENT_S: Final = 2 * 3600
_SOON_S: Final = 8 * 3600

STATUS: Final = {
    Status.DRAFT: "Draft",
    Status.PENDING_PAYMENT: "Awaiting payment",
    Status.PENDING_APPROVAL: "To decide",
    Status.CONFIRMED: "Confirmed",
    Status.DECLINED: "Declined",
    Status.EXPIRED: "Expired, never paid",
    Status.CANCELLED: "Cancelled",
}

EVENTS: Final = {
    Event.CREATED: "Booking made",
    Event.SUBMITTED: "Request submitted",
    Event.AUTHORIZED: "Card held",
    Event.SOLD_OUT: "No room was left, the hold was released",
    Event.PAYMENT_WINDOW_CLOSED: "Not paid in time",
    Event.APPROVED: "Approved, the hold was captured",
    Event.DECLINED: "Declined, the hold was released",
    Event.APPROVAL_TIMED_OUT: "Not decided in time, the hold was released",
    Event.AUTHORIZATION_LOST: "The hold ended before a decision",
    Event.CAPTURED_OUTSIDE: "Captured in the Stripe Dashboard",
    Event.CAPTURE_MISMATCHED: "Captured with another amount, and refunded",
    Event.CANCELLED_BY_GUEST: "Cancelled by the guest",
    Event.CANCELLED_BY_STAFF: "Cancelled by the hotel",
    Event.REFUND_RECORDED: "A refund was recorded",
    Event.REFUND_RETURNED: "The bank returned the refund",
    Event.PAID_ELSEWHERE: "The guest was paid outside Stripe",
    Event.CANCELLATION_WITHDRAWN: "The cancellation was withdrawn",
    Event.DISPUTE_RECORDED: "The guest's bank disputes the payment",
    Event.UNMATCHED_PAYMENT_RETURNED: "An unmatched payment was returned",
    Event.ATTENTION_NEEDED: "Needs attention",
    Event.ATTENTION_CLEARED: "A reason for attention was cleared",
}


def others_waiting(count: int) -> str | None:
    """Other requests for the same nights; None if there are none."""
    return f"{count_in_words(count, 'other waits', 'others wait')} for the same nights" if count else None


REASONS: Final = {
    ReasonCode.NO_AVAILABILITY: "No room available",
    ReasonCode.RATE_ERROR: "The price was wrong",
    ReasonCode.GUEST_REQUIREMENTS: "The guest's requirements cannot be met",
    ReasonCode.SUSPECTED_FRAUD: "Fraud suspected",
    ReasonCode.OTHER: "Another reason",
    ReasonCode.APPROVAL_TIMEOUT: "Not decided in time",
    ReasonCode.AUTHORIZATION_EXPIRED: "The hold ended",
    ReasonCode.PAYMENT_MISMATCH: "The amount did not match",
    ReasonCode.SOLD_OUT: "No room was left",
}

MAILS: Final = {
    MailKind.AUTHORIZED: "Payment authorized",
    MailKind.CONFIRMED: "Confirmation",
    MailKind.DECLINED: "Decline",
    MailKind.EXPIRED: "Expiry",
    MailKind.CANCELLED: "Cancellation",
    MailKind.CANCELLATION_WITHDRAWN: "Cancellation withdrawn",
    MailKind.FINISH_REQUEST: "Finish the request",
    MailKind.PAYMENT_REMINDER: "Payment reminder",
    MailKind.BOOKING_LINK: "Link sent again",
    MailKind.STAFF_REQUEST: "New request",
    MailKind.STAFF_REMINDER: "Decision due",
    MailKind.STAFF_PAYMENT_NOTICE: "Payment notice",
    MailKind.STAFF_ATTENTION: "Needs attention",
}

UNDER_WAY: Final = {
    Decision.APPROVE: "Capturing…",
    Decision.DECLINE: "Releasing the hold…",
    Decision.CANCEL: "Cancelling…",
}
"""Words for decisions without an outcome."""

REFUSALS: Final = {
    CommandOutcome.REFUND_PENDING: "A refund is under way at Stripe: wait for the bank's answer.",
    CommandOutcome.NOTHING_OWED: "Nothing is owed to the guest for this booking.",
    CommandOutcome.MORE_THAN_OWED: "The guest is owed less than that.",
    CommandOutcome.OTHER_CURRENCY: (
        "That payment is in another currency: refund it in the Stripe Dashboard, then try again."
    ),
    CommandOutcome.NOTHING_TO_WITHDRAW: "No cancellation of a confirmed booking is pending.",
    CommandOutcome.MONEY_AT_STAKE: (
        "The guest is still owed money: try the refund again, report the amount you paid outside Stripe, or "
        "withdraw the cancellation."
    ),
}
"""The reasons for refusing a `resolve`."""

ROLES: Final = {
    Role.VIEWER: "Viewer: reads",
    Role.APPROVER: "Approver: reads and decides",
    Role.MANAGER: "Manager: decides, cancels and configures",
}

_ACTORS: Final = {
    ActorKind.GUEST: "the guest",
    ActorKind.STAFF: "staff",
    ActorKind.STRIPE: "Stripe",
    ActorKind.SYSTEM: "the system",
    ActorKind.OPERATOR: "an operator",
}


@dataclass(frozen=True)
class Urgency:
    """The time left to answer.

    Args:
        level: `overdue`, `urgent`, `soon` or `calm`; selects the style.
        words: says the same in words.
    """

    level: str
    words: str


def urgency(deadline: datetime | None, now: datetime) -> Urgency:
    """The urgency of a request."""
    if deadline is None:
        return Urgency("calm", "no deadline")
    left_s = (deadline - now).total_seconds()
    if left_s <= 0:
        return Urgency("overdue", f"overdue by {duration_in_words(-left_s)}")
    left = f"answer within {duration_in_words(left_s)}"
    if left_s < _URGENT_S:
        return Urgency("urgent", f"urgent: {left}")
    return Urgency("soon", f"soon: {left}") if left_s < _SOON_S else Urgency("calm", left)


def actor(name: str) -> str:
    """Name an actor: staff by their address, everyone else by their kind."""
    return _ACTORS[ActorKind(name)] if name in set(ActorKind) else name
