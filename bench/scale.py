"""Measures many waiting bookings, many deadlines in one minute, and a million rows."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import asyncpg
from temporalio.client import Client

from bench.bench_stack import HOTEL, BenchStack, Tell
from bench.booking_rows import insert_bookings
from bench.cpu import CpuMeter, memory_mib
from bench.load import StepTimes, spread
from bench.plans import plans
from domain.booking import Status
from domain.identifiers import new_booking_id, workflow_id
from domain.messages.starts import BookingTerms, Resumption

Json = dict[str, Any]

_IDLE_S: Final = 10.0
_BREATH_S: Final = 5.0
_AT_ONCE: Final = 40
_HOLDS_A_REQUEST: Final = 1000
_READS: Final = 40
_LONG_QUEUE: Final = 10_000
_LOAD_S: Final = 600
_SOUGHT: Final = "Guest77"
_DRAIN_PATIENCE_S: Final = 240
_TAKE_UP_PATIENCE_S: Final = 60
_FAR: Final = timedelta(days=6)
_SPARE_S: Final = 5
_APPROVED: Final = 20
_AMOUNT_MINOR: Final = 30_000
_TASK_QUEUE: Final = "bookings"


async def waiting(bench_stack: BenchStack, count: int, due: int, tell: Tell) -> Json:
    """Create `count` bookings that wait for approval, then `due` more with deadlines in the same minute."""
    empty = {part: memory_mib(bench_stack.pids[part]) for part in ("worker", "temporal")}
    idle_before = await _idle_cpu(bench_stack)
    begun = time.perf_counter()
    ids = await _let_wait(bench_stack, count, datetime.now(UTC) + _FAR, count)
    made_s = time.perf_counter() - begun
    tell(f"{count} bookings wait for approval, after {made_s:.0f} s")
    idle = await _idle_cpu(bench_stack)
    full = {part: memory_mib(bench_stack.pids[part]) for part in ("worker", "temporal")}
    queue_page = await _timed(bench_stack, f"{bench_stack.target.api}/staff/")
    times = StepTimes()
    async with bench_stack.driver() as driver:
        # The oldest ones: beyond the size of the worker's cache, they have to be replayed.
        for booking_id in ids[:_APPROVED]:
            await driver.approve(booking_id, times)
    return {
        "waiting": count,
        "made_per_s": round(count / made_s, 1),
        "memory_mib": {"before": empty, "with_all_waiting": full},
        "idle_cpu_percent": {"before": idle_before, "with_all_waiting": idle},
        "queue_page": queue_page,
        "approvals_of_the_first": spread(times.approve),
        "deadlines": await _deadlines(bench_stack, due, len(ids[_APPROVED:]), count / made_s, tell),
    }


async def _deadlines(bench_stack: BenchStack, due: int, others: int, made_per_s: float, tell: Tell) -> Json:
    """Add `due` bookings to the `others` that wait, and measure the time from their deadline to their release."""
    # All of them wait before the first deadline, even if this machine becomes four times slower.
    drain_at = datetime.now(UTC) + timedelta(seconds=_SPARE_S + 4 * due / made_per_s)
    ids = await _let_wait(bench_stack, due, drain_at, others + due)
    return await _drain(bench_stack, ids, drain_at, tell)


async def _let_wait(bench_stack: BenchStack, count: int, deadline: datetime, in_all: int) -> list[str]:
    """Write rows, place the holds, and start workflows that resume from the rows.

    Returns once `in_all` bookings wait, including earlier ones.
    """
    ids = [new_booking_id() for _ in range(count)]
    intents = await _hold(bench_stack, ids)
    connection = await asyncpg.connect(bench_stack.stack.database_url)
    try:
        await connection.execute(_ROWS, ids, [intents[id_] for id_ in ids], HOTEL, _AMOUNT_MINOR)
        await connection.execute(_STEPS, ids)
    finally:
        await connection.close()
    client = await Client.connect(bench_stack.stack.temporal_address)
    places = asyncio.Semaphore(_AT_ONCE)

    async def start(id_: str) -> None:
        async with places:
            sla = (deadline - datetime.now(UTC)).total_seconds()
            terms = _terms(id_, intents[id_], max(int(sla), 1))
            await client.start_workflow("BookingWorkflow", terms, id=workflow_id(id_), task_queue=_TASK_QUEUE)

    await asyncio.gather(*(start(id_) for id_ in ids))
    await _until_taken_up(client, in_all)
    return ids


async def _hold(bench_stack: BenchStack, ids: list[str]) -> Json:
    """Place the holds in batches; returns PaymentIntents by booking."""
    intents: Json = {}
    for first in range(0, len(ids), _HOLDS_A_REQUEST):
        bookings = ids[first : first + _HOLDS_A_REQUEST]
        terms = {"bookings": bookings, "amount": _AMOUNT_MINOR, "currency": "eur", "hotel": HOTEL}
        intents |= await bench_stack.order("holds", terms)
    return intents


def _terms(booking_id: str, intent_id: str, approval_sla_s: int) -> BookingTerms:
    now = datetime.now(UTC)
    return BookingTerms(
        booking_id=booking_id,
        hotel_slug=HOTEL,
        amount_minor=_AMOUNT_MINOR,
        approval_sla_s=approval_sla_s,
        cutoff_at=now + timedelta(days=60),
        check_in_at=now + timedelta(days=60),
        check_out_at=now + timedelta(days=62),
        free_cancel_until=now + timedelta(days=58),
        version=3,
        resume=Resumption(status=Status.PENDING_APPROVAL, submitted_at=now, payment_intent_id=intent_id),
    )


async def _until_taken_up(client: Client, count: int) -> None:
    """Wait until every workflow is idle: it has a timer and no activity."""
    most, until = 0, 0.0
    query = 'WorkflowType = "BookingWorkflow" AND ExecutionStatus = "Running" AND BookingStatus = "PENDING_APPROVAL"'
    while (taken_up := (await client.count_workflows(query)).count) < count:
        if taken_up > most or not until:
            most, until = taken_up, time.monotonic() + _TAKE_UP_PATIENCE_S
        assert time.monotonic() < until, f"only {most} of {count} waiting bookings were taken up"
        await asyncio.sleep(1)


async def _idle_cpu(bench_stack: BenchStack) -> dict[str, float]:
    await asyncio.sleep(_BREATH_S)
    meter = CpuMeter({part: bench_stack.pids[part] for part in ("worker", "temporal", "api")})
    await asyncio.sleep(_IDLE_S)
    return {part: round(100 * used / _IDLE_S, 1) for part, used in meter.read().items()}


async def _drain(bench_stack: BenchStack, ids: list[str], drain_at: datetime, tell: Tell) -> Json:
    await asyncio.sleep(max((drain_at - datetime.now(UTC)).total_seconds(), 0))
    begun = time.perf_counter()
    connection = await asyncpg.connect(bench_stack.stack.database_url)
    try:
        while True:
            left = await connection.fetchval(_LEFT, ids)
            passed = time.perf_counter() - begun
            if left == 0 or passed > _DRAIN_PATIENCE_S:
                break
            await asyncio.sleep(0.5)
    finally:
        await connection.close()
    tell(f"{len(ids)} deadlines of one minute: {left} left after {passed:.0f} s")
    return {"due": len(ids), "left": left, "drained_s": round(passed, 1)}


_DOUBLES: Final = "JOIN hotel h ON h.slug = {} JOIN room_type r ON r.hotel_id = h.id AND r.code = 'double'"
_ROWS: Final = insert_bookings(
    {
        "booking_id": "given.id",
        "hotel_id": "h.id",
        "room_type_id": "r.id",
        "check_in": "current_date + 60",
        "check_out": "current_date + 62",
        "guest_first_name": "'Scale'",
        "guest_last_name": "'Guest'",
        "risk_rank": "(random() * 5)::int",
        "guest_email": "'scale@example.com'",
        "amount_minor": "$4",
        "approval_sla_s": "518400",
        "cutoff_at": "now() + interval '60 days'",
        "status": "'PENDING_APPROVAL'",
        "decision_deadline": "now() + interval '6 days'",
        "payment_provider": "'stripe'",
        "payment_reference": "given.intent",
        "payment_intent_id": "given.intent",
        "payment_authorized_at": "now()",
        "version": "3",
    },
    "unnest($1::text[], $2::text[]) AS given (id, intent) " + _DOUBLES.format("$3"),
)
_STEPS: Final = """
    INSERT INTO booking_timeline (booking_id, version, at, from_status, to_status, event, actor)
    SELECT id, step.version, now(), step.before, step.after, step.event, 'guest'
    FROM unnest($1::text[]) AS id CROSS JOIN (VALUES (1, NULL, 'DRAFT', 'created'),
        (2, 'DRAFT', 'PENDING_PAYMENT', 'submitted'),
        (3, 'PENDING_PAYMENT', 'PENDING_APPROVAL', 'authorized')) AS step (version, before, after, event)
