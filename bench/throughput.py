"""Complete bookings per second, the product beside its ceiling; and what a booking costs each part."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import asyncpg
from temporalio.client import Client

from bench.ceiling.drive import CeilingDriver, ceiling_worker
from bench.cpu import Meter
from bench.load import Times, run, spread
from bench.rig import HOTEL, Rig, Tell

Json = dict[str, Any]

ENGINE: Final = ("temporal", "worker")

_TRANSACTIONS: Final = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
_STATEMENT: Final = re.compile(
    r"LOG:  (?:statement|execute [^:]*): (?!BEGIN|COMMIT|ROLLBACK|SELECT xact_commit)"
)
"""As PostgreSQL logs it; what only marks a transaction, or counts them, is not counted."""


async def throughput(rig: Rig, levels: list[int], seconds: float, tell: Tell) -> list[Json]:
    """Measure each level of concurrency, ceiling and product right after one another."""
    client = await Client.connect(rig.stack.temporal_address)
    rows = []
    for at_once in levels:
        with ceiling_worker(rig.stack.temporal_address) as pid:
            row: Json = {"at_once": at_once, "ceiling": await _ceiling(rig, client, pid, at_once, seconds)}
        row["product"] = await _product(rig, at_once, seconds)
        row["ratio"] = _ratio(row["product"]["per_s"], row["ceiling"]["per_s"])
        row["engine_cpu_ratio"] = _ratio(row["product"]["engine_cpu_ms"], row["ceiling"]["engine_cpu_ms"])
        rows.append(row)
        tell(
            f"{at_once:>4} at once: product {row['product']['per_s']:.1f}/s, "
            f"ceiling {row['ceiling']['per_s']:.1f}/s, ratio {row['ratio']:.2f}"
        )
    return rows


async def _ceiling(rig: Rig, client: Client, pid: int, at_once: int, seconds: float) -> Json:
    driver = CeilingDriver(client)
    await run(driver.whole, at_once=min(at_once, 10), seconds=1)
    meter = Meter({"temporal": rig.pids["temporal"], "worker": pid})
    times, per_s = await run(driver.whole, at_once=at_once, seconds=seconds)
    return _told(times, per_s, meter.read())


async def _product(rig: Rig, at_once: int, seconds: float) -> Json:
    async with rig.driver() as driver:
        await run(driver.whole, at_once=min(at_once, 10), seconds=1)
        meter = Meter(rig.pids)
        times, per_s = await run(driver.whole, at_once=at_once, seconds=seconds)
        return _told(times, per_s, meter.read())


def _told(times: Times, per_s: float, cpu_s: dict[str, float]) -> Json:
    ended = max(len(times.ended_at), 1)
    per_booking = {part: round(1000 * used / ended, 1) for part, used in cpu_s.items()}
    return {
        "per_s": round(per_s, 2),
        "bookings": len(times.ended_at),
        "failed": times.failed,
        "reasons": sorted(times.reasons)[:5],
        "whole": spread(times.whole),
        "cpu_ms_per_booking": per_booking,
        "engine_cpu_ms": round(sum(per_booking.get(part, 0.0) for part in ENGINE), 1),
    }


def _ratio(part: float, whole: float) -> float:
    return round(part / whole, 3) if whole else 0.0


async def counts(rig: Rig) -> Json:
    """What one approved booking asks of Stripe, PostgreSQL and Temporal."""
    client = await Client.connect(rig.stack.temporal_address)
    async with rig.driver() as driver:
        times = Times()
        await driver.whole(times)  # whatever is made at first use is made now
        await rig.forget_requests()
        async with _statements_logged(rig) as log:
            before, read_from = await _transactions(rig), log.stat().st_size
            await driver.whole(times)
            transactions = await _transactions(rig) - before
            written = log.read_bytes()[read_from:].decode(errors="replace")
        requests = (await rig.requests())["counts"]
        history = await client.get_workflow_handle(f"booking-{driver.made[-1]}").fetch_history()
    kinds: dict[str, int] = {}
    for event in history.events:
        name = type(event).__name__ if event.event_type is None else event.WhichOneof("attributes") or ""
        kinds[name.removesuffix("_event_attributes")] = (
            kinds.get(name.removesuffix("_event_attributes"), 0) + 1
        )
    return {
        "hotel": HOTEL,
        "stripe_requests": requests,
        "stripe_requests_total": sum(requests.values()),
        "database_transactions": transactions,
        "database_statements": len(_STATEMENT.findall(written)),
        "history_events": len(history.events),
        "history_kinds": dict(sorted(kinds.items(), key=lambda item: -item[1])),
        "activities": kinds.get("activity_task_scheduled", 0),
    }


async def _transactions(rig: Rig) -> int:
    """Transactions the product's database has seen; PostgreSQL reports them with up to a second's delay."""
    await asyncio.sleep(1.5)
    async with _connected(rig) as connection:
        return int(await connection.fetchval(_TRANSACTIONS))


@asynccontextmanager
async def _statements_logged(rig: Rig) -> AsyncIterator[Path]:
    """Let PostgreSQL log every statement; yields its log."""
    async with _connected(rig) as connection:
        await connection.execute("ALTER SYSTEM SET log_statement = 'all'")
        await connection.execute("SELECT pg_reload_conf()")
    try:
        yield rig.stack.logs / "postgres.log"
    finally:
        async with _connected(rig) as connection:
            await connection.execute("ALTER SYSTEM RESET log_statement")
            await connection.execute("SELECT pg_reload_conf()")


@asynccontextmanager
async def _connected(rig: Rig) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(rig.stack.database_url)
    try:
        yield connection
    finally:
        await connection.close()
