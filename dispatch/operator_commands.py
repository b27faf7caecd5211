"""Sending a person's `retry` or `resolve` to a stuck booking, and waiting for what comes of it.

Operators do so by command, managers by a button. The signal is the command, and safe once it is accepted; the
update only observes (docs/decisions/01).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from temporalio.client import (
    Client,
    WorkflowExecutionStatus,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.service import RPCError, RPCStatusCode

from dispatch.client import booking_handle
from dispatch.events import running_payment_workflows
from dispatch.names import AWAIT_OUTCOME, RESOLVE, RETRY
from domain.booking import ActorKind
from domain.decisions import CommandOutcome
from domain.identifiers import new_command_id
from domain.messages.signals import Command
from models import Booking, BookingCommand, utc_now
from storage.bookings import booking_by_id, close_command, open_command
from storage.database import Database

_NOT_SENT: Final = "not_sent"
_LOOK_AGAIN_AFTER_S: Final = 0.3


class OperatorAction(StrEnum):
    """What an operator can do for a booking that needs a person; the signals bear the same names."""

    RETRY = "retry"
    RESOLVE = "resolve"


class OperatorOutcome(StrEnum):
    """How it came out."""

    DONE = "done"
    NOTHING_TO_DO = "nothing_to_do"
    NEEDS_ATTENTION = "needs_attention"
    UNDER_WAY = "under_way"
    """The signal is safe; nothing has been heard within the time there was."""
    NO_WORKFLOW = "no_workflow"
    """The booking has no running workflow that could do it; nothing was sent."""


@dataclass(frozen=True)
class OperatorResult:
    """What came of it, and the booking as it stands then."""

    outcome: OperatorOutcome
    booking: Booking


class OperatorCommandSender:
    """Helps one booking.

    Args:
        wait_s: seconds to wait for an outcome.
        actor: under whose name it is kept: an operator's, or a manager's address.
    """

    def __init__(
        self,
        database: Database,
        client: Client,
        booking_id: str,
        wait_s: float,
        actor: str = ActorKind.OPERATOR,
    ) -> None:
        self._database = database
        self._client = client
        self._booking_id = booking_id
        self._wait_s = wait_s
        self._actor = actor

    async def send(self, kind: OperatorAction) -> OperatorResult | None:
        """Send the signal to whoever is stuck: the booking's workflow, or one that settles its stray money.

        Returns:
            None where there is no such booking.

        Raises:
            sqlalchemy.exc.SQLAlchemyError, OSError, RPCError: a service is away.
        """
        before = await self._row()
        if before is None:
            return None
        command_id = await self._keep(kind)
        command = Command(command_id=command_id, actor=ActorKind.OPERATOR)
        try:
            signalled = await self._signal(kind, command)
            payment_workflows = (await running_payment_workflows(self._client)).get(self._booking_id, [])
            payment_workflows = [
                id_ for id_ in payment_workflows if await self._signal_payment_workflow(id_, command)
            ]
        except RPCError:
            await self._close(command_id, _NOT_SENT)
            raise
        if not signalled and not payment_workflows:
            await self._close(command_id, _NOT_SENT)
            return OperatorResult(OperatorOutcome.NO_WORKFLOW, before)
        answered = await self._await_answers(command_id, payment_workflows, before, signalled=signalled)
        return await self._result(command_id, before, answered=answered)

    async def _row(self) -> Booking | None:
        async with self._database.transaction() as db:
            return await booking_by_id(db, self._booking_id)

    async def _keep(self, kind: OperatorAction) -> str:
        row = BookingCommand(
            command_id=new_command_id(), booking_id=self._booking_id, kind=kind, actor=self._actor
        )
        async with self._database.transaction() as db:
            await open_command(db, row)
        return row.command_id

    async def _close(self, command_id: str, outcome: str) -> None:
        async with self._database.transaction() as db:
            await close_command(db, command_id, outcome, utc_now())

    # --- sending ---

    async def _signal(self, kind: OperatorAction, command: Command) -> bool:
        signal = RETRY if kind is OperatorAction.RETRY else RESOLVE
        handle = booking_handle(self._client, self._booking_id)
        try:
            await signal.send(handle, command)
        except RPCError as error:
            return _is_gone(error)
        return True

    async def _signal_payment_workflow(self, id_: str, command: Command) -> bool:
        """Have a workflow that settles stray money look at Stripe again; one settled by hand it leaves alone."""
        try:
            await RETRY.send(self._client.get_workflow_handle(id_), command)
        except RPCError as error:
            return _is_gone(error)
        return True

    # --- waiting ---

    async def _await_answers(
        self, command_id: str, payment_workflows: Sequence[str], before: Booking, *, signalled: bool
    ) -> bool:
        """Wait until it has come out, and say whether it has."""
        try:
            async with asyncio.timeout(self._wait_s):
                if signalled:
                    await self._booking_has_answered(command_id)
                for id_ in payment_workflows:
                    await self._payment_workflow_has_answered(id_, before)
        except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError):
            return False
        return True

    async def _booking_has_answered(self, command_id: str) -> None:
        handle = booking_handle(self._client, self._booking_id)
        try:
            await AWAIT_OUTCOME.ask(handle, command_id, id_=f"outcome:{command_id}")
        except WorkflowUpdateFailedError:
            # The workflow ended while this waited: the row says how.
            return
        except RPCError as error:
            _is_gone(error)

    async def _payment_workflow_has_answered(self, id_: str, before: Booking) -> None:
        handle = self._client.get_workflow_handle(id_)
        while True:
            if (await handle.describe()).status is not WorkflowExecutionStatus.RUNNING:
                return
            row = await self._row()
            # It takes its flag down, looks, and puts it up again where that was of no use.
            if row is not None and row.version > before.version + 1 and row.needs_attention:
                return
            await asyncio.sleep(_LOOK_AGAIN_AFTER_S)

    # --- telling ---

    async def _result(self, command_id: str, before: Booking, *, answered: bool) -> OperatorResult:
        row = await self._row()
        assert row is not None, "bookings that were submitted are never deleted"
        if not answered:
            return OperatorResult(OperatorOutcome.UNDER_WAY, row)
        attention = row.needs_attention is not None
        await self._close(command_id, CommandOutcome.NEEDS_ATTENTION if attention else CommandOutcome.SETTLED)
        if attention:
            return OperatorResult(OperatorOutcome.NEEDS_ATTENTION, row)
        return OperatorResult(
            OperatorOutcome.NOTHING_TO_DO if before.needs_attention is None else OperatorOutcome.DONE, row
        )


def _is_gone(error: RPCError) -> bool:
    """False where there is no such workflow any more; every other error is raised."""
    if error.status is not RPCStatusCode.NOT_FOUND:
        raise error
    return False
