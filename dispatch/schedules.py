"""The schedules on which the sweep and reconciliation run."""

from __future__ import annotations

from dataclasses import replace
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
    ScheduleUpdate,
)

from dispatch.names import RECONCILE_WORKFLOW, SWEEP_WORKFLOW

SWEEP_SCHEDULE: Final = "sweep"
SWEEP_EVERY: Final = timedelta(minutes=1)
RECONCILE_SCHEDULE: Final = "reconcile"
RECONCILE_EVERY: Final = timedelta(minutes=15)
SWEEP_ENDS_AFTER: Final = timedelta(minutes=10)
RECONCILE_ENDS_AFTER: Final = timedelta(hours=3)
"""A run that takes longer hangs. Overlapping runs are skipped, so it would be the last one."""


async def ensure_schedules(client: Client, task_queue: str) -> None:
    """Create or update the schedules of the sweep and of reconciliation; a paused schedule stays paused.

    Raises:
        RPCError: Temporal is away, or refuses.
    """
    for id_, schedule in wanted_schedules(task_queue).items():
        await _ensure_schedule(client, id_, schedule)


def wanted_schedules(task_queue: str) -> dict[str, Schedule]:
    """The definitions of the schedules, by id."""
    return {
        SWEEP_SCHEDULE: _schedule(SWEEP_SCHEDULE, SWEEP_WORKFLOW, SWEEP_EVERY, SWEEP_ENDS_AFTER, task_queue),
        RECONCILE_SCHEDULE: _schedule(
            RECONCILE_SCHEDULE, RECONCILE_WORKFLOW, RECONCILE_EVERY, RECONCILE_ENDS_AFTER, task_queue
        ),
    }


def _schedule(id_: str, workflow: str, every: timedelta, ends_after: timedelta, task_queue: str) -> Schedule:
    return Schedule(
        action=ScheduleActionStartWorkflow(
            workflow, id=id_, task_queue=task_queue, run_timeout=ends_after, execution_timeout=ends_after
        ),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=every)]),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP),
    )


async def _ensure_schedule(client: Client, id_: str, schedule: Schedule) -> None:
    try:
        await client.create_schedule(id_, schedule)
    except ScheduleAlreadyRunningError:
        await client.get_schedule_handle(id_).update(
            lambda found: ScheduleUpdate(replace(schedule, state=found.description.schedule.state))
        )
