"""Money that people paid a guest outside Stripe, as a `resolve` reports it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

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
    state: BookingState,
    payment_steps: PaymentSteps,
    hint: StripeEventHint,
    command: Command,
    *,
    is_left: bool = True,
) -> None:
    """Record that a person paid the guest outside Stripe what the booking owes them.

    Args:
        hint: the payment that it replaces.
        command: names the amount, in the smallest unit of the booking's currency.
        is_left: the debt is left to a person; otherwise another workflow may be refunding it now.

    Raises:
        ResolutionRefusedError: a refund is under way, or the guest is owed less.
        PaymentStepFailedError: Stripe refuses to show the payment.
    """
    assert command.paid_elsewhere_minor is not None, "the command names an amount"
    payment = await payment_steps.read_event_payment_until_answered(hint)
    owed_minor = state.owed_minor(payment)
    refusal = _refusal(state, payment, command.paid_elsewhere_minor)
    if refusal is None and not is_left:
        refusal = CommandOutcome.REFUND_PENDING
    if refusal is not None:
        raise ResolutionRefusedError(refusal)
    before = state.paid_elsewhere.get(payment.intent_id, 0)
    is_all = command.paid_elsewhere_minor == owed_minor
    await state.apply(
        Event.PAID_ELSEWHERE,
        command=command,
        paid_elsewhere=state.paid_elsewhere | {payment.intent_id: before + command.paid_elsewhere_minor},
        attention_cleared=tuple(
            reason
            for reason in state.attention
            if is_all and reason.code in OUTLIVES_STATUS_CHANGE and reason.subject == subject_of_hint(hint)
        ),
    )


async def pay_unreturned_elsewhere(
    state: BookingState, payment_steps: PaymentSteps, command: Command, to_return: Sequence[str]
) -> None:
    """Record that a person paid the guest outside Stripe for the first unreturned payment that is still owed.

    Once the amount covers the debt, the payment is checked again, and its attention ends.

    Args:
        to_return: PaymentIntents that the booking's phase has to return, after those whose refund failed before.

    Raises:
        ResolutionRefusedError, PaymentStepFailedError: as `record_paid_elsewhere`.
    """
    refused = CommandOutcome.NOTHING_OWED
    more = (
        StripeEventHint(payment_intent_id=id_) for id_ in to_return if id_ not in state.unreturned_payments
    )
    for hint in [*state.unreturned_payments.values(), *more]:
        try:
            await record_paid_elsewhere(state, payment_steps, hint, command)
        except ResolutionRefusedError as refusal:
            if refusal.outcome not in _TRY_THE_NEXT:
                raise
            refused = refusal.outcome
            continue
        if state.owed_minor(await payment_steps.read_event_payment_until_answered(hint)) == 0:
            async with track_unreturned_payment(state, hint):
                await follow_resolved_payment(state, payment_steps, hint)
        return
    raise ResolutionRefusedError(refused)


_TRY_THE_NEXT: Final = frozenset({CommandOutcome.NOTHING_OWED, CommandOutcome.OTHER_CURRENCY})


def _refusal(state: BookingState, payment: PaymentSnapshot, paid_minor: int) -> CommandOutcome | None:
    owed_minor = state.owed_minor(payment)
    if payment.refund_pending:
        return CommandOutcome.REFUND_PENDING
    if owed_minor == 0:
        return CommandOutcome.NOTHING_OWED
    if payment.currency != state.currency:
        return CommandOutcome.OTHER_CURRENCY
    return CommandOutcome.MORE_THAN_OWED if paid_minor > owed_minor else None
