"""PENDING_PAYMENT: from submission until a hold is placed, the window closes, or the guest cancels."""

from __future__ import annotations

from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError

from dispatch import ui_texts
from domain.attention import Attention, AttentionCode
from domain.booking import ActorKind, Event, MailKind, Status
from domain.deadlines import last_session_at, payment_window_end, session_expires_at
from domain.decisions import CommandOutcome
from domain.messages.answers import SessionAnswer
from domain.messages.signals import StripeEventHint
from domain.messages.starts import Continuation, PaymentProgress
from domain.payment import PaymentSnapshot
from gateway.errors import FINAL, UNKNOWN
from workflows import options
from workflows.booking_context import (
    BookingContext,
    handle_common_message,
    judge_request,
    report_operator_outcome,
    run_common_steps,
)
from workflows.hold import Hold, continued_hold, hold_of
from workflows.message_queue import (
    DecisionRequested,
    OperatorCommand,
    PaymentCheckRequested,
    QueueMessage,
    SessionRequested,
    StripeEventReceived,
    decision_requested,
    open_decision,
    report_unanswered,
)
from workflows.payment_reminders import PaymentReminders
from workflows.payment_steps import PaymentStepFailedError, failure
from workflows.stripe_poll import StripePoll
from workflows.unmatched_payments import (
    note_unknown_payment,
    return_all_funds,
    return_unmatched_payment,
    track_unreturned_payment,
)


