"""Events about unmatched payments, and about refunds and disputes after the decision."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any, NoReturn

from temporalio import workflow

from activities.inbox import Inbox
from dispatch import ui_texts
from domain.attention import OUTLIVES_STATUS_CHANGE, Attention, AttentionCode
from domain.booking import KEEPS_MONEY, ActorKind, Event, Status
from domain.decisions import CommandOutcome
from domain.messages.signals import StripeEventHint
from domain.payment import PaymentSnapshot
from workflows import options
from workflows.booking_state import BookingState
from workflows.payment_steps import PaymentStepFailedError, PaymentSteps, PaymentUnknownError

PATIENCE = timedelta(hours=24)
PATIENCE_OF_A_RETRY = timedelta(minutes=10)
"""The time limit of a step while a person waits for its outcome and the booking's next steps wait behind it."""

_DISPUTE_OPENED, _DISPUTE_CLOSED = "charge.dispute.created", "charge.dispute.closed"


class ResolutionRefusedError(Exception):
    """A `resolve` contradicts the payment at Stripe, and has changed nothing.

    Args:
        outcome: the reason, as its sender reads it.
    """

    def __init__(self, outcome: CommandOutcome) -> None:
        super().__init__(outcome)
        self.outcome = outcome


async def return_funds(
    state: BookingState, payment_steps: PaymentSteps, payment_intent_id: str, patience: timedelta = PATIENCE
) -> PaymentSnapshot:
    """Release or refund a PaymentIntent, so that nothing is held, and nothing kept but what was paid elsewhere.

    Raises:
        PaymentStepFailedError: Stripe refused, gave no clear answer in time, or shows that money is still held or
            captured.
    """
    until = workflow.now() + patience
    payment = await payment_steps.release(payment_intent_id, until)
    paid_elsewhere_minor = state.paid_elsewhere.get(payment_intent_id, 0)
    due_minor = payment.amount_received_minor - paid_elsewhere_minor
    if payment.is_captured and due_minor > 0:
        payment = await payment_steps.refund(payment_intent_id, due_minor, until)
    if payment.is_held or payment.kept_minor > paid_elsewhere_minor:
        raise PaymentStepFailedError(refund_not_done(payment_intent_id))
    return payment


async def return_all_funds(
    state: BookingState, payment_steps: PaymentSteps, payment_intent_ids: Sequence[str]
) -> dict[str, Any]:
    """Release or refund several PaymentIntents; returns the first one's facts for the booking's `Change`.

    Raises:
        PaymentStepFailedError: as `return_funds`.
    """
    returned = [await return_funds(state, payment_steps, id_) for id_ in payment_intent_ids]
    if not returned:
        return {}
    return {
        "payment_intent_id": returned[0].payment_intent_id,
        "amount_captured_minor": returned[0].amount_received_minor,
        "amount_refunded_minor": returned[0].amount_refunded_minor,
    }


def refund_not_done(payment_intent_id: str) -> Attention:
    """The reason if Stripe accepted a refund that the payment does not show."""
    return Attention(
        AttentionCode.REFUND_NOT_DONE, payment_intent_id, "the charge shows no refund, or a part"
    )


async def return_unmatched_payment(
    state: BookingState, payment_steps: PaymentSteps, payment_intent_id: str, patience: timedelta = PATIENCE
) -> None:
    """Release or refund an unmatched payment, and record that.

    Raises:
        PaymentStepFailedError: as `return_funds`; the change is then not recorded.
    """
    await return_funds(state, payment_steps, payment_intent_id, patience)
    await state.apply(Event.UNMATCHED_PAYMENT_RETURNED, actor=ActorKind.STRIPE)


async def handle_payment_event(
    state: BookingState,
    payment_steps: PaymentSteps,
    hint: StripeEventHint,
    patience: timedelta = PATIENCE,
    *,
    on_request: bool = False,
) -> None:
    """Check the payment of an event that no phase waits for.

    Args:
        on_request: a person asked for this. A returned refund is made anew only then: the next one to the same card
            may be returned as well.

    Raises:
        PaymentStepFailedError: Stripe refused or gave no clear answer in time; or a returned refund is owed to the
            guest.
    """
    payment = await _read_event_payment(state, payment_steps, hint)
    if payment.payment_intent_id is None:
        return
    is_own = payment.payment_intent_id == state.payment_intent_id
    # Only captured money counts towards a cancellation fee: every hold is released, the booking's own included.
    is_left_held = state.status is Status.CANCELLED and payment.is_held
    if is_own and state.status in KEEPS_MONEY and not is_left_held:
        await _record_aftermath(state, payment, hint)
        if state.status is Status.CANCELLED and state.owed_minor(payment) > 0:
            await _refund_anew(state, payment_steps, payment, patience if on_request else None)
    elif payment.is_held or state.owed_minor(payment) > 0:
        if payment.refund_returned and not on_request:
            await _request_new_refund(state, payment)
        await return_unmatched_payment(state, payment_steps, payment.intent_id, patience)


