"""A stranger with many connections while guests book and staff decide: how long honest people wait."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
import typer

from bench.bench_stack import HOTEL, BenchStack, Tell, bench_stack
from bench.load import LoadDriver, StepTimes, spread
from sandbox.stack import Stack

Json = dict[str, Any]

_GUESTS: Final = 20
_CONNECTIONS: Final = 50
_STRANGER: Final = "127.0.0.66"
"""The stranger's address; honest people come from 127.0.0.1."""
_STEPS: Final = ("create", "session", "visible", "approve", "whole")


async def flood(running: BenchStack, seconds: float, tell: Tell) -> Json:
    """Let guests book and staff decide for `seconds`, first alone and then during a flood.

    Returns:
        The times of each step without and with the flood, and the stranger's answers by status.
    """
    async with running.driver() as driver:
        await _honest(driver, 5)
        alone = await _honest(driver, seconds)
        tell(f"{len(alone.whole)} bookings without the flood")
        booking_id = await driver.hold(StepTimes())
        with ProcessPoolExecutor(1) as pool:
            flooding = asyncio.get_running_loop().run_in_executor(
                pool, _play_stranger, running.target.api, booking_id, seconds
            )
            during = await _honest(driver, seconds)
            answers = await flooding
        await driver.approve(booking_id, StepTimes())
        tell(f"{len(during.whole)} bookings during the flood")
    return {
        "alone": {step: spread(getattr(alone, step)) for step in _STEPS},
        "during": {step: spread(getattr(during, step)) for step in _STEPS},
        "failed": [alone.failed, during.failed],
        "answered 503 and repeated": [alone.turned_away, during.turned_away],
        "reasons": sorted(alone.reasons | during.reasons),
        "stranger": dict(sorted(answers.items())),
    }


async def _honest(driver: LoadDriver, seconds: float) -> StepTimes:
    times, until = StepTimes(), time.perf_counter() + seconds

    async def guest() -> None:
        while time.perf_counter() < until:
            try:
                await driver.whole(times)
            except (httpx.HTTPError, TimeoutError) as error:
                times.failed += 1
                times.reasons.add(repr(error)[:200])
            # People think between two bookings; 20 that never pause would be a load test.
            await asyncio.sleep(10)

    await asyncio.gather(*(guest() for _ in range(_GUESTS)))
    return times


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


def _play_stranger(api: str, booking_id: str, seconds: float) -> Counter[str]:
    return asyncio.run(_stranger(api, booking_id, seconds))


async def _measure(stack: Stack, seconds: float) -> None:
    async with bench_stack(stack) as running:
        typer.echo(json.dumps(await flood(running, seconds, typer.echo), indent=2))


def main(
    seconds: Annotated[
        float, typer.Option(min=5, help="How long people book, without the flood and with it.")
    ] = 120,
) -> None:
    """Measure how long guests and staff wait while a stranger floods the API over 50 connections."""
    # Guests come from one address here, and so its limit is raised; the stranger's address has the same one.
    environment = {"RATE_LIMIT_BOOKING_PER_HOUR": "2000", "RATE_LIMIT_VERIFY_PER_MIN": "60"}
    with (
        tempfile.TemporaryDirectory(prefix="hotel-flood-") as temporary,
        Stack(Path(temporary), environment) as stack,
    ):
        asyncio.run(_measure(stack, seconds))


if __name__ == "__main__":
    typer.run(main)