class PaymentPhase:
    """Waits for the payment. After `run`, `hold` is the hold, or None if no card is held."""

    def __init__(self, context: BookingContext) -> None:
        self._context = context
        self._state = context.state
        self._payment_steps = context.payment_steps
        terms = context.terms
        resume = terms.resume
        # A repeated first task finds the same start in its history.
        submitted_at = resume.submitted_at if resume else workflow.info().start_time
        self.closes_at = payment_window_end(submitted_at, terms.payment_window_s, terms.cutoff_at)
        self._last_session_at = last_session_at(submitted_at, self.closes_at)
        self._reminders = PaymentReminders(submitted_at, self.closes_at)
        # A resumed booking may have missed events: it asks at once.
        first_poll_at = workflow.now() if resume else self.closes_at
        self._poll = StripePoll(
            timedelta(seconds=terms.payment_poll_s), resume.session if resume else None, first_poll_at
        )
        self._cancellation: DecisionRequested | None = None
        """The guest's cancellation. The guest was told that it is safe: once it is set, no other end is possible."""
        self._end_at: datetime | None = workflow.now() if resume and resume.sold_out else None
        self._payments_to_return: list[str] = []
        self._closing = False
        self.hold: Hold | None = None
        if terms.continuation is not None:
            self._continue_from(terms.continuation)

    def _continue_from(self, continuation: Continuation) -> None:
        progress = continuation.payment
        self.closes_at = progress.closes_at
        self._poll.continue_from(progress.poll)
        self._reminders.continue_from(progress)
        self._cancellation = decision_requested(progress.cancellation)
        self._end_at = progress.end_at
        self._payments_to_return = list(progress.payments_to_return)
        self._closing = progress.closing
        self.hold = continued_hold(continuation.hold) if continuation.hold else None

    @property
    def progress(self) -> PaymentProgress:
        """The payment's progress, for the next run."""
        return PaymentProgress(
            closes_at=self.closes_at,
            poll=self._poll.progress,
            cancellation=open_decision(self._cancellation),
            end_at=self._end_at,
            payments_to_return=tuple(self._payments_to_return),
            closing=self._closing,
            finish_at=self._reminders.finish_at,
            remind_at=self._reminders.remind_at,
        )

    @property
    def session_id(self) -> str | None:
        """The session on which the guest may pay or may have paid."""
        return self._poll.session_id

    async def run(self) -> None:
        """Handle messages until the booking no longer waits for a payment."""
        self._context.begin_phase(Status.PENDING_PAYMENT, ui_texts.WAITING_FOR_PAYMENT)
        while self._state.status is Status.PENDING_PAYMENT:
            message = await self._context.message_queue.next(self._due(), ui_texts.PAYMENT_TIMER)
            try:
                await self._handle(message)
            except PaymentStepFailedError as error:
                await self._request_attention(error.attention)

    def _due(self) -> datetime:
        if self._end_at is not None:
            return self._end_at
        return min(filter(None, (self.closes_at, self._poll.next_at, self._reminders.next_at)))

    async def _handle(self, message: QueueMessage | None) -> None:
        match message:
            case None:
                await self._time_passed()
            case SessionRequested():
                await self._answer_session(message)
            case PaymentCheckRequested():
                await self._answer_payment_check(message)
            case StripeEventReceived():
                self._poll.note_news()
                await self._read_payment(message.hint)
            case DecisionRequested():
                await self._decide(message)
            case OperatorCommand():
                await self._run_operator_command(message)
            case _:
                await handle_common_message(self._context, message)

    async def _time_passed(self) -> None:
        if self._end_at is not None:
            await self._end()
        elif workflow.now() >= self.closes_at:
            await self._close()
        elif (kind := self._reminders.take_due()) is not None:
            await self._remind(kind)
        elif await self._read_payment(self._poll.question):
            self._poll.note_silence()

    async def _remind(self, kind: MailKind) -> None:
        """Mail a guest who has not paid, as Stripe says; where it gives no answer the mail waits for one."""
        if self._poll.next_at is not None and not await self._read_payment(self._poll.question):
            self._reminders.put_off(kind, self._poll.next_at or workflow.now())
        elif self._state.status is Status.PENDING_PAYMENT and not self._is_ending:
            self._context.notifications.mail((kind,), self._state.version)

    # --- reading the payment ---

    async def _read_payment(self, hint: StripeEventHint) -> bool:
        """Read the payment from Stripe and follow it; False if Stripe gave no answer."""
        self._poll.note_question()
        try:
            payment = await self._payment_steps.read_once(hint.session_id, hint.payment_intent_id)
        except ActivityError as error:
            await self._handle_read_failure(hint, *failure(error))
            return False
        self._poll.unread_hint = None
        own_session = self._poll.is_about_session(hint)
        await self._follow_payment(payment, own_session=own_session)
        if own_session:
            await self._state.clear_attention({AttentionCode.PAYMENT_UNREAD}, actor=ActorKind.SYSTEM)
        return True

    async def _handle_read_failure(self, hint: StripeEventHint, kind: str, text: str) -> None:
        workflow.logger.warning("payment not read: %s", text)
        if kind == UNKNOWN and not self._poll.is_about_session(hint):
            if self._poll.unread_hint == hint:
                self._poll.unread_hint = None
            await note_unknown_payment(hint)
            return
        # Stripe refuses to show this payment: the next read asks for the booking's own session instead.
        if kind not in FINAL or self._poll.session is None:
            # Stripe does not answer: the next poll asks the same question.
            self._poll.unread_hint = hint
            return
        if self._poll.unread_hint == hint:
            self._poll.unread_hint = None
        if self._poll.is_about_session(hint):
            await self._state.request_attention(
                Attention(AttentionCode.PAYMENT_UNREAD, self._poll.session.session_id, text)
            )

    async def _follow_payment(self, payment: PaymentSnapshot, *, own_session: bool) -> None:
        """Advance the booking if its card is held; return the funds of an unmatched payment.

        Args:
            own_session: the payment was read through the booking's own session.
        """
        if own_session and not payment.session_open:
            self._poll.is_session_over = True
        if not payment.is_paid:
            return
        if not payment.matches:
            await self._return_mismatch(payment.intent_id, own_session=own_session)
        elif self._is_ending:
            self._payments_to_return.append(payment.intent_id)
            await self._end()
        else:
            await self._record_hold(payment)

    async def _return_mismatch(self, payment_intent_id: str, *, own_session: bool) -> None:
        async with track_unreturned_payment(
            self._state, StripeEventHint(payment_intent_id=payment_intent_id)
        ):
            await return_unmatched_payment(self._state, self._payment_steps, payment_intent_id)
        await self._state.request_attention(
            Attention(AttentionCode.PAYMENT_MISMATCH_RETURNED, payment_intent_id)
        )
        # A payment that was not read through the session does not tell whether the guest may still pay on it.
        if own_session:
            self._poll.session = None

    async def _record_hold(self, payment: PaymentSnapshot) -> None:
        self.hold = hold_of(payment, self._context.terms)
        await self._state.apply(
            Event.AUTHORIZED,
            actor=ActorKind.GUEST,
            payment_intent_id=self.hold.payment_intent_id,
            authorized_at=self.hold.authorized_at,
            capture_before=payment.capture_before,
            decision_deadline=self.hold.deadline.at,
        )
        if self._state.is_giving_up_hold:
            # The caller of the payment check gets the answer before Stripe is asked for the release.
            self.hold, self._end_at = None, workflow.now()

    # --- the guest's requests ---

    async def _answer_session(self, message: SessionRequested) -> None:
        with report_unanswered(message.answer):
            if await self._reuse_session(message):
                return
            if self._state.status is not Status.PENDING_PAYMENT or not self._may_open_session():
                message.answer.set_result(SessionAnswer())
            else:
                await self._open_session(message)

    def _may_open_session(self) -> bool:
        return not self._closing and not self._is_ending and workflow.now() < self._last_session_at

    @property
    def _is_ending(self) -> bool:
        """Whether the guest cancelled or no room was left: no further payment is taken."""
        return self._cancellation is not None or self._state.is_giving_up_hold

    async def _reuse_session(self, message: SessionRequested) -> bool:
        if self._poll.session is None:
            return False
        payment = await self._payment_steps.read_once(self._poll.session.session_id, None)
        if payment.session_open and not self._is_ending:
            message.answer.set_result(self._poll.answer(created=False))
            return True
        await self._follow_payment(payment, own_session=True)
        return False

    async def _open_session(self, message: SessionRequested) -> None:
        expires_at = session_expires_at(workflow.now(), self.closes_at)
        self._poll.begin(await self._payment_steps.open_session(expires_at, message.request.return_to))
        message.answer.set_result(self._poll.answer(created=True))

    async def _answer_payment_check(self, message: PaymentCheckRequested) -> None:
        with report_unanswered(message.answer):
            if self._poll.session is not None:
                payment = await self._payment_steps.read_once(self._poll.session.session_id, None)
                await self._follow_payment(payment, own_session=True)
            message.answer.set_result(None)

    # --- ends ---

    async def _close(self) -> None:
        """End the payment window; a session that the guest completed in time wins over it."""
        self._closing = True
        self._state.wait_for(ui_texts.WAITING_FOR_SESSION_TO_CLOSE)
        if self._poll.session is not None:
            await self._follow_payment(
                await self._payment_steps.expire_session(self._poll.session.session_id), own_session=True
            )
        if self._state.status is not Status.PENDING_PAYMENT:
            return
        if self._is_ending:
            await self._end()
        else:
            await self._state.apply(Event.PAYMENT_WINDOW_CLOSED)

    async def _decide(self, message: DecisionRequested) -> None:
        outcome = judge_request(self._context, message)
        if outcome is not None:
            self._context.message_queue.report_outcome(message.command, outcome)
        elif self._is_ending:
            self._context.message_queue.report_outcome(message.command, CommandOutcome.IN_PROGRESS)
        else:
            self._cancellation = message
            await self._end()

    async def _end(self) -> None:
        """Close the session, release the hold and end: the guest has cancelled, or no room was left."""
        self._state.wait_for(ui_texts.WAITING_FOR_RELEASE)
        if self._poll.session is not None:
            payment = await self._payment_steps.expire_session(self._poll.session.session_id)
            if payment.is_paid:
                self._payments_to_return.append(payment.intent_id)
        ids = [self._state.payment_intent_id, *self._payments_to_return]
        self._payments_to_return = list(dict.fromkeys(id_ for id_ in ids if id_ is not None))
        facts = await return_all_funds(self._state, self._payment_steps, self._payments_to_return)
        if self._cancellation is None:
            await self._state.apply(Event.SOLD_OUT, **facts)
            return
        await self._state.apply(Event.CANCELLED_BY_GUEST, command=self._cancellation.command, **facts)
        self._context.message_queue.mark_done(self._cancellation.command.command_id)

    # --- refused or unanswered steps ---

    async def _request_attention(self, attention: Attention) -> None:
        """Open attention and try the end again later: the session lapses by itself meanwhile."""
        if self._cancellation is not None:
            self._context.message_queue.report_outcome(
                self._cancellation.command, CommandOutcome.NEEDS_ATTENTION
            )
        if self._is_ending:
            self._end_at = workflow.now() + options.PENDING_COMMAND_RECHECK
        self.closes_at = max(self.closes_at, workflow.now() + options.PENDING_COMMAND_RECHECK)
        await self._state.request_attention(attention)

    async def _run_operator_command(self, message: OperatorCommand) -> None:
        with report_operator_outcome(self._context, message):
            to_return = self._payments_to_return if self._is_ending else ()
            if await run_common_steps(self._context, message, to_return) and not self._is_ending:
                return
            if self._is_ending:
                await self._end()
            elif self._closing:
                await self._close()
            else:
                self._poll.note_news()
                await self._read_payment(self._poll.question)
                if message.resolved_by_hand:
                    await self._state.clear_attention()
