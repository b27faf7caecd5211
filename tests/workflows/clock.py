"""The one clock of these tests: Temporal's test server skips time, and Stripe's stand-in follows it.

The test server's clock is global, never goes back, and runs on in the computer's own time while it is locked:
that is, while a workflow or an activity has something to do, and between two calls of `advance`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from google.protobuf.duration_pb2 import Duration
from temporalio.api.testservice.v1 import SleepRequest
from temporalio.testing import WorkflowEnvironment

from tests.workflows.activity_faults import ActivityFaults
from tests.workflows.servers import StandInClient

_NEAR_S = 0.5
_SKIP_PATIENCE_S = 90
_STALLED_S = 0.7
_BEFORE_GIVEN_UP = timedelta(milliseconds=150)
"""How long before the server gives an attempt up the clock is locked again.

The server undoes an attempt's lock as it gives it up, unless nothing is locked then: a lock of ours that comes later
would stay for good.
"""
_STANDS = timedelta(seconds=2 * _STALLED_S)
"""A clock that moved no further in `_STALLED_S` runs, and does not skip."""


class SkippingClock:
    """Tells the time, and lets it pass.

    Args:
        env: the test server.
        stripe: the stand-in that follows.
        activity_faults: knows which activities hang.
    """

    def __init__(
        self, env: WorkflowEnvironment, stripe: StandInClient, activity_faults: ActivityFaults
    ) -> None:
        self._env = env
        self._stripe = stripe
        self._activity_faults = activity_faults
        self._offset_s = 0.0
        self.stripe_follows = True
        self._hung: asyncio.Queue[datetime] = asyncio.Queue()
        activity_faults.on_attempt = self._follow
        activity_faults.on_hang = self._hung.put_nowait

    async def now(self) -> datetime:
        """The server's present."""
        return (await self._env.get_current_time()).astimezone(UTC)

    async def synchronize(self) -> datetime:
        """Bring Stripe's time up to the server's; sessions expire and holds lapse whose time has come."""
        now = await self.now()
        await self._move(now)
        return now

    async def skip_to(self, moment: datetime, stops: Callable[[], Awaitable[datetime | None]]) -> None:
        """Let time pass until `moment`, stopping on the way.

        Args:
            moment: when to stop for good.
            stops: asked at each stop when the next one is due.
        """
        while (now := await self.synchronize()) < moment:
            due = await stops()
            await self._skip(now, min(moment, due) if due and due > now else moment)

    async def _skip(self, now: datetime, until: datetime) -> None:
        """Skip to `until`, whatever hangs at the start or begins to hang on the way.

        The server locks its clock while an activity runs. One call unlocks it for so long; each activity
        that hangs takes one more, until the moment at which the server gives that activity up.
        """
        while not self._hung.empty():
            self._hung.get_nowait()
        sleeps = {self._sleep(now, until)}
        for end in self._activity_faults.hanging(now):
            sleeps.add(await self._sleep_beside(end, until))
        deadline = time.monotonic() + _SKIP_PATIENCE_S
        seen, attempts = now, len(self._activity_faults.attempts)
        while sleeps:
            news = asyncio.create_task(self._hung.get())
            done, _ = await asyncio.wait(
                {*sleeps, news}, timeout=_STALLED_S, return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                before, seen = seen, await self.now()
                idle = self._activity_faults.busy == 0 and len(self._activity_faults.attempts) == attempts
                attempts = len(self._activity_faults.attempts)
                if idle and seen - before < _STANDS:
                    # The server holds the lock of an attempt that it has given up: one more call undoes it.
                    sleeps.add(self._sleep(seen, until))
            if news.done():
                sleeps.add(await self._sleep_beside(news.result(), until))
            news.cancel()
            for sleep in {sleep for sleep in sleeps if sleep.done()}:
                sleeps.remove(sleep)
                sleep.result()
            assert time.monotonic() < deadline, (
                f"the clock stands at {await self.now()}, not at {until}: {len(sleeps)} sleeps, "
                f"{self._activity_faults.hanging(await self.now())} hang"
            )
        self._activity_faults.hanging(await self.now())

    async def _sleep_beside(self, end: datetime, until: datetime) -> asyncio.Task[None]:
        """Unlock what an attempt locks that hangs until `end`."""
        return self._sleep(await self.now(), min(end - _BEFORE_GIVEN_UP, until))

    def _sleep(self, now: datetime, until: datetime) -> asyncio.Task[None]:
        duration = Duration()
        duration.FromTimedelta(max(until - now, timedelta(milliseconds=1)))
        # The environment's own `sleep` gives up after half a minute, in which a slow machine skips an hour or two.
        call = self._env.client.test_service.unlock_time_skipping_with_sleep(
            SleepRequest(duration=duration), timeout=timedelta(seconds=_SKIP_PATIENCE_S)
        )
        return asyncio.create_task(_finished(call))

    async def _follow(self, started_at: datetime) -> None:
        """Move Stripe's time on when an activity starts after a jump of the server's."""
        if started_at.timestamp() - time.time() - self._offset_s > _NEAR_S:
            await self._move(started_at)

    async def _move(self, moment: datetime) -> None:
        if not self.stripe_follows:
            return
        self._offset_s = moment.timestamp() - time.time()
        await self._stripe.ask("POST", "/_sandbox/clock", json={"now": moment.timestamp()})


async def _finished(call: Awaitable[object]) -> None:
    await call
