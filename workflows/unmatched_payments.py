"""News about money that is not the booking's to keep, or that left it after the decision."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

from temporalio import workflow

from activities.inbox import Inbox
from dispatch import ui_texts
from domain.attention import ABOUT_PAYMENTS_BESIDE, Attention, AttentionCode
from domain.booking import ActorKind, Event, Status
from domain.messages.signals import StripeEventHint
from domain.payment import PaymentSnapshot
from workflows import options
from workflows.booking_state import BookingState
from workflows.payment_steps import PaymentStepFailedError, PaymentSteps, PaymentUnknownError

PATIENCE = timedelta(hours=24)
_PATIENCE_OF_A_RETRY = timedelta(minutes=10)
"""Somebody waits for the answer, and the booking's own money behind it."""
KEEPS_MONEY = frozenset({Status.CONFIRMED, Status.CANCELLED})
"""Statuses in which captured money may stay: a cancelled booking may have cost a fee."""

_DISPUTE_OPENED, _DISPUTE_CLOSED = "charge.dispute.created", "charge.dispute.closed"


async def return_funds(
    payment_steps: PaymentSteps, payment_intent_id: str, patience: timedelta = PATIENCE
) -> PaymentSnapshot:
    """Leave nothing held and nothing captured, whichever of the two the PaymentIntent has come to.

    Raises:
        PaymentStepFailedError: Stripe refused, gave no clear answer in time, or says that money is still here.
    """
    until = workflow.now() + patience
    payment = await payment_steps.release(payment_intent_id, until)
    if payment.is_captured:
        payment = await payment_steps.refund(payment_intent_id, payment.amount_received_minor, until)
    # A refund that the guest's bank sent back is answered from memory for a day when it is asked for again.
    if payment.is_at_stake:
        raise PaymentStepFailedError(refund_not_done(payment_intent_id))
    return payment


def refund_not_done(payment_intent_id: str) -> Attention:
    """The reason where Stripe took a refund that the payment does not show."""
    return Attention(
        AttentionCode.REFUND_NOT_DONE, payment_intent_id, "the charge shows no refund, or a part"
    )


async def return_unmatched_payment(
    state: BookingState, payment_steps: PaymentSteps, payment_intent_id: str, patience: timedelta = PATIENCE
) -> None:
    """Give back money that came for a booking which cannot use it, and put that on record.

    Raises:
        PaymentStepFailedError: as `return_funds`; nothing is on record then.
    """
    await return_funds(payment_steps, payment_intent_id, patience)
    await state.apply(Event.UNMATCHED_PAYMENT_RETURNED, actor=ActorKind.STRIPE)


async def handle_payment_event(
    state: BookingState, payment_steps: PaymentSteps, hint: StripeEventHint, patience: timedelta = PATIENCE
) -> None:
    """Look into an event about a booking that waits for no payment and no decision any more.

    Raises:
        PaymentStepFailedError: Stripe refused or gave no clear answer in time; or a guest is owed money that came back.
    """
    payment = await _read_event_payment(state, payment_steps, hint)
    if payment.payment_intent_id is None:
        return
    is_own = payment.payment_intent_id == state.payment_intent_id
    # A hold is no price of a cancellation, not even the booking's own.
    is_left_held = state.status is Status.CANCELLED and payment.is_held
    if is_own and state.status in KEEPS_MONEY and not is_left_held:
        await _record_aftermath(state, payment, hint)
    elif payment.is_at_stake:
        await return_unmatched_payment(state, payment_steps, payment.payment_intent_id, patience)


async def _read_event_payment(
    state: BookingState, payment_steps: PaymentSteps, hint: StripeEventHint
) -> PaymentSnapshot:
    """Ask Stripe about what an event names; a payment that Stripe does not know puts nothing at stake.

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
    """Keep with an event why nothing came of it: nobody needs to be called."""
    if hint.event_id:
        await workflow.execute_activity_method(
            Inbox.note_unknown_payment,
            hint.event_id,
            summary=ui_texts.NOTE_UNKNOWN_PAYMENT,
            **options.DATABASE,
        )


@asynccontextmanager
async def track_unreturned_payment(state: BookingState, hint: StripeEventHint) -> AsyncIterator[None]:
    """Keep in mind what cannot be settled, until it is: a booking that moves on must not forget it.

    Raises:
        PaymentStepFailedError: as what is tried, with the reason that stands for it.
    """
    subject = subject_of_hint(hint)
    try:
        yield
    except PaymentStepFailedError as error:
        state.unreturned_payments[subject] = hint
        raise PaymentStepFailedError(unreturned_reason(error.attention, hint)) from None
    # Other events may have told of the same money.
    state.unreturned_payments.pop(subject, None)
    await state.clear_attention(ABOUT_PAYMENTS_BESIDE, subject, actor=ActorKind.SYSTEM)


def unreturned_reason(attention: Attention, hint: StripeEventHint) -> Attention:
    """What a person is told where an event's payment could not be settled, by what went wrong."""
    subject = subject_of_hint(hint)
    match attention.code:
        case AttentionCode.REFUND_RETURNED:
            return attention
        case AttentionCode.PAYMENT_UNREAD:
            return replace(attention, code=AttentionCode.EVENT_UNREAD, subject=subject)
        case _:
            return replace(attention, code=AttentionCode.UNMATCHED_PAYMENT_KEPT, subject=subject)


async def retry_unreturned_payments(
    state: BookingState, payment_steps: PaymentSteps, *, resolved_by_hand: bool
) -> None:
    """Try again what could not be settled; what gets stuck once more stays kept.

    Args:
        resolved_by_hand: whoever says so may have paid the guest by other means: only what is still held is released,
            captured money is let rest.
    """
    for hint in list(state.unreturned_payments.values()):
        try:
            async with track_unreturned_payment(state, hint):
                if not resolved_by_hand or (await _read_event_payment(state, payment_steps, hint)).is_held:
                    await handle_payment_event(state, payment_steps, hint, _PATIENCE_OF_A_RETRY)
        except PaymentStepFailedError as error:
            await state.request_attention(error.attention)


def subject_of_hint(hint: StripeEventHint) -> str:
    """The payment or session that an event is about."""
    return hint.payment_intent_id or hint.session_id or ""


async def _record_aftermath(state: BookingState, payment: PaymentSnapshot, hint: StripeEventHint) -> None:
    returned_minor = state.refunded_minor - payment.amount_refunded_minor
    if returned_minor != 0:
        await state.apply(
            Event.REFUND_RECORDED,
            actor=ActorKind.STRIPE,
            amount_refunded_minor=payment.amount_refunded_minor,
        )
    if returned_minor > 0 and state.status is Status.CANCELLED:
        assert payment.payment_intent_id is not None, "a refund has a payment"
        detail = f"{returned_minor} in the currency's smallest unit"
        raise PaymentStepFailedError(
            Attention(AttentionCode.REFUND_RETURNED, payment.payment_intent_id, detail)
        )
    # A dispute that was won has left no mark on the charge by the time its end is heard of.
    opened = hint.event_type == _DISPUTE_OPENED and payment.disputed
    if opened or hint.event_type == _DISPUTE_CLOSED:
        await state.apply(Event.DISPUTE_RECORDED, actor=ActorKind.STRIPE)
