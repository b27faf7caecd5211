"""What travels through Temporal: workflow inputs, signals, updates, activity requests and answers.

One frozen dataclass per message, every field with a default: a field added tomorrow must not make a
history recorded today undecodable, because an undecodable signal is dropped although its sender was
told it is safe. Ids only: no guest data, no free text and no secret ever enters a history.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from domain.booking import ActorKind, Decision, Event, MailKind, ReasonCode, Status
from domain.decisions import CommandOutcome

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

SUBMIT_COMMAND = "submit"
"""The command id under which a workflow's own start is awaited."""


@dataclass(frozen=True)
class CheckoutSession:
    """A session as it was opened. Its address opens the payment page and is kept in the database alone."""

    session_id: str = ""
    expires_at: datetime = EPOCH


@dataclass(frozen=True)
class Resumption:
    """What the row knows of a booking whose workflow was lost.

    Args:
        submitted_at: from when its payment window counts.
        session: the Checkout session opened last, if any.
        refunded_minor: what has gone back so far, in the currency's smallest unit.
        decision_deadline: until when the hotel may decide, as guest and staff were told.
        decisions: what the lost workflow was asked for and had not carried out, in the order of its asking.
        mailings: e-mails that no mail server is on record to have taken.
        reason_code: why the booking ended, which tells a person's decline from the system's.
    """

    status: Status = Status.PENDING_PAYMENT
    submitted_at: datetime = EPOCH
    session: CheckoutSession | None = None
    payment_intent_id: str | None = None
    refunded_minor: int = 0
    needs_attention: str | None = None
    decision_deadline: datetime | None = None
    decisions: tuple[OpenDecision, ...] = ()
    mailings: tuple[Mailing, ...] = ()
    reason_code: ReasonCode | None = None


@dataclass(frozen=True)
class BookingTerms:
    """What a booking was submitted with; the workflow's input.

    Args:
        amount_minor: the total in the currency's smallest unit.
        payment_window_s: seconds from submission in which the guest may pay.
        approval_sla_s: seconds from the hold in which the hotel answers.
        cutoff_at: the hotel's cutoff before check-in, if it has one.
        check_in_at: 00:00 hotel time of the check-in day.
        free_cancel_until: end of free cancellation.
        late_cancel_fee_percent: share kept afterwards, 0–100.
        authorization_margin_s: seconds to stay clear of `capture_before`.
        payment_poll_s: seconds between the workflow's own questions to Stripe.
        version: the row's version when the workflow starts.
        resume: where to go on, for a booking that lost its workflow; None for one that is submitted.
    """

    booking_id: str = ""
    hotel_slug: str = ""
    amount_minor: int = 0
    currency: str = "EUR"
    payment_window_s: int = 86400
    approval_sla_s: int = 86400
    cutoff_at: datetime | None = None
    check_in_at: datetime = EPOCH
    free_cancel_until: datetime = EPOCH
    late_cancel_fee_percent: int = 0
    authorization_margin_s: int = 3600
    payment_poll_s: int = 300
    version: int = 1
    resume: Resumption | None = None


# --- signals -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class StripeEventHint:
    """A hint from a Stripe event that something about the money changed. Never believed, always checked."""

    event_id: str = ""
    event_type: str = ""
    session_id: str | None = None
    payment_intent_id: str | None = None


@dataclass(frozen=True)
class Command:
    """A person's decision. Its note, if any, is kept in the database under `command_id`.

    Args:
        issued_at: when it was asked for, by the clock of the API that took it.
        status_when_issued: the booking's status as its asker was shown it, and with it what cancelling costs.
    """

    command_id: str = ""
    actor: ActorKind = ActorKind.STAFF
    staff_id: int | None = None
    reason_code: ReasonCode | None = None
    issued_at: datetime | None = None
    status_when_issued: Status | None = None


@dataclass(frozen=True)
class OpenDecision:
    """A decision that was kept and has not come out; no signal, it travels with a workflow's start."""

    decision: Decision = Decision.APPROVE
    command: Command = field(default_factory=Command)


# --- updates and queries -----------------------------------------------------------------------------


@dataclass(frozen=True)
class SessionRequest:
    """Open a Checkout session, or find the one that is open.

    Args:
        return_to: the row with the caller's own return addresses; None for the booking's status page.
    """

    return_to: int | None = None


@dataclass(frozen=True)
class SessionAnswer:
    """A session the guest can pay on. Not `payable`: the booking no longer waits for a payment."""

    payable: bool = False
    session_id: str = ""
    created: bool = False


@dataclass(frozen=True)
class CommandResult:
    """A command's end, as its sender is told."""

    outcome: CommandOutcome = CommandOutcome.SETTLED
    status: Status = Status.PENDING_PAYMENT
    version: int = 1


