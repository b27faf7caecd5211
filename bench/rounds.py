"""Runs of whole bookings at a fixed concurrency: their rate and what they cost, and the median of several runs."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpx

from bench.cpu import CpuMeter, machine_seconds
from bench.load import StepTimes, spread

Json = dict[str, Any]

_MOST: Final = 0.95
"""The rate is taken when this share of the bookings has ended, so that a last straggler does not decide it."""

ENGINE: Final = ("temporal", "worker")


@dataclass(frozen=True)
class LoadRun:
    """A run: all of its bookings, from the first start to the last end.

    Args:
        times: of every booking.
        ended_after_s: seconds from the start of the run to each booking's end, in order.
        cpu_s: CPU seconds of the run by part, including all that was left to do when the last booking had ended.
        others_share: of the cores' time, the part that other programs used; 0 where no part was measured.
    """

    times: StepTimes
    ended_after_s: Sequence[float]
    cpu_s: Mapping[str, float]
    others_share: float = 0.0

    @property
    def per_s(self) -> float:
        """Bookings per second until most had ended."""
        most = int(_MOST * len(self.ended_after_s))
        return most / self.ended_after_s[most - 1] if most else 0.0

    def summary(self) -> Json:
        """Rate, times, failures, and CPU per booking, for the report."""
        times, ended = self.times, len(self.ended_after_s)
        cpu = {part: round(1000 * used / max(ended, 1), 1) for part, used in self.cpu_s.items()}
        return {
            "per_s": round(self.per_s, 2),
            "bookings": ended,
            "seconds": round(max(self.ended_after_s, default=0.0), 1),
            "others_share": round(self.others_share, 2),
            "failed": times.failed,
            "turned_away": times.turned_away,
            "reasons": sorted(times.reasons)[:5],
            "whole": spread(times.whole),
            "approve": spread(times.approve),
            "cpu_ms_per_booking": cpu,
            "engine_cpu_ms": round(sum(cpu.get(part, 0.0) for part in ENGINE), 1),
        }


async def run(
    drive: Callable[[StepTimes], Awaitable[object]],
    *,
    at_once: int,
    seconds: float,
    pids: Mapping[str, int] | None = None,
    settle: Callable[[], Awaitable[object]] | None = None,
) -> LoadRun:
    """Start `at_once` bookings, replace each that ends for some seconds, then let all end.

    Only whole bookings count, from the first start to the end of the last: no window cuts any of them.

    Args:
        drive: runs one booking and records its times.
        seconds: how long new bookings start.
        pids: processes to measure, by part.
        settle: waits for the work that follows a booking's end, such as e-mails.
    """
    times, ended_after_s, begun = StepTimes(), list[float](), time.perf_counter()
    meter, machine = CpuMeter(pids or {}), machine_seconds()

    async def place() -> None:
        while time.perf_counter() - begun < seconds:
            try:
                await drive(times)
                ended_after_s.append(time.perf_counter() - begun)
            except (httpx.HTTPError, TimeoutError, KeyError) as error:
                times.failed += 1
                times.reasons.add(f"{type(error).__name__}: {error}"[:200])

    await asyncio.gather(*(place() for _ in range(at_once)))
    if settle:
        await settle()
    cpu_s, passed = meter.read(), time.perf_counter() - begun
    others_s = machine_seconds() - machine - sum(cpu_s.values()) if cpu_s else 0.0
    return LoadRun(times, ended_after_s, cpu_s, max(others_s, 0.0) / passed / (os.cpu_count() or 1))


def median_of(rounds: Sequence[Json]) -> Json:
    """The summary of the round in the middle by its rate, with the rates of all rounds beside it."""
    ranked = sorted(rounds, key=lambda found: float(found["per_s"]))
    middle: Json = ranked[len(ranked) // 2]
    return {**middle, "rounds_per_s": [found["per_s"] for found in rounds]}


def ratio(part: float, whole: float) -> float:
    """A quotient, 0 where nothing was measured."""
    return round(part / whole, 3) if whole else 0.0
