"""A booking's message queue: the messages it holds, and the outcomes it reports.

Signal and update handlers only put messages here. The booking's one loop takes them out in the order of their
arrival.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NoReturn

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from activities.bookings import Bookings
from dispatch import ui_texts
from dispatch.names import RUN_CONTINUES
from domain.attention import Attention
from domain.booking import ActorKind, Decision
from domain.decisions import CommandOutcome
from domain.messages.answers import CommandResult, SessionAnswer, SessionRequest
from domain.messages.changes import RefusedCommand
from domain.messages.signals import Command, StripeEventHint
from domain.messages.starts import Continuation, OpenDecision, ReportedOutcome
from gateway.errors import FINAL, REFUSED
from workflows import options
from workflows.booking_state import BookingState
from workflows.payment_steps import PaymentStepFailedError, failure
from workflows.run_length import RunLength
from workflows.wake_timer import WakeTimer

STRIPE_UNAVAILABLE = "stripe_unavailable"

_IDS_KEPT: Final = 500
_OUTCOMES_KEPT: Final = 100
"""The number of ids and outcomes a run hands on: a repeat or a request for an outcome comes soon or never."""


@dataclass(frozen=True)
class DecisionRequested:
    """A person asks to approve, decline or cancel the booking."""

    decision: Decision
    command: Command


@dataclass(frozen=True)
class OperatorCommand:
    """A person asks to retry a failed step, or (`resolved_by_hand`) reports what they did about it."""

    command: Command
    resolved_by_hand: bool


@dataclass(frozen=True)
class StripeEventReceived:
    """Stripe sent an event."""

    hint: StripeEventHint


@dataclass(frozen=True)
class EmailFailed:
    """An e-mail could not be sent."""

    attention: Attention


@dataclass(frozen=True)
class SessionRequested:
    """The guest wants to pay."""

    request: SessionRequest
    answer: asyncio.Future[SessionAnswer] = field(default_factory=asyncio.Future)


@dataclass(frozen=True)
class PaymentCheckRequested:
    """A caller asks for the payment's present state."""

    answer: asyncio.Future[None] = field(default_factory=asyncio.Future)


QueueMessage = (
    DecisionRequested
    | OperatorCommand
    | StripeEventReceived
    | EmailFailed
    | SessionRequested
    | PaymentCheckRequested
)


