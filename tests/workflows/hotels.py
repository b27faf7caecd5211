"""Hotels with their people, and bookings as the API writes them before it starts their workflows."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from domain.deadlines import hotel_today
from domain.identifiers import new_booking_id
from domain.messages.starts import BookingTerms
from models import Booking, Hotel, RoomType, Staff
from storage.creation import insert_draft, offered_terms
from storage.database import Database
from storage.room_blocks import BlockedStretch, block_rooms, find_block, unblock_rooms

ROOMS = 3
NIGHTS, PER_NIGHT_MINOR = 2, 7500
TOTAL_MINOR = NIGHTS * PER_NIGHT_MINOR


@dataclass(frozen=True)
class StaffIds:
    """Ids of the hotel's people."""

    approver: int
    manager: int


@dataclass(frozen=True)
class DraftFixture:
    """A booking that was made and not submitted.

    Args:
        private_words: guest data that may be in the database only.
    """

    booking: Booking
    terms: BookingTerms
    staff_ids: StaffIds
    private_words: tuple[str, ...]


async def draft(
    database: Database, now: datetime, *, check_in_days: int, currency: str, **terms: Any
) -> DraftFixture:
    """Make a hotel of its own for a booking, and the booking.

    Args:
        check_in_days: days from today to check-in.
        currency: the hotel's.
        terms: fields of `Hotel` (`approval_sla_s`, `cutoff_days_before`…) or of `BookingTerms`.
    """
    fields = {name: terms.pop(name) for name in list(terms) if name in Hotel.model_fields}
    hotel = Hotel(
        slug=f"hotel-{secrets.token_hex(4)}",
        name="The Test Arms",
        currency=currency,
        timezone="Europe/Dublin",
        **({"free_cancel_days": 2, "late_cancel_fee_percent": 30} | fields),
    )
    words = tuple(f"Zq{secrets.token_hex(5)}" for _ in range(4))
    async with database.transaction() as db:
        db.add(hotel)
        await db.flush()
        assert hotel.id is not None
        room = RoomType(
            hotel_id=hotel.id,
            code="double",
            name="Double",
            price_per_night_minor=PER_NIGHT_MINOR,
            max_guests=2,
            rooms=ROOMS,
        )
        people = [
            Staff(hotel_id=hotel.id, email=f"{role}@{hotel.slug}.test", role=role, password_hash="!")
            for role in ("viewer", "approver", "manager")
        ]
        db.add_all([room, *people])
        await db.flush()
        assert room.id is not None
        booking = _booking(hotel, room.id, words, now, check_in_days)
        await insert_draft(db, booking)
    approver, manager = people[1].id, people[2].id
    assert approver is not None
    assert manager is not None
    return DraftFixture(
        booking, _terms(hotel, booking, terms), StaffIds(approver, manager), (*words, booking.guest_email)
    )


def _booking(
    hotel: Hotel, room_type_id: int, words: tuple[str, ...], now: datetime, check_in_days: int
) -> Booking:
    assert hotel.id is not None
    check_in = hotel_today(now, hotel.timezone) + timedelta(days=check_in_days)
    return Booking(
        booking_id=new_booking_id(),
        hotel_id=hotel.id,
        room_type_id=room_type_id,
        check_in=check_in,
        check_out=check_in + timedelta(days=NIGHTS),
        adults=2,
        guest_first_name=words[0],
        guest_last_name=words[1],
        guest_email=f"{words[2].lower()}@example.com",
        special_requests=f"{words[3]} please",
        amount_minor=TOTAL_MINOR,
        currency=hotel.currency,
        **offered_terms(hotel, check_in),
        created_at=now,
        updated_at=now,
    )


def _terms(hotel: Hotel, booking: Booking, more: dict[str, Any]) -> BookingTerms:
    terms: dict[str, Any] = {
        "booking_id": booking.booking_id,
        "hotel_slug": hotel.slug,
        "amount_minor": booking.amount_minor,
        "currency": booking.currency,
        "payment_window_s": hotel.payment_window_s,
        "approval_sla_s": hotel.approval_sla_s,
        "cutoff_at": booking.cutoff_at,
        "check_in_at": booking.check_in_at,
        "check_out_at": booking.check_out_at,
        "free_cancel_until": booking.cancellation_terms.free_until,
        "late_cancel_fee_percent": hotel.late_cancel_fee_percent,
        # Rarely: each question costs time, and the tests that are about it ask for more.
        "payment_poll_s": 7200,
    }
    return BookingTerms(**(terms | more))


async def sell_elsewhere(database: Database, booking: Booking, rooms: int = ROOMS) -> None:
    """Let a booking's hotel sell rooms of its type elsewhere, for the whole stay."""
    async with database.transaction() as db:
        room_type = await db.get_one(RoomType, booking.room_type_id)
        await block_rooms(db, room_type, BlockedStretch(booking.check_in, booking.check_out), rooms, None)


async def free_again(database: Database, booking: Booking) -> None:
    """Let those rooms be free again, if they were sold."""
    async with database.transaction() as db:
        room_type = await db.get_one(RoomType, booking.room_type_id)
        block = await find_block(db, room_type, BlockedStretch(booking.check_in, booking.check_out))
        if block is not None:
            await unblock_rooms(db, room_type, block)
