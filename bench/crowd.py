"""Many guests pay for the last rooms at once; as many get a room as are left."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import asyncpg

from bench.bench_stack import HOTEL, BenchStack, Tell
from sandbox.drivers import GuestDriver, RoomRequest, StackClient

Json = dict[str, Any]

CODE: Final = "last-rooms"
_GUEST: Final = {"first_name": "Crowd", "last_name": "Guest", "email": "crowd@example.com"}
_AT_ONCE: Final = 20
_PATIENCE_S: Final = 180
_ENDED: Final = "SELECT status FROM booking WHERE booking_id = ANY($1)"
_FAILURES: Final = "SELECT deadlocks, xact_rollback FROM pg_stat_database WHERE datname = current_database()"


async def crowd(bench_stack: BenchStack, guests: int, rooms: int, tell: Tell) -> Json:
    """Let `guests` people have the payment page open, and pay in the same moment for `rooms` rooms.

    Returns:
        How many ended as what, how long that took, and how many deadlocks and rolled back transactions PostgreSQL
        counted; `as_expected` is false unless each room has one request, and each other guest a release.
    """
    which = ("--hotel", HOTEL, "--code", CODE, "--name", "Last rooms", "--price-per-night", "150.00")
    await asyncio.to_thread(
        bench_stack.stack.manage, "room-type", "add", *which, "--max-guests", "2", "--rooms", str(rooms)
    )
    people = await _open_pages(bench_stack.clients, guests)
    tell(f"{guests} payment pages are open for {rooms} rooms")
    connection = await asyncpg.connect(bench_stack.stack.database_url)
    try:
        before = await connection.fetchrow(_FAILURES)
        begun = time.perf_counter()
        await asyncio.gather(*(person.pay() for person in people))
        paid_s = time.perf_counter() - begun
        statuses = await _until_all_ended(connection, [person.booking_id for person in people], begun)
        settled_s = time.perf_counter() - begun
        after = await connection.fetchrow(_FAILURES)
    finally:
        await connection.close()
    deadlocks, rollbacks = (after[name] - before[name] for name in ("deadlocks", "xact_rollback"))
    tell(f"{dict(statuses)} after {settled_s:.0f} s, {deadlocks} deadlocks, {rollbacks} rollbacks")
    return {
        "guests": guests,
        "rooms": rooms,
        "requests": statuses["PENDING_APPROVAL"],
        "releases": statuses["DECLINED"],
        "others": guests - statuses["PENDING_APPROVAL"] - statuses["DECLINED"],
        "paid_s": round(paid_s, 1),
        "settled_s": round(settled_s, 1),
        "deadlocks": deadlocks,
        "rollbacks": rollbacks,
        "as_expected": is_as_expected(statuses, guests, rooms),
    }


def is_as_expected(statuses: Counter[str], guests: int, rooms: int) -> bool:
    """Whether each room has one request, and each guest beyond them a release."""
    return statuses == Counter(PENDING_APPROVAL=min(guests, rooms), DECLINED=max(0, guests - rooms))


async def _open_pages(clients: Sequence[StackClient], guests: int) -> list[GuestDriver]:
    places = asyncio.Semaphore(_AT_ONCE)

    async def one(number: int) -> GuestDriver:
        client = clients[number % len(clients)]
        async with places:
            guest = await GuestDriver.book(client, RoomRequest(HOTEL, CODE, days_ahead=30), _GUEST)
            await guest.open_page()
            return guest

    return await asyncio.gather(*(one(number) for number in range(guests)))


async def _until_all_ended(connection: asyncpg.Connection, ids: list[str], begun: float) -> Counter[str]:
    while True:
        statuses = Counter(row["status"] for row in await connection.fetch(_ENDED, ids))
        if not statuses["PENDING_PAYMENT"] or time.perf_counter() - begun > _PATIENCE_S:
            return statuses
        await asyncio.sleep(0.25)
