"""Rows that are older than their workflows: after a restore, the workflow's history holds the changes they lack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncSession
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client

from activities.bookings import RECORD
from dispatch.errors import WorkflowGoneError, temporal_errors
from domain.booking import CLAIMS_ROOM, Status
from domain.errors import IllegalTransitionError
from domain.identifiers import workflow_id
from domain.messages.changes import Change, ChangeResult
from storage.bookings import StaleVersionError, apply_change, booking_by_id
from storage.rooms import claim_rooms, free_rooms


class RowNotRewrittenError(RuntimeError):
    """The row cannot follow its workflow; the text says why."""


async def recorded_changes(client: Client, booking_id: str) -> list[Change]:
    """The changes that a booking's workflow has written, over all runs that continue one another, oldest first.

    Raises:
        TemporalAwayError: Temporal is away.
    """
    found: list[Change] = []
    run_id: str | None = None
    while run_id != "":
        handle = client.get_workflow_handle(workflow_id(booking_id), run_id=run_id)
        try:
            with temporal_errors():
                events = (await handle.fetch_history()).events
        except WorkflowGoneError:
            # Temporal keeps closed runs for a limited time.
            break
        found = [*await _changes(client, events), *found]
        run_id = events[0].workflow_execution_started_event_attributes.continued_execution_run_id
    return found


async def rewrite_row(db: AsyncSession, booking_id: str, changes: Sequence[Change]) -> int:
    """Write the changes that a row lacks, as their workflow decided them; returns how many.

    Nothing is published or mailed: that was done when they happened.

    Raises:
        RowNotRewrittenError: a change does not fit the row; the caller's transaction has to be rolled back.
    """
    row = await booking_by_id(db, booking_id, lock=True)
    if row is None:
        raise RowNotRewrittenError("the row is gone")
    missing = [change for change in changes if change.expected_version >= row.version]
    if not missing:
        return 0
    # The changes of a booking that has ended need a room as well, and give it back in the end.
    has_room = await claim_rooms(db, row)
    if not has_room:
        await claim_rooms(db, row, beyond=True)
    for change in missing:
        try:
            result = await apply_change(db, change)
        except (StaleVersionError, IllegalTransitionError) as error:
            raise RowNotRewrittenError(str(error)) from error
        if result.sold_out:
            raise RowNotRewrittenError("no room was left for it before the restore")
    if result.status not in CLAIMS_ROOM:
        await free_rooms(db, row)
    elif result.status is not Status.CONFIRMED and not has_room:
        raise RowNotRewrittenError("its room has been sold since: free one, then reconcile again")
    # The guest of a confirmed booking has paid: it keeps a room beyond the limit, which the next run reports.
    return len(missing)


async def _changes(client: Client, events: Sequence[HistoryEvent]) -> list[Change]:
    """The changes written within workflow tasks, whose markers hold them, and by activities."""
    scheduled: dict[int, Change] = {}
    done: list[Change] = []
    for event in events:
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            begun = event.activity_task_scheduled_event_attributes
            if begun.activity_type.name == RECORD:
                [change] = await client.data_converter.decode(begun.input.payloads, [Change])
                scheduled[event.event_id] = change
        elif event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
            ended = event.activity_task_completed_event_attributes
            change = scheduled.get(ended.scheduled_event_id)
            if change is None:
                continue
            [result] = await client.data_converter.decode(ended.result.payloads, [ChangeResult])
            done += _written(change, result)
        elif event.event_type == EventType.EVENT_TYPE_MARKER_RECORDED:
            marker = event.marker_recorded_event_attributes
            if "result" in marker.details:
                payloads = marker.details["result"].payloads
                [result] = await client.data_converter.decode(payloads, [ChangeResult])
                done += _written(result.change, result) if result.change else []
    return done


def _written(change: Change, result: ChangeResult) -> list[Change]:
    return [] if result.sold_out else [replace(change, expected_version=result.version - 1)]