"""
_LEFT: Final = "SELECT count(*) FROM booking WHERE booking_id = ANY($1) AND status = 'PENDING_APPROVAL'"


# --- a million rows -------------------------------------------------------------------------------------


async def rows(bench_stack: BenchStack, count: int, tell: Tell) -> Json:
    """Fill the table with past bookings and a long queue, then time the interactive reads."""
    connection = await asyncpg.connect(bench_stack.stack.database_url)
    try:
        begun = time.perf_counter()
        # Hotel and room type come from a join, so the foreign keys need no check.
        async with connection.transaction():
            await connection.execute("SET LOCAL session_replication_role = replica")
            await connection.execute(_PAST, count, HOTEL, timeout=_LOAD_S)
        ids = [new_booking_id() for _ in range(_LONG_QUEUE)]
        await connection.execute(_ROWS, ids, [f"pi_{id_}" for id_ in ids], HOTEL, _AMOUNT_MINOR)
        await connection.execute(_STEPS, ids)
        await connection.execute(_WORDS, timeout=_LOAD_S)
        await connection.execute("ANALYZE booking, booking_search", timeout=120)
        tell(f"{count} rows more, after {time.perf_counter() - begun:.0f} s")
        console = f"{bench_stack.target.api}/staff/"
        pages = {
            "queue_page": await _timed(bench_stack, console),
            "queue_page_by_risk": await _timed(bench_stack, f"{console}?sort=risk"),
            "search_page": await _timed(bench_stack, f"{console}?view=all&q={_SOUGHT}"),
        }
        found = await plans(bench_stack.stack.database_url, HOTEL, ids[0])
        reads = await _reads(bench_stack, ids[0])
        # They have no workflow, and reconciliation would start one for each.
        await connection.execute("DELETE FROM booking_timeline WHERE booking_id = ANY($1)", ids)
        await connection.execute("DELETE FROM booking WHERE booking_id = ANY($1)", ids)
    finally:
        await connection.close()
    return {"rows": count, "waiting_rows": _LONG_QUEUE, **pages, **reads, "plans": found}


async def _reads(bench_stack: BenchStack, one: str) -> Json:
    base = f"{bench_stack.target.api}/api/staff/hotel/{HOTEL}/room-bookings/"
    return {
        "queue": await _timed(bench_stack, base + "?status=PENDING_APPROVAL&limit=50"),
        "by_deadline": await _timed(bench_stack, base + "?limit=50"),
        "newest": await _timed(bench_stack, base + "?sort=created&limit=50"),
        "search": await _timed(bench_stack, f"{base}?q={_SOUGHT}&sort=created&limit=50"),
        "detail": await _timed(bench_stack, f"{base}{one}/"),
        "figures_page": await _timed(bench_stack, f"{bench_stack.target.api}/staff/figures/"),
    }


async def _timed(bench_stack: BenchStack, url: str) -> Json:
    """Time repeated requests of a URL, of the API or of the console: one token logs in to both."""
    headers = {
        "Authorization": f"Bearer {bench_stack.staff_token}",
        "Cookie": f"staff={bench_stack.staff_token}",
    }
    took = []
    for _ in range(_READS):
        begun = time.perf_counter()
        response = await bench_stack.http.get(url, headers=headers)
        response.raise_for_status()
        took.append(time.perf_counter() - begun)
    return spread(took[1:])


_PAST: Final = insert_bookings(
    {
        "booking_id": "'BK-PAST-' || n",
        "hotel_id": "h.id",
        "room_type_id": "r.id",
        "check_in": "current_date - 400 + n % 300",
        "check_out": "current_date - 398 + n % 300",
        "guest_first_name": "'Past'",
        "guest_last_name": "'Guest' || n",
        "guest_email": "'guest' || n || '@example.com'",
        "amount_minor": "30000",
        "amount_captured_minor": "CASE WHEN n % 3 = 0 THEN 0 ELSE 30000 END",
        "status": "CASE n % 3 WHEN 0 THEN 'DECLINED' ELSE 'CONFIRMED' END",
        "version": "4",
        "created_at": "now() - n * interval '30 seconds'",
        "updated_at": "now() - n * interval '30 seconds'",
    },
    "generate_series(1, $1::int) AS n " + _DOUBLES.format("$2"),
)

# The words of `domain.search_words.booking_words` that `_SOUGHT` and others like it could find.
_WORDS: Final = """
    INSERT INTO booking_search (row_id, words)
    SELECT id, array_to_tsvector(ARRAY[lower(booking_id), lower(substr(booking_id, 4)), lower(guest_first_name),
        lower(guest_last_name), guest_email, 'example.com', 'com', to_char(amount_minor / 100.0, 'FM99990.00'),
        check_in::text, to_char(check_in, 'MM-DD'), to_char(check_in, 'FMmonth'),
        check_out::text, to_char(check_out, 'MM-DD'), to_char(check_out, 'FMmonth')])
    FROM booking WHERE id NOT IN (SELECT row_id FROM booking_search)
"""
