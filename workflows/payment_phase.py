"""PENDING_PAYMENT: from submission until a hold is placed, the window closes, or the guest cancels."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from activities.stripe_client import REFUSED
from domain.booking import ActorKind, Event, Status
from domain.deadlines import DecisionDeadline, as_told, decision_deadline, session_expires_at
from domain.decisions import Verdict, judge
from domain.messages import (
    BookingTerms,
    CheckoutSession,
    Payment,
    PaymentNews,
    PaymentStatus,
    Resumption,
    SessionAnswer,
)
from workflows import options
from workflows.booking_state import Story
from workflows.message_queue import STRIPE_UNAVAILABLE, Desk, unavailable
from workflows.notifications import Herald
from workflows.payment_steps import MoneyStuckError, Till, failure
from workflows.queue_messages import (
    CheckAsked,
    DecisionAsked,
    Item,
    MailLost,
    NewsCame,
    OperatorAsked,
    SessionAsked,
)
from workflows.unmatched_payments import give_back, kept_if_stuck, return_stray, settle_unsettled

_HELD = frozenset({PaymentStatus.REQUIRES_CAPTURE, PaymentStatus.SUCCEEDED})


class PaymentPhase:
    """Takes the payment. Afterwards `payment` and `deadline` tell of the hold, if there is one."""

    def __init__(self, terms: BookingTerms, story: Story, desk: Desk, till: Till, herald: Herald) -> None:
        self._terms = terms
        self._story = story
        self._desk = desk
        self._till = till
        self._herald = herald
        resume = terms.resume
        submitted_at = resume.submitted_at if resume else workflow.now()
        self.closes_at = submitted_at + timedelta(seconds=terms.payment_window_s)
        self._poll = timedelta(seconds=terms.payment_poll_s)
        # A resumed booking may have missed anything: it asks at once.
        self._look_at = workflow.now() if resume else self.closes_at
        self._session: CheckoutSession | None = resume.session if resume else None
        self._unread: PaymentNews | None = None
        self._refused = False
        self._cancelling: DecisionAsked | None = None
        self._cancel_at: datetime | None = None
        self._to_return: list[str] = []
        self._closing = False
        self.payment: Payment | None = None
        self.deadline: DecisionDeadline | None = None

    async def run(self) -> None:
        """Work off what comes until the booking waits for no payment any more."""
        self._story.wait_for("the guest's payment")
        while self._story.status is Status.PENDING_PAYMENT:
            item = await self._desk.next(self._due(), "Payment window, or time to ask Stripe")
            try:
                await self._deal_with(item)
            except MoneyStuckError as stuck:
                await self._stuck(str(stuck))

    def _due(self) -> datetime:
        if self._cancel_at is not None:
            return self._cancel_at
        if self._session is None and self._unread is None:
            return self.closes_at
        return min(self.closes_at, self._look_at)

    async def _deal_with(self, item: Item | None) -> None:
        match item:
            case None if self._cancel_at is not None:
                await self._cancel()
            case None if workflow.now() >= self.closes_at:
                await self._close()
            case None:
                await self._look(self._unread or self._session_news())
            case SessionAsked():
                await self._answer_session(item)
            case CheckAsked():
                await self._answer_check(item)
            case NewsCame():
                await self._look(item.news)
            case DecisionAsked():
                await self._decide(item)
            case OperatorAsked():
                await self._resume(item)
            case MailLost():
                await self._story.ask_for_person(item.reason)

    # --- asking Stripe ---

    def _session_news(self) -> PaymentNews:
        return PaymentNews(session_id=self._session.session_id if self._session else None)

    async def _look(self, news: PaymentNews) -> None:
        self._look_at = workflow.now() + self._poll
        try:
            payment = await self._till.look(news.session_id, news.payment_intent_id)
        except ActivityError as error:
            await self._not_read(news, *failure(error))
            return
        self._unread, self._refused = None, False
        await self._take(payment, own_page=self._is_about_own_page(news))

    def _is_about_own_page(self, news: PaymentNews) -> bool:
        # An event may name our page together with a payment of which Stripe knows nothing.
        asked = news.session_id if news.payment_intent_id is None else None
        return self._session is not None and asked == self._session.session_id

    async def _not_read(self, news: PaymentNews, kind: str, text: str) -> None:
        workflow.logger.warning("payment not read: %s", text)
        # With a page of its own the booking has something better to ask about than what Stripe will not tell.
        if kind != REFUSED or self._session is None:
            # Stripe is away: the next poll asks again, about the same thing.
            self._unread = news
            return
        if self._unread == news:
            self._unread = None
        # Each refusal has a text of its own; people are called once, and not at every poll.
        if self._is_about_own_page(news) and not self._refused:
            self._refused = True
            await self._story.ask_for_person(text)

    async def _take(self, payment: Payment, *, own_page: bool) -> None:
        """Advance the booking if its card is held; anything that is not its own is given back.

        Args:
            own_page: the payment was read through the booking's own session.
        """
        if payment.status not in _HELD or payment.payment_intent_id is None:
            return
        if not payment.matches:
            with kept_if_stuck(self._story, PaymentNews(payment_intent_id=payment.payment_intent_id)):
                await return_stray(self._story, self._till, payment.payment_intent_id)
            await self._story.ask_for_person("A payment with the wrong amount or booking was given back.")
            # A payment that came by another way says nothing about the page, which may still be paid on.
            if own_page:
                self._session = None
            return
        if self._cancellation_stands():
            self._to_return.append(payment.payment_intent_id)
            await self._cancel()
            return
        authorized_at, deadline = self._note_hold(payment)
        await self._story.record(
            Event.AUTHORIZED,
            actor=ActorKind.GUEST,
            payment_intent_id=payment.payment_intent_id,
            authorized_at=authorized_at,
            decision_deadline=deadline.at,
        )

    def _note_hold(self, payment: Payment) -> tuple[datetime, DecisionDeadline]:
        authorized_at = payment.authorized_at or workflow.now()
        deadline = decision_deadline(
            authorized_at=authorized_at,
            approval_sla_s=self._terms.approval_sla_s,
            cutoff=self._terms.cutoff_at,
            capture_before=payment.capture_before,
            authorization_margin_s=self._terms.authorization_margin_s,
        )
        self.payment, self.deadline = payment, deadline
        return authorized_at, deadline

    async def find_hold_again(self, resume: Resumption) -> None:
        """Read the hold of a booking that waits for a decision but lost its workflow."""
        assert resume.payment_intent_id is not None, "PENDING_APPROVAL means that a card is held"
        while True:
            try:
                _, computed = self._note_hold(await self._till.read(resume.payment_intent_id))
                self.deadline = as_told(resume.decision_deadline, computed)
            except MoneyStuckError as stuck:
                await self._story.ask_for_person(str(stuck))
                await workflow.sleep(options.PARKED_RECHECK, summary="Pause before reading the hold again")
            else:
                return

    # --- the guest's requests ---

    async def _answer_session(self, item: SessionAsked) -> None:
        try:
            if await self._reuse_session(item):
                return
            if self._story.status is not Status.PENDING_PAYMENT or self._is_over():
                item.answer.set_result(SessionAnswer())
                return
            await self._open_session(item)
        except ActivityError as error:
            item.answer.set_exception(unavailable(error))
        except MoneyStuckError as stuck:
            item.answer.set_exception(ApplicationError(str(stuck), type=STRIPE_UNAVAILABLE))
            raise

    def _is_over(self) -> bool:
        return self._closing or self._cancelling is not None or workflow.now() >= self.closes_at

    async def _reuse_session(self, item: SessionAsked) -> bool:
        if self._session is None:
            return False
        payment = await self._till.look(self._session.session_id, None)
        if payment.session_open and self._cancelling is None:
            item.answer.set_result(_answer(self._session, created=False))
            return True
        await self._take(payment, own_page=True)
        return False

    async def _open_session(self, item: SessionAsked) -> None:
        expires_at = session_expires_at(workflow.now(), self.closes_at)
        self._session = await self._till.open_session(expires_at, item.request.return_to)
        self._look_at = workflow.now() + self._poll
        item.answer.set_result(_answer(self._session, created=True))

    async def _answer_check(self, item: CheckAsked) -> None:
        try:
            if self._session is not None:
                payment = await self._till.look(self._session.session_id, None)
                await self._take(payment, own_page=True)
            item.answer.set_result(None)
        except ActivityError as error:
            item.answer.set_exception(unavailable(error))
        except MoneyStuckError as stuck:
            item.answer.set_exception(ApplicationError(str(stuck), type=STRIPE_UNAVAILABLE))
            raise

    # --- ends ---

    async def _close(self) -> None:
        """End the window; a session the guest completed in time wins over it."""
        self._closing = True
        self._story.wait_for("Stripe to close the payment page")
        if self._session is not None:
            await self._take(await self._till.expire_session(self._session.session_id), own_page=True)
        if self._story.status is not Status.PENDING_PAYMENT:
            return
        if self._cancellation_stands():
            await self._cancel()
        else:
            await self._story.record(Event.PAYMENT_WINDOW_CLOSED)

    async def _decide(self, item: DecisionAsked) -> None:
        verdict = judge(
            item.decision, item.command.actor, self._story.status, self._story.reason_code, checked_in=False
        )
        if verdict is not None:
            self._desk.settle(item.command, verdict)
        elif self._cancelling is not None:
            self._desk.settle(item.command, Verdict.IN_PROGRESS)
        else:
            self._cancelling = item
            await self._cancel()

    def _cancellation_stands(self) -> bool:
        """Whether the guest has cancelled, was told that this is safe, and nothing else may happen any more."""
        return self._cancelling is not None

    async def _cancel(self) -> None:
        """Carry the guest's cancellation out: close the page, give back what is held, end."""
        assert self._cancelling is not None, "somebody has cancelled"
        if self._session is not None:
            payment = await self._till.expire_session(self._session.session_id)
            if payment.status in _HELD and payment.payment_intent_id is not None:
                self._to_return.append(payment.payment_intent_id)
        facts: dict[str, Any] = {}
        for payment_intent_id in dict.fromkeys(self._to_return):
            payment = await give_back(self._till, payment_intent_id)
            facts = {
                "payment_intent_id": payment.payment_intent_id,
                "amount_captured_minor": payment.amount_received_minor,
                "amount_refunded_minor": payment.amount_refunded_minor,
            }
        await self._story.record(Event.CANCELLED_BY_GUEST, command=self._cancelling.command, **facts)
        self._desk.settled(self._cancelling.command.command_id)

    # --- when Stripe will not have it ---

    async def _stuck(self, reason: str) -> None:
        """Ask for a person, and try the end again later: the session lapses by itself meanwhile."""
        if self._cancelling is not None:
            self._desk.settle(self._cancelling.command, Verdict.NEEDS_ATTENTION)
            self._cancel_at = workflow.now() + options.PARKED_RECHECK
        self.closes_at = max(self.closes_at, workflow.now() + options.PARKED_RECHECK)
        await self._story.ask_for_person(reason)

    async def _resume(self, item: OperatorAsked) -> None:
        before = self._story.version
        resent = self._resend_lost()
        owed = stuck = self._story.owes() is not None
        try:
            if owed:
                await settle_unsettled(self._story, self._till, settled_by_hand=item.settled)
            if self._cancelling is not None:
                await self._cancel()
            elif self._closing:
                await self._close()
            else:
                flag = self._story.attention
                await self._look(self._unread or self._session_news())
                # What that look came upon needs a person of its own.
                resent = resent and self._story.attention == flag
                if item.settled or ((owed or resent) and not self._refused):
                    await self._story.clear_attention()
            # What was given back beside it moves the version as well: that alone is not what was asked for.
            stuck = False
        finally:
            moved = self._story.version > before and not self._refused and self._story.owes() is None
            done = moved and not stuck
            self._desk.settle(item.command, Verdict.SETTLED if done else Verdict.NEEDS_ATTENTION)

    def _resend_lost(self) -> bool:
        """Send once more what could not be sent, and say whether there was anything."""
        if not self._herald.has_lost:
            return False
        self._herald.resend_lost()
        return True


def _answer(session: CheckoutSession, *, created: bool) -> SessionAnswer:
    return SessionAnswer(payable=True, session_id=session.session_id, created=created)
