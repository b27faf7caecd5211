"""News about money that is not the booking's to keep, or that left it after the decision."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

from temporalio import workflow

from domain.booking import ActorKind, Event, Status
from domain.messages import Payment, PaymentNews, PaymentStatus
from workflows.booking_state import Story
from workflows.payment_steps import MoneyStuckError, Till

PATIENCE = timedelta(hours=24)
_PATIENCE_OF_A_RETRY = timedelta(minutes=10)
"""Somebody waits for the answer, and the booking's own money behind it."""
KEEPS_MONEY = frozenset({Status.CONFIRMED, Status.CANCELLED})
"""Statuses in which captured money may stay: a cancelled booking may have cost a fee."""

_DISPUTE_OPENED, _DISPUTE_CLOSED = "charge.dispute.created", "charge.dispute.closed"


async def give_back(till: Till, payment_intent_id: str, patience: timedelta = PATIENCE) -> Payment:
    """Leave nothing held and nothing captured, whichever of the two the PaymentIntent has come to.

    Raises:
        MoneyStuckError: Stripe refused, gave no clear answer in time, or says that money is still here.
    """
    until = workflow.now() + patience
    payment = await till.release(payment_intent_id, until)
    if payment.status is PaymentStatus.SUCCEEDED:
        payment = await till.refund(payment_intent_id, payment.amount_received_minor, until)
    # A refund that the guest's bank sent back is answered from memory for a day when it is asked for again.
    if _is_at_stake(payment):
        raise MoneyStuckError("The refund did not go through.")
    return payment


async def return_stray(
    story: Story, till: Till, payment_intent_id: str, patience: timedelta = PATIENCE
) -> None:
    """Give back money that came for a booking which cannot use it, and put that on record.

    Raises:
        MoneyStuckError: as `give_back`; nothing is on record then.
    """
    await give_back(till, payment_intent_id, patience)
    await story.record(Event.STRAY_PAYMENT_RETURNED, actor=ActorKind.STRIPE)


async def settle_news(story: Story, till: Till, news: PaymentNews, patience: timedelta = PATIENCE) -> None:
    """Look into an event about a booking that waits for no payment and no decision any more.

    Raises:
        MoneyStuckError: Stripe refused, or gave no clear answer in time; or a guest is owed money that came back.
    """
    payment = await till.find(news)
    if payment.payment_intent_id is None:
        return
    is_own = payment.payment_intent_id == story.payment_intent_id
    # A hold is no price of a cancellation, not even the booking's own.
    is_left_held = story.status is Status.CANCELLED and payment.status is PaymentStatus.REQUIRES_CAPTURE
    if is_own and story.status in KEEPS_MONEY and not is_left_held:
        await _record_aftermath(story, payment, news)
    elif _is_at_stake(payment):
        await return_stray(story, till, payment.payment_intent_id, patience)


@contextmanager
def kept_if_stuck(story: Story, news: PaymentNews) -> Iterator[None]:
    """Keep in mind what cannot be settled, until it is: a booking that moves on must not forget it.

    Raises:
        MoneyStuckError: as what is tried.
    """
    try:
        yield
    except MoneyStuckError as stuck:
        story.unsettled[news] = str(stuck)
        raise
    # Other events may have told of the same money.
    for kept in list(story.unsettled):
        if _subject(kept) == _subject(news):
            del story.unsettled[kept]


async def settle_unsettled(story: Story, till: Till, *, settled_by_hand: bool) -> None:
    """Try again what could not be settled; what gets stuck once more stays kept.

    Args:
        settled_by_hand: whoever says so may have paid the guest by other means: only what is still held is released,
            captured money is let rest.
    """
    for news in {_subject(kept): kept for kept in story.unsettled}.values():
        with suppress(MoneyStuckError), kept_if_stuck(story, news):
            if not settled_by_hand or (await till.find(news)).status is PaymentStatus.REQUIRES_CAPTURE:
                await settle_news(story, till, news, _PATIENCE_OF_A_RETRY)


def _subject(news: PaymentNews) -> str | None:
    return news.payment_intent_id or news.session_id


def _is_at_stake(payment: Payment) -> bool:
    """Whether a card is held, or captured money has not gone back in full."""
    kept = payment.amount_received_minor - payment.amount_refunded_minor
    is_kept = payment.status is PaymentStatus.SUCCEEDED and kept > 0
    return is_kept or payment.status is PaymentStatus.REQUIRES_CAPTURE


async def _record_aftermath(story: Story, payment: Payment, news: PaymentNews) -> None:
    returned_minor = story.refunded_minor - payment.amount_refunded_minor
    if returned_minor != 0:
        await story.record(
            Event.REFUND_RECORDED,
            actor=ActorKind.STRIPE,
            amount_refunded_minor=payment.amount_refunded_minor,
        )
    if returned_minor > 0 and story.status is Status.CANCELLED:
        raise MoneyStuckError("A refund came back from the guest's bank: the guest is still owed it.")
    # A dispute that was won has left no mark on the charge by the time its end is heard of.
    opened = news.event_type == _DISPUTE_OPENED and payment.disputed
    if opened or news.event_type == _DISPUTE_CLOSED:
        await story.record(Event.DISPUTE_RECORDED, actor=ActorKind.STRIPE)
