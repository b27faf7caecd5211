"""PostgreSQL's plans for the product's statements, explained with their real values."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from domain.booking import Status
from reconciliation import queries as reconciliation
from storage import (
    booking_list,
    bookings,
    catalogue,
    console,
    inbox,
    limits,
    mails,
    rooms,
    staff_accounts,
)
from storage.booking_list import BookingFilter, Sort
from storage.database_url import async_url
from storage.housekeeping import delete_stale_drafts

Json = dict[str, Any]
Read = Callable[[AsyncSession], Awaitable[object]]

_EXPLAIN: Final = "EXPLAIN (ANALYZE, FORMAT JSON) "
_EXPLAINED: Final = ("SELECT", "WITH", "INSERT", "UPDATE", "DELETE")
_PAGE: Final = 51


async def plans(database_url: str, hotel_slug: str, booking_id: str) -> Json:
    """Explain every statement behind the reads of API, pages, webhook and sweep.

    Args:
        booking_id: a booking that waits for approval.

    Returns:
        For each read, its statements' times in milliseconds and the nodes of their plans, from the top.
    """
    engine = create_async_engine(async_url(database_url))
    asked: list[tuple[str, Any]] = []

    def note(*call: Any) -> None:
        # Neither our own EXPLAIN nor a savepoint can be explained.
        if call[2].lstrip().upper().startswith(_EXPLAINED):
            asked.append((call[2], call[3]))

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    try:
        async with AsyncSession(engine) as db:
            hotel = await catalogue.hotel_by_slug(db, hotel_slug)
            assert hotel is not None and hotel.id is not None  # noqa: PT018
            reads = _reads(hotel.id, hotel_slug, booking_id)
            return {name: await _explained(db, read, asked) for name, read in reads.items()}
    finally:
        await engine.dispose()


async def _explained(db: AsyncSession, read: Read, asked: list[tuple[str, Any]]) -> list[Json]:
    asked.clear()
    await read(db)
    await db.rollback()
    statements = list(asked)
    connection = await db.connection()
    found = []
    for statement, values in statements:
        rows = await connection.exec_driver_sql(_EXPLAIN + statement, values)
        plan = rows.scalar_one()
        found.append(_summary((json.loads(plan) if isinstance(plan, str) else plan)[0]))
    # `explain analyze` carries a statement out, so it is rolled back.
    await db.rollback()
    return found


def _summary(explained: Json) -> Json:
    nodes: list[str] = []

    def walk(node: Json) -> None:
        at = node.get("Index Name") or node.get("Relation Name")
        nodes.append(node["Node Type"] + (f" {at}" if at else ""))
        for child in node.get("Plans", []):
            walk(child)

    walk(explained["Plan"])
    return {"ms": round(explained["Execution Time"], 2), "nodes": nodes}


def _reads(hotel_id: int, slug: str, booking_id: str) -> dict[str, Read]:
    now = datetime.now(UTC)
    month, day = now - timedelta(days=30), now - timedelta(days=1)

    def listed(*statuses: Status, **how: Any) -> Read:
        return lambda db: booking_list.list_bookings(
            db, hotel_id, BookingFilter(statuses, limit=_PAGE, **how)
        )

    async def rooms_of(db: AsyncSession) -> object:
        found = await bookings.booking_in_hotel(db, slug, booking_id)
        assert found is not None
        booking, hotel, _ = found
        free = await rooms.rooms_free(db, hotel, booking.check_in, booking.check_out)
        return free, await rooms.rooms_taken(db, [booking])

    return {
        "booking": lambda db: bookings.booking_in_hotel(db, slug, booking_id),
        "its timeline": lambda db: bookings.timeline(db, booking_id),
        "its open decision": lambda db: console.open_decision(db, booking_id),
        "its e-mails": lambda db: mails.mails_of(db, booking_id),
        "its newest session": lambda db: bookings.newest_session(db, booking_id),
        "rooms free and taken on its nights": rooms_of,
        "queue": listed(Status.PENDING_APPROVAL),
        "queue, riskiest first": listed(Status.PENDING_APPROVAL, sort=Sort.RISK),
        "list by deadline": listed(),
        "list by deadline, two statuses": listed(Status.PENDING_APPROVAL, Status.PENDING_PAYMENT),
        "list, newest first": listed(sort=Sort.CREATED),
        "list of a status, newest first": listed(Status.CONFIRMED, sort=Sort.CREATED),
        "search": listed(text="Guest77"),
        "link sent again": lambda db: mails.link_mailing(db, "guest77@example.com", "", now.date()),
        "waiting, counted": lambda db: console.count_waiting(db, hotel_id),
        "needing attention": lambda db: console.needing_attention(db, hotel_id, _PAGE),
        "figures: holds": lambda db: console.holds_by_day(db, hotel_id, month, now, "UTC"),
        "figures: decisions": lambda db: console.decisions_by_day(db, hotel_id, month, now, "UTC"),
        "figures: held now": lambda db: console.held_now(db, hotel_id),
        "member of staff": lambda db: staff_accounts.active_staff(db, 1),
        "sessions this minute": lambda db: limits.count_attempt(
            db, [limits.Limit(f"session:{booking_id}", 20)]
        ),
        "sweep: events left": lambda db: inbox.unprocessed_events(db, now, 200),
        "sweep: stale drafts": lambda db: delete_stale_drafts(db, day),
        "reconciliation, one page": lambda db: reconciliation.bookings_to_compare(db, 0, day, 200),
    }
