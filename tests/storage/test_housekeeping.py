"""Housekeeping deletes finished rows, and nothing else. Far in the past, so that other tests' rows are left alone."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select, text
from sqlmodel import col

from domain.booking import Event, Status
from domain.identifiers import new_command_id
from models import Booking, BookingCommand, PaymentSession
from storage.bookings import apply_change, booking_by_id, open_command
from storage.database import Database
from storage.housekeeping import delete_stale_drafts, delete_stale_requests
from storage.tables import DailyMail, IdempotentRequest, RateLimit
from tests.storage.rows import HotelRows, book, change_of

LONG_AGO = datetime(2001, 2, 3, 4, 5, tzinfo=UTC)
OLD, YOUNG = LONG_AGO - timedelta(seconds=1), LONG_AGO


async def clean(database: Database) -> int:
    async with database.transaction() as db:
        await delete_stale_requests(db, LONG_AGO)
        return (await delete_stale_drafts(db, LONG_AGO)).deleted


async def kept(database: Database, *bookings: Booking) -> list[bool]:
    async with database.transaction() as db:
        return [await booking_by_id(db, booking.booking_id) is not None for booking in bookings]


async def test_drafts_never_submitted_are_deleted(database: Database, hotel_rows: HotelRows) -> None:
    """With their timeline; a draft of the very moment is still young."""
    old, young = (
        await book(database, hotel_rows, created_at=OLD),
        await book(database, hotel_rows, created_at=YOUNG),
    )
    assert await clean(database) == 1
    assert await kept(database, old, young) == [False, True]
    query = text("SELECT count(*) FROM booking_timeline WHERE booking_id = :id")
    async with database.transaction() as db:
        assert await db.scalar(query, {"id": old.booking_id}) == 0
        assert await db.scalar(query, {"id": young.booking_id}) == 1
    assert await clean(database) == 0


async def test_what_was_submitted_stays(database: Database, hotel_rows: HotelRows) -> None:
    """However old, however it ended."""
    made = [
        await book(database, hotel_rows, created_at=OLD, status=status)
        for status in Status
        if status is not Status.DRAFT
    ]
    assert await clean(database) == 0
    assert all(await kept(database, *made))


async def test_a_draft_that_is_being_submitted_is_passed_over(
    database: Database, hotel_rows: HotelRows
) -> None:
    """Its row is locked: the deletion skips it without waiting, and its workflow keeps its row."""
    booking = await book(database, hotel_rows, created_at=OLD)
    async with database.transaction() as db:
        await apply_change(db, change_of(booking, Event.SUBMITTED))
        async with asyncio.timeout(5):
            assert await clean(database) == 0
    assert await kept(database, booking) == [True]
    assert await clean(database) == 0


async def test_a_keys_draft_goes_with_it(database: Database, hotel_rows: HotelRows) -> None:
    """An old draft takes its key along though the key be younger; an old key of a kept booking goes alone."""

    def key(name: str, booking: Booking, created_at: datetime) -> IdempotentRequest:
        values: dict[str, Any] = {"hotel_id": hotel_rows.id, "body_hash": "a" * 64, "created_at": created_at}
        return IdempotentRequest(key=name, booking_id=booking.booking_id, **values)

    old = await book(database, hotel_rows, created_at=OLD)
    submitted = await book(database, hotel_rows, created_at=OLD, status=Status.CONFIRMED)
    async with database.transaction() as db:
        db.add_all([key("of draft", old, YOUNG), key("old", submitted, OLD), key("young", submitted, YOUNG)])
    assert await clean(database) == 1
    query = select(col(IdempotentRequest.key)).where(col(IdempotentRequest.hotel_id) == hotel_rows.id)
    async with database.transaction() as db:
        assert (await db.scalars(query)).all() == ["young"]
    assert await kept(database, old, submitted) == [False, True]


async def test_rate_counts_are_kept_an_hour_longer(database: Database, hotel_rows: HotelRows) -> None:
    """A count stays an hour longer, because its window may still be in use."""
    subject = f"session:{hotel_rows.hotel.slug}"
    limit = LONG_AGO + timedelta(hours=1)
    async with database.transaction() as db:
        db.add(RateLimit(subject=subject, began_at=limit - timedelta(minutes=1), attempts=1))
        db.add(RateLimit(subject=subject, began_at=limit, attempts=1))
    await clean(database)
    query = select(col(RateLimit.began_at)).where(col(RateLimit.subject) == subject)
    async with database.transaction() as db:
        assert (await db.scalars(query)).all() == [limit]


async def test_two_sweeps_at_once(database: Database, hotel_rows: HotelRows) -> None:
    """Two workers' sweeps delete each draft once between them."""
    for _ in range(6):
        await book(database, hotel_rows, created_at=OLD)
    assert sum(await asyncio.gather(*(clean(database) for _ in range(3)))) == 6


async def test_a_draft_takes_its_commands_along(database: Database, hotel_rows: HotelRows) -> None:
    """A command that came for it by whatever way keeps neither it nor any other draft."""
    drafts = [await book(database, hotel_rows, created_at=OLD) for _ in range(3)]
    async with database.transaction() as db:
        await open_command(
            db,
            BookingCommand(
                command_id=new_command_id(), booking_id=drafts[1].booking_id, kind="retry", actor="operator"
            ),
        )
    assert await clean(database) == 3
    assert not any(await kept(database, *drafts))


async def test_a_draft_that_cannot_be_deleted_keeps_none_of_the_others(
    database: Database, hotel_rows: HotelRows, caplog: pytest.LogCaptureFixture
) -> None:
    """A draft that another row refers to stays, the log names it, and the others are deleted."""
    drafts = [await book(database, hotel_rows, created_at=OLD) for _ in range(3)]
    odd = drafts[1].booking_id
    async with database.transaction() as db:
        db.add(PaymentSession(session_id=f"cs_{odd}", booking_id=odd, url="https://x", expires_at=OLD))
    assert await clean(database) == 2
    assert await kept(database, *drafts) == [False, True, False]
    assert f"draft {odd} cannot be deleted" in caplog.text
    async with database.transaction() as db:
        await db.execute(delete(PaymentSession).where(col(PaymentSession.booking_id) == odd))
    assert await clean(database) == 1


async def test_a_daily_mail_is_forgotten_after_its_day(database: Database, hotel_rows: HotelRows) -> None:
    """Hashed or not, addresses are not kept for longer than they are needed."""
    hashes = {at: f"{hotel_rows.hotel.slug}-{at}" for at in (OLD, YOUNG)}
    async with database.transaction() as db:
        db.add_all(
            [DailyMail(mailbox_hash=hash_, booking_id="BK", sent_at=at) for at, hash_ in hashes.items()]
        )
    await clean(database)
    query = select(col(DailyMail.mailbox_hash)).where(col(DailyMail.mailbox_hash).in_(hashes.values()))
    async with database.transaction() as db:
        assert (await db.scalars(query)).all() == [hashes[YOUNG]]
