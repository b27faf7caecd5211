"""Money that people paid a guest outside Stripe, as a `resolve` reports it."""

from __future__ import annotations

from domain.attention import OUTLIVES_STATUS_CHANGE
from domain.booking import Event
from domain.decisions import CommandOutcome
from domain.messages.signals import Command, StripeEventHint
from domain.payment import PaymentSnapshot
from workflows.booking_state import BookingState
from workflows.payment_steps import PaymentSteps
from workflows.unmatched_payments import (
    ResolutionRefusedError,
    follow_resolved_payment,
    subject_of_hint,
    track_unreturned_payment,
)


async def record_paid_elsewhere(
    state: BookingState, payment_steps: PaymentSteps, hint: StripeEventHint, command: Command
) -> None:
    """Record that a person paid the guest outside Stripe what the booking owes them.

    Args:
        hint: the payment that it replaces.
        command: names the amount, in the smallest unit of the booking's currency.

    Raises:
        ResolutionRefusedError: a refund is under way, or the guest is owed less.
        PaymentStepFailedError: Stripe refuses to show the payment.
    """
    assert command.paid_elsewhere_minor is not None, "the command names an amount"
    payment = await payment_steps.read_event_payment_until_answered(hint)
    owed_minor = state.owed_minor(payment)
    refusal = _refusal(payment, owed_minor, command.paid_elsewhere_minor)
    if refusal is not None:
        raise ResolutionRefusedError(refusal)
    is_all = command.paid_elsewhere_minor == owed_minor
    await state.apply(
        Event.PAID_ELSEWHERE,
        command=command,
        amount_paid_elsewhere_minor=state.paid_elsewhere_minor + command.paid_elsewhere_minor,
        attention_cleared=tuple(
            reason
            for reason in state.attention
            if is_all and reason.code in OUTLIVES_STATUS_CHANGE and reason.subject == subject_of_hint(hint)
        ),
    )


async def pay_unreturned_elsewhere(
    state: BookingState, payment_steps: PaymentSteps, command: Command
) -> None:
    """Record that a person paid the guest outside Stripe for the first unreturned payment that is still owed.

    Once the amount covers the debt, the payment is checked again, and its attention ends.

    Raises:
        ResolutionRefusedError, PaymentStepFailedError: as `record_paid_elsewhere`.
    """
    for hint in list(state.unreturned_payments.values()):
        try:
            await record_paid_elsewhere(state, payment_steps, hint, command)
        except ResolutionRefusedError as refusal:
            if refusal.outcome is not CommandOutcome.NOTHING_OWED:
                raise
            continue
        if state.owed_minor(await payment_steps.read_event_payment_until_answered(hint)) == 0:
            async with track_unreturned_payment(state, hint):
                await follow_resolved_payment(state, payment_steps, hint)
        return
    raise ResolutionRefusedError(CommandOutcome.NOTHING_OWED)


def _refusal(payment: PaymentSnapshot, owed_minor: int, paid_minor: int) -> CommandOutcome | None:
    if payment.refund_pending:
        return CommandOutcome.REFUND_PENDING
    if owed_minor == 0:
        return CommandOutcome.NOTHING_OWED
    return CommandOutcome.MORE_THAN_OWED if paid_minor > owed_minor else None