async def _read_event_payment(
    state: BookingState, payment_steps: PaymentSteps, hint: StripeEventHint
) -> PaymentSnapshot:
    """Read the payment that an event names; a payment unknown to Stripe leaves nothing to do.

    Raises:
        PaymentStepFailedError: Stripe refuses to answer, or does not know the booking's own payment.
    """
    try:
        return await payment_steps.read_event_payment_until_answered(hint)
    except PaymentUnknownError:
        if hint.payment_intent_id is not None and hint.payment_intent_id == state.payment_intent_id:
            raise
        await note_unknown_payment(hint)
        return PaymentSnapshot()


async def note_unknown_payment(hint: StripeEventHint) -> None:
    """Note on an event that Stripe does not know its payment: that needs no attention."""
    if hint.event_id:
        await workflow.execute_activity_method(
            Inbox.note_unknown_payment,
            hint.event_id,
            summary=ui_texts.NOTE_UNKNOWN_PAYMENT,
            **options.DATABASE,
        )


@asynccontextmanager
async def track_unreturned_payment(state: BookingState, hint: StripeEventHint) -> AsyncIterator[None]:
    """Keep an event until its payment is dealt with, also across changes of the booking's status.

    Raises:
        PaymentStepFailedError: raised by the block within, with the attention reason for it.
    """
    subject = subject_of_hint(hint)
    try:
        yield
    except PaymentStepFailedError as error:
        state.unreturned_payments[subject] = without_recorded_dispute(state.recorded_disputes, hint)
        raise PaymentStepFailedError(unreturned_reason(error.attention, hint)) from None
    # Other events may name the same payment.
    state.unreturned_payments.pop(subject, None)
    await state.clear_attention(OUTLIVES_STATUS_CHANGE, subject, actor=ActorKind.SYSTEM)


def unreturned_reason(attention: Attention, hint: StripeEventHint) -> Attention:
    """The attention reason for a payment that could not be dealt with, by the kind of failure."""
    subject = subject_of_hint(hint)
    match attention.code:
        case AttentionCode.REFUND_RETURNED:
            return attention
        case AttentionCode.PAYMENT_UNREAD:
            return replace(attention, code=AttentionCode.EVENT_UNREAD, subject=subject)
        case _:
            return replace(attention, code=AttentionCode.UNMATCHED_PAYMENT_KEPT, subject=subject)


async def retry_unreturned_payments(state: BookingState, payment_steps: PaymentSteps) -> None:
    """Try unreturned payments again; one that fails again is kept."""
    for hint in list(state.unreturned_payments.values()):
        try:
            async with track_unreturned_payment(state, hint):
                await handle_payment_event(state, payment_steps, hint, PATIENCE_OF_A_RETRY, on_request=True)
        except PaymentStepFailedError as error:
            await state.request_attention(error.attention)


async def resolve_unreturned_payments(state: BookingState, payment_steps: PaymentSteps) -> None:
    """Accept unreturned payments as fixed by hand if the guest is owed nothing.

    Raises:
        ResolutionRefusedError: the guest is still owed money.
    """
    for hint in list(state.unreturned_payments.values()):
        try:
            async with track_unreturned_payment(state, hint):
                await follow_resolved_payment(state, payment_steps, hint)
        except PaymentStepFailedError as error:
            await state.request_attention(error.attention)