class MessageQueue:
    """The messages to handle, and the outcomes of commands.

    Args:
        run_length: decides when the run ends.
        hand_on: ends the run and starts the next one. Called while no message waits, no handler is open and no step on
            money is under way.
    """

    def __init__(self, state: BookingState, run_length: RunLength, hand_on: Callable[[], NoReturn]) -> None:
        self._state = state
        self._run_length = run_length
        self._hand_on = hand_on
        self._is_handing_on = False
        self._wake_timer = WakeTimer()
        self._queue: deque[QueueMessage] = deque()
        self._received_ids: dict[str, None] = {}
        self._results: dict[str, CommandResult] = {}
        self._closing: list[asyncio.Task[None]] = []
        self.decision_in_progress: Decision | None = None
        self.operator_commands = 0

    def continue_from(self, continuation: Continuation) -> None:
        """Start from the previous run's ids and outcomes."""
        self._received_ids = dict.fromkeys(continuation.received_ids)
        self._results = {kept.command_id: kept.result for kept in continuation.outcomes}

    # --- state for the next run ---

    @property
    def received_ids(self) -> tuple[str, ...]:
        """The ids of the newest commands and events."""
        return tuple(self._received_ids)[-_IDS_KEPT:]

    @property
    def outcomes(self) -> tuple[ReportedOutcome, ...]:
        """The outcomes of the newest commands."""
        kept = list(self._results.items())[-_OUTCOMES_KEPT:]
        return tuple(ReportedOutcome(command_id, result) for command_id, result in kept)

    # --- called by handlers ---

    def put(self, message: QueueMessage) -> None:
        """Queue a message; a repeat of an earlier command or event, and an event without news, are dropped."""
        key = _identity(message)
        if key is not None:
            self._run_length.count_input()
        if key in self._received_ids or self._brings_no_news(message):
            return
        if key is not None:
            self._received_ids[key] = None
        self.operator_commands += isinstance(message, OperatorCommand)
        if self._comes_too_late(message) or self._unblocks_projection(message):
            return
        self._queue.append(message)

    def _comes_too_late(self, message: QueueMessage) -> bool:
        # The guest gets this answer at once instead of after a capture or release, which may take days.
        is_capturing = self.decision_in_progress is Decision.APPROVE
        if not isinstance(message, DecisionRequested) or not (is_capturing or self._state.is_giving_up_hold):
            return False
        if message.decision is not Decision.CANCEL or message.command.actor is not ActorKind.GUEST:
            return False
        self.report_outcome(message.command, CommandOutcome.IN_PROGRESS)
        return True

    def _unblocks_projection(self, message: QueueMessage) -> bool:
        # Another writer changed the row, and the booking's loop waits for this command: it takes no other message.
        if not isinstance(message, OperatorCommand) or self._state.projection.blocked_by is None:
            return False
        self._in_background(self._report_retried_write(message.command, self._state.projection.retry_write()))
        return True

    async def _report_retried_write(self, command: Command, written: asyncio.Future[bool]) -> None:
        self.report_outcome(
            command, CommandOutcome.SETTLED if await written else CommandOutcome.NEEDS_ATTENTION
        )

    async def await_outcome(self, command_id: str) -> CommandResult:
        """Wait for a command's outcome.

        Raises:
            ApplicationError: the run ends first; the caller has to ask the next run.
        """
        await workflow.wait_condition(
            lambda: command_id in self._results or self._state.is_over or self._is_handing_on
        )
        if command_id not in self._results and self._is_handing_on:
            raise ApplicationError("the workflow continues in its next run", type=RUN_CONTINUES)
        return self._results.get(command_id) or self._result(CommandOutcome.ALREADY_DECIDED)

    # --- called by the booking's loop ---

    async def next(self, until: datetime | None, summary: str) -> QueueMessage | None:
        """Return the next message, or None once the time is `until` and no message waits.

        A full run ends here.
        """
        if not self.waiting and self._wake_timer.wait_until(until, summary):
            await workflow.wait_condition(
                lambda: self.waiting or self._wake_timer.has_fired or self._may_hand_on()
            )
            if not self._wake_timer.has_fired:
                await self._hand_on_unless_waiting()
        message = self._queue.popleft() if self.waiting else None
        if message is None:
            self._run_length.count_input()
        self._state.projection.after_timer = message is None
        return message

    def _may_hand_on(self) -> bool:
        return self._run_length.is_full and not self._closing

    async def _hand_on_unless_waiting(self) -> None:
        if self.waiting:
            return
        self._is_handing_on = True
        await workflow.wait_condition(lambda: self.waiting or workflow.all_handlers_finished())
        if not self.waiting:
            self._hand_on()
        self._is_handing_on = False

    @property
    def waiting(self) -> bool:
        """Whether any message is left to handle."""
        # A step taken meanwhile may have covered the events that are still queued.
        while self._queue and self._brings_no_news(self._queue[0]):
            self._queue.popleft()
        return bool(self._queue)

    def _brings_no_news(self, message: QueueMessage) -> bool:
        return isinstance(message, StripeEventReceived) and not self._state.is_relevant(message.hint)

    def report_outcome(self, command: Command, outcome: CommandOutcome) -> None:
        """Report a command's outcome; a refused command is also closed in the database."""
        self._results[command.command_id] = self._result(outcome)
        if outcome is not CommandOutcome.NEEDS_ATTENTION:
            self._in_background(self._close(RefusedCommand(command.command_id, outcome)))

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._closing.append(task)
        task.add_done_callback(self._closing.remove)

    def mark_done(self, command_id: str) -> None:
        """Report that a command was carried out and written with its change."""
        self._results[command_id] = self._result(CommandOutcome.SETTLED)

    async def drain(self) -> None:
        """Wait until every refused command is closed in the database."""
        while self._closing:
            await asyncio.gather(*self._closing)

    def _result(self, outcome: CommandOutcome) -> CommandResult:
        return CommandResult(outcome=outcome, status=self._state.status, version=self._state.version)

    async def _close(self, refused: RefusedCommand) -> None:
        await workflow.execute_activity_method(
            Bookings.close_command, refused, summary=ui_texts.refuse(refused.outcome), **options.DATABASE
        )


def open_decision(request: DecisionRequested | None) -> OpenDecision | None:
    """Convert a decision for the next run."""
    return OpenDecision(request.decision, request.command) if request else None


def decision_requested(kept: OpenDecision | None) -> DecisionRequested | None:
    """Restore a decision that the previous run handed on."""
    return DecisionRequested(kept.decision, kept.command) if kept else None


def _identity(message: QueueMessage) -> str | None:
    match message:
        case DecisionRequested() | OperatorCommand():
            return message.command.command_id
        case StripeEventReceived():
            return message.hint.event_id
        case _:
            return None


@contextmanager
def report_unanswered(answer: asyncio.Future[Any]) -> Iterator[None]:
    """Fail an update for its caller if Stripe gave no answer or refused.

    Args:
        answer: the future that the caller waits for.

    Raises:
        PaymentStepFailedError: raised by the block within; the booking needs attention.
    """
    try:
        yield
    except ActivityError as error:
        kind, text = failure(error)
        answer.set_exception(ApplicationError(text, type=REFUSED if kind in FINAL else STRIPE_UNAVAILABLE))
    except PaymentStepFailedError as error:
        answer.set_exception(ApplicationError(str(error), type=STRIPE_UNAVAILABLE))
        raise
