"""PENDING_APPROVAL: a card is held, and somebody or a deadline decides."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import datetime, timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from domain.booking import ActorKind, Decision, Event, MailKind, ReasonCode, Status
from domain.deadlines import DecisionDeadline, last_capture_at, reminder_at
from domain.decisions import CommandOutcome, immediate_outcome
from domain.messages.answers import SessionAnswer
from domain.messages.notifications import StaffEvent
from domain.messages.signals import StripeEventHint
from domain.messages.starts import BookingTerms
from domain.payment import PaymentSnapshot, PaymentStatus
from workflows import options
from workflows.booking_state import BookingState
from workflows.message_queue import STRIPE_UNAVAILABLE, MessageQueue, stripe_unavailable
from workflows.notifications import Notifications
from workflows.payment_steps import PaymentStepFailedError, PaymentSteps
from workflows.queue_messages import (
    DecisionRequested,
    EmailFailed,
    OperatorCommand,
    PaymentCheckRequested,
    QueueMessage,
    SessionRequested,
    StripeEventReceived,
)
from workflows.unmatched_payments import (
    handle_payment_event,
    retry_unreturned_payments,
    return_funds,
    track_unreturned_payment,
)

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
        state: BookingState,
        message_queue: MessageQueue,
        payment_steps: PaymentSteps,
        notifications: Notifications,
        *,
        payment: PaymentSnapshot,
        deadline: DecisionDeadline,
    ) -> None:
        assert payment.payment_intent_id is not None, "a hold has a PaymentIntent"
        self._terms = terms
        self._state = state
        self._message_queue = message_queue
        self._payment_steps = payment_steps
        self._notifications = notifications
        self._payment = payment
        self._intent_id = payment.payment_intent_id
        self._deadline = deadline
        authorized_at = payment.authorized_at or workflow.now()
        self._lapses_at = last_capture_at(authorized_at, payment.capture_before)
        self._remind_at: datetime | None = reminder_at(authorized_at, deadline.at)
        self._recheck_at: datetime | None = None
        self._pending_command: DecisionRequested | None = None

    async def run(self) -> None:
        """Work off what comes until the booking is confirmed or has ended."""
        self._state.wait_for("the hotel's decision")
        if self._terms.resume and self._terms.resume.decisions:
            # What the lost workflow had done with the money for it, and not written, is told of as what it was.
            await self._next()
        if self._state.status is Status.PENDING_APPROVAL:
            # Somebody may have captured or released the hold before this booking ever looked.
            await self._or_request_attention(self._follow(self._payment))
        while self._state.status is Status.PENDING_APPROVAL:
            await self._next()

    async def _next(self) -> None:
        message = await self._message_queue.next(self._due(), "Reminder, or decision deadline")
        await self._or_request_attention(self._handle(message))

    async def _handle(self, message: QueueMessage | None) -> None:
        match message:
            case None:
                await self._time_passed()
            case DecisionRequested():
                await self._decide(message)
            case StripeEventReceived():
                await self._handle_event(message.hint)
            case PaymentCheckRequested():
                await self._answer_payment_check(message)
            case SessionRequested():
                message.answer.set_result(SessionAnswer())
            case OperatorCommand():
                await self._run_operator_command(message)
            case EmailFailed():
                await self._state.request_attention(message.reason)

    # --- time ---

    def _due(self) -> datetime:
        due = self._recheck_at or self._deadline.at
        return min(due, self._remind_at) if self._remind_at else due

    async def _time_passed(self) -> None:
        now = workflow.now()
        if self._recheck_at is not None and now >= self._recheck_at:
            self._recheck_at = now + options.PENDING_COMMAND_RECHECK
            await self._recheck()
        elif self._recheck_at is None and now >= self._deadline.at:
            await self._decline_by_deadline()
        else:
            self._remind()

    async def _recheck(self) -> None:
        if self._pending_command is not None and self._cancellation_stands():
            await self._carry_out(self._pending_command)
        else:
            await self._follow(await self._payment_steps.read_until_answered(self._intent_id))

    def _remind(self) -> None:
        self._remind_at = None
        self._notifications.mail((MailKind.STAFF_REMINDER,), self._state.version)
        self._notifications.publish(
            self._state.status, self._state.version, workflow.now(), StaffEvent.DEADLINE_NEAR
        )

    async def _decline_by_deadline(self) -> None:
        self._message_queue.decision_in_progress = Decision.DECLINE
        self._state.wait_for("Stripe to release the hold")
        try:
            await self._follow(await self._release(), unless_lost=self._deadline.event)
        finally:
            self._message_queue.decision_in_progress = None

    # --- decisions ---

    async def _decide(self, request: DecisionRequested) -> None:
        outcome = self._immediate_outcome(request)
        if outcome is not None:
            self._message_queue.report_outcome(request.command, outcome)
        elif self._pending_command is not None and self._takes_precedence_over(request):
            await self._repeat(self._pending_command, request)
        else:
            await self._carry_out(request)

    def _takes_precedence_over(self, request: DecisionRequested) -> bool:
        """Whether the parked decision is tried again, instead of giving way to the one that is asked now."""
        assert self._pending_command is not None, "a decision got stuck"
        return self._pending_command.decision is request.decision or self._cancellation_stands()

    def _cancellation_stands(self) -> bool:
        """Whether a guest's cancellation got stuck.

        Staff may change their minds: their decision gives way to the next one, to an operator's `resolve`, and to a
        hold that is gone. A guest who cancelled was told that this is safe. No later approval may charge them; no
        later decline, deadline or lapse of the hold makes another end of what was theirs; and no operator drops it.
        Only a capture in the Dashboard is stronger.
        """
        return self._pending_command is not None and self._pending_command.decision is Decision.CANCEL

    async def _repeat(self, pending_command: DecisionRequested, request: DecisionRequested) -> None:
        """Try the decision that came first again, under its author's name."""
        try:
            await self._carry_out(pending_command)
        finally:
            self._message_queue.report_outcome(
                request.command, self._immediate_outcome(request) or CommandOutcome.IN_PROGRESS
            )

    def _immediate_outcome(self, request: DecisionRequested) -> CommandOutcome | None:
        return immediate_outcome(
            request.decision,
            request.command.actor,
            self._state.status,
            self._state.reason_code,
            checked_in=False,
        )

    async def _carry_out(self, request: DecisionRequested) -> None:
        self._withdraw_pending_command(request)
        self._pending_command = request
        self._message_queue.decision_in_progress = request.decision
        self._state.wait_for(f"Stripe, to {request.decision} the booking")
        try:
            if request.decision is Decision.APPROVE:
                payment = await self._capture()
            else:
                payment = await self._release()
        finally:
            self._message_queue.decision_in_progress = None
        if not await self._follow(payment, request):
            raise PaymentStepFailedError("The hold is still there after the time to capture it was over.")

    def _withdraw_pending_command(self, successor: DecisionRequested) -> None:
        """A decision that got stuck gives way to the next one."""
        if self._pending_command is not None and self._pending_command is not successor:
            self._message_queue.report_outcome(self._pending_command.command, CommandOutcome.ALREADY_DECIDED)
            self._pending_command = None

    async def _capture(self) -> PaymentSnapshot:
        # After capture_before the bank may have dropped the hold; such a booking is never confirmed.
        if workflow.now() >= self._lapses_at:
            return await self._release()
        try:
            return await self._payment_steps.capture(self._intent_id, self._lapses_at)
        except PaymentStepFailedError:
            payment = await self._payment_steps.read_until_answered(self._intent_id)
            if payment.status is PaymentStatus.REQUIRES_CAPTURE:
                raise
            return payment

    async def _release(self) -> PaymentSnapshot:
        until = max(self._lapses_at, workflow.now()) + RELEASE_PATIENCE
        return await self._payment_steps.release(self._intent_id, until)

    async def _follow(
        self,
        payment: PaymentSnapshot,
        request: DecisionRequested | None = None,
        *,
        unless_lost: Event = Event.AUTHORIZATION_LOST,
    ) -> bool:
        """Take the booking where its money has gone.

        Args:
            request: the decision that was being carried out.
            unless_lost: what it means, without a decision, that nothing is held any more.

        Returns:
            False where the card is still held, and the booking stays.
        """
        if payment.status is PaymentStatus.SUCCEEDED:
            await self._follow_capture(payment, request)
        elif payment.status is PaymentStatus.CANCELED:
            if request is None and self._cancellation_stands():
                request = self._pending_command
            await self._follow_release(request, unless_lost)
        else:
            return False
        if self._pending_command is not None and self._pending_command is not request:
            self._message_queue.report_outcome(self._pending_command.command, CommandOutcome.ALREADY_DECIDED)
        self._pending_command = None
        return True

    async def _follow_capture(self, payment: PaymentSnapshot, request: DecisionRequested | None) -> None:
        facts: dict[str, Any] = {
            "amount_captured_minor": payment.amount_received_minor,
            "amount_refunded_minor": payment.amount_refunded_minor,
        }
        if payment.amount_received_minor != self._terms.amount_minor or not payment.matches:
            returned = await return_funds(self._payment_steps, self._intent_id)
            facts["amount_refunded_minor"] = returned.amount_refunded_minor
            await self._state.apply(Event.CAPTURE_MISMATCHED, actor=ActorKind.STRIPE, **facts)
            self._report_outcome(request, CommandOutcome.ALREADY_DECIDED)
        elif request is not None and request.decision is Decision.APPROVE:
            await self._state.apply(Event.APPROVED, command=request.command, **facts)
            self._message_queue.mark_done(request.command.command_id)
        else:
            await self._state.apply(Event.CAPTURED_OUTSIDE, actor=ActorKind.STRIPE, **facts)
            self._report_outcome(request, CommandOutcome.ALREADY_DECIDED)
        await self._record_early_refund(payment)

    async def _record_early_refund(self, payment: PaymentSnapshot) -> None:
        """Captured money may have gone back before it was looked at; what Stripe says of that is no news any more."""
        if self._state.status is not Status.CONFIRMED or payment.amount_refunded_minor == 0:
            return
        await self._state.apply(
            Event.REFUND_RECORDED,
            actor=ActorKind.STRIPE,
            amount_refunded_minor=payment.amount_refunded_minor,
        )

    async def _follow_release(self, request: DecisionRequested | None, unless_lost: Event) -> None:
        if request is not None and request.decision is Decision.DECLINE:
            reason = request.command.reason_code or ReasonCode.OTHER
            await self._state.apply(Event.DECLINED, command=request.command, reason_code=reason)
            self._message_queue.mark_done(request.command.command_id)
        elif request is not None and request.decision is Decision.CANCEL:
            await self._state.apply(Event.CANCELLED_BY_GUEST, command=request.command)
            self._message_queue.mark_done(request.command.command_id)
        else:
            actor = ActorKind.STRIPE if unless_lost is Event.AUTHORIZATION_LOST else ActorKind.SYSTEM
            await self._state.apply(unless_lost, actor=actor)
            self._report_outcome(request, CommandOutcome.ALREADY_DECIDED)

    def _report_outcome(self, request: DecisionRequested | None, outcome: CommandOutcome) -> None:
        if request is not None:
            self._message_queue.report_outcome(request.command, outcome)

    # --- Stripe's news, and people who want to know ---

    async def _handle_event(self, hint: StripeEventHint) -> None:
        if hint.payment_intent_id in {None, self._intent_id}:
            await self._follow(await self._payment_steps.read_until_answered(self._intent_id))
            return
        with track_unreturned_payment(self._state, hint):
            await handle_payment_event(self._state, self._payment_steps, hint)

    async def _answer_payment_check(self, message: PaymentCheckRequested) -> None:
        try:
            await self._follow(await self._payment_steps.read_once(None, self._intent_id))
            message.answer.set_result(None)
        except ActivityError as error:
            message.answer.set_exception(stripe_unavailable(error))
        except PaymentStepFailedError as error:
            message.answer.set_exception(ApplicationError(str(error), type=STRIPE_UNAVAILABLE))
            raise

    # --- when Stripe will not have it ---

    async def _or_request_attention(self, step: Awaitable[Any]) -> None:
        try:
            await step
        except PaymentStepFailedError as error:
            await self._request_attention(str(error))

    async def _request_attention(self, reason: str) -> None:
        """Stay as the booking is, say so, and look every hour whether the money has moved by itself."""
        if self._pending_command is not None:
            self._message_queue.report_outcome(self._pending_command.command, CommandOutcome.NEEDS_ATTENTION)
        if workflow.now() >= self._deadline.at or self._cancellation_stands():
            self._recheck_at = workflow.now() + options.PENDING_COMMAND_RECHECK
        self._state.wait_for("an operator: `booking retry` or `booking resolve`")
        await self._state.request_attention(reason)

    async def _run_operator_command(self, message: OperatorCommand) -> None:
        before = self._state.version
        try:
            await self._retry(resolved_by_hand=message.resolved_by_hand)
        finally:
            done = self._state.version > before and self._state.attention is None
            self._message_queue.report_outcome(
                message.command, CommandOutcome.SETTLED if done else CommandOutcome.NEEDS_ATTENTION
            )

    async def _retry(self, *, resolved_by_hand: bool) -> None:
        self._recheck_at = None
        self._notifications.resend_failed_emails()
        if self._state.outstanding_reason() is not None:
            await retry_unreturned_payments(
                self._state, self._payment_steps, resolved_by_hand=resolved_by_hand
            )
        if await self._follow(await self._payment_steps.read_until_answered(self._intent_id)):
            return
        if self._pending_command is not None and (not resolved_by_hand or self._cancellation_stands()):
            await self._carry_out(self._pending_command)
            return
        # The hold stands and nothing is to be tried again: the booking waits for a decision as before.
        if self._pending_command is not None:
            self._message_queue.report_outcome(self._pending_command.command, CommandOutcome.ALREADY_DECIDED)
            self._pending_command = None
        await self._state.clear_attention()
