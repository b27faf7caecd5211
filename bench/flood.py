"""A stranger with many connections while guests book and staff decide: how long honest people wait."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
import typer

from bench.bench_stack import HOTEL, BenchStack, Tell, bench_stack
from bench.cpu import CpuMeter
from bench.load import LoadDriver, StepTimes, percentile, spread
from bench.realtime import listen_to_hotel
from sandbox.stack import Stack

Json = dict[str, Any]

_GUESTS: Final = 20
_CONNECTIONS: Final = 50
_TURNS: Final = 3
_STRANGER: Final = "127.0.0.66"
_HONEST: Final = "127.0.1."
"""Every guest has an address of their own, with the staff member who answers."""
_STEPS: Final = ("create", "session", "visible", "approve", "whole")


@dataclass
class PhaseResult:
    """Everything measured without the flood, or with it.

    Args:
        cpu_s: CPU seconds by part.
        answers: the stranger's, by status.
    """

    times: StepTimes = field(default_factory=StepTimes)
    cpu_s: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)


async def flood(running: BenchStack, seconds: float, tell: Tell) -> Json:
    """Let guests book and staff decide for `seconds` alone and for `seconds` during a flood, in turns.

    Turns, because other programs on the machine may come and go.

    Returns:
        The times of each step and the CPU used without and with the flood, and the stranger's answers by status.
    """
    alone, during = PhaseResult(), PhaseResult()
    async with _drivers(running) as drivers:
        await _honest(running, drivers, 5, PhaseResult())
        booking_id = await drivers[0].hold(StepTimes())
        for turn in range(_TURNS):
            await _honest(running, drivers, seconds / _TURNS, alone)
            with ProcessPoolExecutor(1) as pool:
                flooding = asyncio.get_running_loop().run_in_executor(
                    pool, _play_stranger, running.target.api, booking_id, seconds / _TURNS
                )
                await _honest(running, drivers, seconds / _TURNS, during)
                answers, stranger_cpu_s = await flooding
            during.answers += answers
            during.cpu_s["stranger"] += round(stranger_cpu_s)
            tell(
                f"turn {turn + 1}: {len(alone.times.whole)} bookings alone, {len(during.times.whole)} during"
            )
        await drivers[0].approve(booking_id, StepTimes())
    return {name: _summary(phase) for name, phase in (("alone", alone), ("during", during))}


def _summary(phase: PhaseResult) -> Json:
    times = phase.times
    return {
        **{step: _spread(getattr(times, step)) for step in _STEPS},
        "failed": times.failed,
        "answered 503 and repeated": times.turned_away,
        "reasons": sorted(times.reasons),
        "cpu_s": dict(phase.cpu_s),
        "stranger": dict(sorted(phase.answers.items())),
    }


@asynccontextmanager
async def _drivers(running: BenchStack) -> AsyncIterator[list[LoadDriver]]:
    """A driver for each guest, with an address of its own."""
    pusher, key = running.stack.url["pusher"], running.stack.environment["PUSHER_KEY"]
    async with AsyncExitStack() as opened:
        listener = await opened.enter_async_context(listen_to_hotel(pusher, key, HOTEL))
        found = []
        for number in range(1, _GUESTS + 1):
            transport = httpx.AsyncHTTPTransport(local_address=f"{_HONEST}{number}")
            http = await opened.enter_async_context(httpx.AsyncClient(transport=transport, timeout=60))
            found.append(LoadDriver(http, running.target, listener))
        yield found


def _spread(values: list[float]) -> Json:
    return {**spread(values), "longest_ms": percentile(values, 1)}


async def _honest(
    running: BenchStack, drivers: Sequence[LoadDriver], seconds: float, result: PhaseResult
) -> None:
    """Let everyone book for a while."""
    times, until = result.times, time.perf_counter() + seconds
    meter = CpuMeter(running.pids)

    async def guest(driver: LoadDriver) -> None:
        while time.perf_counter() < until:
            try:
                await driver.whole(times)
            except (httpx.HTTPError, TimeoutError) as error:
                times.failed += 1
                times.reasons.add(repr(error)[:200])
            # People think between two bookings; 20 that never pause would be a load test.
            await asyncio.sleep(10)

    await asyncio.gather(*(guest(driver) for driver in drivers))
    for part, used_s in meter.read().items():
        result.cpu_s[part] += round(used_s)


async def _stranger(api: str, booking_id: str, seconds: float) -> Counter[str]:
    """Send requests over each connection, one after the other, until the time is over."""
    answers: Counter[str] = Counter()
    until, numbers = time.perf_counter() + seconds, count()
    transport = httpx.AsyncHTTPTransport(
        local_address=_STRANGER, limits=httpx.Limits(max_connections=_CONNECTIONS)
    )
    async with httpx.AsyncClient(base_url=api, transport=transport, timeout=30) as http:
        kinds = _requests(http, booking_id)

        async def connection() -> None:
            while time.perf_counter() < until:
                name, send = kinds[next(numbers) % len(kinds)]
                try:
                    answers[f"{name} {(await send()).status_code}"] += 1
                except httpx.HTTPError as error:
                    answers[f"{name} {type(error).__name__}"] += 1

        await asyncio.gather(*(connection() for _ in range(_CONNECTIONS)))
    return answers


def _requests(
    http: httpx.AsyncClient, booking_id: str
) -> list[tuple[str, Callable[[], Awaitable[httpx.Response]]]]:
    bookings = f"/api/public/hotel/{HOTEL}/room-bookings/"
    first = datetime.now(UTC).date() + timedelta(days=90)
    stay = {
        "room_type": "double",
        "check_in": first.isoformat(),
        "check_out": (first + timedelta(days=1)).isoformat(),
        "adults": 1,
    }
    person = {"first_name": "A", "last_name": "Stranger", "email": "stranger@example.com"}
    log_in = {"username": f"manager@{HOTEL}.test", "password": "a guess"}
    signature = {"Stripe-Signature": f"t={int(time.time())},v1={'0' * 64}"}
    return [
        ("verify", lambda: http.get(f"{bookings}{booking_id}/payment/verify/", params={"session_id": "cs_test_x"})),
        ("session", lambda: http.post(f"{bookings}{booking_id}/payment/session/", json={})),
        ("booking", lambda: http.post(bookings, json={**stay, "guest": person})),
        ("log-in", lambda: http.post("/api/staff/auth/token/", data=log_in)),
        (
            "webhook",
            lambda: http.post(
                "/api/public/hotel/room-bookings/stripe-webhook/", content=b"{}", headers=signature
            ),
        ),
    ]  # fmt: skip


def _play_stranger(api: str, booking_id: str, seconds: float) -> tuple[Counter[str], float]:
    """The stranger's answers, and the CPU seconds it used."""
    return asyncio.run(_stranger(api, booking_id, seconds)), time.process_time()


async def _measure(stack: Stack, seconds: float) -> None:
    async with bench_stack(stack) as running:
        typer.echo(json.dumps(await flood(running, seconds, typer.echo), indent=2))


def main(
    seconds: Annotated[
        float, typer.Option(min=5, help="How long people book, without the flood and with it.")
    ] = 120,
) -> None:
    """Measure how long guests and staff wait while a stranger floods the API over 50 connections."""
    environment = {"RATE_LIMIT_BOOKING_PER_HOUR": "30", "RATE_LIMIT_VERIFY_PER_MIN": "60"}
    with (
        tempfile.TemporaryDirectory(prefix="hotel-flood-") as temporary,
        Stack(Path(temporary), environment) as stack,
    ):
        asyncio.run(_measure(stack, seconds))


if __name__ == "__main__":
    typer.run(main)
