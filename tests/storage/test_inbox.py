"""The inbox of Stripe's events: each is kept once, and open until it is processed."""

from __future__ import annotations

import asyncio
import itertools
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update
from sqlmodel import col

from domain.booking import Status
from models import Booking, PaymentSession, StripeWebhookEvent
from storage.bookings import record_session
from storage.database import Database
from storage.inbox import (
    Addressee,
    inbox_backlog,
    keep_event,
    mark_processed,
    missing_events,
    unprocessed_events,
)
from tests.storage.rows import T0, HotelRows, book, held

_numbers = itertools.count(1)


def event(**values: Any) -> StripeWebhookEvent:
    return StripeWebhookEvent(
        **{
            "event_id": f"evt_inbox_{next(_numbers)}",
            "event_type": "checkout.session.completed",
            "received_at": T0,
            **values,
        }
    )


async def keep(database: Database, row: StripeWebhookEvent) -> bool:
    """Keep an event; returns whether it still has to be processed."""
    async with database.transaction() as db:
        return not (await keep_event(db, row)).is_processed


async def left_open(database: Database, *rows: StripeWebhookEvent) -> None:
    """Put events into the inbox of which nobody has said what became of them."""
    async with database.transaction() as db:
        db.add_all(rows)


async def stored(database: Database, event_id: str) -> StripeWebhookEvent:
    async with database.transaction() as db:
        return await db.get_one(StripeWebhookEvent, event_id)


async def test_a_duplicate_is_news_until_the_first_is_processed(
    database: Database, hotel_rows: HotelRows
) -> None:
    """The first delivery may have died on the way: then the second one does its work."""
    first = event(booking_id=(await book(database, hotel_rows)).booking_id)
    assert await keep(database, first)
    assert await keep(database, first)
    async with database.transaction() as db:
        await mark_processed(db, first.event_id)
    assert not await keep(database, first)
    row = await stored(database, first.event_id)
    assert row.processed_at is not None
    assert row.note is None


async def test_a_duplicate_overwrites_nothing(database: Database) -> None:
    """The first delivery stays as it arrived."""
    first = event(booking_id="BK-1")
    await keep(database, first)
    await keep(
        database, event(event_id=first.event_id, booking_id="BK-2", received_at=T0 + timedelta(days=1))
    )
    row = await stored(database, first.event_id)
    assert (row.booking_id, row.received_at) == ("BK-1", T0)


async def test_duplicates_at_once(database: Database, hotel_rows: HotelRows) -> None:
    """Ten deliveries of one event: all are answered, one row is kept."""
    row = event(booking_id=(await book(database, hotel_rows)).booking_id)
    again = {"event_id": row.event_id, "booking_id": row.booking_id}
    answers = await asyncio.gather(*(keep(database, event(**again)) for _ in range(10)))
    assert answers == [True] * 10
    async with database.transaction() as db:
        assert await missing_events(db, [row.event_id]) == set()


@pytest.mark.parametrize("is_open", [False, True])
async def test_the_reason_why_not_is_kept(database: Database, *, is_open: bool) -> None:
    """M7: processed, or kept with the reason why not; a second delivery of an open event gives it, too."""
    row = event()
    if is_open:
        await left_open(database, row)
    async with database.single_statement() as db:
        entry = await keep_event(db, row)
    kept = await stored(database, row.event_id)
    assert (entry.is_processed, entry.reason, kept.note) == (
        False,
        "no booking of ours",
        "no booking of ours",
    )
    assert kept.processed_at is not None


async def test_what_was_delivered_gets_no_reason_later(database: Database, hotel_rows: HotelRows) -> None:
    """A duplicate comes when the row shows everything: the first delivery was no less heard."""
    booking = await held(database, hotel_rows)
    row = event(event_type="charge.captured", booking_id=booking.booking_id)
    await keep(database, row)
    async with database.transaction() as db:
        await mark_processed(db, row.event_id)
        await db.execute(update(Booking).where(col(Booking.id) == booking.id).values(status=Status.CONFIRMED))
    processed = await stored(database, row.event_id)
    assert not await keep(
        database, event(event_id=row.event_id, event_type=row.event_type, booking_id=row.booking_id)
    )
    assert (await stored(database, row.event_id)).processed_at == processed.processed_at
    assert processed.note is None


