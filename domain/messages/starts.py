"""Inputs of workflows: of one that a program starts, of one whose predecessor was lost, and of a run's next run."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from domain.attention import Attention
from domain.booking import Decision, ReasonCode, Status
from domain.messages.answers import CommandResult
from domain.messages.notifications import Mailing, Publication
from domain.messages.signals import Command, StripeEventHint
from domain.messages.stripe_steps import CheckoutSession
from domain.payment import PaymentSnapshot
from domain.timestamps import EPOCH

SUBMIT_COMMAND = "submit"
"""The command id under which a workflow's own start is awaited."""


@dataclass(frozen=True)
class OpenDecision:
    """A decision that was kept and has not come out; no signal, it travels with a workflow's start."""

    decision: Decision = Decision.APPROVE
    command: Command = field(default_factory=Command)


@dataclass(frozen=True)
class Resumption:
    """What the row knows of a booking whose workflow was lost.

    Args:
        submitted_at: from when its payment window counts.
        session: the Checkout session opened last, if any.
        refunded_minor: what has gone back so far, in the currency's smallest unit.
        refund_due_minor: what the cancellation said is to go back in all; None where there was none.
        paid_elsewhere_minor: what people have paid the guest outside Stripe.
        cancellation_counts_from: when the guest first asked for a cancellation that was withdrawn.
        attention: the open reasons why the booking needs a person, oldest first.
        decision_deadline: until when the hotel may decide, as guest and staff were told.
        decisions: what the lost workflow was asked for and had not carried out, in the order of its asking.
        mailings: e-mails that no mail server is on record to have taken.
        reason_code: why the booking ended, which tells a person's decline from the system's.
        sold_out: its hold found no room left, and has to be given up.
    """

    status: Status = Status.PENDING_PAYMENT
    submitted_at: datetime = EPOCH
    session: CheckoutSession | None = None
    payment_intent_id: str | None = None
    refunded_minor: int = 0
    refund_due_minor: int | None = None
    paid_elsewhere_minor: int = 0
    cancellation_counts_from: datetime | None = None
    attention: tuple[Attention, ...] = ()
    decision_deadline: datetime | None = None
    decisions: tuple[OpenDecision, ...] = ()
    mailings: tuple[Mailing, ...] = ()
    reason_code: ReasonCode | None = None
    sold_out: bool = False


# --- what a run hands on to the next one, once its history has grown long ---


@dataclass(frozen=True)
class PollProgress:
    """What Stripe is asked about next, and when.

    Args:
        session_over: Stripe has shown it expired or complete: it is asked about it no more.
        pause_s: seconds between the last question and the next.
        unread_hint: an event that Stripe could not be asked about yet.
    """

    session: CheckoutSession | None = None
    session_over: bool = False
    next_at: datetime = EPOCH
    pause_s: int = 0
    unread_hint: StripeEventHint | None = None


@dataclass(frozen=True)
class PaymentProgress:
    """How far a booking's payment has come.

    Args:
        closes_at: the end of the payment window.
        cancellation: the guest's, under way.
        end_at: when it is tried again to end it: the guest cancelled, or no room was left.
        payments_to_return: PaymentIntents that go back with the end.
        closing: the window is over, and the session is being closed.
    """

    closes_at: datetime = EPOCH
    poll: PollProgress = field(default_factory=PollProgress)
    cancellation: OpenDecision | None = None
    end_at: datetime | None = None
    payments_to_return: tuple[str, ...] = ()
    closing: bool = False


@dataclass(frozen=True)
class DecisionProgress:
    """A hold, and how far the decision on it has come.

    Args:
        payment: the hold as Stripe described it when it was placed.
        lapses_at, deadline, deadline_reason: as in the workflow's `Hold`.
        remind_at: when staff are reminded; None once they were.
        recheck_at: when a booking that waits for a person looks by itself.
        pending_command: a decision that Stripe would not let through yet.
    """

    payment: PaymentSnapshot = field(default_factory=PaymentSnapshot)
    authorized_at: datetime = EPOCH
    lapses_at: datetime = EPOCH
    deadline: datetime = EPOCH
    deadline_reason: ReasonCode = ReasonCode.APPROVAL_TIMEOUT
    remind_at: datetime | None = None
    recheck_at: datetime | None = None
    pending_command: OpenDecision | None = None


