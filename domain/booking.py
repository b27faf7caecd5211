"""Statuses of a booking and the one table that says how it moves between them.

The workflow, the API and the pages all read this table; no other code knows which status may follow which.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from domain.errors import IllegalTransitionError


class Status(StrEnum):
    """The status of a booking."""

    DRAFT = "DRAFT"
    PENDING_PAYMENT = "PENDING_PAYMENT"
    PENDING_APPROVAL = "PENDING_APPROVAL"
    CONFIRMED = "CONFIRMED"
    DECLINED = "DECLINED"
    EXPIRED = "EXPIRED"
    CANCELLED = "CANCELLED"


class Event(StrEnum):
    """The events of a booking; its timeline shows these words."""

    CREATED = "created"
    SUBMITTED = "submitted"
    AUTHORIZED = "authorized"
    SOLD_OUT = "sold_out"
    PAYMENT_WINDOW_CLOSED = "payment_window_closed"
    APPROVED = "approved"
    DECLINED = "declined"
    APPROVAL_TIMED_OUT = "approval_timed_out"
    AUTHORIZATION_LOST = "authorization_lost"
    CAPTURED_OUTSIDE = "captured_outside"
    CAPTURE_MISMATCHED = "capture_mismatched"
    CANCELLED_BY_GUEST = "cancelled_by_guest"
    CANCELLED_BY_STAFF = "cancelled_by_staff"
    REFUND_RECORDED = "refund_recorded"
    REFUND_RETURNED = "refund_returned"
    PAID_ELSEWHERE = "paid_elsewhere"
    CANCELLATION_WITHDRAWN = "cancellation_withdrawn"
    DISPUTE_RECORDED = "dispute_recorded"
    UNMATCHED_PAYMENT_RETURNED = "unmatched_payment_returned"
    ATTENTION_NEEDED = "attention_needed"
    ATTENTION_CLEARED = "attention_cleared"


class ReasonCode(StrEnum):
    """The reasons of a declined booking. Staff may give the first five, the system gives the others."""

    NO_AVAILABILITY = "NO_AVAILABILITY"
    RATE_ERROR = "RATE_ERROR"
    GUEST_REQUIREMENTS = "GUEST_REQUIREMENTS"
    SUSPECTED_FRAUD = "SUSPECTED_FRAUD"
    OTHER = "OTHER"
    APPROVAL_TIMEOUT = "APPROVAL_TIMEOUT"
    AUTHORIZATION_EXPIRED = "AUTHORIZATION_EXPIRED"
    PAYMENT_MISMATCH = "PAYMENT_MISMATCH"
    SOLD_OUT = "SOLD_OUT"


STAFF_REASON_CODES = frozenset(
    {
        ReasonCode.NO_AVAILABILITY,
        ReasonCode.RATE_ERROR,
        ReasonCode.GUEST_REQUIREMENTS,
        ReasonCode.SUSPECTED_FRAUD,
        ReasonCode.OTHER,
    }
)


class Decision(StrEnum):
    """The decisions on a booking. The workflow signals have the same names."""

    APPROVE = "approve"
    DECLINE = "decline"
    CANCEL = "cancel"


class ActorKind(StrEnum):
    """The author of a change. The timeline shows staff by their e-mail address."""

    GUEST = "guest"
    STAFF = "staff"
    STRIPE = "stripe"
    SYSTEM = "system"
    OPERATOR = "operator"


class MailKind(StrEnum):
    """E-mails the product sends; each has a template folder of the same name."""

    AUTHORIZED = "authorized"
    CONFIRMED = "confirmed"
    DECLINED = "declined"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    CANCELLATION_WITHDRAWN = "cancellation_withdrawn"
    FINISH_REQUEST = "finish_request"
    PAYMENT_REMINDER = "payment_reminder"
    BOOKING_LINK = "booking_link"
    STAFF_REQUEST = "staff_request"
    STAFF_REMINDER = "staff_reminder"
    STAFF_PAYMENT_NOTICE = "staff_payment_notice"
    STAFF_ATTENTION = "staff_attention"


STAFF_MAILS = frozenset(
    {
        MailKind.STAFF_REQUEST,
        MailKind.STAFF_REMINDER,
        MailKind.STAFF_PAYMENT_NOTICE,
        MailKind.STAFF_ATTENTION,
    }
)

UNPAID_MAILS = frozenset({MailKind.FINISH_REQUEST, MailKind.PAYMENT_REMINDER})
"""E-mails to a guest who has not paid: of no use once the booking has another status."""


@dataclass(frozen=True)
class Transition:
    """One row of the table.

    Args:
        to: the status afterwards.
        reason: the system's reason code; None if there is none, or if the change brings it: a person's reason, or that
            of the missed deadline.
        mails: the e-mails about this change.
        needs_hold: the mails are sent only if a card was ever held: before that, the guest's address is unverified.
    """

    to: Status
    reason: ReasonCode | None = None
    mails: tuple[MailKind, ...] = ()
    needs_hold: bool = False

    def mails_for(self, *, was_held: bool) -> tuple[MailKind, ...]:
        """The e-mails about this change of a booking."""
        return self.mails if was_held or not self.needs_hold else ()


def _table() -> dict[tuple[Status, Event], Transition]:
    declined = (MailKind.DECLINED,)
    cancelled = Transition(Status.CANCELLED, mails=(MailKind.CANCELLED,))
    cancelled_unpaid = Transition(Status.CANCELLED, mails=(MailKind.CANCELLED,), needs_hold=True)
    table = {
        (Status.DRAFT, Event.SUBMITTED): Transition(Status.PENDING_PAYMENT),
        (Status.PENDING_PAYMENT, Event.AUTHORIZED): Transition(
            Status.PENDING_APPROVAL, mails=(MailKind.AUTHORIZED, MailKind.STAFF_REQUEST)
        ),
        (Status.PENDING_PAYMENT, Event.SOLD_OUT): Transition(Status.DECLINED, ReasonCode.SOLD_OUT, declined),
        (Status.PENDING_PAYMENT, Event.PAYMENT_WINDOW_CLOSED): Transition(
            Status.EXPIRED, mails=(MailKind.EXPIRED,)
        ),
        (Status.PENDING_PAYMENT, Event.CANCELLED_BY_GUEST): cancelled_unpaid,
        (Status.PENDING_APPROVAL, Event.APPROVED): Transition(Status.CONFIRMED, mails=(MailKind.CONFIRMED,)),
        (Status.PENDING_APPROVAL, Event.DECLINED): Transition(Status.DECLINED, mails=declined),
        (Status.PENDING_APPROVAL, Event.APPROVAL_TIMED_OUT): Transition(Status.DECLINED, mails=declined),
        (Status.PENDING_APPROVAL, Event.AUTHORIZATION_LOST): Transition(
            Status.DECLINED, ReasonCode.AUTHORIZATION_EXPIRED, declined
        ),
        (Status.PENDING_APPROVAL, Event.CAPTURED_OUTSIDE): Transition(
            Status.CONFIRMED, mails=(MailKind.CONFIRMED,)
        ),
        (Status.PENDING_APPROVAL, Event.CAPTURE_MISMATCHED): Transition(
            Status.DECLINED, ReasonCode.PAYMENT_MISMATCH, declined
        ),
        (Status.PENDING_APPROVAL, Event.CANCELLED_BY_GUEST): cancelled,
        (Status.CONFIRMED, Event.CANCELLED_BY_GUEST): cancelled,
        (Status.CONFIRMED, Event.CANCELLED_BY_STAFF): cancelled,
        (Status.CONFIRMED, Event.CANCELLATION_WITHDRAWN): Transition(
            Status.CONFIRMED, mails=(MailKind.CANCELLATION_WITHDRAWN,)
        ),
    }
    # Facts about the money are recorded in every status in which a workflow may learn of them; they change none.
    submitted = [status for status in Status if status is not Status.DRAFT]
    for status in submitted:
        notice = (MailKind.STAFF_PAYMENT_NOTICE,)
        table[status, Event.UNMATCHED_PAYMENT_RETURNED] = Transition(status, mails=notice)
        table[status, Event.REFUND_RECORDED] = Transition(status, mails=notice)
        table[status, Event.REFUND_RETURNED] = Transition(status, mails=notice)
        table[status, Event.PAID_ELSEWHERE] = Transition(status)
        table[status, Event.DISPUTE_RECORDED] = Transition(status, mails=notice)
        table[status, Event.ATTENTION_NEEDED] = Transition(status, mails=(MailKind.STAFF_ATTENTION,))
        table[status, Event.ATTENTION_CLEARED] = Transition(status)
    return table


TRANSITIONS: Mapping[tuple[Status, Event], Transition] = MappingProxyType(_table())

ENDED = frozenset({Status.DECLINED, Status.EXPIRED, Status.CANCELLED})
"""Statuses without a further status."""

KEEPS_MONEY = frozenset({Status.CONFIRMED, Status.CANCELLED})
"""Statuses in which captured money may stay: a cancelled booking may have cost a fee."""

CLAIMS_ROOM = frozenset({Status.PENDING_APPROVAL, Status.CONFIRMED})
"""Statuses in which a booking has a room of its type for each of its nights."""

UNDER_DECISION = frozenset({Status.PENDING_PAYMENT, Status.PENDING_APPROVAL})


def transition(status: Status, event: Event) -> Transition:
    """Look up the effect of `event` on a booking in `status`.

    Raises:
        IllegalTransitionError: the table has no such row.
    """
    try:
        return TRANSITIONS[status, event]
    except KeyError:
        raise IllegalTransitionError(status, event) from None


def allows(status: Status, event: Event) -> bool:
    """Say whether `event` may happen to a booking in `status`."""
    return (status, event) in TRANSITIONS


def cancellation_event(actor: ActorKind) -> Event:
    """Name the cancellation after its author: the table lets staff cancel less than guests."""
    return Event.CANCELLED_BY_GUEST if actor is ActorKind.GUEST else Event.CANCELLED_BY_STAFF


DECIDED_AS: Mapping[Decision, Status] = MappingProxyType(
    {
        Decision.APPROVE: Status.CONFIRMED,
        Decision.DECLINE: Status.DECLINED,
        Decision.CANCEL: Status.CANCELLED,
    }
)
"""The status in which a decision has been carried out."""
