"""The faults of these tests' worker: the clock follows each activity, and faults strike on order.

Nothing of the product is replaced: this is an interceptor of Temporal's own, on the client the worker is given.
Faults of Stripe, Pusher and SMTP are better ordered from their stand-ins; these are for the database, for
answers that never come, and for exhaustive runs over all activities.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

import temporalio.client
import temporalio.worker
from temporalio import activity
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput

from domain.identifiers import workflow_id
from tests.workflows.lost_tasks import LostTasks

_BOOKINGS_OWN = workflow_id("")


class FaultMode(StrEnum):
    """The fate of one attempt of an activity."""

    BEFORE = "before"
    """It fails, and nothing was done."""
    AFTER = "after"
    """It fails, although everything was done."""
    HANG = "hang"
    """Nothing is done, and no answer comes until the attempt's time is over."""
    HANG_AFTER = "hang_after"
    """Everything is done, and no answer comes until the attempt's time is over."""
    TASK_LOST = "task_lost"
    """Everything is done within the workflow task, and the worker dies before that task is complete."""


_DONE = frozenset({FaultMode.AFTER, FaultMode.HANG_AFTER, FaultMode.TASK_LOST})
_HANGING = frozenset({FaultMode.HANG, FaultMode.HANG_AFTER})


@dataclass
class ActivityFault:
    """Strikes the next `times` attempts of activities whose names match.

    An attempt within the workflow task, which comes before those of the activity, fails as well and is not counted.
    `TASK_LOST` strikes and counts only such attempts.

    Args:
        booking_id: strikes only what is done for this booking.
        skip: how many matching attempts are let through first.
    """

    match: str
    mode: FaultMode
    times: int
    booking_id: str | None = None
    skip: int = 0
    hits: int = 0

    def strikes(self, name: str, booking_id: str | None, *, is_local: bool) -> bool:
        """Whether it strikes now; counts it if so."""
        if self.hits >= self.times or not fnmatchcase(name, self.match):
            return False
        loses_task = self.mode is FaultMode.TASK_LOST
        if self.booking_id not in {None, booking_id} or (loses_task and not is_local):
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.hits += loses_task or not is_local
        return True


class InjectedError(Exception):
    """An attempt that was made to fail."""


class ActivityFaults(temporalio.client.Interceptor, temporalio.worker.Interceptor):
    """Stands between Temporal and the activities.

    `on_attempt` receives the server's time whenever an attempt starts, `on_hang` until when one will hang;
    `attempts` has the names of all activities that were attempted, `attempts_of` the same by booking; `busy` is how
    many are at work, those that hang not counted.
    """

    def __init__(self) -> None:
        self.on_attempt: Callable[[datetime], Awaitable[None]] | None = None
        self.on_hang: Callable[[datetime], None] | None = None
        self.faults: list[ActivityFault] = []
        self.attempts: list[str] = []
        self.attempts_of: dict[str | None, list[str]] = {}
        self.busy = 0
        self.lost_tasks = LostTasks()
        self._hanging: dict[bytes, tuple[datetime, asyncio.Future[None]]] = {}

    def order(
        self, match: str, mode: FaultMode, times: int = 1, *, booking_id: str | None = None, skip: int = 0
    ) -> ActivityFault:
        """Let a fault strike; the one ordered first is used up first."""
        fault = ActivityFault(match, mode, times, booking_id, skip)
        self.faults.append(fault)
        return fault

    def clear_faults(self) -> None:
        """Withdraw every fault. A hanging attempt hangs on until its timeout."""
        self.faults.clear()

    @property
    def loses_tasks(self) -> bool:
        """Whether a workflow task is still to be lost."""
        return any(fault.mode is FaultMode.TASK_LOST and fault.hits < fault.times for fault in self.faults)

    @property
    def may_hang(self) -> bool:
        """Whether an attempt hangs, or hung when `hanging` was last asked."""
        return bool(self._hanging)

    def hanging(self, now: datetime) -> list[datetime]:
        """When the server will give up the attempts that hang at `now`; lets go those it has given up."""
        for token, (until, answer) in list(self._hanging.items()):
            if until <= now:
                del self._hanging[token]
                answer.cancel()
        return sorted(until for until, _ in self._hanging.values())

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """Called by Temporal's worker."""
        return _Inbound(next, self)

    async def carry(self, call: ExecuteActivityInput, run: Callable[[], Awaitable[Any]]) -> Any:
        """Carry out one attempt, or let the fault that strikes have it."""
        self.busy += 1
        try:
            return await self._carry(call, run)
        finally:
            self.busy -= 1

    async def _carry(self, call: ExecuteActivityInput, run: Callable[[], Awaitable[Any]]) -> Any:
        info = activity.info()
        booking_id = _booking_of(call, info)
        self.attempts.append(info.activity_type)
        self.attempts_of.setdefault(booking_id, []).append(info.activity_type)
        # An attempt within the workflow task has the computer's time, not the server's.
        if self.on_attempt is not None and not info.is_local:
            await self.on_attempt(info.started_time)
        striking = (
            fault
            for fault in self.faults
            if fault.strikes(info.activity_type, booking_id, is_local=info.is_local)
        )
        fault = next(striking, None)
        if fault is None:
            return await run()
        result = await run() if fault.mode in _DONE else None
        if fault.mode is FaultMode.TASK_LOST:
            self.lost_tasks.arm()
            return result
        if fault.mode in _HANGING and not info.is_local:
            await self._hang(info)
        raise InjectedError(f"{info.activity_type}: {fault.mode}")

    async def _hang(self, info: activity.Info) -> None:
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        until = _given_up_at(info)
        self._hanging[info.task_token] = (until, answer)
        if self.on_hang is not None:
            self.on_hang(until)
        self.busy -= 1
        try:
            await answer
        except asyncio.CancelledError:
            raise InjectedError("given up by the server") from None
        finally:
            self.busy += 1


def _booking_of(call: ExecuteActivityInput, info: activity.Info) -> str | None:
    """Whom an attempt is for: its workflow names the booking, or else what it was given does."""
    if (info.workflow_id or "").startswith(_BOOKINGS_OWN):
        return (info.workflow_id or "").removeprefix(_BOOKINGS_OWN)
    subject = call.args[0] if call.args else None
    return subject if isinstance(subject, str) else getattr(subject, "booking_id", None)


def _given_up_at(info: activity.Info) -> datetime:
    assert info.start_to_close_timeout is not None, "every activity of ours has one"
    ends = [info.started_time + info.start_to_close_timeout]
    if info.schedule_to_close_timeout:
        ends.append(info.scheduled_time + info.schedule_to_close_timeout)
    return min(ends).astimezone(UTC) + timedelta(milliseconds=5)


class _Inbound(ActivityInboundInterceptor):
    def __init__(self, next_: ActivityInboundInterceptor, activity_faults: ActivityFaults) -> None:
        super().__init__(next_)
        self._activity_faults = activity_faults

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        return await self._activity_faults.carry(input, lambda: self.next.execute_activity(input))
