"""PENDING_APPROVAL: a card is held, and somebody or a deadline decides."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import datetime, timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from domain.booking import ActorKind, Decision, Event, MailKind, ReasonCode, Status
from domain.deadlines import DecisionDeadline, last_capture_at, reminder_at
from domain.decisions import Verdict, judge
from domain.messages import (
    BookingTerms,
    Payment,
    PaymentNews,
    PaymentStatus,
    SessionAnswer,
    StaffEvent,
)
from workflows import options
from workflows.booking_state import Story
from workflows.message_queue import STRIPE_UNAVAILABLE, Desk, unavailable
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
from workflows.unmatched_payments import give_back, kept_if_stuck, settle_news, settle_unsettled

RELEASE_PATIENCE = timedelta(hours=1)
"""How long a release is retried on its own, past the hold's end, before a person is asked."""


class DecisionPhase:
    """Waits for a decision on a hold, and carries it out.

    Args:
        payment: the hold, as Stripe described it when it was placed.
        deadline: when, and as what, it is released if nobody decides.
    """

    def __init__(
        self,
        terms: BookingTerms,
        story: Story,
        desk: Desk,
        till: Till,
        herald: Herald,
        *,
        payment: Payment,
        deadline: DecisionDeadline,
    ) -> None:
        assert payment.payment_intent_id is not None, "a hold has a PaymentIntent"
        self._terms = terms
        self._story = story
        self._desk = desk
        self._till = till
        self._herald = herald
        self._payment = payment
        self._intent_id = payment.payment_intent_id
        self._deadline = deadline
        authorized_at = payment.authorized_at or workflow.now()
        self._lapses_at = last_capture_at(authorized_at, payment.capture_before)
        self._remind_at: datetime | None = reminder_at(authorized_at, deadline.at)
        self._recheck_at: datetime | None = None
        self._parked: DecisionAsked | None = None

    async def run(self) -> None:
        """Work off what comes until the booking is confirmed or has ended."""
        self._story.wait_for("the hotel's decision")
        if self._terms.resume and self._terms.resume.decisions:
            # What the lost workflow had done with the money for it, and not written, is told of as what it was.
            await self._next()
        if self._story.status is Status.PENDING_APPROVAL:
            # Somebody may have captured or released the hold before this booking ever looked.
            await self._or_ask_for_person(self._follow(self._payment))
        while self._story.status is Status.PENDING_APPROVAL:
            await self._next()

    async def _next(self) -> None:
        item = await self._desk.next(self._due(), "Reminder, or decision deadline")
        await self._or_ask_for_person(self._deal_with(item))

    async def _deal_with(self, item: Item | None) -> None:
        match item:
            case None:
                await self._time_passed()
            case DecisionAsked():
                await self._decide(item)
            case NewsCame():
                await self._look_into(item.news)
            case CheckAsked():
                await self._answer_check(item)
            case SessionAsked():
                item.answer.set_result(SessionAnswer())
            case OperatorAsked():
                await self._resume(item)
            case MailLost():
                await self._story.ask_for_person(item.reason)

    # --- time ---

    def _due(self) -> datetime:
        due = self._recheck_at or self._deadline.at
        return min(due, self._remind_at) if self._remind_at else due

    async def _time_passed(self) -> None:
        now = workflow.now()
        if self._recheck_at is not None and now >= self._recheck_at:
            self._recheck_at = now + options.PARKED_RECHECK
            await self._recheck()
        elif self._recheck_at is None and now >= self._deadline.at:
            await self._decline_by_deadline()
        else:
            self._remind()

    async def _recheck(self) -> None:
        if self._parked is not None and self._cancellation_stands():
            await self._carry_out(self._parked)
        else:
            await self._follow(await self._till.read(self._intent_id))

    def _remind(self) -> None:
        self._remind_at = None
        self._herald.mail((MailKind.STAFF_REMINDER,), self._story.version)
        self._herald.publish(
            self._story.status, self._story.version, workflow.now(), StaffEvent.DEADLINE_NEAR
        )

    async def _decline_by_deadline(self) -> None:
        self._desk.deciding = Decision.DECLINE
        self._story.wait_for("Stripe to release the hold")
        try:
            await self._follow(await self._release(), unless_lost=self._deadline.event)
        finally:
            self._desk.deciding = None

    # --- decisions ---

    async def _decide(self, asked: DecisionAsked) -> None:
        verdict = self._came_out(asked)
        if verdict is not None:
            self._desk.settle(asked.command, verdict)
        elif self._parked is not None and self._stands_against(asked):
            await self._repeat(self._parked, asked)
        else:
            await self._carry_out(asked)

    def _stands_against(self, asked: DecisionAsked) -> bool:
        """Whether the parked decision is tried again, instead of giving way to the one that is asked now."""
        assert self._parked is not None, "a decision got stuck"
        return self._parked.decision is asked.decision or self._cancellation_stands()

    def _cancellation_stands(self) -> bool:
        """Whether a guest's cancellation got stuck.

        Staff may change their minds: their decision gives way to the next one, to an operator's `resolve`, and to a
        hold that is gone. A guest who cancelled was told that this is safe. No later approval may charge them; no
        later decline, deadline or lapse of the hold makes another end of what was theirs; and no operator drops it.
        Only a capture in the Dashboard is stronger.
        """
        return self._parked is not None and self._parked.decision is Decision.CANCEL

    async def _repeat(self, parked: DecisionAsked, asked: DecisionAsked) -> None:
        """Try the decision that came first again, under its author's name."""
        try:
            await self._carry_out(parked)
        finally:
            self._desk.settle(asked.command, self._came_out(asked) or Verdict.IN_PROGRESS)

    def _came_out(self, asked: DecisionAsked) -> Verdict | None:
        return judge(
            asked.decision, asked.command.actor, self._story.status, self._story.reason_code, checked_in=False
        )

    async def _carry_out(self, asked: DecisionAsked) -> None:
        self._withdraw_parked(asked)
        self._parked = asked
        self._desk.deciding = asked.decision
        self._story.wait_for(f"Stripe, to {asked.decision} the booking")
        try:
            if asked.decision is Decision.APPROVE:
                payment = await self._capture()
            else:
                payment = await self._release()
        finally:
            self._desk.deciding = None
        if not await self._follow(payment, asked):
            raise MoneyStuckError("The hold is still there after the time to capture it was over.")

    def _withdraw_parked(self, successor: DecisionAsked) -> None:
        """A decision that got stuck gives way to the next one."""
        if self._parked is not None and self._parked is not successor:
            self._desk.settle(self._parked.command, Verdict.ALREADY_DECIDED)
            self._parked = None

    async def _capture(self) -> Payment:
        # After capture_before the bank may have dropped the hold; such a booking is never confirmed.
        if workflow.now() >= self._lapses_at:
            return await self._release()
        try:
            return await self._till.capture(self._intent_id, self._lapses_at)
        except MoneyStuckError:
            payment = await self._till.read(self._intent_id)
            if payment.status is PaymentStatus.REQUIRES_CAPTURE:
                raise
            return payment

    async def _release(self) -> Payment:
        until = max(self._lapses_at, workflow.now()) + RELEASE_PATIENCE
        return await self._till.release(self._intent_id, until)

    async def _follow(
        self,
        payment: Payment,
        asked: DecisionAsked | None = None,
        *,
        unless_lost: Event = Event.AUTHORIZATION_LOST,
    ) -> bool:
        """Take the booking where its money has gone.

        Args:
            asked: the decision that was being carried out.
            unless_lost: what it means, without a decision, that nothing is held any more.

        Returns:
            False where the card is still held, and the booking stays.
        """
        if payment.status is PaymentStatus.SUCCEEDED:
            await self._follow_capture(payment, asked)
        elif payment.status is PaymentStatus.CANCELED:
            if asked is None and self._cancellation_stands():
                asked = self._parked
            await self._follow_release(asked, unless_lost)
        else:
            return False
        if self._parked is not None and self._parked is not asked:
            self._desk.settle(self._parked.command, Verdict.ALREADY_DECIDED)
        self._parked = None
        return True

    async def _follow_capture(self, payment: Payment, asked: DecisionAsked | None) -> None:
        facts: dict[str, Any] = {
            "amount_captured_minor": payment.amount_received_minor,
            "amount_refunded_minor": payment.amount_refunded_minor,
        }
        if payment.amount_received_minor != self._terms.amount_minor or not payment.matches:
            returned = await give_back(self._till, self._intent_id)
            facts["amount_refunded_minor"] = returned.amount_refunded_minor
            await self._story.record(Event.CAPTURE_MISMATCHED, actor=ActorKind.STRIPE, **facts)
            self._answer(asked, Verdict.ALREADY_DECIDED)
        elif asked is not None and asked.decision is Decision.APPROVE:
            await self._story.record(Event.APPROVED, command=asked.command, **facts)
            self._desk.settled(asked.command.command_id)
        else:
            await self._story.record(Event.CAPTURED_OUTSIDE, actor=ActorKind.STRIPE, **facts)
            self._answer(asked, Verdict.ALREADY_DECIDED)
        await self._tell_of_refund(payment)

    async def _tell_of_refund(self, payment: Payment) -> None:
        """Captured money may have gone back before it was looked at; what Stripe says of that is no news any more."""
        if self._story.status is not Status.CONFIRMED or payment.amount_refunded_minor == 0:
            return
        await self._story.record(
            Event.REFUND_RECORDED,
            actor=ActorKind.STRIPE,
            amount_refunded_minor=payment.amount_refunded_minor,
        )

    async def _follow_release(self, asked: DecisionAsked | None, unless_lost: Event) -> None:
        if asked is not None and asked.decision is Decision.DECLINE:
            reason = asked.command.reason_code or ReasonCode.OTHER
            await self._story.record(Event.DECLINED, command=asked.command, reason_code=reason)
            self._desk.settled(asked.command.command_id)
        elif asked is not None and asked.decision is Decision.CANCEL:
            await self._story.record(Event.CANCELLED_BY_GUEST, command=asked.command)
            self._desk.settled(asked.command.command_id)
        else:
            actor = ActorKind.STRIPE if unless_lost is Event.AUTHORIZATION_LOST else ActorKind.SYSTEM
            await self._story.record(unless_lost, actor=actor)
            self._answer(asked, Verdict.ALREADY_DECIDED)

    def _answer(self, asked: DecisionAsked | None, verdict: Verdict) -> None:
        if asked is not None:
            self._desk.settle(asked.command, verdict)

    # --- Stripe's news, and people who want to know ---

    async def _look_into(self, news: PaymentNews) -> None:
        if news.payment_intent_id in {None, self._intent_id}:
            await self._follow(await self._till.read(self._intent_id))
            return
        with kept_if_stuck(self._story, news):
            await settle_news(self._story, self._till, news)

    async def _answer_check(self, item: CheckAsked) -> None:
        try:
            await self._follow(await self._till.look(None, self._intent_id))
            item.answer.set_result(None)
        except ActivityError as error:
            item.answer.set_exception(unavailable(error))
        except MoneyStuckError as stuck:
            item.answer.set_exception(ApplicationError(str(stuck), type=STRIPE_UNAVAILABLE))
            raise

    # --- when Stripe will not have it ---

    async def _or_ask_for_person(self, step: Awaitable[Any]) -> None:
        try:
            await step
        except MoneyStuckError as stuck:
            await self._ask_for_person(str(stuck))

    async def _ask_for_person(self, reason: str) -> None:
        """Stay as the booking is, say so, and look every hour whether the money has moved by itself."""
        if self._parked is not None:
            self._desk.settle(self._parked.command, Verdict.NEEDS_ATTENTION)
        if workflow.now() >= self._deadline.at or self._cancellation_stands():
            self._recheck_at = workflow.now() + options.PARKED_RECHECK
        self._story.wait_for("an operator: `booking retry` or `booking resolve`")
        await self._story.ask_for_person(reason)

    async def _resume(self, item: OperatorAsked) -> None:
        before = self._story.version
        try:
            await self._retry(settled_by_hand=item.settled)
        finally:
            done = self._story.version > before and self._story.attention is None
            self._desk.settle(item.command, Verdict.SETTLED if done else Verdict.NEEDS_ATTENTION)

    async def _retry(self, *, settled_by_hand: bool) -> None:
        self._recheck_at = None
        self._herald.resend_lost()
        if self._story.owes() is not None:
            await settle_unsettled(self._story, self._till, settled_by_hand=settled_by_hand)
        if await self._follow(await self._till.read(self._intent_id)):
            return
        if self._parked is not None and (not settled_by_hand or self._cancellation_stands()):
            await self._carry_out(self._parked)
            return
        # The hold stands and nothing is to be tried again: the booking waits for a decision as before.
        if self._parked is not None:
            self._desk.settle(self._parked.command, Verdict.ALREADY_DECIDED)
            self._parked = None
        await self._story.clear_attention()
