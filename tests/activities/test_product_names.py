"""The product name that Stripe gets keeps within its limit."""

from __future__ import annotations

from sqlalchemy import update
from sqlmodel import col

from models import RoomType
from storage.database import Database
from tests.activities.payment_driver import PaymentDriver
from tests.storage.rows import book, create_hotel


async def test_long_names_fit_into_what_stripe_takes(database: Database, driver: PaymentDriver) -> None:
    """The dates stay whole; the names are cut. Stripe refuses more than 250 characters."""
    hotel_rows = await create_hotel(database, name=("The Great Southern Hotel " * 8).strip())
    async with database.transaction() as db:
        room = update(RoomType).where(col(RoomType.hotel_id) == hotel_rows.id)
        await db.execute(room.values(name=("Lakeside Room, Two Beds " * 8).strip()))
    booking = await book(database, hotel_rows)
    opened = await driver.open(booking)
    session = await driver.api(
        "GET", f"checkout/sessions/{opened.session_id}", params={"expand[]": "line_items"}
    )
    [item] = session["line_items"]["data"]
    assert len(item["description"]) <= 250
    assert item["description"].startswith("The Great Southern Hotel ")
    assert item["description"].endswith(f"…, {booking.check_in} to {booking.check_out}")
