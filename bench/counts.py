"""Counts what one approved booking asks of Stripe, PostgreSQL and Temporal."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import asyncpg
from temporalio.client import Client

from bench.bench_stack import BenchStack
from bench.load import LoadDriver, StepTimes

Json = dict[str, Any]

_LOGGED: Final = re.compile(r"LOG:  (?:statement|execute [^:]*): *(\w+)(.*)")
_MARKS: Final = frozenset({"BEGIN", "COMMIT", "ROLLBACK"})
_BOOKINGS: Final = 5
_THINK_S: Final = 0.5
"""Nobody approves while the mails that ask for it are still being written."""
_CLAIMS: Final = "room_claim"


async def counts(bench_stack: BenchStack) -> Json:
    """Count the requests of an approved booking to Stripe, PostgreSQL and Temporal.

    Returns:
        The counts of the booking in the middle, by its history: what arrives together shares a workflow task, so they
        differ a little.
    """
    client = await Client.connect(bench_stack.stack.temporal_address)
    async with bench_stack.driver() as driver:
        await _one(bench_stack, driver, client)  # Lazily created objects exist from now on.
        async with _statements_logged(bench_stack) as log:
            found = [await _one(bench_stack, driver, client, log) for _ in range(_BOOKINGS)]
    found.sort(key=lambda one: (one["history_events"], one["database_statements"]))
    return {**found[_BOOKINGS // 2], "history_events_of_all": [one["history_events"] for one in found]}


async def _one(bench_stack: BenchStack, driver: LoadDriver, client: Client, log: Path | None = None) -> Json:
    await bench_stack.forget_requests()
    begin = len(_content(log))
    await driver.whole(StepTimes(), _THINK_S)
    await bench_stack.mails_out(driver.confirmed)
    logged = _content(log)[begin:].decode(errors="replace")
    requests = (await bench_stack.requests())["counts"]
    history = await client.get_workflow_handle(f"booking-{driver.made[-1]}").fetch_history()
    kinds = Counter(
        (event.WhichOneof("attributes") or "").removesuffix("_event_attributes") for event in history.events
    )
    return {
        "stripe_requests": requests,
        "stripe_requests_total": sum(requests.values()),
        **_database(logged),
        "history_events": len(history.events),
        "history_kinds": dict(kinds.most_common()),
        "workflow_tasks": kinds["workflow_task_completed"],
        "activities": kinds["activity_task_scheduled"],
        "local_activities": kinds["marker_recorded"],
    }


def _content(log: Path | None) -> bytes:
    return log.read_bytes() if log else b""


def _database(logged: str) -> Json:
    found = [(verb.upper(), rest) for verb, rest in _LOGGED.findall(logged)]
    return {
        "database_transactions": sum(verb == "COMMIT" for verb, _ in found),
        "database_statements": sum(verb not in _MARKS for verb, _ in found),
        "room_statements": sum(_CLAIMS in rest for _, rest in found),
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
