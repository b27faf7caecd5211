"""Reads all data on one booking: its rows, and its workflow's own snapshot."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select
from sqlmodel import col
from temporalio.client import Client, WorkflowQueryFailedError

from dispatch.client import booking_handle
from dispatch.errors import TemporalAwayError, WorkflowGoneError
from dispatch.events import running_payment_workflows
from dispatch.names import STATE
from domain.dispute import Dispute
from domain.messages.answers import WorkflowSnapshot
from management.tools import Tools
from models import (
    Booking,
    BookingAttention,
    BookingCommand,
    BookingTimeline,
    Hotel,
    PaymentSession,
    RoomType,
    SentMail,
)
from reconciliation.findings import WorkflowState
from reconciliation.run_queries import findings_left
from reconciliation.temporal_reader import TemporalReader
from storage.attention import attention_of
from storage.bookings import booking_with_hotel, timeline
from storage.database import Database
from storage.disputes import disputes_of
from storage.mails import mails_of
from storage.tables import ReconciliationFinding

_QUERY_PATIENCE_S: Final = 5


@dataclass(frozen=True)
class BookingRows:
    """The rows of a booking, each list but that of its disputes oldest first."""

    booking: Booking
    hotel: Hotel
    room_type: RoomType
    attention: Sequence[BookingAttention]
    timeline: Sequence[BookingTimeline]
    commands: Sequence[BookingCommand]
    sessions: Sequence[PaymentSession]
    mails: Sequence[SentMail]
    findings: Sequence[ReconciliationFinding]
    disputes: Sequence[Dispute]


@dataclass(frozen=True)
class Workflow:
    """A booking's workflow in Temporal.

    Args:
        account: the workflow's own snapshot; None if it does not run, or no worker answered.
        payment_workflows: ids of the running workflows of this booking's unmatched payments.
    """

    state: WorkflowState
    account: WorkflowSnapshot | None = None
    payment_workflows: Sequence[str] = ()


async def read_rows(database: Database, booking_id: str) -> BookingRows | None:
    """Read a booking with its related rows; None if there is no such booking."""
    async with database.transaction() as db:
        found = await booking_with_hotel(db, booking_id)
        if found is None:
            return None
        commands = select(BookingCommand).where(col(BookingCommand.booking_id) == booking_id)
        sessions = select(PaymentSession).where(col(PaymentSession.booking_id) == booking_id)
        return BookingRows(
            *found,
            attention=await attention_of(db, found[0]),
            timeline=await timeline(db, booking_id),
            commands=(await db.scalars(commands.order_by(col(BookingCommand.created_at)))).all(),
            sessions=(await db.scalars(sessions.order_by(col(PaymentSession.created_at)))).all(),
            mails=await mails_of(db, booking_id),
            findings=await findings_left(db, booking_id),
            disputes=await disputes_of(db, booking_id),
        )


async def read_workflow(tools: Tools, booking_id: str) -> Workflow | str:
    """Read a booking's workflow from Temporal.

    Returns:
        The workflow, or one line with the error if Temporal is away.
    """
    try:
        client = await tools.temporal()
        state, _ = await TemporalReader(client, lambda: None).workflow(booking_id)
        payment_workflows = (await running_payment_workflows(client)).get(booking_id, [])
    except TemporalAwayError as error:
        return tools.temporal_is_away(error)
    account = await _own_account(client, booking_id) if state is WorkflowState.RUNNING else None
    return Workflow(state, account, payment_workflows)


async def _own_account(client: Client, booking_id: str) -> WorkflowSnapshot | None:
    handle = booking_handle(client, booking_id)
    try:
        async with asyncio.timeout(_QUERY_PATIENCE_S):
            return await STATE.ask(handle)
    except (TemporalAwayError, WorkflowGoneError, WorkflowQueryFailedError, TimeoutError):
        # Without a worker, no query is answered.
        return None
