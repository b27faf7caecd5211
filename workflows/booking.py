"""One booking, from submission until check-out.

Every signal and update — a guest's request, a decision, a Stripe event — enters one queue in the order of its
arrival, and one loop handles it. The first signal in the history therefore wins, no two steps on the same money
overlap, and a handler only adds a message to the queue.
"""

from __future__ import annotations

from typing import NoReturn

from temporalio import workflow
from temporalio.exceptions import ActivityError

from activities.bookings import BOOKING_GONE
from domain.booking import ActorKind, Decision, Event, Status
from domain.messages.answers import CommandResult, SessionAnswer, SessionRequest, WorkflowSnapshot
from domain.messages.signals import Command, StripeEventHint
from domain.messages.starts import SUBMIT_COMMAND, BookingTerms
from workflows.booking_context import BookingContext
from workflows.booking_state import BookingState
from workflows.continuation import terms_of_next_run
from workflows.decision_phase import DecisionPhase
from workflows.hold import reread_hold
from workflows.message_queue import (
    DecisionRequested,
    EmailFailed,
    MessageQueue,
    OperatorCommand,
    SessionRequested,
    StripeEventReceived,
)
from workflows.notifications import Notifications
from workflows.payment_check import PaymentCheck
from workflows.payment_phase import PaymentPhase
from workflows.payment_steps import PaymentSteps, failure
from workflows.run_length import RunLength
from workflows.stay_phase import StayPhase
from workflows.winding_down import WindingDown


