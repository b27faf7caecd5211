"""PENDING_APPROVAL: a card is held until a person or a deadline decides."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import datetime, timedelta
from typing import Any

from temporalio import workflow

from dispatch import ui_texts
from domain.attention import Attention, AttentionCode
from domain.booking import Decision, MailKind, ReasonCode, Status
from domain.deadlines import reminder_at
from domain.decisions import CommandOutcome
from domain.messages.notifications import StaffEvent
from domain.messages.signals import StripeEventHint
from domain.messages.starts import DecisionProgress
from domain.payment import PaymentSnapshot, PaymentStatus
from workflows import options
from workflows.booking_context import (
    BookingContext,
    follow_payment_event,
    handle_common_message,
    judge_request,
    report_operator_outcome,
    run_common_steps,
)
from workflows.hold import Hold
from workflows.hold_outcome import is_mismatched, record_capture, record_release
from workflows.message_queue import (
    DecisionRequested,
    OperatorCommand,
    PaymentCheckRequested,
    QueueMessage,
    StripeEventReceived,
    decision_requested,
    open_decision,
    report_unanswered,
)
from workflows.payment_steps import PaymentStepFailedError

RELEASE_PATIENCE = timedelta(hours=1)
"""A release is retried for this long past the hold's end before the booking needs attention."""


