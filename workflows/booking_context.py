"""The parts of one booking's workflow, and the reactions that its phases share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from domain.booking import Status
from domain.decisions import CommandOutcome, immediate_outcome
from domain.messages.answers import SessionAnswer
from domain.messages.signals import StripeEventHint
from domain.messages.starts import BookingTerms, Continuation
from workflows.booking_state import BookingState
from workflows.message_queue import (
    DecisionRequested,
    EmailFailed,
    MessageQueue,
    OperatorCommand,
    PaymentCheckRequested,
    SessionRequested,
    StripeEventReceived,
)
from workflows.notifications import Notifications
from workflows.paid_elsewhere import pay_unreturned_elsewhere
from workflows.payment_steps import PaymentSteps
from workflows.unmatched_payments import (
    ResolutionRefusedError,
    handle_payment_event,
    resolve_unreturned_payments,
    retry_unreturned_payments,
    track_unreturned_payment,
)


@dataclass(frozen=True)
class BookingContext:
    """The parts that every phase of one booking uses."""

    terms: BookingTerms
    state: BookingState
    message_queue: MessageQueue
    payment_steps: PaymentSteps
    notifications: Notifications

    def continued_in(self, status: Status) -> Continuation | None:
        """Return the previous run's state if the booking had that status then, else None."""
        continuation = self.terms.continuation
        return continuation if continuation and continuation.status is status else None

    def begin_phase(self, status: Status, waiting_for: str) -> None:
        """Set the reason for waiting as a phase begins; a continued phase keeps the previous run's reason."""
        continued = self.continued_in(status)
        self.state.wait_for(continued.waiting_for if continued else waiting_for)


CommonMessage = SessionRequested | PaymentCheckRequested | StripeEventReceived | EmailFailed


async def handle_common_message(context: BookingContext, message: CommonMessage) -> None:
    """Handle a message that the phase does not handle itself.

    Raises:
        PaymentStepFailedError: an unmatched payment could not be released or refunded.
    """
    match message:
        case SessionRequested():
            message.answer.set_result(SessionAnswer())
        case PaymentCheckRequested():
            message.answer.set_result(None)
        case StripeEventReceived():
            await follow_payment_event(context, message.hint)
        case EmailFailed():
            await context.state.request_attention(message.attention)


async def follow_payment_event(context: BookingContext, hint: StripeEventHint) -> None:
    """Check an event about money that no phase waits for, and keep it for a retry if that fails.

    Raises:
        PaymentStepFailedError: as `handle_payment_event`.
    """
    async with track_unreturned_payment(context.state, hint):
        await handle_payment_event(context.state, context.payment_steps, hint)


def judge_request(
    context: BookingContext, request: DecisionRequested, *, too_late: bool = False
) -> CommandOutcome | None:
    """Return the outcome of a decision that needs no step, else None (`domain.decisions`)."""
    state = context.state
    return immediate_outcome(
        request.decision, request.command.actor, state.status, state.reason_code, too_late=too_late
    )


# --- retry and resolve ---


@contextmanager
def report_operator_outcome(context: BookingContext, message: OperatorCommand) -> Iterator[None]:
    """Report the outcome of a `retry` or `resolve`: done if no step failed and no attention is open."""
    outcome = CommandOutcome.NEEDS_ATTENTION
    try:
        yield
        if not context.state.attention:
            outcome = CommandOutcome.SETTLED
    except ResolutionRefusedError as refusal:
        outcome = refusal.outcome
    finally:
        context.message_queue.report_outcome(message.command, outcome)


async def run_common_steps(
    context: BookingContext, message: OperatorCommand, to_return: Sequence[str] = ()
) -> bool:
    """Run the steps of a `retry` or `resolve` that all phases share: failed e-mails and unreturned payments.

    Args:
        to_return: PaymentIntents that the phase itself has to return.

    Returns:
        True if the command is complete: no step of a phase follows after money that was paid elsewhere.

    Raises:
        ResolutionRefusedError: the reported action does not fit the payment.
    """
    state, payment_steps = context.state, context.payment_steps
    if message.command.withdraw:
        raise ResolutionRefusedError(CommandOutcome.NOTHING_TO_WITHDRAW)
    if message.command.paid_elsewhere_minor is not None:
        await pay_unreturned_elsewhere(state, payment_steps, message.command, to_return)
        return True
    if message.resolved_by_hand:
        await resolve_unreturned_payments(state, payment_steps)
        state.forget_emails()
    else:
        await state.retry_emails()
        await retry_unreturned_payments(state, payment_steps)
    return False
