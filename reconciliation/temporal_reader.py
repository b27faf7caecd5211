"""Temporal's side of reconciliation: the states of bookings' workflows and of unmatched payments' workflows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from temporalio.client import Client, WorkflowExecutionStatus

from dispatch.errors import WorkflowGoneError, temporal_errors
from dispatch.events import running_payment_workflows
from dispatch.names import BOOKING_STATUS
from domain.identifiers import workflow_id
from reconciliation.findings import WorkflowState
from reconciliation.row_recovery import recorded_changes

_AT_ONCE: Final = 8

_STATES: Final = {
    WorkflowExecutionStatus.RUNNING: WorkflowState.RUNNING,
    WorkflowExecutionStatus.CONTINUED_AS_NEW: WorkflowState.RUNNING,
    WorkflowExecutionStatus.COMPLETED: WorkflowState.COMPLETED,
}


class TemporalReader:
    """Reads the states of workflows, a few at once.

    Raises (all methods):
        TemporalAwayError: Temporal is away.

    Args:
        beat: called after each request, as the activity's heartbeat.
    """

    def __init__(self, client: Client, beat: Callable[[], None]) -> None:
        self._client = client
        self._beat = beat
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def workflow(self, booking_id: str) -> tuple[WorkflowState, str | None]:
        """The state of a booking's workflow, and the booking's status in its search attributes."""
        async with self._places:
            try:
                with temporal_errors():
                    found = await self._client.get_workflow_handle(workflow_id(booking_id)).describe()
            except WorkflowGoneError:
                return WorkflowState.MISSING, None
            finally:
                self._beat()
        state = _STATES.get(found.status, WorkflowState.LOST) if found.status else WorkflowState.LOST
        return state, found.typed_search_attributes.get(BOOKING_STATUS)

    async def recorded_version(self, booking_id: str) -> int:
        """The newest version of a booking that its workflow's history records; 0 if it records none."""
        async with self._places:
            changes = await recorded_changes(self._client, booking_id)
        self._beat()
        return max((change.expected_version + 1 for change in changes), default=0)

    async def running_payment_workflows(self) -> dict[str, list[str]]:
        """Ids of the running `EndedBookingPaymentWorkflow`s, by booking."""
        return await running_payment_workflows(self._client)