class DecisionPhase:
    """Waits for a decision on a hold and carries it out."""

    def __init__(self, context: BookingContext, hold: Hold) -> None:
        self._context = context
        self._state = context.state
        self._message_queue = context.message_queue
        self._payment_steps = context.payment_steps
        self._hold = hold
        self._deadline = hold.deadline
        self._remind_at: datetime | None = reminder_at(hold.authorized_at, hold.deadline.at)
        self._recheck_at: datetime | None = None
        self._pending_command: DecisionRequested | None = None
        continued = context.continued_in(Status.PENDING_APPROVAL)
        if continued is not None and continued.hold is not None:
            self._remind_at = continued.hold.remind_at
            self._recheck_at = continued.hold.recheck_at
            self._pending_command = decision_requested(continued.hold.pending_command)

    @property
    def progress(self) -> DecisionProgress:
        """The hold and the progress of its decision, for the next run."""
        return DecisionProgress(
            payment=self._hold.payment,
            authorized_at=self._hold.authorized_at,
            lapses_at=self._hold.lapses_at,
            deadline=self._deadline.at,
            deadline_reason=self._deadline.reason,
            remind_at=self._remind_at,
            recheck_at=self._recheck_at,
            pending_command=open_decision(self._pending_command),
        )

    async def run(self) -> None:
        """Handle messages until the booking is confirmed or has ended."""
        self._context.begin_phase(Status.PENDING_APPROVAL, ui_texts.WAITING_FOR_DECISION)
        resume = self._context.terms.resume
        if resume and resume.decisions:
            # The lost workflow may have moved the money without a record: the payment's state decides which event is
            # recorded.
            await self._next()
        is_continued = self._context.continued_in(Status.PENDING_APPROVAL) is not None
        if self._state.status is Status.PENDING_APPROVAL and not is_continued:
            # A capture or release in the Dashboard may precede the booking's first read.
            await self._or_request_attention(self._follow(self._hold.payment))
        while self._state.status is Status.PENDING_APPROVAL:
            await self._next()

    async def _next(self) -> None:
        message = await self._message_queue.next(self._due(), ui_texts.DECISION_TIMER)
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
            case OperatorCommand():
                await self._run_operator_command(message)
            case _:
                await handle_common_message(self._context, message)

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
            await self._follow(await self._payment_steps.read_until_answered(self._hold.payment_intent_id))

    def _remind(self) -> None:
        self._remind_at = None
        self._context.notifications.mail((MailKind.STAFF_REMINDER,), self._state.version)
        self._context.notifications.publish(
            self._state.status, self._state.version, workflow.now(), StaffEvent.DEADLINE_NEAR
        )

    async def _decline_by_deadline(self) -> None:
        self._message_queue.decision_in_progress = Decision.DECLINE
        self._state.wait_for(ui_texts.WAITING_FOR_RELEASE)
        try:
            await self._follow(await self._release(), timed_out=self._deadline.reason)
        finally:
            self._message_queue.decision_in_progress = None

    # --- decisions ---

    async def _decide(self, request: DecisionRequested) -> None:
        outcome = judge_request(self._context, request)
        if outcome is not None:
            self._message_queue.report_outcome(request.command, outcome)
        elif self._pending_command is not None and self._takes_precedence_over(request):
            await self._repeat(self._pending_command, request)
        else:
            await self._carry_out(request)

    def _takes_precedence_over(self, request: DecisionRequested) -> bool:
        """Whether the pending command is tried again instead of giving way to the new request."""
        assert self._pending_command is not None, "a decision is pending"
        return self._pending_command.decision is request.decision or self._cancellation_stands()

    def _cancellation_stands(self) -> bool:
        """Whether a guest's cancellation is pending.

        Staff may change their minds: their pending decision gives way to the next one, to a person's `resolve`,
        and to a hold that is gone. A guest who cancelled was told that this is safe. No later approval may charge
        them; no later decline, deadline or lapse of the hold may end the booking under another reason; and no
        `resolve` withdraws the cancellation. Only a capture in the Dashboard overrides it.
        """
        return self._pending_command is not None and self._pending_command.decision is Decision.CANCEL

    async def _repeat(self, pending_command: DecisionRequested, request: DecisionRequested) -> None:
        """Try the pending command again, under its author's name."""
        try:
            await self._carry_out(pending_command)
        finally:
            self._message_queue.report_outcome(
                request.command, judge_request(self._context, request) or CommandOutcome.IN_PROGRESS
            )

    async def _carry_out(self, request: DecisionRequested) -> None:
        """Capture the hold for an approval, release it for a decline or a cancellation, and follow the payment.

        The request stays the pending command until a step has moved the money. An approval whose time for a capture
        is over releases the hold: the booking ends as DECLINED, `APPROVAL_TIMEOUT`.

        Raises:
            PaymentStepFailedError: Stripe refused or gave no clear answer in time, or the card is still held after
                the step.
        """
        self._withdraw_pending_command(request)
        self._pending_command = request
        self._message_queue.decision_in_progress = request.decision
        self._state.wait_for(ui_texts.waiting_for_stripe(request.decision))
        timed_out: ReasonCode | None = None
        try:
            if request.decision is not Decision.APPROVE:
                payment = await self._release(request)
            else:
                payment = await self._capture()
                if payment.is_held:
                    payment, timed_out = await self._release(), ReasonCode.APPROVAL_TIMEOUT
        finally:
            self._message_queue.decision_in_progress = None
        if not await self._follow(payment, request, timed_out=timed_out):
            raise PaymentStepFailedError(
                Attention(AttentionCode.HOLD_STILL_PLACED, self._hold.payment_intent_id)
            )

    def _withdraw_pending_command(self, successor: DecisionRequested) -> None:
        """Let the pending command give way to the next one."""
        if self._pending_command is not None and self._pending_command is not successor:
            self._message_queue.report_outcome(self._pending_command.command, CommandOutcome.ALREADY_DECIDED)
            self._pending_command = None

    async def _capture(self) -> PaymentSnapshot:
        """Capture the hold while there is time, and return the payment as Stripe then describes it.

        Returns:
            The payment, still held if the time is over: the product captures no money for a stay that is over, or
            from a hold that the bank may have dropped.

        Raises:
            PaymentStepFailedError: Stripe refused, and the hold stands.
        """
        until = min(self._hold.lapses_at, self._context.terms.check_out_at)
        refusal: PaymentStepFailedError | None = None
        if workflow.now() < until:
            try:
                return await self._payment_steps.capture(self._hold.payment_intent_id, until)
            except PaymentStepFailedError as error:
                refusal = error
        payment = await self._payment_steps.read_until_answered(self._hold.payment_intent_id)
        if refusal and payment.is_held and workflow.now() < until:
            raise refusal
        return payment

    async def _release(self, request: DecisionRequested | None = None) -> PaymentSnapshot:
        until = max(self._hold.lapses_at, workflow.now()) + RELEASE_PATIENCE
        suspects_fraud = request is not None and request.command.reason_code is ReasonCode.SUSPECTED_FRAUD
        return await self._payment_steps.release(
            self._hold.payment_intent_id, until, suspects_fraud=suspects_fraud
        )

    async def _follow(
        self,
        payment: PaymentSnapshot,
        request: DecisionRequested | None = None,
        *,
        timed_out: ReasonCode | None = None,
    ) -> bool:
        """Follow the payment: confirm or end the booking.

        Args:
            request: the decision under way.
            timed_out: the reason for a release at the deadline, if the deadline released the hold.

        Returns:
            False if the card is still held; the status then stays.
        """
        if payment.is_captured:
            await record_capture(self._context, payment, request)
        elif payment.status is PaymentStatus.CANCELED:
            if request is None and self._cancellation_stands():
                request = self._pending_command
            await record_release(self._context, request, timed_out)
        else:
            return False
        if self._pending_command is not None and self._pending_command is not request:
            self._message_queue.report_outcome(self._pending_command.command, CommandOutcome.ALREADY_DECIDED)
        self._pending_command = None
        return True

    # --- Stripe events and payment checks ---

    async def _handle_event(self, hint: StripeEventHint) -> None:
        if hint.payment_intent_id in {None, self._hold.payment_intent_id}:
            await self._follow(await self._payment_steps.read_until_answered(self._hold.payment_intent_id))
            return
        await follow_payment_event(self._context, hint)

    async def _answer_payment_check(self, message: PaymentCheckRequested) -> None:
        with report_unanswered(message.answer):
            await self._follow(await self._payment_steps.read_once(None, self._hold.payment_intent_id))
            message.answer.set_result(None)

    # --- refused or unanswered steps ---

    async def _or_request_attention(self, step: Awaitable[Any]) -> None:
        try:
            await step
        except PaymentStepFailedError as error:
            await self._request_attention(error.attention)

    async def _request_attention(self, attention: Attention) -> None:
        """Open attention and keep the status; an hourly read checks whether the money has moved meanwhile."""
        if self._pending_command is not None:
            self._message_queue.report_outcome(self._pending_command.command, CommandOutcome.NEEDS_ATTENTION)
        if workflow.now() >= self._deadline.at or self._cancellation_stands():
            self._recheck_at = workflow.now() + options.PENDING_COMMAND_RECHECK
        self._state.wait_for(ui_texts.WAITING_FOR_OPERATOR)
        await self._state.request_attention(attention)

    async def _run_operator_command(self, message: OperatorCommand) -> None:
        self._recheck_at = None
        with report_operator_outcome(self._context, message):
            if message.command.paid_elsewhere_minor is not None:
                await self._record_paid_elsewhere(message)
            elif not await run_common_steps(self._context, message):
                await self._retry(resolved_by_hand=message.resolved_by_hand)

    async def _record_paid_elsewhere(self, message: OperatorCommand) -> None:
        """The booking's own payment counts once it is a capture that does not match, whose refund failed."""
        payment = await self._payment_steps.read_until_answered(self._hold.payment_intent_id)
        is_owed = is_mismatched(payment, self._context.terms)
        await run_common_steps(self._context, message, [payment.intent_id] if is_owed else [])
        if is_owed and self._state.owed_minor(payment) == 0:
            await self._follow(payment)

    async def _retry(self, *, resolved_by_hand: bool) -> None:
        if await self._follow(await self._payment_steps.read_until_answered(self._hold.payment_intent_id)):
            return
        if self._pending_command is not None and (not resolved_by_hand or self._cancellation_stands()):
            await self._carry_out(self._pending_command)
            return
        # The hold stands and no step is pending: the booking waits for a decision as before.
        if self._pending_command is not None:
            self._message_queue.report_outcome(self._pending_command.command, CommandOutcome.ALREADY_DECIDED)
            self._pending_command = None
        await self._state.clear_attention()