@workflow.defn
class BookingWorkflow:
    """Owns one booking: its status, its deadlines, and every step on its money."""

    @workflow.init
    def __init__(self, terms: BookingTerms) -> None:
        self._run_length = RunLength()
        self._context = self._assemble(terms)
        self._state = self._context.state
        self._message_queue = self._context.message_queue
        # Commands the lost workflow had accepted run before new signals and timers.
        for request in terms.resume.decisions if terms.resume else ():
            self._message_queue.put(DecisionRequested(request.decision, request.command))
        self._payment = PaymentPhase(self._context)
        self._decision: DecisionPhase | None = None
        self._stay = StayPhase(self._context)
        self._payment_check = PaymentCheck(self._context, self._payment)
        if terms.continuation is not None:
            self._state.continue_from(terms.continuation)
            self._message_queue.continue_from(terms.continuation)

    def _assemble(self, terms: BookingTerms) -> BookingContext:
        notifications = Notifications(
            terms.booking_id,
            terms.hotel_slug,
            on_email_failed=lambda attention: self._message_queue.put(EmailFailed(attention)),
        )
        state = BookingState(
            terms.booking_id,
            terms.hotel_slug,
            notifications,
            status=Status.DRAFT,
            version=terms.version,
            currency=terms.currency,
        )
        payment_steps = PaymentSteps(terms.booking_id, terms.amount_minor, terms.currency, self._run_length)
        return BookingContext(
            terms, state, MessageQueue(state, self._run_length, self._hand_on), payment_steps, notifications
        )

    def _hand_on(self) -> NoReturn:
        workflow.continue_as_new(terms_of_next_run(self._context, self._payment, self._decision, self._stay))

    @workflow.run
    async def run(self, terms: BookingTerms) -> WorkflowSnapshot:
        """Take the payment, wait for the decision, keep the booking until check-out."""
        if not await self._begin(terms):
            await workflow.wait_condition(workflow.all_handlers_finished)
            return self.state()
        await self._payment.run()
        if self._state.status is Status.PENDING_APPROVAL:
            assert self._payment.hold is not None, "PENDING_APPROVAL means that a card is held"
            self._decision = DecisionPhase(self._context, self._payment.hold)
            await self._decision.run()
        if self._state.status is Status.CONFIRMED:
            await self._stay.run()
        await WindingDown(self._context, self._stay).run()
        return self.state()

    async def _begin(self, terms: BookingTerms) -> bool:
        """Start from a submission, the previous run or a lost workflow's row; False if the draft no longer exists."""
        if terms.continuation is not None:
            self._context.notifications.continue_from(terms.continuation)
            return True
        resume = terms.resume
        if resume is None:
            return await self._submit()
        self._state.resume_from(resume)
        if resume.status is Status.PENDING_APPROVAL:
            self._payment.hold = await reread_hold(self._context, resume)
        self._message_queue.mark_done(SUBMIT_COMMAND)
        return True

    async def _submit(self) -> bool:
        try:
            await self._state.apply(
                Event.SUBMITTED, actor=ActorKind.GUEST, payment_deadline=self._payment.closes_at
            )
        except ActivityError as error:
            if failure(error)[0] != BOOKING_GONE:
                raise
            # The draft was deleted before its submission arrived: its guest has been promised nothing.
            self._state.is_over = True
            return False
        self._message_queue.mark_done(SUBMIT_COMMAND)
        return True

    # --- signals: they only queue a message; an exception here would block the workflow for ever ---

    @workflow.signal
    def authorized(self, hint: StripeEventHint) -> None:
        """Stripe reports that a hold may have been placed."""
        self._message_queue.put(StripeEventReceived(hint))

    @workflow.signal
    def payment_changed(self, hint: StripeEventHint) -> None:
        """Stripe reports another change of the booking's money."""
        self._message_queue.put(StripeEventReceived(hint))

    @workflow.signal
    def approve(self, command: Command) -> None:
        """Staff approve the booking: the hold is captured."""
        self._message_queue.put(DecisionRequested(Decision.APPROVE, command))

    @workflow.signal
    def decline(self, command: Command) -> None:
        """Staff decline the booking: the hold is released."""
        self._message_queue.put(DecisionRequested(Decision.DECLINE, command))

    @workflow.signal
    def cancel(self, command: Command) -> None:
        """The guest cancels the booking, or staff cancel it after confirmation."""
        self._message_queue.put(DecisionRequested(Decision.CANCEL, command))

    @workflow.signal
    def retry(self, command: Command) -> None:
        """A person asks to try the failed step again."""
        self._message_queue.put(OperatorCommand(command, resolved_by_hand=False))

    @workflow.signal
    def resolve(self, command: Command) -> None:
        """A person reports what they did: paid the guest elsewhere, withdrew the cancellation or fixed it in Stripe."""
        self._message_queue.put(OperatorCommand(command, resolved_by_hand=True))

    # --- updates: their callers wait for an answer; a lost one may be sent again ---

    @workflow.update
    async def payment_session(self, request: SessionRequest) -> SessionAnswer:
        """Open a payment page, or return the open one."""
        self._run_length.count_update()
        # The guest may ask before the submission has been written.
        if self._state.status is Status.DRAFT:
            await workflow.wait_condition(
                lambda: self._state.status is not Status.DRAFT or self._state.is_over
            )
        if self._state.status is not Status.PENDING_PAYMENT or self._state.is_giving_up_hold:
            return SessionAnswer()
        message = SessionRequested(request)
        self._message_queue.put(message)
        return await message.answer

    @payment_session.validator
    def _require_room_for_session(self, request: SessionRequest) -> None:  # noqa: ARG002  the update takes it
        self._run_length.require_room()

    @workflow.update
    async def check_payment(self) -> WorkflowSnapshot:
        """Read the payment from Stripe, follow it, and return the booking's state after that."""
        self._run_length.count_update()
        await self._payment_check.ask()
        return self.state()

    @check_payment.validator
    def _require_room_for_check(self) -> None:
        self._run_length.require_room()

    @workflow.update
    async def await_outcome(self, command_id: str) -> CommandResult:
        """Wait for a command's outcome."""
        self._run_length.count_update()
        return await self._message_queue.await_outcome(command_id)

    @workflow.query
    def state(self) -> WorkflowSnapshot:
        """Return the booking's state as the workflow holds it."""
        hold = self._payment.hold
        return WorkflowSnapshot(
            status=self._state.status,
            version=self._state.version,
            waiting_for=self._state.waiting_for,
            pending_decision=self._message_queue.decision_in_progress,
            attention=self._state.attention,
            payment_intent_id=self._state.payment_intent_id,
            payment_deadline=self._payment.closes_at,
            decision_deadline=hold.deadline.at if hold else None,
        )
