"""`retry` and `resolve`: commands for a booking that needs a person, sent by `manage.py` and by staff pages."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from temporalio.client import Client, WorkflowExecutionStatus

from dispatch.commands import NOT_SENT, await_outcome, close, send_command
from dispatch.errors import temporal_call, temporal_errors
from dispatch.events import running_payment_workflows
from dispatch.names import RESOLVE, RETRY
from domain.attention import Attention
from domain.booking import ActorKind, Status
from domain.decisions import CommandOutcome
from domain.identifiers import new_command_id, workflow_id
from domain.messages.signals import Command
from models import Booking, BookingCommand
from storage.attention import as_attention, attention_of
from storage.bookings import booking_by_id
from storage.database import Database

_LOOK_AGAIN_AFTER_S: Final = 0.3


class OperatorAction(StrEnum):
    """The commands for a booking that needs a person; the signals have the same names."""

    RETRY = "retry"
    RESOLVE = "resolve"


_SIGNALS: Final = {OperatorAction.RETRY: RETRY, OperatorAction.RESOLVE: RESOLVE}


class OperatorOutcome(StrEnum):
    """The outcome of an operator's command."""

    DONE = "done"
    NOTHING_TO_DO = "nothing_to_do"
    NEEDS_ATTENTION = "needs_attention"
    UNDER_WAY = "under_way"
    """The signal is safe; nothing has been heard within the time there was."""
    NO_WORKFLOW = "no_workflow"
    """The booking has no running workflow that could do it; nothing was sent."""


@dataclass(frozen=True)
class OperatorResult:
    """The outcome, the booking afterwards, and the reasons why it still needs a person."""

    outcome: OperatorOutcome
    booking: Booking
    attention: Sequence[Attention] = ()


async def send_operator_command(
    database: Database,
    client: Client,
    booking_id: str,
    action: OperatorAction,
    *,
    wait_s: float,
    actor: str = ActorKind.OPERATOR,
) -> OperatorResult | None:
    """Signal the booking's workflow and those of its unmatched payments, and wait for the outcome.

    Args:
        wait_s: seconds to wait.
        actor: who issued the command: an operator, or a manager's e-mail address.

    Returns:
        None if there is no such booking.

    Raises:
        sqlalchemy.exc.SQLAlchemyError, OSError: the database is away.
        TemporalAwayError: Temporal is away.
    """
    before = await _read_row(database, booking_id)
    if before is None:
        return None
    if before.status == Status.DRAFT:
        # A draft has no workflow, and a stored command would outlive it.
        return OperatorResult(OperatorOutcome.NO_WORKFLOW, before)
    command = Command(command_id=new_command_id(), actor=ActorKind.OPERATOR)
    row = BookingCommand(command_id=command.command_id, booking_id=booking_id, kind=action, actor=actor)
    async with temporal_call():
        payment_workflows = (await running_payment_workflows(client)).get(booking_id, [])
    # The workflow of an unmatched payment reads Stripe at a retry, and keeps what a person did by hand.
    signals = {workflow_id(booking_id): _SIGNALS[action], **dict.fromkeys(payment_workflows, RETRY)}
    taken = await send_command(database, client, row, command, signals)
    if not taken:
        await close(database, command.command_id, NOT_SENT)
        return OperatorResult(OperatorOutcome.NO_WORKFLOW, before)
    try:
        async with asyncio.timeout(wait_s):
            for id_ in taken:
                if id_ in payment_workflows:
                    await _await_payment_workflow(database, client, id_, before)
                else:
                    await await_outcome(client, booking_id, command.command_id, wait_s)
    except TimeoutError:
        return OperatorResult(OperatorOutcome.UNDER_WAY, await _read_submitted(database, booking_id))
    return await _close(database, command.command_id, before)


async def _read_row(database: Database, booking_id: str) -> Booking | None:
    async with database.transaction() as db:
        return await booking_by_id(db, booking_id)


async def _read_submitted(database: Database, booking_id: str) -> Booking:
    row = await _read_row(database, booking_id)
    assert row is not None, "bookings that were submitted are never deleted"
    return row


async def _await_payment_workflow(database: Database, client: Client, id_: str, before: Booking) -> None:
    handle = client.get_workflow_handle(id_)
    while True:
        with temporal_errors():
            status = (await handle.describe()).status
        if status is not WorkflowExecutionStatus.RUNNING:
            return
        row = await _read_row(database, before.booking_id)
        # The workflow clears its own reason, reads Stripe, and opens the reason again if Stripe still refuses.
        if row is not None and row.version > before.version + 1 and row.needs_attention:
            return
        await asyncio.sleep(_LOOK_AGAIN_AFTER_S)


async def _close(database: Database, command_id: str, before: Booking) -> OperatorResult:
    row = await _read_submitted(database, before.booking_id)
    if row.needs_attention:
        await close(database, command_id, CommandOutcome.NEEDS_ATTENTION)
        async with database.transaction() as db:
            reasons = [as_attention(reason) for reason in await attention_of(db, row)]
        return OperatorResult(OperatorOutcome.NEEDS_ATTENTION, row, reasons)
    await close(database, command_id, CommandOutcome.SETTLED)
    done = OperatorOutcome.DONE if before.needs_attention else OperatorOutcome.NOTHING_TO_DO
    return OperatorResult(done, row)
