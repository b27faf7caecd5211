"""Complete bookings per second, for the product and its ceiling, and the CPU cost of a booking by part."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from temporalio.client import Client

from bench.bench_stack import BenchStack, Tell
from bench.ceiling.drive import CeilingDriver, ceiling_worker
from bench.rounds import median_of, ratio, run

Json = dict[str, Any]


class Level(NamedTuple):
    """A concurrency, how long its runs start new bookings, and how many runs there are."""

    at_once: int
    seconds: float
    rounds: int


LEVELS: Final = (Level(1, 6, 1), Level(10, 8, 1), Level(50, 10, 3), Level(200, 5, 3))
_FIRST: Final = Level(10, 2, 1)
"""Not measured: connections open, and lazily created objects come to be."""


async def throughput(bench_stack: BenchStack, levels: Sequence[Level], tell: Tell) -> list[Json]:
    """Measure each concurrency; runs of ceiling and product take turns, so that a busy machine meets both."""
    client = await Client.connect(bench_stack.stack.temporal_address)
    await _product(bench_stack, _FIRST)
    return [await _at(bench_stack, client, level, tell) for level in levels]


async def _at(bench_stack: BenchStack, client: Client, level: Level, tell: Tell) -> Json:
    ceilings, products = [], []
    for _ in range(level.rounds):
        ceilings.append(await _ceiling(bench_stack, client, level))
        products.append(await _product(bench_stack, level))
        tell(
            f"{level.at_once:>4} at once: product {products[-1]['per_s']}/s, ceiling {ceilings[-1]['per_s']}/s"
        )
    ceiling, product = median_of(ceilings), median_of(products)
    return {
        "at_once": level.at_once,
        "ceiling": ceiling,
        "product": product,
        "ratio": ratio(product["per_s"], ceiling["per_s"]),
        "engine_cpu_ratio": ratio(product["engine_cpu_ms"], ceiling["engine_cpu_ms"]),
    }


async def _ceiling(bench_stack: BenchStack, client: Client, level: Level) -> Json:
    drive = CeilingDriver(client).whole
    with ceiling_worker(bench_stack.stack.temporal_address) as pid:
        await run(drive, at_once=_FIRST.at_once, seconds=_FIRST.seconds)
        pids = {"temporal": bench_stack.pids["temporal"], "worker": pid, "load": os.getpid()}
        done = await run(drive, at_once=level.at_once, seconds=level.seconds, pids=pids)
    return done.summary()


async def _product(bench_stack: BenchStack, level: Level) -> Json:
    pids = {**bench_stack.pids, "load": os.getpid()}
    async with bench_stack.driver() as driver:
        done = await run(
            driver.whole,
            at_once=level.at_once,
            seconds=level.seconds,
            pids=pids,
            settle=lambda: bench_stack.mails_out(driver.confirmed),
        )
    return done.summary()
