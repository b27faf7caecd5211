"""CONFIRMED until check-out: the guest may cancel by the policy until the stay starts, a manager until it is over."""

from __future__ import annotations

from datetime import datetime, timedelta

from temporalio import workflow

from dispatch import ui_texts
from domain.attention import ABOUT_STEPS
from domain.booking import UNDER_DECISION, ActorKind, Decision, Event, Status, cancellation_event
from domain.cancellation import CancellationTerms
from domain.decisions import CommandOutcome, cancellable_until
from domain.messages.signals import Command, StripeEventHint
from domain.messages.starts import OpenDecision, PendingCancellation
from domain.money import Money
from workflows.booking_context import (
    BookingContext,
    handle_common_message,
    judge_request,
    report_operator_outcome,
    run_common_steps,
)
from workflows.message_queue import DecisionRequested, OperatorCommand, QueueMessage
from workflows.paid_elsewhere import record_paid_elsewhere
from workflows.payment_steps import PaymentStepFailedError
from workflows.unmatched_payments import ResolutionRefusedError, refund_not_done

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
        """A cancellation with a failed refund, for the next run."""
        if self._pending_command is None:
            return None
        request, issued_at = self._pending_command
        return PendingCancellation(OpenDecision(request.decision, request.command), issued_at)

    async def run(self) -> None:
        """Handle messages until check-out or a cancellation."""
        self._context.begin_phase(Status.CONFIRMED, ui_texts.WAITING_FOR_CHECK_OUT)
        while self._state.status is Status.CONFIRMED:
            message = await self._message_queue.next(self._terms.check_out_at, ui_texts.CHECK_OUT_TIMER)
            if message is None:
                return
            await self.handle(message)

    async def handle(self, message: QueueMessage) -> None:
        """Handle a message."""
        try:
            match message:
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
            # The refund depends on when the guest asked, not on when a worker or Stripe could be reached.
            await self._cancel(request, issued_at)

    def _is_overtaken(self, command: Command, issued_at: datetime) -> bool:
        """Whether the guest was shown a free cancellation but would pay now, because the hotel has confirmed since.

        A cancellation that still costs nothing is carried out: the guest wants to end the booking, and was told that
        this is safe.
        """
        was_free = command.actor is ActorKind.GUEST and command.status_when_issued in UNDER_DECISION
        return was_free and self._due(command, issued_at).minor != self._terms.amount_minor

    async def _cancel(self, request: DecisionRequested, issued_at: datetime) -> None:
        self._message_queue.decision_in_progress = Decision.CANCEL
        self._state.wait_for(ui_texts.WAITING_FOR_REFUND)
        due_minor = self._state.refund_due_minor = self._due(request.command, issued_at).minor
        try:
            refunded_minor = await self._refund(due_minor)
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
            refund_due_minor=due_minor,
        )
        self._message_queue.mark_done(request.command.command_id)

    async def _refund(self, due_minor: int) -> int:
        """Refund what is due and was not paid elsewhere, and return the total refunded through Stripe."""
        total_minor = due_minor - self._state.paid_elsewhere.get(self._own_payment, 0)
        if total_minor <= self._state.refunded_minor:
            return self._state.refunded_minor
        until = workflow.now() + REFUND_PATIENCE
        payment = await self._payment_steps.refund(self._own_payment, total_minor, until)
        if payment.amount_refunded_minor < total_minor:
            raise PaymentStepFailedError(refund_not_done(self._own_payment))
        return payment.amount_refunded_minor

    @property
    def _own_payment(self) -> str:
        assert self._state.payment_intent_id is not None, "a confirmed booking was paid"
        return self._state.payment_intent_id

    def _due(self, command: Command, issued_at: datetime) -> Money:
        terms = self._terms
        cancellation = CancellationTerms(terms.free_cancel_until, terms.late_cancel_fee_percent)
        total = Money(terms.amount_minor, terms.currency)
        # Withdrawing a guest's cancellation must not raise the cost of the next one.
        counts_from = self._state.cancellation_counts_from
        as_of = issued_at if counts_from is None else min(issued_at, counts_from)
        return cancellation.refund_asked_by(command.actor, total, as_of, command.refund_minor)

    # --- retry and resolve ---

    async def _run_operator_command(self, message: OperatorCommand) -> None:
        with report_operator_outcome(self._context, message):
            if self._pending_command is None:
                is_all = await run_common_steps(self._context, message)
            else:
                is_all = await self._help_cancellation(message, *self._pending_command)
            if not is_all:
                await self._state.clear_attention()

    async def _help_cancellation(
        self, message: OperatorCommand, request: DecisionRequested, issued_at: datetime
    ) -> bool:
        """Continue a cancellation whose refund failed.

        Returns:
            True if the booking's other attention stays open.

        Raises:
            ResolutionRefusedError: the reported action does not fit the payment.
        """
        command = message.command
        if command.withdraw:
            await self._withdraw(command, request, issued_at)
            return True
        own = StripeEventHint(payment_intent_id=self._own_payment)
        if command.paid_elsewhere_minor is not None:
            await record_paid_elsewhere(self._state, self._payment_steps, own, command)
            await self._cancel_unless_owed(request, issued_at)
            return True
        if message.resolved_by_hand and not await self._cancel_unless_owed(request, issued_at):
            raise ResolutionRefusedError(CommandOutcome.MONEY_AT_STAKE)
        is_all = await run_common_steps(self._context, message)
        if not message.resolved_by_hand:
            await self._cancel(request, issued_at)
        return is_all

    async def _cancel_unless_owed(self, request: DecisionRequested, issued_at: datetime) -> bool:
        """Complete a cancellation that was refunded by hand; False if the guest is still owed money."""
        payment = await self._payment_steps.read_until_answered(self._own_payment)
        if self._state.owed_minor(payment) > 0:
            return False
        await self._cancel(request, issued_at)
        return True

    async def _withdraw(self, command: Command, request: DecisionRequested, issued_at: datetime) -> None:
        """Withdraw a cancellation whose refund failed; its guest is notified, and a later one costs as much."""
        payment = await self._payment_steps.read_until_answered(self._own_payment)
        if payment.refund_pending:
            raise ResolutionRefusedError(CommandOutcome.REFUND_PENDING)
        if self._state.owed_minor(payment) == 0:
            await self._cancel(request, issued_at)
            raise ResolutionRefusedError(CommandOutcome.NOTHING_TO_WITHDRAW)
        self._pending_command = None
        self._state.refund_due_minor = None
        if request.command.actor is ActorKind.GUEST:
            counts_from = min(issued_at, self._state.cancellation_counts_from or issued_at)
            await self._state.apply(
                Event.CANCELLATION_WITHDRAWN, command=command, cancellation_counts_from=counts_from
            )
        self._message_queue.report_outcome(request.command, CommandOutcome.ALREADY_DECIDED)
        await self._state.clear_attention(ABOUT_STEPS, self._own_payment)


def _issued_at(command: Command) -> datetime:
    """The time of a command by the API's clock, which may run ahead: at most the workflow's present time."""
    now = workflow.now()
    return now if command.issued_at is None else min(command.issued_at, now)
