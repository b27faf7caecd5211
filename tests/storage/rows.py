"""Hotels, bookings and whatever else a test wants to find in the database."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from domain.booking import ActorKind, Event, Status
from domain.identifiers import new_booking_id, new_command_id
from domain.messages.changes import Change
from domain.roles import Role
from models import Booking, BookingCommand, BookingTimeline, Hotel, RoomType, Staff
from storage.bookings import booking_by_id, timeline
from storage.creation import insert_draft, offered_terms
from storage.database import Database

# Lately, so that nothing of these tests is taken for old; to the microsecond, as PostgreSQL keeps it.
T0 = datetime.now(UTC).replace(microsecond=123456) - timedelta(hours=1)
CHECK_IN = date(2026, 12, 24)

_numbers = itertools.count(1)


@dataclass(frozen=True)
class HotelRows:
    """A hotel with one room type and one person of each role."""

    hotel: Hotel
    room_type: RoomType
    staff: dict[Role, Staff]

    @property
    def id(self) -> int:
        """The hotel's row."""
        assert self.hotel.id is not None
        return self.hotel.id

    @property
    def approver_id(self) -> int:
        """An approver's account."""
        found = self.staff[Role.APPROVER].id
        assert found is not None
        return found


async def create_hotel(database: Database, **hotel: Any) -> HotelRows:
    """A hotel that no other test knows of."""
    slug = f"hotel-{next(_numbers)}"
    values: dict[str, Any] = {
        "slug": slug,
        "name": "Hotel Killarney",
        "currency": "EUR",
        "timezone": "Europe/Dublin",
    }
    row = Hotel(**{**values, **hotel})
    async with database.transaction() as db:
        db.add(row)
        await db.flush()
        assert row.id is not None
        room = RoomType(
            hotel_id=row.id,
            code="double",
            name="Double room",
            price_per_night_minor=7500,
            max_guests=2,
            rooms=3,
        )
        people = {
            role: Staff(hotel_id=row.id, email=f"{role}@{row.slug}.test", role=role, password_hash="-")
            for role in Role
        }
        db.add_all([room, *people.values()])
    return HotelRows(row, room, people)


def draft(hotel_rows: HotelRows, **booking: Any) -> Booking:
    """A booking of two nights, not written yet."""
    values: dict[str, Any] = {
        "booking_id": new_booking_id(),
        "hotel_id": hotel_rows.hotel.id,
        "room_type_id": hotel_rows.room_type.id,
        "check_in": CHECK_IN,
        "check_out": CHECK_IN + timedelta(days=2),
        "adults": 2,
        "guest_first_name": "Philippa",
        "guest_last_name": "Quarshie",
        "guest_email": "philippa.quarshie@example.com",
        "amount_minor": 15000,
        "currency": hotel_rows.hotel.currency,
        **offered_terms(hotel_rows.hotel, CHECK_IN),
        "created_at": T0,
        "updated_at": T0,
    }
    return Booking(**{**values, **booking})


async def book(database: Database, hotel_rows: HotelRows, **booking: Any) -> Booking:
    """A draft in the database, with the first row of its timeline; any column can be given a value."""
    row = draft(hotel_rows, **booking)
    async with database.transaction() as db:
        await insert_draft(db, row)
    return row


async def held(database: Database, hotel_rows: HotelRows, **booking: Any) -> Booking:
    """A booking that waits for the hotel, version 3, as its row would be."""
    values: dict[str, Any] = {
        "status": Status.PENDING_APPROVAL,
        "version": 3,
        "payment_intent_id": f"pi_{next(_numbers)}",
        "payment_authorized_at": T0,
        "decision_deadline": T0 + timedelta(days=1),
    }
    return await book(database, hotel_rows, **{**values, **booking})


async def row_of(database: Database, booking_id: str) -> Booking:
    """A booking's row as it is now."""
    async with database.transaction() as db:
        row = await booking_by_id(db, booking_id)
    assert row is not None
    return row


async def steps_of(database: Database, booking_id: str) -> list[BookingTimeline]:
    """A booking's timeline as it is now."""
    async with database.transaction() as db:
        return list(await timeline(db, booking_id))


async def ask(database: Database, booking_id: str, kind: str, **command: Any) -> BookingCommand:
    """A decision that staff or the guest asked for."""
    values: dict[str, Any] = {
        "command_id": new_command_id(),
        "booking_id": booking_id,
        "kind": kind,
        "actor": "approver@hotel.test",
        "created_at": T0,
    }
    row = BookingCommand(**{**values, **command})
    async with database.transaction() as db:
        db.add(row)
    return row


def change_of(booking: Booking, event: Event, **change: Any) -> Change:
    """The next change of a booking as its row is; a minute after the last one."""
    values: dict[str, Any] = {
        "booking_id": booking.booking_id,
        "hotel_slug": "unused",
        "expected_version": booking.version,
        "event": event,
        "at": booking.updated_at + timedelta(minutes=1),
        "actor": ActorKind.SYSTEM,
    }
    return Change(**{**values, **change})
