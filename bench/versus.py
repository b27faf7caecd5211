"""Compares the product with the direct design: at rising latencies of Stripe, and after a `kill -9`."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Any, Final

import asyncpg
import httpx

from bench.bench_stack import HOTEL, BenchStack, DirectServer, Tell
from bench.load import LoadTarget, StepTimes, run, spread
from domain.stripe_events import KNOWN
from sandbox.evidence import read_sandbox

Json = dict[str, Any]

LATENCIES_MS: Final = (0, 300, 1000)
_POOLS: Final = (10, 20, 50)
_SETTLE_S: Final = 30
_LAST_ANSWERS_S: Final = 10
"""Until then even what looks right may still change."""
_AT_ONCE: Final = 20
_AT_THE_KILL: Final = 50
_DIRECT_EVENTS: Final = ("checkout.session.completed",)


async def versus(bench_stack: BenchStack, port: int, seconds: float, tell: Tell) -> Json:
    """Measure both designs at each latency of Stripe, then kill both during approvals.

    Args:
        port: a free one, for the direct design.
    """
    pool = await _best_pool(bench_stack, port, seconds / 3, tell)
    direct = DirectServer(bench_stack.stack, port, pool)
    direct.start()
    try:
        rows = [await _at_latency(bench_stack, direct, ms, seconds, tell) for ms in LATENCIES_MS]
        killed = await _after_kill(bench_stack, direct, tell)
    finally:
        direct.kill()
        await bench_stack.stripe_latency(0)
        await bench_stack.webhooks_to(bench_stack.target.api)
    return {"direct_pool": pool, "at_once": _AT_ONCE, "by_stripe_latency": rows, "after_kill": killed}


async def _best_pool(bench_stack: BenchStack, port: int, seconds: float, tell: Tell) -> int:
    await bench_stack.stripe_latency(300)
    found: dict[int, float] = {}
    for pool in _POOLS:
        server = DirectServer(bench_stack.stack, port, pool)
        server.start()
        try:
            found[pool] = (await _run(bench_stack, server.api, seconds))["per_s"]
        finally:
            server.kill()
    best = max(found, key=lambda pool: found[pool])
    tell(f"direct design: best pool size {best} of {found}")
    return best


async def _at_latency(
    bench_stack: BenchStack, direct: DirectServer, ms: int, seconds: float, tell: Tell
) -> Json:
    await bench_stack.stripe_latency(ms)
    row: Json = {"stripe_ms": ms}
    row["direct"] = await _run(bench_stack, direct.api, seconds)
    row["product"] = await _run(bench_stack, bench_stack.target.api, seconds)
    tell(
        f"Stripe takes {ms} ms: direct {row['direct']['per_s']:.1f}/s, product {row['product']['per_s']:.1f}/s"
    )
    return row


async def _listen(bench_stack: BenchStack, api: str) -> None:
    """Send each design the event types it needs."""
    await bench_stack.webhooks_to(api, KNOWN if api == bench_stack.target.api else _DIRECT_EVENTS)


async def _run(bench_stack: BenchStack, api: str, seconds: float) -> Json:
    await _listen(bench_stack, api)
    async with bench_stack.driver(LoadTarget(api, HOTEL, bench_stack.staff_token)) as driver:
        done = await run(driver.whole, at_once=_AT_ONCE, seconds=seconds)
    times = done.times
    return {
        "per_s": round(done.per_s, 2),
        "bookings": done.ended,
        "failed": times.failed,
        "turned_away": times.turned_away,
        "reasons": sorted(times.reasons)[:5],
        "whole": spread(times.whole),
        "approve": spread(times.approve),
        "create": spread(times.create),
    }


async def _after_kill(bench_stack: BenchStack, direct: DirectServer, tell: Tell) -> Json:
    """Kill a design during approvals, restart it, give it time to recover, then count wrong bookings."""
    await bench_stack.stripe_latency(300)
    found = {}
    for name, api in (("direct", direct.api), ("product", bench_stack.target.api)):
        await _listen(bench_stack, api)
        made = await _killed_in_the_middle(bench_stack, name, api, direct)
        found[name] = await _once_settled(bench_stack, name, made)
        tell(f"kill -9 in the middle, {name}: {found[name]}")
    return found


async def _once_settled(bench_stack: BenchStack, name: str, made: list[str]) -> Json:
    """Wait until no booking is wrong or the time is over; returns the wrong ones."""
    until = time.monotonic() + _SETTLE_S
    await asyncio.sleep(_LAST_ANSWERS_S)
    while True:
        found = await _wrong(bench_stack, name, made)
        if not found["wrong"] or time.monotonic() > until:
            return found
        await asyncio.sleep(1)


async def _killed_in_the_middle(
    bench_stack: BenchStack, name: str, api: str, direct: DirectServer
) -> list[str]:
    async with bench_stack.driver(LoadTarget(api, HOTEL, bench_stack.staff_token)) as driver:
        times = StepTimes()
        held = await asyncio.gather(*(driver.hold(times) for _ in range(_AT_THE_KILL)))
        approvals = [asyncio.create_task(_try(driver.approve(booking_id, times))) for booking_id in held]
        more = [asyncio.create_task(_try(driver.hold(times))) for _ in range(_AT_THE_KILL)]
        # Kill now: some captures have been answered, others are under way.
        await asyncio.sleep(0.6)
        if name == "direct":
            direct.kill()
            await asyncio.to_thread(direct.start)
        else:
            for part in ("worker", "api"):
                await asyncio.to_thread(bench_stack.stack.kill, part)
            for part in ("api", "worker"):
                await asyncio.to_thread(bench_stack.stack.restart, part)
        await asyncio.wait([*approvals, *more], timeout=30)
        for task in (*approvals, *more):
            task.cancel()
        return list(driver.made)


async def _try(act: Any) -> None:
    try:
        await act
    except (httpx.HTTPError, TimeoutError):
        return


async def _wrong(bench_stack: BenchStack, name: str, made: list[str]) -> Json:
    """Compare each booking with Stripe's ledger and with the replies to people."""
    ledger = await read_sandbox(bench_stack.http, bench_stack.stack.url["stripe"], "ledger")
    money = {intent["metadata"].get("booking_id"): intent for intent in ledger["payment_intents"]}
    mails = Counter(
        mail["subject"]
        for mail in await read_sandbox(
            bench_stack.http, bench_stack.stack.url["inbox"], "messages", contents="false"
        )
    )
    statuses = await _statuses(bench_stack, "direct.booking" if name == "direct" else "booking", made)
    wrong: Counter[str] = Counter()
    for booking_id, status in statuses.items():
        intent = money.get(booking_id)
        stripe_says = intent["status"] if intent else "nothing"
        told = any("Booking Confirmed" in subject and booking_id in subject for subject in mails)
        if stripe_says == "succeeded" and status != "CONFIRMED":
            wrong["charged, but not confirmed"] += 1
        elif status == "CONFIRMED" and stripe_says != "succeeded":
            wrong["confirmed, but not charged"] += 1
        elif stripe_says == "requires_capture" and status == "PENDING_PAYMENT":
            wrong["card held, but the hotel was not asked"] += 1
        elif status == "CONFIRMED" and not told:
            wrong["confirmed, but the guest was not told"] += 1
    return {"bookings": len(statuses), "wrong": wrong.total(), "how": dict(wrong)}


async def _statuses(bench_stack: BenchStack, table: str, made: list[str]) -> dict[str, str]:
    connection = await asyncpg.connect(bench_stack.stack.database_url)
    try:
        query = f"SELECT booking_id, status FROM {table} WHERE booking_id = ANY($1)"  # noqa: S608
        return {row["booking_id"]: row["status"] for row in await connection.fetch(query, made)}
    finally:
        await connection.close()
