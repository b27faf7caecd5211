"""The database refuses these rows from any writer."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlmodel import col

from models import Booking, BookingTimeline, RoomType, Staff
from storage.database import Database
from tests.storage.rows import CHECK_IN, T0, HotelRows, book, draft, held, row_of


async def write(database: Database, booking: Booking, **values: Any) -> None:
    """A write at a SQL prompt."""
    async with database.transaction() as db:
        change = update(Booking).where(col(Booking.booking_id) == booking.booking_id)
        await db.execute(change.values(**values))


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("amount_minor", 0),
        ("amount_minor", -1),
        ("amount_captured_minor", -1),
        ("amount_captured_minor", 15001),
        ("amount_refunded_minor", -1),
        ("amount_refunded_minor", 1),  # of nothing captured
        ("check_out", CHECK_IN),
        ("check_out", CHECK_IN - timedelta(days=1)),
        ("hotel_id", 2**31 - 1),
        ("room_type_id", 2**31 - 1),
        ("status", None),
        ("version", None),
    ],
)
async def test_a_booking_that_cannot_be(
    database: Database, hotel_rows: HotelRows, column: str, value: Any
) -> None:
    """More captured than booked, more refunded than captured, no night at all: refused."""
    booking = await book(database, hotel_rows)
    with pytest.raises(IntegrityError):
        await write(database, booking, **{column: value})
    assert (await row_of(database, booking.booking_id)).amount_minor == 15000


@pytest.mark.parametrize(
    ("captured", "refunded", "fits"),
    [
        (15000, 0, True),
        (15000, 15000, True),
        (7500, 7500, True),
        (15000, 15001, False),
        (7500, 7501, False),
        (15001, 0, False),
    ],
)
async def test_refunded_up_to_captured_up_to_amount(
    database: Database, hotel_rows: HotelRows, captured: int, refunded: int, fits: bool
) -> None:
    """The bounds themselves are allowed."""
    booking = await book(database, hotel_rows)
    amounts = {"amount_captured_minor": captured, "amount_refunded_minor": refunded}
    if fits:
        await write(database, booking, **amounts)
    else:
        with pytest.raises(IntegrityError, match="check constraint"):
            await write(database, booking, **amounts)


async def test_amounts_beyond_32_bits(database: Database, hotel_rows: HotelRows) -> None:
    """A suite for a month in rupiah fits."""
    booking = await book(database, hotel_rows, amount_minor=3_000_000_000_00, currency="IDR")
    assert (await row_of(database, booking.booking_id)).amount_minor == 3_000_000_000_00


async def test_rooms_cost_something(database: Database, hotel_rows: HotelRows) -> None:
    """A price of nothing cannot be charged."""
    room = RoomType(
        hotel_id=hotel_rows.id, code="free", name="-", price_per_night_minor=0, max_guests=1, rooms=1
    )
    with pytest.raises(IntegrityError, match="check constraint"):
        async with database.transaction() as db:
            db.add(room)


async def test_names_are_taken_once(database: Database, hotel_rows: HotelRows) -> None:
    """Booking ids, PaymentIntents, room codes within a hotel, and addresses of staff."""
    first = await held(database, hotel_rows)
    doubles: list[Booking | RoomType | Staff] = [
        draft(hotel_rows, booking_id=first.booking_id),
        draft(hotel_rows, payment_intent_id=first.payment_intent_id),
        RoomType(
            hotel_id=hotel_rows.id, code="double", name="-", price_per_night_minor=1, max_guests=1, rooms=1
        ),
        Staff(
            hotel_id=hotel_rows.id,
            email=f"viewer@{hotel_rows.hotel.slug}.test",
            role="viewer",
            password_hash="-",
        ),
    ]
    for double in doubles:
        with pytest.raises(IntegrityError, match="unique constraint"):
            async with database.transaction() as db:
                db.add(double)


async def test_a_version_happens_once(database: Database, hotel_rows: HotelRows) -> None:
    """The timeline has one row a version, whatever went wrong elsewhere."""
    booking = await book(database, hotel_rows)
    again = BookingTimeline(
        booking_id=booking.booking_id, version=1, at=T0, to_status="DRAFT", event="created", actor="guest"
    )
    with pytest.raises(IntegrityError, match="duplicate key"):
        async with database.transaction() as db:
            db.add(again)


async def test_times_are_instants(database: Database, hotel_rows: HotelRows) -> None:
    """Read back in UTC, to the microsecond."""
    booking = await row_of(database, (await book(database, hotel_rows)).booking_id)
    assert booking.created_at == T0
    assert booking.created_at.utcoffset() == timedelta(0)
    async with database.transaction() as db:
        kinds = await db.execute(
            text(
                "SELECT table_name, column_name FROM information_schema.columns"
                " WHERE table_schema = 'public' AND data_type = 'timestamp without time zone'"
            )
        )
        assert kinds.all() == []


async def test_a_longer_text_than_its_column_is_refused(database: Database, hotel_rows: HotelRows) -> None:
    """Rather than cut off."""
    booking = await book(database, hotel_rows)
    with pytest.raises(DBAPIError, match="too long"):
        await write(database, booking, reason_note="x" * 1001)