async def test_missing_events(database: Database) -> None:
    """Those that never came in; processed or not makes no difference."""
    came, done = event(), event()
    await keep(database, came)
    await keep(database, done)
    async with database.transaction() as db:
        await mark_processed(db, done.event_id)
        event_ids = [came.event_id, done.event_id, "evt_lost_1", "evt_lost_2"]
        assert await missing_events(db, event_ids) == {"evt_lost_1", "evt_lost_2"}
        assert await missing_events(db, []) == set()


async def test_what_is_left_behind_comes_oldest_first(database: Database) -> None:
    """Only what was received before the moment given, and at most so many."""
    long_ago = T0 - timedelta(days=3650)
    ages = [3, 1, 2, 4]
    rows = [event(received_at=long_ago + timedelta(minutes=age)) for age in ages]
    done = event(received_at=long_ago)
    await left_open(database, *rows, done)
    async with database.transaction() as db:
        await mark_processed(db, done.event_id)
        found = await unprocessed_events(db, long_ago + timedelta(minutes=4), 10)
        assert [one.event_id for one in found] == [rows[i].event_id for i in (1, 2, 0)]
        assert [one.event_id for one in await unprocessed_events(db, T0, 1)] == [rows[1].event_id]
    async with database.transaction() as db:
        for one in rows:
            await mark_processed(db, one.event_id)


async def test_backlog_counts_what_is_open(database: Database) -> None:
    """For the metrics: up by one with each event, down with each that is processed."""
    async with database.transaction() as db:
        before = await inbox_backlog(db)
    rows = [event(), event()]
    await left_open(database, *rows)
    async with database.transaction() as db:
        assert await inbox_backlog(db) == before + 2
        await mark_processed(db, rows[0].event_id)
        assert await inbox_backlog(db) == before + 1
        await mark_processed(db, rows[1].event_id)


# --- whose it is ---


async def behind(database: Database, **names: str | None) -> Addressee | None:
    async with database.transaction() as db:
        return (await keep_event(db, event(**names))).addressee


async def with_session(database: Database, hotel_rows: HotelRows, session_id: str) -> Booking:
    booking = await book(database, hotel_rows)
    async with database.transaction() as db:
        await record_session(
            db,
            PaymentSession(
                session_id=session_id, booking_id=booking.booking_id, url="https://x", expires_at=T0
            ),
        )
    return booking


async def test_a_booking_is_found_by_each_of_its_names(database: Database, hotel_rows: HotelRows) -> None:
    """Its own id, the PaymentIntent it holds, a session that was opened for it."""
    mine = await held(database, hotel_rows)
    paying = await with_session(database, hotel_rows, f"cs_{hotel_rows.hotel.slug}")
    for names, booking in (
        ({"booking_id": mine.booking_id}, mine),
        ({"payment_intent_id": mine.payment_intent_id}, mine),
        ({"session_id": f"cs_{hotel_rows.hotel.slug}"}, paying),
        # Names that lead nowhere do not stand in the way of one that does.
        ({"booking_id": "BK-NOBODY", "payment_intent_id": mine.payment_intent_id}, mine),
        (
            {
                "booking_id": "BK-NOBODY",
                "payment_intent_id": "pi_x",
                "session_id": f"cs_{hotel_rows.hotel.slug}",
            },
            paying,
        ),
    ):
        found = await behind(database, **names)
        assert found is not None, names
        assert found == Addressee(
            booking.booking_id,
            Status(booking.status),
            booking.payment_intent_id,
            hotel_rows.hotel.slug,
        )


async def test_our_own_metadata_counts_more_than_an_id(database: Database, hotel_rows: HotelRows) -> None:
    """A second payment for a booking names the booking, and a PaymentIntent it does not hold."""
    mine, other = await held(database, hotel_rows), await held(database, hotel_rows)
    found = await behind(database, booking_id=mine.booking_id, payment_intent_id=other.payment_intent_id)
    assert found is not None
    assert found.booking_id == mine.booking_id


async def test_event_of_no_booking(database: Database) -> None:
    """Another system's payments on the same Stripe account."""
    assert await behind(database) is None
    assert await behind(database, session_id="cs_nobody", payment_intent_id="pi_nobody") is None
