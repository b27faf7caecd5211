"""Ends both designs with `kill -9` during approvals, and counts the bookings that stay wrong."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Any, Final

import asyncpg
import httpx

from bench.bench_stack import HOTEL, BenchStack, Tell
from bench.direct_server import DirectServer, listen
from bench.load import LoadTarget, StepTimes
from sandbox.evidence import read_sandbox

Json = dict[str, Any]

_POOL: Final = 50
_SETTLE_S: Final = 30
_LAST_ANSWERS_S: Final = 10
"""Until then even what looks right may still change."""
_AT_THE_KILL: Final = 50


async def after_kill(bench_stack: BenchStack, port: int, tell: Tell) -> Json:
    """Kill a design during approvals, restart it, give it time to recover, then count wrong bookings.

    Args:
        port: a free one, for the direct design.
    """
    direct = DirectServer(bench_stack.stack, port, _POOL)
    direct.start()
    await bench_stack.stripe_latency(300)
    found = {}
    try:
        for name, api in (("direct", direct.api), ("product", bench_stack.target.api)):
            await listen(bench_stack, api)
            made = await _killed_in_the_middle(bench_stack, name, api, direct)
            found[name] = await _once_settled(bench_stack, name, made)
            tell(f"kill -9 in the middle, {name}: {found[name]}")
    finally:
        direct.kill()
        await bench_stack.stripe_latency(0)
        await bench_stack.webhooks_to(bench_stack.target.api)
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
