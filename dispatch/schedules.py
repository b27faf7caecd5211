"""The schedules on which the sweep and reconciliation run."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
)

from dispatch.names import RECONCILE_WORKFLOW, SWEEP_WORKFLOW

SWEEP_SCHEDULE: Final = "sweep"
SWEEP_EVERY: Final = timedelta(minutes=1)
RECONCILE_SCHEDULE: Final = "reconcile"
RECONCILE_EVERY: Final = timedelta(minutes=15)


async def ensure_schedules(client: Client, task_queue: str) -> None:
    """Create the schedules of the sweep and of reconciliation, unless they are there."""
    await _ensure_schedule(client, SWEEP_SCHEDULE, SWEEP_WORKFLOW, SWEEP_EVERY, task_queue)
    await _ensure_schedule(client, RECONCILE_SCHEDULE, RECONCILE_WORKFLOW, RECONCILE_EVERY, task_queue)


async def _ensure_schedule(
    client: Client, id_: str, workflow: str, every: timedelta, task_queue: str
) -> None:
    schedule = Schedule(
        action=ScheduleActionStartWorkflow(workflow, id=id_, task_queue=task_queue),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=every)]),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP),
    )
    try:
        await client.create_schedule(id_, schedule)
    except ScheduleAlreadyRunningError:
        return
