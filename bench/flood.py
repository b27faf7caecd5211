"""A stranger with many connections while guests book and staff decide: how long honest people wait."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
import typer

from bench.bench_stack import HOTEL, BenchStack, Tell, bench_stack
from bench.cpu import CpuMeter
from bench.load import LoadDriver, StepTimes, percentile, spread
from bench.realtime import listen_to_hotel
from bench.stranger import Stranger, open_pages
from sandbox.stack import Stack

Json = dict[str, Any]

_GUESTS: Final = 20
_TURNS: Final = 3
_HONEST: Final = "127.0.1."
"""Every guest has an address of their own, with the staff member who answers."""
_STEPS: Final = ("create", "session", "visible", "approve", "whole")
_MEASURES: Final = ("p50_ms", "p95_ms", "longest_ms")
_AIM: Final = 2.0
"""A whole booking may take so many times as long during the flood, at the median."""


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
    api = running.target.api
    async with _drivers(running) as drivers:
        await _honest(running, drivers, 5, PhaseResult())
        booking_id = await drivers[0].hold(StepTimes())
        stranger = Stranger(api, HOTEL, booking_id, await open_pages(api, HOTEL))
        for turn in range(_TURNS):
            await _honest(running, drivers, seconds / _TURNS, alone)
            with ProcessPoolExecutor(1) as pool:
                flooding = asyncio.get_running_loop().run_in_executor(pool, stranger.play, seconds / _TURNS)
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


def judge(found: Json) -> tuple[list[str], bool]:
    """The figures of a flood in sentences, and whether no answer was 500 and no honest booking failed.

    An honest request that is answered 500 fails its booking.
    """
    alone, during = found["alone"], found["during"]
    errors = sum(number for name, number in during["stranger"].items() if name.endswith(" 500"))
    failed = alone["failed"] + during["failed"]
    whole = [phase["whole"]["n"] for phase in (alone, during)]
    passed = errors == failed == 0 and min(whole) > 0
    ratio, what = max(
        (_ratio(during[step][measure], alone[step][measure]), f"{step}, {measure.removesuffix('_ms')}")
        for step in _STEPS
        for measure in _MEASURES
    )
    median = _ratio(during["whole"]["p50_ms"], alone["whole"]["p50_ms"])
    sentences = [
        f"The stranger got {errors} answers 500 (aim 0: {_verdict(errors == 0)}).",
        f"Of {sum(whole) + failed} honest bookings {failed} failed (aim 0: {_verdict(failed == 0)}).",
        f"A whole booking took {median:.2f} times as long during the flood, at the median "
        f"(aim {_AIM:g}: {_verdict(median <= _AIM)}).",
        f"The worst ratio of all is {ratio:.2f} ({what}).",
    ]
    return sentences, passed


def _ratio(during_ms: float, alone_ms: float) -> float:
    return during_ms / alone_ms if during_ms and alone_ms else inf


def _verdict(met: bool) -> str:
    return "met" if met else "missed"


async def _measure(stack: Stack, seconds: float) -> bool:
    async with bench_stack(stack) as running:
        found = await flood(running, seconds, typer.echo)
    typer.echo(json.dumps(found, indent=2))
    sentences, passed = judge(found)
    typer.echo("\n".join(sentences))
    return passed


def main(
    seconds: Annotated[
        float, typer.Option(min=5, help="How long people book, without the flood and with it.")
    ] = 120,
) -> None:
    """Measure how long guests and staff wait while a stranger floods the API over 50 connections.

    The exit status is 1 if an answer was 500 or an honest booking failed.
    """
    environment = {"RATE_LIMIT_BOOKING_PER_HOUR": "30", "RATE_LIMIT_VERIFY_PER_MIN": "60"}
    with (
        tempfile.TemporaryDirectory(prefix="hotel-flood-") as temporary,
        Stack(Path(temporary), environment) as stack,
    ):
        passed = asyncio.run(_measure(stack, seconds))
    raise typer.Exit(0 if passed else 1)


if __name__ == "__main__":
    typer.run(main)
