"""Recording how a hold ended: captured or released, by the product or outside it."""

from __future__ import annotations

from typing import Any

from domain.booking import ActorKind, Decision, Event, ReasonCode, Status
from domain.decisions import CommandOutcome
from domain.messages.starts import BookingTerms
from domain.payment import PaymentSnapshot
from workflows.booking_context import BookingContext
from workflows.message_queue import DecisionRequested
from workflows.unmatched_payments import return_funds


def is_mismatched(payment: PaymentSnapshot, terms: BookingTerms) -> bool:
    """Whether a capture does not pay for the booking."""
    is_in_full = payment.amount_received_minor == terms.amount_minor
    return payment.is_captured and not (is_in_full and payment.matches)


async def record_capture(
    context: BookingContext, payment: PaymentSnapshot, request: DecisionRequested | None
) -> None:
    """Confirm a booking after the capture of its hold; after a capture of another amount, refund and decline.

    Args:
        request: the decision under way; a capture completes only an approval.

    Raises:
        PaymentStepFailedError: the capture does not match and could not be refunded.
    """
    state = context.state
    facts: dict[str, Any] = {
        "amount_captured_minor": payment.amount_received_minor,
        "amount_refunded_minor": payment.amount_refunded_minor,
    }
    if is_mismatched(payment, context.terms):
        assert payment.payment_intent_id is not None, "a captured hold has a PaymentIntent"
        returned = await return_funds(state, context.payment_steps, payment.payment_intent_id)
        facts["amount_refunded_minor"] = returned.amount_refunded_minor
        await state.apply(Event.CAPTURE_MISMATCHED, actor=ActorKind.STRIPE, **facts)
        _report_overtaken(context, request)
    elif request is not None and request.decision is Decision.APPROVE:
        await state.apply(Event.APPROVED, command=request.command, **facts)
        context.message_queue.mark_done(request.command.command_id)
    else:
        await state.apply(Event.CAPTURED_OUTSIDE, actor=ActorKind.STRIPE, **facts)
        _report_overtaken(context, request)
    await _record_early_refund(context, payment)


async def record_release(
    context: BookingContext, request: DecisionRequested | None, timed_out: ReasonCode | None
) -> None:
    """End a booking whose hold is gone.

    Args:
        request: the decision under way; a release completes a decline or a cancellation.
        timed_out: the reason for a release at the deadline; None if the hold lapsed or was released in the Dashboard.
    """
    state = context.state
    if request is not None and request.decision is Decision.DECLINE:
        reason = request.command.reason_code or ReasonCode.OTHER
        await state.apply(Event.DECLINED, command=request.command, reason_code=reason)
        context.message_queue.mark_done(request.command.command_id)
    elif request is not None and request.decision is Decision.CANCEL:
        await state.apply(Event.CANCELLED_BY_GUEST, command=request.command)
        context.message_queue.mark_done(request.command.command_id)
    else:
        if timed_out is not None:
            await state.apply(Event.APPROVAL_TIMED_OUT, reason_code=timed_out)
        else:
            await state.apply(Event.AUTHORIZATION_LOST, actor=ActorKind.STRIPE)
        _report_overtaken(context, request)


async def _record_early_refund(context: BookingContext, payment: PaymentSnapshot) -> None:
    """Record refunds made before the capture was read: Stripe's event about them brings no news later."""
    if context.state.status is Status.CONFIRMED and payment.amount_refunded_minor > 0:
        await context.state.apply(
            Event.REFUND_RECORDED,
            actor=ActorKind.STRIPE,
            amount_refunded_minor=payment.amount_refunded_minor,
        )


def _report_overtaken(context: BookingContext, request: DecisionRequested | None) -> None:
    if request is not None:
        context.message_queue.report_outcome(request.command, CommandOutcome.ALREADY_DECIDED)