async def follow_resolved_payment(
    state: BookingState, payment_steps: PaymentSteps, hint: StripeEventHint
) -> None:
    """Check a payment that a person reports as fixed: a hold is released, nothing is refunded.

    Raises:
        PaymentStepFailedError: the hold could not be released, or Stripe refuses to show the booking's own payment.
        ResolutionRefusedError: the guest is still owed money.
    """
    try:
        payment = await _read_event_payment(state, payment_steps, hint)
    except PaymentStepFailedError:
        if subject_of_hint(hint) == state.payment_intent_id:
            raise
        # A person has looked this payment up, and it is not the booking's own.
        return
    if payment.is_held:
        await handle_payment_event(state, payment_steps, hint, PATIENCE_OF_A_RETRY)
    elif payment.payment_intent_id is not None:
        if payment.payment_intent_id == state.payment_intent_id and state.status in KEEPS_MONEY:
            await _record_aftermath(state, payment, hint)
        if state.owed_minor(payment) > 0:
            raise ResolutionRefusedError(CommandOutcome.MONEY_AT_STAKE)


def without_recorded_dispute(recorded: Collection[str], hint: StripeEventHint) -> StripeEventHint:
    """The event as a later run checks it: what it reports of a dispute is recorded once."""
    return replace(hint, event_type="") if hint.event_id in recorded else hint


def subject_of_hint(hint: StripeEventHint) -> str:
    """The payment or session that an event is about."""
    return hint.payment_intent_id or hint.session_id or ""


async def _record_aftermath(state: BookingState, payment: PaymentSnapshot, hint: StripeEventHint) -> None:
    refunded_minor = payment.amount_refunded_minor
    if refunded_minor > state.refunded_minor:
        await state.apply(Event.REFUND_RECORDED, actor=ActorKind.STRIPE, amount_refunded_minor=refunded_minor)
    elif refunded_minor < state.refunded_minor:
        owed = state.status is Status.CANCELLED and state.owed_minor(payment) > 0
        await _record_return(state, payment, owed=owed)
    # Stripe no longer marks the charge as disputed when the last event reports a dispute that was won.
    opened = hint.event_type == _DISPUTE_OPENED and payment.disputed
    is_new = hint.event_id not in state.recorded_disputes
    if is_new and (opened or hint.event_type == _DISPUTE_CLOSED):
        await state.apply(Event.DISPUTE_RECORDED, actor=ActorKind.STRIPE)
        state.recorded_disputes.add(hint.event_id)


async def _record_return(state: BookingState, payment: PaymentSnapshot, *, owed: bool) -> None:
    """Record a returned refund, and open attention if the guest is owed it."""
    reason = refund_returned(payment.intent_id)
    is_new = owed and all(each.key != reason.key for each in state.attention)
    is_own = payment.payment_intent_id == state.payment_intent_id
    await state.apply(
        Event.REFUND_RETURNED,
        actor=ActorKind.STRIPE,
        amount_refunded_minor=payment.amount_refunded_minor if is_own else None,
        attention_opened=(reason,) if is_new else (),
    )


async def _request_new_refund(state: BookingState, payment: PaymentSnapshot) -> NoReturn:
    reason = refund_returned(payment.intent_id)
    if all(each.key != reason.key for each in state.attention):
        await _record_return(state, payment, owed=True)
    raise PaymentStepFailedError(reason)


async def _refund_anew(
    state: BookingState, payment_steps: PaymentSteps, payment: PaymentSnapshot, patience: timedelta | None
) -> None:
    """Refund what a cancelled booking still owes its guest.

    Args:
        patience: how long to retry; None if no person asked for it.

    Raises:
        PaymentStepFailedError: no person asked for it, or it failed.
    """
    reason = refund_returned(payment.intent_id)
    if patience is None:
        raise PaymentStepFailedError(reason)
    total_minor = payment.amount_refunded_minor + state.owed_minor(payment)
    try:
        payment = await payment_steps.refund(payment.intent_id, total_minor, workflow.now() + patience)
    except PaymentStepFailedError as error:
        raise PaymentStepFailedError(replace(reason, detail=error.attention.detail)) from None
    if payment.amount_refunded_minor > state.refunded_minor:
        await state.apply(
            Event.REFUND_RECORDED,
            actor=ActorKind.STRIPE,
            amount_refunded_minor=payment.amount_refunded_minor,
        )
    if state.owed_minor(payment) > 0:
        raise PaymentStepFailedError(replace(reason, detail=refund_not_done(payment.intent_id).detail))


def refund_returned(payment_intent_id: str) -> Attention:
    """The reason if the guest's bank returned a refund."""
    return Attention(AttentionCode.REFUND_RETURNED, payment_intent_id)
