"""The demo's set-up: a separate stack with the demo hotels, and logged-in staff."""

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

from sandbox.demo.scenarios import (
    KILLARNEY,
    KYOTO,
    PAYMENT_WINDOW_S,
    DemoParticipants,
    Progress,
)
from sandbox.drivers import Addresses, StackClient, StaffDriver
from sandbox.evidence import (
    Evidence,
    booking_from_api,
    delivered_events,
    read_database,
    read_sandbox,
)
from sandbox.histories import TemporalCli
from sandbox.invariants import InvariantResult, check
from sandbox.stack import Stack

_PATIENCE_S: Final = 20.0
_LOOK_EVERY_S: Final = 0.5


@dataclass(frozen=True)
class DemoStack:
    """A running stack, its folder, and the password of its staff."""

    stack: Stack
    folder: Path
    password: str


@contextmanager
def set_up(folder: Path, progress: Progress) -> Iterator[DemoStack]:
    """Start a stack in `folder` with the demo's hotels; it stops at the end of the block."""
    stack = Stack(folder)
    try:
        progress("starting PostgreSQL, Temporal, worker, API and the stand-ins for Stripe, Pusher and SMTP")
        stack.start()
        password = secrets.token_urlsafe(12)
        stack.manage("demo-data", DEMO_PASSWORD=password)
        stack.manage("hotel", "set", KYOTO, "--payment-window-s", str(PAYMENT_WINDOW_S))
        progress(f"everything is up; {KYOTO} gives its guests {PAYMENT_WINDOW_S} s to pay")
        yield DemoStack(stack, folder, password)
    finally:
        progress("stopping everything")
        stack.stop()


@asynccontextmanager
async def log_in_participants(demo_stack: DemoStack, progress: Progress) -> AsyncIterator[DemoParticipants]:
    """Log the participants in."""
    stack = demo_stack.stack
    async with httpx.AsyncClient(timeout=_PATIENCE_S, trust_env=False) as http:
        at = Addresses(
            api=stack.url["api"],
            stripe=stack.url["stripe"],
            pusher=stack.url["pusher"],
            inbox=stack.url["inbox"],
        )
        client = StackClient(http, at)
        staff = {
            hotel: await StaffDriver.log_in(client, hotel, f"approver@{hotel}.test", demo_stack.password)
            for hotel in (KILLARNEY, KYOTO)
        }
        yield DemoParticipants(client, staff, progress)


async def check_invariants(demo_stack: DemoStack, participants: DemoParticipants) -> list[InvariantResult]:
    """Check every promise until all hold or the time is over."""
    until = time.monotonic() + _PATIENCE_S
    while True:
        found = check(await _collect(demo_stack, participants))
        if all(result.holds for result in found) or time.monotonic() > until:
            return found
        await asyncio.sleep(_LOOK_EVERY_S)


async def _collect(demo_stack: DemoStack, participants: DemoParticipants) -> Evidence:
    """Collect all evidence of the demo's bookings, with the bookings as staff see them."""
    stack, client = demo_stack.stack, participants.client
    temporal = TemporalCli(stack.temporal_address)
    delivered = await delivered_events(client.http, client.at.stripe)
    rows, inbox, nights = await read_database(stack.database_url)
    workflows = await temporal.statuses()
    return Evidence(
        bookings=[
            booking_from_api(await participants.staff[row.hotel].read_booking(row.booking_id), row)
            for row in rows
        ],
        ledger=await read_sandbox(client.http, client.at.stripe, "ledger"),
        messages=await read_sandbox(client.http, client.at.pusher, "messages"),
        mails=await read_sandbox(client.http, client.at.inbox, "messages"),
        answers=tuple(participants.answers),
        workflows=workflows,
        histories=await temporal.histories(workflows),
        inbox=inbox,
        nights=nights,
        delivered=delivered,
        logs=_logs(demo_stack.folder),
        secrets=[staff.token for staff in participants.staff.values()],
    )


def _logs(folder: Path) -> dict[str, str]:
    """The logs of API and worker. The stand-ins' logs may contain guest data."""
    found = (path for part in ("api", "worker") for path in folder.rglob(f"*{part}*.log"))
    return {path.stem: path.read_text(errors="replace") for path in found}
