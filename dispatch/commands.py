"""Sends a person's command to workflows: store it, signal it, wait for its outcome, close it.

The signal is the command, and it is safe once Temporal has accepted it; the update only observes
(docs/decisions/01). The workflow closes a decision with the change it makes; the sender closes a decision that it
could not send.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from temporalio.client import Client, WorkflowUpdateFailedError

from dispatch.client import booking_handle
from dispatch.errors import TemporalAwayError, WorkflowGoneError
from dispatch.names import AWAIT_OUTCOME, Signal, outcome_id
from domain.messages.answers import CommandResult
from domain.messages.signals import Command
from models import BookingCommand, utc_now
from storage.bookings import close_command, open_command
from storage.database import DATABASE_ERRORS, Database

NOT_SENT: Final = "not_sent"
"""The outcome of a command that no workflow is known to have taken."""


async def send_command(
    database: Database,
    client: Client,
    row: BookingCommand,
    command: Command,
    signals: Mapping[str, Signal[Command]],
) -> list[str]:
    """Store a command, then signal it.

    Args:
        row: the part that is stored.
        command: the part that is signalled, under the same id.
        signals: the signal for each workflow, by the workflow's id.

    Returns:
        Ids of the workflows that accepted the command; it is safe with them. An empty result means that no workflow
        was running, and the caller still has to close the command.

    Raises:
        TemporalAwayError: the command was closed as not sent, although a signal may have arrived.
        sqlalchemy.exc.SQLAlchemyError, OSError: the database is away, and nothing was sent.
    """
    async with database.single_statement() as db:
        await open_command(db, row)
    taken = []
    try:
        for id_, signal in signals.items():
            with suppress(WorkflowGoneError):
                await signal.send(client.get_workflow_handle(id_), command)
                taken.append(id_)
    except TemporalAwayError:
        # Best effort: if this fails, the command is shown as open and nothing else happens.
        with suppress(*DATABASE_ERRORS):
            await close(database, command.command_id, NOT_SENT)
        raise
    return taken


async def await_outcome(
    client: Client, booking_id: str, command_id: str, patience_s: float
) -> CommandResult | None:
    """Wait for the outcome of a command.

    Args:
        patience_s: seconds to wait.

    Returns:
        None if the workflow ended before it could answer; the row then shows the outcome.

    Raises:
        TimeoutError: there was no outcome in time.
        TemporalAwayError: Temporal is away.
    """
    handle = booking_handle(client, booking_id)
    with suppress(WorkflowGoneError, WorkflowUpdateFailedError):
        return await AWAIT_OUTCOME.ask(handle, command_id, patience_s=patience_s, id_=outcome_id(command_id))
    return None


async def close(database: Database, command_id: str, outcome: str) -> None:
    """Close a command that no workflow will close.

    Raises:
        sqlalchemy.exc.SQLAlchemyError, OSError: the database is away.
    """
    async with database.single_statement() as db:
        await close_command(db, command_id, outcome, utc_now())
