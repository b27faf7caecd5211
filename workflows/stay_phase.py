"""CONFIRMED until check-out: the guest may cancel by the policy until the stay starts, a manager until it is over."""

from __future__ import annotations

from datetime import datetime, timedelta

from temporalio import workflow

from dispatch import ui_texts
from domain.booking import UNDER_DECISION, ActorKind, Decision, Status, cancellation_event
from domain.cancellation import CancellationTerms
from domain.decisions import CommandOutcome, cancellable_until
from domain.messages.signals import Command
from domain.messages.starts import OpenDecision, PendingCancellation
from domain.money import Money
from workflows.booking_context import (
    BookingContext,
    handle_common_message,
    judge_request,
    report_retry,
    retry_common_steps,
)
from workflows.message_queue import DecisionRequested, OperatorCommand, QueueMessage
from workflows.payment_steps import PaymentStepFailedError
from workflows.unmatched_payments import refund_not_done

REFUND_PATIENCE = timedelta(hours=24)


class StayPhase:
    """Keeps a confirmed booking until check-out, and carries out its cancellation."""

    def __init__(self, context: BookingContext) -> None:
        self._context = context
        self._terms = context.terms
        self._state = context.state
        self._message_queue = context.message_queue
        self._payment_steps = context.payment_steps
        self._pending_command: tuple[DecisionRequested, datetime] | None = None
        pending = self._terms.continuation.pending_cancellation if self._terms.continuation else None
        if pending is not None:
            request = DecisionRequested(pending.command.decision, pending.command.command)
            self._pending_command = request, pending.issued_at

    @property
    def pending_cancellation(self) -> PendingCancellation | None:
        """A cancellation whose refund has failed, for the next run."""
        if self._pending_command is None:
            return None
        request, issued_at = self._pending_command
        return PendingCancellation(OpenDecision(request.decision, request.command), issued_at)

    async def run(self) -> None:
        """Handle messages until check-out or a cancellation."""
        self._context.begin_phase(Status.CONFIRMED, ui_texts.WAITING_FOR_CHECK_OUT)
        while self._state.status is Status.CONFIRMED and workflow.now() < self._terms.check_out_at:
            await self.handle(
                await self._message_queue.next(self._terms.check_out_at, ui_texts.CHECK_OUT_TIMER)
            )

    async def handle(self, message: QueueMessage | None) -> None:
        """React to a message, or to check-out (None)."""
        try:
            match message:
                case None:
                    pass
                case DecisionRequested():
                    await self._decide(message)
                case OperatorCommand():
                    await self._run_operator_command(message)
                case _:
                    await handle_common_message(self._context, message)
        except PaymentStepFailedError as error:
            await self._state.request_attention(error.attention)

    # --- cancellation ---

    async def _decide(self, request: DecisionRequested) -> None:
        issued_at = _issued_at(request.command)
        until = cancellable_until(request.command.actor, self._terms.check_in_at, self._terms.check_out_at)
        outcome = judge_request(self._context, request, too_late=issued_at >= until)
        if outcome is not None:
            self._message_queue.report_outcome(request.command, outcome)
        elif self._pending_command is not None or self._is_overtaken(request.command, issued_at):
            self._message_queue.report_outcome(request.command, CommandOutcome.IN_PROGRESS)
        else:
            # What goes back depends on when the guest asked, not on when a worker or Stripe could be reached.
            await self._cancel(request, issued_at)

    def _is_overtaken(self, command: Command, issued_at: datetime) -> bool:
        """Whether a guest who was shown that cancelling costs nothing would pay, because the hotel has confirmed since.

        What costs nothing even so is carried out: the guest wants to be rid of the booking, and was told that this
        is safe.
        """
        was_free = command.actor is ActorKind.GUEST and command.status_when_issued in UNDER_DECISION
        return was_free and self._due(command, issued_at).minor != self._terms.amount_minor

    async def _cancel(self, request: DecisionRequested, issued_at: datetime) -> None:
        self._message_queue.decision_in_progress = Decision.CANCEL
        self._state.wait_for(ui_texts.WAITING_FOR_REFUND)
        try:
            refunded_minor = await self._refund(request.command, issued_at)
        except PaymentStepFailedError:
            self._pending_command = (request, issued_at)
            self._message_queue.report_outcome(request.command, CommandOutcome.NEEDS_ATTENTION)
            raise
        finally:
            self._message_queue.decision_in_progress = None
        self._pending_command = None
        await self._state.apply(
            cancellation_event(request.command.actor),
            command=request.command,
            amount_refunded_minor=refunded_minor,
        )
        self._message_queue.mark_done(request.command.command_id)

    async def _refund(self, command: Command, issued_at: datetime) -> int:
        """Refund what is due, and return what has gone back in total."""
        due = self._due(command, issued_at)
        if due.minor <= self._state.refunded_minor:
            return self._state.refunded_minor
        assert self._state.payment_intent_id is not None, "a confirmed booking was paid"
        until = workflow.now() + REFUND_PATIENCE
        payment = await self._payment_steps.refund(self._state.payment_intent_id, due.minor, until)
        if payment.amount_refunded_minor < due.minor:
            raise PaymentStepFailedError(refund_not_done(self._state.payment_intent_id))
        return payment.amount_refunded_minor

    def _due(self, command: Command, issued_at: datetime) -> Money:
        terms = self._terms
        cancellation = CancellationTerms(terms.free_cancel_until, terms.late_cancel_fee_percent)
        total = Money(terms.amount_minor, terms.currency)
        return cancellation.refund_asked_by(command.actor, total, issued_at, command.refund_minor)

    # --- an operator's retry ---

    async def _run_operator_command(self, message: OperatorCommand) -> None:
        with report_retry(self._context, message):
            await retry_common_steps(self._context, message)
            if self._pending_command is not None:
                await self._resume_cancellation(
                    *self._pending_command, resolved_by_hand=message.resolved_by_hand
                )
            await self._state.clear_attention()

    async def _resume_cancellation(
        self, request: DecisionRequested, issued_at: datetime, *, resolved_by_hand: bool
    ) -> None:
        """Go on with a cancellation that got stuck.

        Args:
            resolved_by_hand: whoever says so may have paid the guest by other means: nothing is refunded again. What
                Stripe shows as refunded counts; short of what is due, the cancellation is dropped.
        """
        if resolved_by_hand:
            assert self._state.payment_intent_id is not None, "a confirmed booking was paid"
            payment = await self._payment_steps.read_until_answered(self._state.payment_intent_id)
            if payment.amount_refunded_minor < self._due(request.command, issued_at).minor:
                self._pending_command = None
                self._message_queue.report_outcome(request.command, CommandOutcome.ALREADY_DECIDED)
                return
        await self._cancel(request, issued_at)


def _issued_at(command: Command) -> datetime:
    """When a person asked, by the API's clock; that may be a little fast, and nobody asks in the future."""
    now = workflow.now()
    return now if command.issued_at is None else min(command.issued_at, now)
