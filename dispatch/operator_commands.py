"""`retry` and `resolve`: commands for a booking that needs attention, sent by `manage.py` and by staff pages."""

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
from domain.decisions import RESOLUTION_REFUSALS, CommandOutcome
from domain.identifiers import new_command_id, workflow_id
from domain.messages.signals import Command
from models import Booking, BookingCommand, Staff
from storage.attention import as_attention, attention_of
from storage.bookings import booking_by_id
from storage.database import Database

_LOOK_AGAIN_AFTER_S: Final = 0.3


class OperatorAction(StrEnum):
    """The commands for a booking that needs attention; the signals have the same names."""

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
    REFUSED = "refused"
    """What the person says they have done does not fit; nothing was changed."""
    NO_WORKFLOW = "no_workflow"
    """The booking has no running workflow that could do it; nothing was sent."""


@dataclass(frozen=True)
class OperatorResult:
    """The outcome, the booking afterwards, and the reasons why it still needs attention.

    Args:
        refusal: why a `resolve` was refused.
    """

    outcome: OperatorOutcome
    booking: Booking
    attention: Sequence[Attention] = ()
    refusal: CommandOutcome | None = None


@dataclass(frozen=True)
class Resolution:
    """The facts that `resolve` reports; all empty where no money is at stake.

    Args:
        paid_elsewhere_minor: what they paid the guest outside Stripe, in the currency's smallest unit.
        withdraw: the guest's cancellation is dropped.
        note: the message to the guest about that. It stays in the database.
    """

    paid_elsewhere_minor: int | None = None
    withdraw: bool = False
    note: str | None = None


@dataclass(frozen=True)
class OperatorRequest:
    """A `retry` or `resolve` and its author: an operator, unless a member of staff is named."""

    action: OperatorAction
    resolution: Resolution = Resolution()
    staff: Staff | None = None

    @property
    def actor(self) -> ActorKind:
        """In which capacity."""
        return ActorKind.STAFF if self.staff else ActorKind.OPERATOR


async def send_operator_command(
    database: Database, client: Client, booking_id: str, request: OperatorRequest, *, wait_s: float
) -> OperatorResult | None:
    """Signal the booking's workflow and those of its unmatched payments, and wait for the outcome.

    Args:
        wait_s: seconds to wait.

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
    async with temporal_call():
        payment_workflows = (await running_payment_workflows(client)).get(booking_id, [])
    workflows = [workflow_id(booking_id), *payment_workflows]
    # What was paid once must be counted once: it is told to one workflow after the other, until one takes it.
    groups = [[id_] for id_ in workflows] if request.resolution != Resolution() else [workflows]
    result = OperatorResult(OperatorOutcome.NO_WORKFLOW, before)
    for group in groups:
        reply = await _send(database, client, before, request, group, wait_s)
        if reply.outcome is not OperatorOutcome.NO_WORKFLOW:
            result = reply
        if reply.outcome is not OperatorOutcome.NO_WORKFLOW and reply.refusal not in _NOT_ITS_MONEY:
            break
    return result


_NOT_ITS_MONEY: Final = frozenset(
    {CommandOutcome.NOTHING_OWED, CommandOutcome.OTHER_CURRENCY, CommandOutcome.NOTHING_TO_WITHDRAW}
)


async def _send(
    database: Database,
    client: Client,
    before: Booking,
    request: OperatorRequest,
    workflows: Sequence[str],
    wait_s: float,
) -> OperatorResult:
    booking_id = before.booking_id
    row, command = _command(booking_id, request)
    taken = await send_command(
        database, client, row, command, dict.fromkeys(workflows, _SIGNALS[request.action])
    )
    if not taken:
        await close(database, command.command_id, NOT_SENT)
        return OperatorResult(OperatorOutcome.NO_WORKFLOW, before)
    refusal = None
    try:
        async with asyncio.timeout(wait_s):
            for id_ in taken:
                if id_ == workflow_id(booking_id):
                    result = await await_outcome(client, booking_id, command.command_id, wait_s)
                    refusal = result.outcome if result else None
                else:
                    await _await_payment_workflow(database, client, id_, before, command.command_id)
    except TimeoutError:
        return OperatorResult(OperatorOutcome.UNDER_WAY, await _read_submitted(database, booking_id))
    refusal = refusal if refusal in RESOLUTION_REFUSALS else await _refusal(database, command.command_id)
    return await _close(database, command.command_id, before, refusal)


def _command(booking_id: str, request: OperatorRequest) -> tuple[BookingCommand, Command]:
    """A command as it is kept, and as it is signalled; the note is kept alone."""
    resolution = request.resolution
    command = Command(
        command_id=new_command_id(),
        actor=request.actor,
        staff_id=request.staff.id if request.staff else None,
        paid_elsewhere_minor=resolution.paid_elsewhere_minor,
        withdraw=resolution.withdraw,
    )
    row = BookingCommand(
        command_id=command.command_id,
        booking_id=booking_id,
        kind=request.action,
        actor=request.staff.email if request.staff else ActorKind.OPERATOR,
        reason_note=resolution.note,
    )
    return row, command


async def _refusal(database: Database, command_id: str) -> CommandOutcome | None:
    """Why the workflow that settles an ended booking's money refused a command, if it did."""
    async with database.transaction() as db:
        kept = await db.get(BookingCommand, command_id)
    outcome = kept.outcome if kept else None
    return CommandOutcome(outcome) if outcome in RESOLUTION_REFUSALS else None


async def _read_row(database: Database, booking_id: str) -> Booking | None:
    async with database.transaction() as db:
        return await booking_by_id(db, booking_id)


async def _read_submitted(database: Database, booking_id: str) -> Booking:
    row = await _read_row(database, booking_id)
    assert row is not None, "bookings that were submitted are never deleted"
    return row


async def _await_payment_workflow(
    database: Database, client: Client, id_: str, before: Booking, command_id: str
) -> None:
    handle = client.get_workflow_handle(id_)
    while True:
        with temporal_errors():
            status = (await handle.describe()).status
        if status is not WorkflowExecutionStatus.RUNNING:
            return
        async with database.transaction() as db:
            kept = await db.get(BookingCommand, command_id)
            row = await booking_by_id(db, before.booking_id)
        if kept is not None and kept.closed_at is not None:
            return
        # The workflow clears its own reason, reads Stripe, and opens the reason again if Stripe still refuses.
        if row is not None and row.version > before.version + 1 and row.needs_attention:
            return
        await asyncio.sleep(_LOOK_AGAIN_AFTER_S)


async def _close(
    database: Database, command_id: str, before: Booking, refusal: CommandOutcome | None
) -> OperatorResult:
    row = await _read_submitted(database, before.booking_id)
    if refusal is not None:
        await close(database, command_id, refusal)
        return OperatorResult(OperatorOutcome.REFUSED, row, refusal=refusal)
    if row.needs_attention:
        await close(database, command_id, CommandOutcome.NEEDS_ATTENTION)
        async with database.transaction() as db:
            reasons = [as_attention(reason) for reason in await attention_of(db, row)]
        return OperatorResult(OperatorOutcome.NEEDS_ATTENTION, row, reasons)
    await close(database, command_id, CommandOutcome.SETTLED)
    done = OperatorOutcome.DONE if before.needs_attention else OperatorOutcome.NOTHING_TO_DO
    return OperatorResult(done, row)
