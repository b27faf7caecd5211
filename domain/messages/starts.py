"""Inputs with which programs start a workflow, anew or after the former one was lost."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from domain.attention import Attention
from domain.booking import Decision, ReasonCode, Status
from domain.messages.notifications import Mailing
from domain.messages.signals import Command, StripeEventHint
from domain.messages.stripe_steps import CheckoutSession
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
        attention: the open reasons why the booking needs a person, oldest first.
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
    attention: tuple[Attention, ...] = ()
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
        cutoff_at: the hotel's cutoff, after which nothing is paid or approved.
        check_in_at: when the stay starts.
        check_out_at: 00:00 hotel time of the check-out day.
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
    cutoff_at: datetime = EPOCH
    check_in_at: datetime = EPOCH
    check_out_at: datetime = EPOCH
    free_cancel_until: datetime = EPOCH
    late_cancel_fee_percent: int = 0
    authorization_margin_s: int = 3600
    payment_poll_s: int = 300
    version: int = 1
    resume: Resumption | None = None


@dataclass(frozen=True)
class EndedBookingEvent:
    """News about money of a booking whose own workflow has ended; that workflow's input."""

    booking_id: str = ""
    hotel_slug: str = ""
    hint: StripeEventHint = field(default_factory=StripeEventHint)
