"""The demo's stage: a stack of its own with the demo hotels, and everybody logged in."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from sandbox.demo.stories import KILLARNEY, KYOTO, PAYMENT_WINDOW_S, Cast, Progress
from sandbox.evidence import (
    Evidence,
    booked_from_api,
    delivered_events,
    read_database,
    read_sandbox,
)
from sandbox.histories import Temporal
from sandbox.invariants import Verdict, check
from sandbox.people import Addresses, Staff, World
from sandbox.stack import Stack

_PATIENCE_S: Final = 20.0
_LOOK_EVERY_S: Final = 0.5


@dataclass(frozen=True)
class Stage:
    """A running stack, the folder it lives in, and the password of all its staff."""

    stack: Stack
    folder: Path
    password: str


@contextmanager
def set_up(folder: Path, progress: Progress) -> Iterator[Stage]:
    """Start a stack in `folder`, with the demo's hotels; it is stopped at the end of the block."""
    stack = Stack(folder)
    try:
        progress("starting PostgreSQL, Temporal, worker, API and the stand-ins for Stripe, Pusher and SMTP")
        stack.start()
        password = secrets.token_urlsafe(12)
        stack.manage("demo-data", DEMO_PASSWORD=password)
        stack.manage("hotel", "set", KYOTO, "--payment-window-s", str(PAYMENT_WINDOW_S))
        progress(f"everything is up; {KYOTO} gives its guests {PAYMENT_WINDOW_S} s to pay")
        yield Stage(stack, folder, password)
    finally:
        progress("stopping everything")
        stack.stop()


@asynccontextmanager
async def cast_of(stage: Stage, progress: Progress) -> AsyncIterator[Cast]:
    """Everybody who takes part, logged in."""
    stack = stage.stack
    async with httpx.AsyncClient(timeout=_PATIENCE_S, trust_env=False) as http:
        at = Addresses(
            api=stack.url["api"],
            stripe=stack.url["stripe"],
            pusher=stack.url["pusher"],
            inbox=stack.url["inbox"],
        )
        world = World(http, at)
        staff = {
            hotel: await Staff.log_in(world, hotel, f"approver@{hotel}.test", stage.password)
            for hotel in (KILLARNEY, KYOTO)
        }
        yield Cast(world, staff, progress)


async def verdicts(stage: Stage, cast: Cast) -> list[Verdict]:
    """Check every promise until all hold, or for long enough to say that they do not."""
    until = time.monotonic() + _PATIENCE_S
    while True:
        found = check(await _collect(stage, cast))
        if all(verdict.holds for verdict in found) or time.monotonic() > until:
            return found
        await asyncio.sleep(_LOOK_EVERY_S)


async def _collect(stage: Stage, cast: Cast) -> Evidence:
    """Everything that can be known of the demo's bookings, the bookings themselves as staff see them."""
    stack, world = stage.stack, cast.world
    temporal = Temporal(stack.temporal_address)
    delivered = await delivered_events(world.http, world.at.stripe)
    rows, inbox = await read_database(stack.database_url)
    workflows = await temporal.statuses()
    return Evidence(
        bookings=[booked_from_api(await cast.staff[row.hotel].look(row.booking_id), row) for row in rows],
        ledger=await read_sandbox(world.http, world.at.stripe, "ledger"),
        messages=await read_sandbox(world.http, world.at.pusher, "messages"),
        mails=await read_sandbox(world.http, world.at.inbox, "messages"),
        answers=tuple(cast.answers),
        workflows=workflows,
        histories=await temporal.histories(workflows),
        inbox=inbox,
        delivered=delivered,
        logs=_logs(stage.folder),
        secrets=[staff.token for staff in cast.staff.values()],
    )


def _logs(folder: Path) -> dict[str, str]:
    """What API and worker logged; the stand-ins may say what they like."""
    found = (path for part in ("api", "worker") for path in folder.rglob(f"*{part}*.log"))
    return {path.stem: path.read_text(errors="replace") for path in found}
