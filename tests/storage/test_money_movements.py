"""Money movements are written with a booking's amounts, and add up to them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlmodel import col

from domain.booking import Event
from domain.messages.changes import Change
from domain.period import parse_month
from models import Booking
from storage.bookings import apply_change
from storage.database import Database
from storage.money_movements import MovementKind, bookings_in, movements_by_day
from storage.tables import MoneyMovement
from tests.storage.rows import HotelRows, change_of, create_hotel, held, row_of


async def movements_of(database: Database, booking: Booking) -> list[tuple[str, int]]:
    query = select(MoneyMovement).where(col(MoneyMovement.booking_id) == booking.booking_id)
    async with database.transaction() as db:
        rows = (await db.scalars(query.order_by(col(MoneyMovement.id)))).all()
    return [(row.kind, row.amount_minor) for row in rows]


async def apply(database: Database, booking: Booking, event: Event, **change: Any) -> Change:
    """Apply the next change of a booking as its row is now."""
    made = change_of(await row_of(database, booking.booking_id), event, **change)
    async with database.transaction() as db:
        await apply_change(db, made)
    return made


async def confirmed(database: Database, hotel: HotelRows, at: datetime) -> Booking:
    booking = await held(database, hotel)
    await apply(database, booking, Event.APPROVED, at=at, amount_captured_minor=15000)
    return booking


async def test_movements_add_up_to_the_rows_amounts(database: Database) -> None:
    hotel = await create_hotel(database)
    booking = await held(database, hotel)
    own = booking.payment_intent_id
    for event, amounts in (
        (Event.APPROVED, {"amount_captured_minor": 15000}),
        (Event.REFUND_RECORDED, {"amount_captured_minor": 15000, "amount_refunded_minor": 4000}),
        (Event.CANCELLED_BY_STAFF, {"amount_refunded_minor": 15000}),
        (Event.REFUND_RETURNED, {"amount_refunded_minor": 4000}),
        (Event.PAID_ELSEWHERE, {"paid_elsewhere": {own: 11000}}),
        # The second payment was never counted as captured.
        (Event.PAID_ELSEWHERE, {"paid_elsewhere": {own: 11000, "pi_second": 15000}}),
    ):
        await apply(database, booking, event, **amounts)
    assert await movements_of(database, booking) == [
        ("captured", 15000),
        ("refunded", 4000),
        ("refunded", 11000),
        ("refunded", -11000),
        ("paid_elsewhere", 11000),
    ]
    row = await row_of(database, booking.booking_id)
    assert (row.amount_refunded_minor, row.amount_paid_elsewhere_minor) == (4000, 26000)


async def test_a_repeat_moves_no_money_again(database: Database) -> None:
    hotel = await create_hotel(database)
    booking = await held(database, hotel)
    change = await apply(database, booking, Event.APPROVED, amount_captured_minor=15000)
    async with database.transaction() as db:
        await apply_change(db, change)
    assert await movements_of(database, booking) == [("captured", 15000)]


async def test_a_month_ends_at_the_hotels_midnight(database: Database) -> None:
    """23:30 UTC on 31 October is November in Tokyo, and October in New York."""
    at = datetime(2026, 10, 31, 23, 30, tzinfo=UTC)
    for timezone, october in (("Asia/Tokyo", 0), ("America/New_York", 15000)):
        hotel = await create_hotel(database, timezone=timezone)
        await confirmed(database, hotel, at)
        async with database.reading() as db:
            sums = await movements_by_day(db, hotel.hotel, parse_month("2026-10"))
            after = await movements_by_day(db, hotel.hotel, parse_month("2026-11"))
        assert sum(each.minor for each in sums) == october
        assert sum(each.minor for each in after) == 15000 - october


async def test_a_booking_counts_only_what_moved_in_the_period(database: Database) -> None:
    hotel, other = await create_hotel(database), await create_hotel(database)
    in_october = datetime(2026, 10, 20, 12, tzinfo=UTC)
    booking = await confirmed(database, hotel, in_october)
    await confirmed(database, other, in_october)
    await apply(
        database,
        booking,
        Event.REFUND_RECORDED,
        at=in_october + timedelta(days=20),
        amount_refunded_minor=500,
    )
    async with database.reading() as db:
        (october,) = await bookings_in(db, hotel.hotel, parse_month("2026-10"))
        november = {
            each.booking.booking_id: each
            for each in await bookings_in(db, hotel.hotel, parse_month("2026-11"))
        }[booking.booking_id]
        (sums,) = await movements_by_day(db, hotel.hotel, parse_month("2026-10"))
    assert (october.captured_minor, october.refunded_minor, october.net_minor) == (15000, 0, 15000)
    assert (november.captured_minor, november.refunded_minor, november.net_minor) == (0, 500, -500)
    assert (sums.kind, sums.minor) == (MovementKind.CAPTURED, october.captured_minor)
