"""Inputs of workflows: at a booking's submission, after a lost workflow, and for a run's next run."""

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
    """A decision that was accepted and has no outcome yet; it travels with a workflow's start, not as a signal."""

    decision: Decision = Decision.APPROVE
    command: Command = field(default_factory=Command)


@dataclass(frozen=True)
class Resumption:
    """The row's state of a booking whose workflow was lost.

    Args:
        submitted_at: the start of its payment window.
        session: the latest Checkout session, if any.
        refunded_minor: the amount refunded so far, in the currency's smallest unit.
        refund_due_minor: the cancellation's total refund; None without a cancellation.
        paid_elsewhere: what people have paid the guest outside Stripe, by the PaymentIntent it replaces.
        cancellation_counts_from: when the guest first asked for a cancellation that was withdrawn.
        attention: the open reasons why the booking needs attention, oldest first.
        decision_deadline: the deadline for the hotel's decision, as shown to guest and staff.
        decisions: decisions the lost workflow had accepted and not carried out, in the order of their arrival.
        mailings: e-mails that no mail server has accepted so far.
        reason_code: why the booking ended; it distinguishes a person's decline from the system's.
        sold_out: its hold found no room left and has to be released.
    """

    status: Status = Status.PENDING_PAYMENT
    submitted_at: datetime = EPOCH
    session: CheckoutSession | None = None
    payment_intent_id: str | None = None
    refunded_minor: int = 0
    refund_due_minor: int | None = None
    paid_elsewhere: dict[str, int] = field(default_factory=dict)
    cancellation_counts_from: datetime | None = None
    attention: tuple[Attention, ...] = ()
    decision_deadline: datetime | None = None
    decisions: tuple[OpenDecision, ...] = ()
    mailings: tuple[Mailing, ...] = ()
    reason_code: ReasonCode | None = None
    sold_out: bool = False


# --- the state for a run's next run, once the run is full ---


@dataclass(frozen=True)
class PollProgress:
    """The subject and time of the next poll of Stripe.

    Args:
        session_over: Stripe showed it as expired or complete: it is polled no more.
        pause_s: seconds between the last poll and the next.
        unread_hint: an event whose payment could not be read yet.
    """

    session: CheckoutSession | None = None
    session_over: bool = False
    next_at: datetime = EPOCH
    pause_s: int = 0
    unread_hint: StripeEventHint | None = None


@dataclass(frozen=True)
class PaymentProgress:
    """The progress of a booking's payment.

    Args:
        closes_at: the end of the payment window.
        cancellation: the guest's, under way.
        end_at: when the end is tried again: the guest cancelled, or no room was left.
        payments_to_return: PaymentIntents to release or refund with the end.
        closing: the window is over, and the session is being closed.
        finish_at, remind_at: when the guest gets "Finish your request" and the reminder; None afterwards.
    """

    closes_at: datetime = EPOCH
    poll: PollProgress = field(default_factory=PollProgress)
    cancellation: OpenDecision | None = None
    end_at: datetime | None = None
    payments_to_return: tuple[str, ...] = ()
    closing: bool = False
    finish_at: datetime | None = None
    remind_at: datetime | None = None


@dataclass(frozen=True)
class DecisionProgress:
    """A hold, and the progress of the decision on it.

    Args:
        payment: the hold as Stripe described it when it was placed.
        lapses_at, deadline, deadline_reason: as in the workflow's `Hold`.
        remind_at: when staff are reminded; None afterwards.
        recheck_at: when a booking that needs attention reads the payment again.
        pending_command: a decision that Stripe has not let through yet.
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
    """A cancellation of a confirmed booking whose refund has failed; its cost depends on `issued_at`."""

    command: OpenDecision = field(default_factory=OpenDecision)
    issued_at: datetime = EPOCH


@dataclass(frozen=True)
class ReportedOutcome:
    """The outcome of a command whose sender may still ask."""

    command_id: str = ""
    result: CommandResult = field(default_factory=CommandResult)


@dataclass(frozen=True)
class UnsentMailing:
    """E-mails that were still being sent, and the end of their attempts."""

    mailing: Mailing = field(default_factory=Mailing)
    until: datetime = EPOCH


@dataclass(frozen=True)
class UnsentPublication:
    """A realtime event that was still being sent, and the end of its attempts."""

    publication: Publication = field(default_factory=Publication)
    until: datetime = EPOCH


@dataclass(frozen=True)
class Continuation:
    """A workflow's whole state for its next run: no step on money is open, and no message waits.

    Args:
        refunded_minor: the amount refunded so far, in the currency's smallest unit.
        refund_due_minor, paid_elsewhere, cancellation_counts_from: as in `Resumption`.
        sold_out: its hold found no room left and has to be released.
        unreturned_payments: events whose payments have to be checked again.
        received_ids: commands and events that were accepted, the newest last: a repeat is dropped.
        outcomes: of the newest commands.
        failed_mailings: e-mails that an operator's `retry` sends again.
        hold: None before a hold was placed, and once its decision is over.
    """

    status: Status = Status.PENDING_PAYMENT
    reason_code: ReasonCode | None = None
    payment_intent_id: str | None = None
    refunded_minor: int = 0
    refund_due_minor: int | None = None
    paid_elsewhere: dict[str, int] = field(default_factory=dict)
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
    """The terms of a submitted booking; the workflow's input.

    Args:
        amount_minor: the total in the currency's smallest unit.
        payment_window_s: seconds from submission in which the guest may pay.
        approval_sla_s: seconds from the hold in which the hotel answers.
        cutoff_at: the hotel's cutoff; no payment or approval follows it.
        check_in_at: when the stay starts.
        check_out_at: 00:00 hotel time of the check-out day.
        free_cancel_until: end of free cancellation.
        late_cancel_fee_percent: share of the total kept afterwards, 0–100.
        authorization_margin_s: seconds to keep before `capture_before`.
        payment_poll_s: seconds between the workflow's own polls of Stripe.
        version: the row's version when the workflow starts.
        resume: the row's state, for a booking whose workflow was lost; None at submission.
        continuation: the previous run's state; None for a first run.
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
    """An event about the money of a booking whose workflow has ended; input of `EndedBookingPaymentWorkflow`.

    Args:
        attention: the reason for which the previous run waits for a person; None for a first run.
    """

    booking_id: str = ""
    hotel_slug: str = ""
    hint: StripeEventHint = field(default_factory=StripeEventHint)
    attention: Attention | None = None