@dataclass(frozen=True)
class WorkflowSnapshot:
    """The workflow's own account of itself, for the query `state`."""

    status: Status = Status.DRAFT
    version: int = 1
    waiting_for: str = ""
    pending_decision: str | None = None
    attention: str | None = None
    payment_intent_id: str | None = None
    payment_deadline: datetime | None = None
    decision_deadline: datetime | None = None


class StaffEvent(StrEnum):
    """Realtime events only staff receive."""

    BOOKING_REQUESTED = "booking-requested"
    DEADLINE_NEAR = "booking-deadline-near"


# --- activities: database ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """A step of the booking to be written: row, timeline and version in one transaction.

    Args:
        expected_version: the version the row must have; it has one more afterwards.
        at: the workflow's clock, so that a repeat writes the same time.
        command_id: the decision this carries out, whose note then becomes the booking's.
        payment_deadline: end of the payment window, as it was when the booking was submitted.
    """

    booking_id: str = ""
    hotel_slug: str = ""
    expected_version: int = 0
    event: Event = Event.SUBMITTED
    at: datetime = EPOCH
    actor: ActorKind = ActorKind.SYSTEM
    staff_id: int | None = None
    command_id: str | None = None
    reason_code: ReasonCode | None = None
    payment_intent_id: str | None = None
    authorized_at: datetime | None = None
    decision_deadline: datetime | None = None
    amount_captured_minor: int | None = None
    amount_refunded_minor: int | None = None
    attention: str | None = None
    staff_event: StaffEvent | None = None
    payment_deadline: datetime | None = None


@dataclass(frozen=True)
class ChangeResult:
    """The row after a change.

    Args:
        published: browsers have been told. False: not at the first attempt, and it must be tried again.
    """

    version: int = 0
    status: Status = Status.DRAFT
    published: bool = False


@dataclass(frozen=True)
class RefusedCommand:
    """A decision that came to nothing, to be closed in the books."""

    command_id: str = ""
    outcome: CommandOutcome = CommandOutcome.ALREADY_DECIDED


# --- activities: Stripe ------------------------------------------------------------------------------


@dataclass(frozen=True)
class OpenSession:
    """Open a Checkout session. `generation` and all parameters are fixed once, whatever is retried."""

    booking_id: str = ""
    generation: int = 1
    amount_minor: int = 0
    currency: str = "EUR"
    expires_at: datetime = EPOCH
    return_to: int | None = None


@dataclass(frozen=True)
class PaymentQuestion:
    """Ask Stripe what became of a session or a PaymentIntent; the latter wins where both are known."""

    booking_id: str = ""
    session_id: str | None = None
    payment_intent_id: str | None = None
    amount_minor: int = 0
    currency: str = "EUR"


@dataclass(frozen=True)
class ExpireSession:
    """Close a Checkout session, unless the guest was quicker. `generation` as in `MoneyStep`."""

    booking_id: str = ""
    session_id: str = ""
    generation: int = 1
    amount_minor: int = 0
    currency: str = "EUR"


@dataclass(frozen=True)
class MoneyStep:
    """Capture, release or refund a PaymentIntent.

    Args:
        generation: part of the idempotency key. Raised only after Stripe answered an error that it will
            replay for a day, and reading the PaymentIntent showed that nothing had been done.
        amount_minor: what to capture; what shall have been refunded in total, in the smallest unit of the payment's
            own currency, which need not be the booking's; ignored by a release.
    """

    booking_id: str = ""
    payment_intent_id: str = ""
    generation: int = 1
    amount_minor: int = 0
    currency: str = "EUR"


# --- activities: telling people ----------------------------------------------------------------------


@dataclass(frozen=True)
class Publication:
    """A realtime event to send, about one version of a booking."""

    booking_id: str = ""
    hotel_slug: str = ""
    status: Status = Status.DRAFT
    version: int = 0
    updated_at: datetime = EPOCH
    staff_event: StaffEvent | None = None


@dataclass(frozen=True)
class Mailing:
    """The e-mails to send about one version of a booking."""

    booking_id: str = ""
    kinds: tuple[MailKind, ...] = ()
    version: int = 0


# --- stray money -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class EndedBookingEvent:
    """News about money of a booking whose own workflow has ended; that workflow's input."""

    booking_id: str = ""
    hotel_slug: str = ""
    hint: StripeEventHint = field(default_factory=StripeEventHint)


@dataclass(frozen=True)
class BookingSnapshot:
    """The row of a booking whose workflow has ended, as far as its money goes."""

    status: Status = Status.CANCELLED
    version: int = 0
    payment_intent_id: str | None = None
    amount_minor: int = 0
    amount_refunded_minor: int = 0
    currency: str = "EUR"
    needs_attention: str | None = None