@dataclass(frozen=True)
class PendingCancellation:
    """A cancellation of a confirmed booking whose refund has failed; `issued_at` decides what it costs."""

    command: OpenDecision = field(default_factory=OpenDecision)
    issued_at: datetime = EPOCH


@dataclass(frozen=True)
class ReportedOutcome:
    """What came of a command whose sender may still ask."""

    command_id: str = ""
    result: CommandResult = field(default_factory=CommandResult)


@dataclass(frozen=True)
class UnsentMailing:
    """E-mails that were still on their way, and until when they are tried."""

    mailing: Mailing = field(default_factory=Mailing)
    until: datetime = EPOCH


@dataclass(frozen=True)
class UnsentPublication:
    """A realtime event that was still on its way, and until when it is tried."""

    publication: Publication = field(default_factory=Publication)
    until: datetime = EPOCH


@dataclass(frozen=True)
class Continuation:
    """All that a booking's workflow knows, for its next run: no step on money was open, and no message waited.

    Args:
        refunded_minor: what has gone back so far, in the currency's smallest unit.
        refund_due_minor, paid_elsewhere_minor, cancellation_counts_from: as in `Resumption`.
        sold_out: its hold found no room left, and has to be given up.
        unreturned_payments: what to look into again.
        received_ids: commands and events that were taken in, the newest last: a repeat is dropped.
        outcomes: of the newest commands.
        failed_mailings: e-mails that an operator's `retry` sends again.
        hold: None before one was placed, and once its decision is over.
    """

    status: Status = Status.PENDING_PAYMENT
    reason_code: ReasonCode | None = None
    payment_intent_id: str | None = None
    refunded_minor: int = 0
    refund_due_minor: int | None = None
    paid_elsewhere_minor: int = 0
    cancellation_counts_from: datetime | None = None
    sold_out: bool = False
    attention: tuple[Attention, ...] = ()
    waiting_for: str = ""
    unreturned_payments: tuple[StripeEventHint, ...] = ()
    received_ids: tuple[str, ...] = ()
    outcomes: tuple[ReportedOutcome, ...] = ()
    unsent_mailings: tuple[UnsentMailing, ...] = ()
    unsent_publications: tuple[UnsentPublication, ...] = ()
    failed_mailings: tuple[Mailing, ...] = ()
    payment: PaymentProgress = field(default_factory=PaymentProgress)
    hold: DecisionProgress | None = None
    pending_cancellation: PendingCancellation | None = None


@dataclass(frozen=True)
class BookingTerms:
    """What a booking was submitted with; the workflow's input.

    Args:
        amount_minor: the total in the currency's smallest unit.
        payment_window_s: seconds from submission in which the guest may pay.
        approval_sla_s: seconds from the hold in which the hotel answers.
        cutoff_at: the hotel's cutoff, after which nothing is paid or approved.
        check_in_at: when the stay starts.
        check_out_at: 00:00 hotel time of the check-out day.
        free_cancel_until: end of free cancellation.
        late_cancel_fee_percent: share kept afterwards, 0–100.
        authorization_margin_s: seconds to stay clear of `capture_before`.
        payment_poll_s: seconds between the workflow's own questions to Stripe.
        version: the row's version when the workflow starts.
        resume: where to go on, for a booking that lost its workflow; None for one that is submitted.
        continuation: where to go on, for a run that takes over from the one before.
    """

    booking_id: str = ""
    hotel_slug: str = ""
    amount_minor: int = 0
    currency: str = "EUR"
    payment_window_s: int = 86400
    approval_sla_s: int = 86400
    cutoff_at: datetime = EPOCH
    check_in_at: datetime = EPOCH
    check_out_at: datetime = EPOCH
    free_cancel_until: datetime = EPOCH
    late_cancel_fee_percent: int = 0
    authorization_margin_s: int = 3600
    payment_poll_s: int = 300
    version: int = 1
    resume: Resumption | None = None
    continuation: Continuation | None = None


@dataclass(frozen=True)
class EndedBookingEvent:
    """News about money of a booking whose own workflow has ended; that workflow's input."""

    booking_id: str = ""
    hotel_slug: str = ""
    hint: StripeEventHint = field(default_factory=StripeEventHint)
