"""Complete bookings per second, for the product and its ceiling, and the CPU cost of a booking by part."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import asyncpg
from temporalio.client import Client

from bench.bench_stack import HOTEL, BenchStack, Tell
from bench.ceiling.drive import CeilingDriver, ceiling_worker
from bench.load import LoadRun, StepTimes, run, spread

Json = dict[str, Any]

ENGINE: Final = ("temporal", "worker")

_LOGGED: Final = re.compile(r"LOG:  (?:statement|execute [^:]*): *(\w+)")
_MARKS: Final = frozenset({"BEGIN", "COMMIT", "ROLLBACK"})


async def throughput(bench_stack: BenchStack, levels: list[int], seconds: float, tell: Tell) -> list[Json]:
    """Measure each concurrency, the ceiling and the product one after the other.

    The bookings of the highest concurrency are abandoned: the stack is not used afterwards.
    """
    client = await Client.connect(bench_stack.stack.temporal_address)
    rows = []
    for at_once in levels:
        with ceiling_worker(bench_stack.stack.temporal_address) as pid:
            row: Json = {
                "at_once": at_once,
                "ceiling": await _ceiling(bench_stack, client, pid, at_once, seconds),
            }
        row["product"] = await _product(bench_stack, at_once, seconds, finish=at_once < max(levels))
        row["ratio"] = _ratio(row["product"]["per_s"], row["ceiling"]["per_s"])
        row["engine_cpu_ratio"] = _ratio(row["product"]["engine_cpu_ms"], row["ceiling"]["engine_cpu_ms"])
        rows.append(row)
        tell(
            f"{at_once:>4} at once: product {row['product']['per_s']:.1f}/s, "
            f"ceiling {row['ceiling']['per_s']:.1f}/s, ratio {row['ratio']:.2f}"
        )
    return rows


async def _ceiling(bench_stack: BenchStack, client: Client, pid: int, at_once: int, seconds: float) -> Json:
    pids = {"temporal": bench_stack.pids["temporal"], "worker": pid, "load": os.getpid()}
    # The ceiling's worker ends here, so its abandoned workflows cost nothing.
    done = await run(CeilingDriver(client).whole, at_once=at_once, seconds=seconds, pids=pids, finish=False)
    return _summary(done)


async def _product(bench_stack: BenchStack, at_once: int, seconds: float, *, finish: bool) -> Json:
    pids = {**bench_stack.pids, "load": os.getpid()}
    async with bench_stack.driver() as driver:
        done = await run(driver.whole, at_once=at_once, seconds=seconds, pids=pids, finish=finish)
    mails_s = await bench_stack.mails_out(driver.confirmed) if finish else None
    return {**_summary(done), "mails_out_after_s": mails_s}


def _summary(done: LoadRun) -> Json:
    times, ended = done.times, max(done.ended, 1)
    per_booking = {part: round(1000 * used / ended, 1) for part, used in done.cpu_s.items()}
    return {
        "per_s": round(done.per_s, 2),
        "bookings": done.ended,
        "window_s": round(done.window_s, 1),
        "failed": times.failed,
        "turned_away": times.turned_away,
        "reasons": sorted(times.reasons)[:5],
        "whole": spread(times.whole),
        "cpu_ms_per_booking": per_booking,
        "engine_cpu_ms": round(sum(per_booking.get(part, 0.0) for part in ENGINE), 1),
    }


def _ratio(part: float, whole: float) -> float:
    return round(part / whole, 3) if whole else 0.0


async def counts(bench_stack: BenchStack) -> Json:
    """Count the requests of one approved booking to Stripe, PostgreSQL and Temporal."""
    client = await Client.connect(bench_stack.stack.temporal_address)
    async with bench_stack.driver() as driver:
        times = StepTimes()
        await driver.whole(times)  # A first booking, so that lazily created objects exist before counting.
        await bench_stack.forget_requests()
        async with _statements_logged(bench_stack) as log:
            read_from = log.stat().st_size
            await driver.whole(times)
            await bench_stack.mails_out(driver.confirmed)
            logged = log.read_bytes()[read_from:].decode(errors="replace")
        requests = (await bench_stack.requests())["counts"]
        history = await client.get_workflow_handle(f"booking-{driver.made[-1]}").fetch_history()
    verbs = [verb.upper() for verb in _LOGGED.findall(logged)]
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
        "database_transactions": verbs.count("COMMIT"),
        "database_statements": sum(verb not in _MARKS for verb in verbs),
        "history_events": len(history.events),
        "history_kinds": dict(sorted(kinds.items(), key=lambda item: -item[1])),
        "activities": kinds.get("activity_task_scheduled", 0),
    }


@asynccontextmanager
async def _statements_logged(bench_stack: BenchStack) -> AsyncIterator[Path]:
    """Make PostgreSQL log every statement; yields its log."""
    async with _connected(bench_stack) as connection:
        await connection.execute("ALTER SYSTEM SET log_statement = 'all'")
        await connection.execute("SELECT pg_reload_conf()")
    try:
        yield bench_stack.stack.logs / "postgres.log"
    finally:
        async with _connected(bench_stack) as connection:
            await connection.execute("ALTER SYSTEM RESET log_statement")
            await connection.execute("SELECT pg_reload_conf()")


@asynccontextmanager
async def _connected(bench_stack: BenchStack) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(bench_stack.stack.database_url)
    try:
        yield connection
    finally:
        await connection.close()
