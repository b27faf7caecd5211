"""Stripe's fees of a period: each capture counts once, with its fee or without."""

from __future__ import annotations

from datetime import UTC, datetime

from domain.booking import Event
from domain.money import Money
from domain.period import parse_month
from models import Booking
from storage.database import Database
from storage.stripe_fees import FeeSum, fees_in, keep_fee, movements_in
from tests.storage.rows import create_hotel
from tests.storage.test_money_movements import apply, confirmed

AT = datetime(2026, 3, 3, 9, tzinfo=UTC)
MARCH = parse_month("2026-03")


async def keep(database: Database, booking: Booking, fee: Money, intent_id: str | None = None) -> None:
    async with database.transaction() as db:
        await keep_fee(db, booking.booking_id, intent_id or booking.payment_intent_id or "", fee)


async def test_fees_add_up_by_their_own_currency_and_captures_without_one_are_counted(
    database: Database,
) -> None:
    """A capture that is corrected later counts once, and so does a fee that is stored twice."""
    hotel = await create_hotel(database)
    euro, corrected, dollar, _untold = [await confirmed(database, hotel, AT) for _ in range(3)] + [
        await confirmed(database, await create_hotel(database), AT)
    ]
    for minor in (250, 999):
        await keep(database, euro, Money(minor, "EUR"))
    await keep(database, corrected, Money(300, "EUR"))
    await apply(database, corrected, Event.REFUND_RECORDED, at=AT, amount_captured_minor=14000)
    await keep(database, dollar, Money(410, "USD"))
    async with database.reading() as db:
        sums = await fees_in(db, hotel.hotel, MARCH)
        movements = await movements_in(db, hotel.hotel, MARCH)
    assert sums == [FeeSum("EUR", Money(550, "EUR"), 2), FeeSum("EUR", Money(410, "USD"), 1)]
    assert [each.fee for each in movements] == [Money(250, "EUR"), Money(300, "EUR"), Money(410, "USD"), None]


async def test_the_fee_of_another_payment_is_not_the_bookings(database: Database) -> None:
    hotel = await create_hotel(database)
    booking = await confirmed(database, hotel, AT)
    await keep(database, booking, Money(250, "EUR"), "pi_another")
    async with database.reading() as db:
        assert await fees_in(db, hotel.hotel, MARCH) == [FeeSum("EUR", None, 1)]
        (movement,) = await movements_in(db, hotel.hotel, MARCH)
    assert movement.fee is None
