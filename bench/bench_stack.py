"""The stack under measurement: a hotel, a manager who approves, and the stand-ins' counters."""

from __future__ import annotations

import asyncio
import secrets
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
from temporalio.client import Client

from bench.connections import OwnConnections
from bench.load import LoadDriver, LoadTarget
from bench.realtime import listen_to_hotel
from domain.stripe_events import KNOWN
from sandbox.drivers import Addresses, StackClient, StaffDriver
from sandbox.evidence import read_sandbox
from sandbox.stack import Stack

HOTEL: Final = "hotel-killarney"
Json = dict[str, Any]
Tell = Callable[[str], None]
_HTTP_TIMEOUT_S: Final = 60
_MAIL_PATIENCE_S: Final = 120
_WEBHOOK: Final = "/api/public/hotel/room-bookings/stripe-webhook/"


@dataclass(frozen=True)
class BenchStack:
    """A running stack, and a manager of its hotel."""

    stack: Stack
    staff_token: str
    http: httpx.AsyncClient

    @property
    def target(self) -> LoadTarget:
        """The product as a load target."""
        return LoadTarget(self.stack.url["api"], HOTEL, self.staff_token)

    @property
    def clients(self) -> list[StackClient]:
        """For guests who come by themselves, one for each API process."""
        url = self.stack.url
        others = (url["stripe"], url["pusher"], url["inbox"])
        return [
            StackClient(self.http, Addresses(url[part], *others)) for part in url if part.startswith("api")
        ]

    @property
    def pids(self) -> dict[str, int]:
        """Process ids by part."""
        return {part: self.stack.processes(part)[0].pid for part in self.stack.parts}

    @asynccontextmanager
    async def driver(self, target: LoadTarget | None = None) -> AsyncIterator[LoadDriver]:
        """A driver for guests and staff of the product, or of the direct design."""
        pusher, key = self.stack.url["pusher"], self.stack.environment["PUSHER_KEY"]
        async with listen_to_hotel(pusher, key, HOTEL) as listener:
            yield LoadDriver(self.http, target or self.target, listener)

    async def stripe_latency(self, ms: int) -> None:
        """Set the latency of Stripe's answers, in seconds."""
        await self.order("latency", {"ms": ms})

    async def webhooks_to(self, api: str, events: Iterable[str] = KNOWN) -> None:
        """Send Stripe's webhooks to the product, or to the direct design, which needs other event types."""
        endpoint = {
            "url": api + _WEBHOOK,
            "secret": self.stack.environment["STRIPE_WEBHOOK_SECRET"],
            "enabled_events": sorted(events),
        }
        await self.order("webhook_endpoint", endpoint)

    async def order(self, what: str, body: Json) -> Json:
        """Call the Stripe stand-in's control API."""
        response = await self.http.post(f"{self.stack.url['stripe']}/_sandbox/{what}", json=body)
        found: Json = response.raise_for_status().json()
        return found

    async def requests(self) -> Json:
        """The number of requests to the Stripe stand-in since `forget_requests`."""
        response = await self.http.get(
            f"{self.stack.url['stripe']}/_sandbox/requests", params={"limit": "2000"}
        )
        found: Json = response.raise_for_status().json()
        return found

    async def mails_out(self, confirmed: Sequence[str]) -> float:
        """Wait until each of these bookings has its confirmation e-mail; returns the seconds it took.

        Raises:
            TimeoutError: a mail did not arrive in time.
        """
        begun, missing = time.perf_counter(), set(confirmed)
        async with asyncio.timeout(_MAIL_PATIENCE_S):
            while missing:
                mails = await read_sandbox(self.http, self.stack.url["inbox"], "messages", contents="false")
                told = " ".join(mail["subject"] for mail in mails if "Booking Confirmed" in mail["subject"])
                missing = {booking_id for booking_id in missing if booking_id not in told}
                if missing:
                    await asyncio.sleep(0.5)
        return round(time.perf_counter() - begun, 1)

    async def forget_requests(self) -> None:
        """Reset the request counter."""
        response = await self.http.delete(f"{self.stack.url['stripe']}/_sandbox/requests")
        response.raise_for_status()


@asynccontextmanager
async def bench_stack(stack: Stack) -> AsyncIterator[BenchStack]:
    """Log in on a running stack with the demo's hotels."""
    password = secrets.token_urlsafe(12)
    stack.manage("demo-data", DEMO_PASSWORD=password)
    # All guests want the same nights; selling them out is not measured here.
    stack.manage("room-type", "set", "--hotel", HOTEL, "--code", "double", "--rooms", "10000")
    async with httpx.AsyncClient(transport=OwnConnections(), timeout=_HTTP_TIMEOUT_S) as http:
        at = Addresses(stack.url["api"], stack.url["stripe"], stack.url["pusher"], stack.url["inbox"])
        staff = await StaffDriver.log_in(StackClient(http, at), HOTEL, f"manager@{HOTEL}.test", password)
        found = BenchStack(stack, staff.token, http)
        # Reconciliation falls into any quarter of an hour, and would slow one run or another.
        temporal = await Client.connect(stack.temporal_address)
        await temporal.get_schedule_handle("reconcile").pause()
        # The event types that the README subscribes to; before this, the endpoint got all types.
        await found.webhooks_to(found.target.api)
        yield found


@contextmanager
def running_stack(*, processes: int = 1, worker_processes: int = 1) -> Iterator[Stack]:
    """A stack in a separate folder, with so many workers and APIs.

    Args:
        worker_processes: of each worker and each API.
    """
    environment = {"RATE_LIMIT_SESSION_PER_MIN": "1000", "WORKER_PROCESSES": str(worker_processes)}
    with (
        tempfile.TemporaryDirectory(prefix="hotel-bench-") as temporary,
        Stack(Path(temporary), environment, workers=processes, apis=processes) as stack,
    ):
        yield stack
