"""Complete bookings per second, for the product and its ceiling, and the CPU cost of a booking by part."""

from __future__ import annotations

import os
from collections import defaultdict
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
    """Measure each concurrency.

    Runs of ceiling and product take turns, so that a busy machine meets both. Rounds of the concurrencies take turns,
    too: Temporal's server takes more for a booking once it has run for some minutes.
    """
    client = await Client.connect(bench_stack.stack.temporal_address)
    await _product(bench_stack, _FIRST)
    ceilings: dict[Level, list[Json]] = defaultdict(list)
    products: dict[Level, list[Json]] = defaultdict(list)
    for number in range(max(level.rounds for level in levels)):
        for level in levels:
            if number < level.rounds:
                ceilings[level].append(await _ceiling(bench_stack, client, level))
                products[level].append(await _product(bench_stack, level))
                product, ceiling = products[level][-1]["per_s"], ceilings[level][-1]["per_s"]
                tell(f"{level.at_once:>4} at once: product {product}/s, ceiling {ceiling}/s")
    return [_beside(level, median_of(ceilings[level]), median_of(products[level])) for level in levels]


def _beside(level: Level, ceiling: Json, product: Json) -> Json:
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
