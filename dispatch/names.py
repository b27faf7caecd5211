"""Names and types of workflows, their signals, updates and queries, and of search attributes.

Programs call workflows by these names, so no program imports the workflows themselves. A test compares the names
with the workflows' definitions.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from temporalio.client import (
    WorkflowHandle,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import SearchAttributeKey
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from dispatch.errors import temporal_call, temporal_errors
from domain.booking import Decision
from domain.messages.answers import CommandResult, SessionAnswer, SessionRequest, WorkflowSnapshot
from domain.messages.signals import Command, StripeEventHint

Argument = TypeVar("Argument")
Answer = TypeVar("Answer")

_PAUSE_S: Final = 0.2

RUN_CONTINUES: Final = "run_continues"
"""The type of the error with which a run refuses an update because it is full: the next run is asked."""

BOOKING_WORKFLOW: Final = "BookingWorkflow"
ENDED_BOOKING_PAYMENT_WORKFLOW: Final = "EndedBookingPaymentWorkflow"
SWEEP_WORKFLOW: Final = "SweepWorkflow"
ACCOUNT_MAIL_WORKFLOW: Final = "AccountMailWorkflow"
BOOKING_LINK_WORKFLOW: Final = "BookingLinkWorkflow"
RECONCILE_WORKFLOW: Final = "ReconcileWorkflow"

BOOKING_STATUS: Final = SearchAttributeKey.for_keyword("BookingStatus")
HOTEL_SLUG: Final = SearchAttributeKey.for_keyword("HotelSlug")
NEEDS_ATTENTION: Final = SearchAttributeKey.for_bool("NeedsAttention")
SEARCH_ATTRIBUTES: Final = (BOOKING_STATUS, HOTEL_SLUG, NEEDS_ATTENTION)


@dataclass(frozen=True)
class Signal(Generic[Argument]):
    """A signal of a booking's workflow. Once Temporal has accepted it, it is not lost."""

    name: str
    argument: type[Argument]

    async def send(self, handle: WorkflowHandle[Any, Any], argument: Argument) -> None:
        """Signal a workflow.

        Raises:
            WorkflowGoneError: no such workflow is running.
            TemporalAwayError: the signal may or may not have arrived.
        """
        async with temporal_call():
            await handle.signal(self.name, argument)


@dataclass(frozen=True)
class Update(Generic[Argument, Answer]):
    """An update of a booking's workflow: the caller waits for the answer, and the request may be lost.

    Args:
        patient: whether the next run is asked where this one is full.
    """

    name: str
    argument: type[Argument]
    answer: type[Answer]
    patient: bool = True

    async def ask(
        self,
        handle: WorkflowHandle[Any, Any],
        argument: Argument | None = None,
        *,
        patience_s: float,
        id_: str | None = None,
    ) -> Answer:
        """Send an update and wait for its answer.

        Args:
            argument: None for an update that takes none.
            patience_s: seconds to wait.
            id_: updates with the same id are carried out once.

        Raises:
            TimeoutError: no answer in time.
            WorkflowUpdateFailedError: the workflow refused, or ended before it answered.
            WorkflowGoneError: no such workflow is running.
            TemporalAwayError: Temporal cannot be reached, or refuses.
        """
        arguments = [] if argument is None else [argument]
        try:
            with temporal_errors():
                async with asyncio.timeout(patience_s):
                    return await self._ask_until_admitted(handle, arguments, id_)
        except WorkflowUpdateRPCTimeoutOrCancelledError as error:
            raise TimeoutError("no answer in time") from error

    async def _ask_until_admitted(
        self, handle: WorkflowHandle[Any, Any], arguments: list[Argument], id_: str | None
    ) -> Answer:
        while True:
            try:
                answer: Answer = await handle.execute_update(
                    self.name, args=arguments, id=id_, result_type=self.answer
                )
            except RPCError as error:
                # Temporal admits ten waiting callers per workflow.
                if error.status is not RPCStatusCode.RESOURCE_EXHAUSTED:
                    raise
            except WorkflowUpdateFailedError as error:
                if not self.patient or not run_continues(error):
                    raise
            else:
                return answer
            await asyncio.sleep(_PAUSE_S)


def outcome_id(command_id: str) -> str:
    """The id of the update that waits for a command's outcome: several callers share one."""
    return f"outcome:{command_id}"


def run_continues(error: WorkflowUpdateFailedError) -> bool:
    """Whether an update was refused because its run is full."""
    return isinstance(error.cause, ApplicationError) and error.cause.type == RUN_CONTINUES


@dataclass(frozen=True)
class Query(Generic[Answer]):
    """A query of a booking's workflow."""

    name: str
    answer: type[Answer]

    async def ask(self, handle: WorkflowHandle[Any, Any]) -> Answer:
        """Query a workflow, running or ended.

        Raises:
            WorkflowQueryFailedError: the workflow's code could not answer.
            WorkflowGoneError: there is no such workflow.
            TemporalAwayError: Temporal is away, or no worker answers.
        """
        with temporal_errors():
            answer: Answer = await handle.query(self.name, result_type=self.answer)
        return answer


AUTHORIZED: Final = Signal("authorized", StripeEventHint)
PAYMENT_CHANGED: Final = Signal("payment_changed", StripeEventHint)
APPROVE: Final = Signal("approve", Command)
DECLINE: Final = Signal("decline", Command)
CANCEL: Final = Signal("cancel", Command)
RETRY: Final = Signal("retry", Command)
RESOLVE: Final = Signal("resolve", Command)

DECISION_SIGNALS: Final = {
    Decision.APPROVE: APPROVE,
    Decision.DECLINE: DECLINE,
    Decision.CANCEL: CANCEL,
}

PAYMENT_SESSION: Final = Update("payment_session", SessionRequest, SessionAnswer)
CHECK_PAYMENT: Final = Update("check_payment", type(None), WorkflowSnapshot, patient=False)
AWAIT_OUTCOME: Final = Update("await_outcome", str, CommandResult)

STATE: Final = Query("state", WorkflowSnapshot)

SIGNALS: Final = (AUTHORIZED, PAYMENT_CHANGED, APPROVE, DECLINE, CANCEL, RETRY, RESOLVE)
UPDATES: Final = (PAYMENT_SESSION, CHECK_PAYMENT, AWAIT_OUTCOME)
