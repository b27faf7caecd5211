"""Reads of the database, and a test's writes to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, text, update
from sqlmodel import col

from domain.attention import Attention
from models import Booking, BookingAttention, BookingCommand, Hotel, RoomType, StripeWebhookEvent, utc_now
from sandbox.drivers import GuestDriver
from tests.api.hotels import HotelDriver
from tests.api.stack import ApiStack


async def count_bookings(hotel: HotelDriver) -> int:
    """The number of a hotel's bookings."""
    query = select(func.count()).select_from(Booking).where(col(Booking.hotel_id) == hotel.id)
    async with hotel.stack.database.transaction() as db:
        return (await db.scalars(query)).one()


async def standing(hotel: HotelDriver) -> dict[str, Any]:
    """Status, version and last change of each of a hotel's bookings, by id."""
    columns = (col(Booking.booking_id), col(Booking.status), col(Booking.version), col(Booking.updated_at))
    query = select(*columns).where(col(Booking.hotel_id) == hotel.id)
    async with hotel.stack.database.transaction() as db:
        return {row[0]: tuple(row[1:]) for row in await db.execute(query)}


async def row_of(hotel: HotelDriver, guest: GuestDriver) -> Booking:
    """A booking's row."""
    query = select(Booking).where(col(Booking.booking_id) == guest.booking_id)
    async with hotel.stack.database.transaction() as db:
        return (await db.scalars(query)).one()


async def edit(hotel: HotelDriver, guest: GuestDriver, **values: Any) -> None:
    """Write into a booking's row what only time could have written."""
    change = update(Booking).where(col(Booking.booking_id) == guest.booking_id).values(**values)
    async with hotel.stack.database.transaction() as db:
        await db.execute(change)


async def call_for_attention(hotel: HotelDriver, guest: GuestDriver, *reasons: Attention) -> None:
    """Open reasons of which no workflow knows."""
    await edit(hotel, guest, needs_attention=True)
    async with hotel.stack.database.transaction() as db:
        db.add_all(
            BookingAttention(booking_id=guest.booking_id, since=utc_now(), **asdict(reason))
            for reason in reasons
        )


async def set_terms(hotel: HotelDriver, **terms: Any) -> None:
    """Let a hotel offer other terms from now on."""
    async with hotel.stack.database.transaction() as db:
        await db.execute(update(Hotel).where(col(Hotel.id) == hotel.id).values(**terms))


async def reprice(hotel: HotelDriver, price_minor: int) -> None:
    """Let a hotel's rooms cost something else from now on."""
    change = update(RoomType).where(col(RoomType.hotel_id) == hotel.id)
    async with hotel.stack.database.transaction() as db:
        await db.execute(change.values(price_per_night_minor=price_minor))


async def commands_of(stack: ApiStack, booking_id: str) -> Sequence[BookingCommand]:
    """A booking's commands, oldest first."""
    query = select(BookingCommand).where(col(BookingCommand.booking_id) == booking_id)
    async with stack.database.transaction() as db:
        return (await db.scalars(query.order_by(col(BookingCommand.created_at)))).all()


async def inbox_row(stack: ApiStack, event_id: str) -> StripeWebhookEvent | None:
    """An event in the inbox, if it is there."""
    async with stack.database.transaction() as db:
        return await db.get(StripeWebhookEvent, event_id)


async def minute_of(stack: ApiStack) -> datetime:
    """The minute the database's clock shows: rate limits are counted by it."""
    async with stack.database.transaction() as db:
        found: datetime = (await db.execute(text("SELECT date_trunc('minute', now())"))).scalar_one()
        return found
