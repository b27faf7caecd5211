"""The hold on a guest's card, with the deadlines that follow from it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from temporalio import workflow

from dispatch import ui_texts
from domain.attention import AttentionCode
from domain.booking import ActorKind
from domain.deadlines import DecisionDeadline, decision_deadline, last_capture_at, promised_deadline
from domain.messages.starts import BookingTerms, DecisionProgress, Resumption
from domain.payment import PaymentSnapshot
from workflows import options
from workflows.booking_context import BookingContext
from workflows.payment_steps import PaymentStepFailedError


@dataclass(frozen=True)
class Hold:
    """A hold, as Stripe described it when it was placed.

    Args:
        lapses_at: the bank may drop the hold from then on.
        deadline: the time of the release without a decision, and its reason.
    """

    payment: PaymentSnapshot
    payment_intent_id: str
    authorized_at: datetime
    lapses_at: datetime
    deadline: DecisionDeadline


def hold_of(payment: PaymentSnapshot, terms: BookingTerms) -> Hold:
    """Compute the deadlines of a payment that is held or captured."""
    assert payment.payment_intent_id is not None, "a hold has a PaymentIntent"
    authorized_at = payment.authorized_at or workflow.now()
    return Hold(
        payment=payment,
        payment_intent_id=payment.payment_intent_id,
        authorized_at=authorized_at,
        lapses_at=last_capture_at(authorized_at, payment.capture_before),
        deadline=decision_deadline(
            authorized_at=authorized_at,
            approval_sla_s=terms.approval_sla_s,
            cutoff=terms.cutoff_at,
            capture_before=payment.capture_before,
            authorization_margin_s=terms.authorization_margin_s,
        ),
    )


def continued_hold(progress: DecisionProgress) -> Hold:
    """The previous run's hold."""
    assert progress.payment.payment_intent_id is not None, "a hold has a PaymentIntent"
    return Hold(
        payment=progress.payment,
        payment_intent_id=progress.payment.payment_intent_id,
        authorized_at=progress.authorized_at,
        lapses_at=progress.lapses_at,
        deadline=DecisionDeadline(progress.deadline, progress.deadline_reason),
    )


async def reread_hold(context: BookingContext, resume: Resumption) -> Hold:
    """Read the hold of a booking that awaits a decision but lost its workflow.

    Stripe has to answer before any message is handled. An outage is retried without a time limit; after a refusal the
    next attempt follows in an hour, later ones after longer pauses, or when a person sends `retry`.
    """
    assert resume.payment_intent_id is not None, "PENDING_APPROVAL means that a card is held"
    pause = options.PENDING_COMMAND_RECHECK
    while True:
        try:
            payment = await context.payment_steps.read_until_answered(resume.payment_intent_id)
        except PaymentStepFailedError as error:
            await context.state.request_attention(error.attention)
            await _wait_for_operator(context, pause)
            pause = min(2 * pause, options.HOLD_REREAD_LONGEST)
        else:
            await context.state.clear_attention({AttentionCode.PAYMENT_UNREAD}, actor=ActorKind.SYSTEM)
            hold = hold_of(payment, context.terms)
            return replace(hold, deadline=promised_deadline(resume.decision_deadline, hold.deadline))


async def _wait_for_operator(context: BookingContext, pause: timedelta) -> None:
    queue = context.message_queue
    heard = queue.operator_commands
    with suppress(TimeoutError):
        await workflow.wait_condition(
            lambda: queue.operator_commands > heard,
            timeout=pause,
            timeout_summary=ui_texts.PAUSE_BEFORE_HOLD,
        )
