"""CONFIRMED until check-in, and what is left to do once a booking has ended."""

from __future__ import annotations

from datetime import datetime, timedelta

from temporalio import workflow

from domain.booking import UNDER_DECISION, ActorKind, Decision, Status, cancellation_event
from domain.cancellation import refund_due
from domain.decisions import Verdict, judge
from domain.messages import BookingTerms, Command, PaymentNews, SessionAnswer
from domain.money import Money
from workflows.booking_state import Story
from workflows.message_queue import Desk
from workflows.notifications import Herald
from workflows.payment_steps import MoneyStuckError, Till
from workflows.queue_messages import (
    CheckAsked,
    DecisionAsked,
    Item,
    MailLost,
    NewsCame,
    OperatorAsked,
    SessionAsked,
)
from workflows.unmatched_payments import kept_if_stuck, settle_news, settle_unsettled

REFUND_PATIENCE = timedelta(hours=24)


class StayPhase:
    """Keeps a confirmed booking until check-in, then sees an ended one off."""

    def __init__(self, terms: BookingTerms, story: Story, desk: Desk, till: Till, herald: Herald) -> None:
        self._terms = terms
        self._story = story
        self._desk = desk
        self._till = till
        self._herald = herald
        self._parked: tuple[DecisionAsked, datetime] | None = None

    async def until_check_in(self) -> None:
        """Wait for check-in; the guest or the hotel may cancel until then."""
        self._story.wait_for("check-in")
        while self._story.status is Status.CONFIRMED and not self._checked_in():
            await self._deal_with(await self._desk.next(self._terms.check_in_at, "Check-in"))

    async def see_off(self) -> None:
        """Answer everybody who still waits, send every message, and wait for a person if one is needed."""
        self._story.wait_for("its last messages")
        while True:
            await self._herald.drain()
            if not self._desk.waiting and self._story.attention is None:
                return
            if not self._desk.waiting:
                self._story.wait_for("an operator: `booking retry` or `booking resolve`")
            await self._deal_with(await self._desk.next(None, ""))

    def _checked_in(self) -> bool:
        return workflow.now() >= self._terms.check_in_at

    async def _deal_with(self, item: Item | None) -> None:
        try:
            match item:
                case DecisionAsked():
                    await self._decide(item)
                case NewsCame():
                    await self._settle_news(item.news)
                case SessionAsked():
                    item.answer.set_result(SessionAnswer())
                case CheckAsked():
                    item.answer.set_result(None)
                case OperatorAsked():
                    await self._resume(item)
                case MailLost():
                    await self._story.ask_for_person(item.reason)
        except MoneyStuckError as stuck:
            await self._story.ask_for_person(str(stuck))

    # --- cancellation ---

    async def _decide(self, asked: DecisionAsked) -> None:
        asked_at = _asked_at(asked.command)
        verdict = judge(
            asked.decision,
            asked.command.actor,
            self._story.status,
            self._story.reason_code,
            checked_in=asked_at >= self._terms.check_in_at,
        )
        if verdict is not None:
            self._desk.settle(asked.command, verdict)
        elif self._parked is not None or self._is_overtaken(asked.command, asked_at):
            self._desk.settle(asked.command, Verdict.IN_PROGRESS)
        else:
            # What goes back depends on when the guest asked, not on when a worker or Stripe could be reached.
            await self._cancel(asked, asked_at)

    def _is_overtaken(self, command: Command, asked_at: datetime) -> bool:
        """Whether a guest who was shown that cancelling costs nothing would pay, because the hotel has confirmed since.

        What costs nothing even so is carried out: the guest wants to be rid of the booking, and was told that this
        is safe.
        """
        was_free = command.actor is ActorKind.GUEST and command.asked_in in UNDER_DECISION
        return was_free and self._due(asked_at).minor != self._terms.amount_minor

    async def _cancel(self, asked: DecisionAsked, asked_at: datetime) -> None:
        self._desk.deciding = Decision.CANCEL
        self._story.wait_for("Stripe, to refund the guest")
        try:
            refunded_minor = await self._refund(asked_at)
        except MoneyStuckError:
            self._parked = (asked, asked_at)
            self._desk.settle(asked.command, Verdict.NEEDS_ATTENTION)
            raise
        finally:
            self._desk.deciding = None
        self._parked = None
        await self._story.record(
            cancellation_event(asked.command.actor),
            command=asked.command,
            amount_refunded_minor=refunded_minor,
        )
        self._desk.settled(asked.command.command_id)

    async def _refund(self, asked_at: datetime) -> int:
        """Refund what the policy says, and return what has gone back in total."""
        due = self._due(asked_at)
        if due.minor <= self._story.refunded_minor:
            return self._story.refunded_minor
        assert self._story.payment_intent_id is not None, "a confirmed booking was paid"
        until = workflow.now() + REFUND_PATIENCE
        payment = await self._till.refund(self._story.payment_intent_id, due.minor, until)
        if payment.amount_refunded_minor < due.minor:
            raise MoneyStuckError("The refund did not go through.")
        return payment.amount_refunded_minor

    def _due(self, asked_at: datetime) -> Money:
        terms = self._terms
        total = Money(terms.amount_minor, terms.currency)
        return refund_due(total, terms.free_cancel_until, terms.late_cancel_fee_percent, asked_at)

    # --- news and operators ---

    async def _settle_news(self, news: PaymentNews) -> None:
        with kept_if_stuck(self._story, news):
            await settle_news(self._story, self._till, news)

    async def _resume(self, item: OperatorAsked) -> None:
        """Try again what got stuck; `settled` by hand means: only look, and let it rest."""
        self._herald.resend_lost()
        try:
            await settle_unsettled(self._story, self._till, settled_by_hand=item.settled)
            if self._parked is not None:
                await self._take_up(*self._parked, settled_by_hand=item.settled)
            await self._story.clear_attention()
        finally:
            done = self._story.attention is None
            self._desk.settle(item.command, Verdict.SETTLED if done else Verdict.NEEDS_ATTENTION)

    async def _take_up(self, asked: DecisionAsked, asked_at: datetime, *, settled_by_hand: bool) -> None:
        """Go on with a cancellation that got stuck.

        Args:
            settled_by_hand: whoever says so may have paid the guest by other means: nothing is refunded again. What
                Stripe shows as refunded counts; short of what is due, the cancellation is dropped.
        """
        if settled_by_hand:
            assert self._story.payment_intent_id is not None, "a confirmed booking was paid"
            payment = await self._till.read(self._story.payment_intent_id)
            if payment.amount_refunded_minor < self._due(asked_at).minor:
                self._parked = None
                self._desk.settle(asked.command, Verdict.ALREADY_DECIDED)
                return
        await self._cancel(asked, asked_at)


def _asked_at(command: Command) -> datetime:
    """When a person asked, by the API's clock; that may be a little fast, and nobody asks in the future."""
    now = workflow.now()
    return now if command.asked_at is None else min(command.asked_at, now)
