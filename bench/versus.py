"""Compares the product with the direct design, at rising latencies of Stripe."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from bench.bench_stack import HOTEL, BenchStack, Tell
from bench.direct_server import DirectServer, listen
from bench.load import LoadTarget
from bench.rounds import median_of, ratio, run

Json = dict[str, Any]

AIMED_MS: Final = 300
_ROUNDS: Final = {0: 1, AIMED_MS: 3, 1000: 1}
"""Rounds by Stripe's latency in milliseconds."""
_SHAPES: Final = ((20, 1), (50, 1), (25, 2))
"""The direct design's pool of each process, and its processes."""
_AT_ONCE: Final = 20
_SECONDS: Final = 8


async def versus(bench_stack: BenchStack, port: int, tell: Tell) -> Json:
    """Measure both designs at each latency of Stripe.

    Args:
        port: a free one, for the direct design.
    """
    await bench_stack.stripe_latency(AIMED_MS)
    shapes = [await _shape(bench_stack, port, *shape) for shape in _SHAPES]
    best = max(shapes, key=lambda found: float(found["per_s"]))
    tell(f"direct design: best with {best['processes']} processes, a pool of {best['pool']} each")
    direct = DirectServer(bench_stack.stack, port, best["pool"], best["processes"])
    direct.start()
    try:
        rows = [await _at_latency(bench_stack, direct, ms, tell) for ms in _ROUNDS]
    finally:
        direct.kill()
        await bench_stack.stripe_latency(0)
        await bench_stack.webhooks_to(bench_stack.target.api)
    return {"at_once": _AT_ONCE, "shapes": shapes, "best": best, "by_stripe_latency": rows}


async def _shape(bench_stack: BenchStack, port: int, pool: int, processes: int) -> Json:
    server = DirectServer(bench_stack.stack, port, pool, processes)
    server.start()
    try:
        found = await _run(bench_stack, server.api, _SECONDS / 3)
    finally:
        server.kill()
    return {"pool": pool, "processes": processes, "per_s": found["per_s"]}


async def _at_latency(bench_stack: BenchStack, direct: DirectServer, ms: int, tell: Tell) -> Json:
    await bench_stack.stripe_latency(ms)
    directs, products = [], []
    for _ in range(_ROUNDS[ms]):
        directs.append(await _run(bench_stack, direct.api, _SECONDS))
        products.append(
            await _run(bench_stack, bench_stack.target.api, _SECONDS, settle=bench_stack.mails_out)
        )
        tell(f"Stripe takes {ms} ms: direct {directs[-1]['per_s']}/s, product {products[-1]['per_s']}/s")
    one, other = median_of(products), median_of(directs)
    return {"stripe_ms": ms, "direct": other, "product": one, "ratio": ratio(one["per_s"], other["per_s"])}


async def _run(
    bench_stack: BenchStack, api: str, seconds: float, settle: Callable[[list[str]], Any] | None = None
) -> Json:
    await listen(bench_stack, api)
    async with bench_stack.driver(LoadTarget(api, HOTEL, bench_stack.staff_token)) as driver:
        done = await run(
            driver.whole,
            at_once=_AT_ONCE,
            seconds=seconds,
            settle=(lambda: settle(driver.confirmed)) if settle else None,
        )
    return done.summary()
