"""Idempotency keys: what many requests at once agree on."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from models import Booking, Hotel
from storage.bookings import booking_by_id
from storage.creation import (
    KEY_LIFETIME,
    CreationBasis,
    creation_basis,
    finish_key,
    insert_draft,
    release_key,
    submission_terms,
    take_over_key,
)
from storage.database import Database
from storage.tables import IdempotentRequest
from tests.storage.rows import CHECK_IN, T0, HotelRows, book, create_hotel, draft

LOCK = timedelta(seconds=30)
ANSWER = {"booking_id": "BK-1", "access_token": "secret"}


def request_for(hotel_rows: HotelRows, booking: Booking, **values: Any) -> IdempotentRequest:
    return IdempotentRequest(
        **{
            "hotel_id": hotel_rows.id,
            "key": "key-1",
            "body_hash": "a" * 64,
            "booking_id": booking.booking_id,
            "locked_until": T0 + LOCK,
            "created_at": T0,
            **values,
        }
    )


class CrashAfterClaim(Exception):
    """Under any interruption."""


async def create(database: Database, hotel_rows: HotelRows, **values: Any) -> tuple[bool, IdempotentRequest]:
    """The API's own transaction: booking and key together, neither if the key is taken."""
    booking = draft(hotel_rows)
    request = request_for(hotel_rows, booking, **values)
    async with database.transaction() as db:
        return await insert_draft(db, booking, request), request


async def exists(database: Database, booking_id: str) -> bool:
    async with database.transaction() as db:
        return await booking_by_id(db, booking_id) is not None


async def take_over(database: Database, request: IdempotentRequest, now: datetime) -> bool:
    async with database.transaction() as db:
        return await take_over_key(db, request, now, now + LOCK)


async def find(
    database: Database, hotel_rows: HotelRows, now: datetime, key: str = "key-1"
) -> IdempotentRequest | None:
    basis = await basis_of(database, hotel_rows, "double", now, key)
    return basis.earlier


async def basis_of(
    database: Database, hotel_rows: HotelRows, code: str, now: datetime = T0, key: str | None = None
) -> CreationBasis:
    days = (CHECK_IN, CHECK_IN + timedelta(days=2))
    async with database.transaction() as db:
        basis = await creation_basis(db, hotel_rows.hotel.slug, code, days, key, now)
    assert basis is not None
    return basis


# --- idempotency keys ---


async def test_a_key_is_claimed_once(database: Database, hotel_rows: HotelRows) -> None:
    """The second booking under it is not written."""
    won, first = await create(database, hotel_rows)
    lost, second = await create(database, hotel_rows)
    assert (won, lost) == (True, False)
    assert await exists(database, first.booking_id)
    assert not await exists(database, second.booking_id)


async def test_many_claims_at_once_leave_one_booking(database: Database, hotel_rows: HotelRows) -> None:
    """Each waits for the one before to commit or to give up."""
    results = await asyncio.gather(*(create(database, hotel_rows) for _ in range(8)))
    winners = [request for won, request in results if won]
    assert len(winners) == 1
    found = await find(database, hotel_rows, T0)
    assert found is not None
    assert found.booking_id == winners[0].booking_id
    assert [request for _, request in results if await exists(database, request.booking_id)] == winners


async def test_a_claim_that_is_rolled_back_is_none(database: Database, hotel_rows: HotelRows) -> None:
    """The waiting request gets the key."""
    booking = draft(hotel_rows)
    request = request_for(hotel_rows, booking)

    async def claim_and_crash() -> None:
        async with database.transaction() as db:
            assert await insert_draft(db, booking, request)
            rivals.append(asyncio.create_task(create(database, hotel_rows)))
            await _a_connection_waits_for_a_lock(database)
            raise CrashAfterClaim

    rivals: list[asyncio.Task[tuple[bool, IdempotentRequest]]] = []
    with pytest.raises(CrashAfterClaim):
        await claim_and_crash()
    won, other = await rivals[0]
    assert won
    assert not await exists(database, request.booking_id)
    assert await exists(database, other.booking_id)


async def _a_connection_waits_for_a_lock(database: Database) -> None:
    query = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    async with asyncio.timeout(10):
        while True:
            async with database.transaction() as db:
                if await db.scalar(query):
                    return


async def test_keys_belong_to_hotels(database: Database, hotel_rows: HotelRows) -> None:
    """The same key at another hotel is another key."""
    other = await create_hotel(database)
    assert (await create(database, hotel_rows))[0]
    assert (await create(database, other))[0]
    assert await find(database, hotel_rows, T0, "key-2") is None


async def test_a_request_in_flight_is_left_alone(database: Database, hotel_rows: HotelRows) -> None:
    """Until its lock runs out; then one takes it over, not two."""
    _, request = await create(database, hotel_rows)
    assert not await take_over(database, request, T0 + LOCK - timedelta(seconds=1))
    taken = await asyncio.gather(*(take_over(database, request, T0 + LOCK) for _ in range(6)))
    assert sorted(taken) == [False] * 5 + [True]


async def test_a_released_request_is_taken_up_at_once(database: Database, hotel_rows: HotelRows) -> None:
    """Temporal was away: the same key finishes the booking."""
    _, request = await create(database, hotel_rows)
    async with database.transaction() as db:
        await release_key(db, request)
    assert await take_over(database, request, T0)
    found = await find(database, hotel_rows, T0)
    assert found is not None
    assert (found.booking_id, found.response) == (request.booking_id, None)


async def test_a_finished_request_answers_for_ever(database: Database, hotel_rows: HotelRows) -> None:
    """For a day it is found with its answer, and no request takes it over."""
    _, request = await create(database, hotel_rows)
    async with database.transaction() as db:
        await finish_key(db, request, ANSWER)
    assert not await take_over(database, request, T0 + timedelta(hours=23))
    found = await find(database, hotel_rows, T0 + KEY_LIFETIME)
    assert found is not None
    assert (found.response, found.locked_until, found.body_hash) == (ANSWER, None, "a" * 64)


async def test_a_key_is_forgotten_after_a_day(database: Database, hotel_rows: HotelRows) -> None:
    """And may be used for another booking then; the first one stays."""
    _, first = await create(database, hotel_rows)
    later = T0 + KEY_LIFETIME + timedelta(seconds=1)
    assert await find(database, hotel_rows, later) is None
    won, second = await create(database, hotel_rows, created_at=later)
    assert won
    assert await exists(database, first.booking_id)
    # The first request comes to its end only now: it must not answer for the second.
    async with database.transaction() as db:
        await finish_key(db, first, ANSWER)
        await release_key(db, first)
    found = await find(database, hotel_rows, later)
    assert found is not None
    assert (found.booking_id, found.response) == (second.booking_id, None)
    assert found.locked_until is not None
    assert not await take_over(database, first, later + LOCK)


async def test_rooms_are_found_by_their_hotels_code(database: Database, hotel_rows: HotelRows) -> None:
    """Another hotel's `double` is another room."""
    other = await create_hotel(database)
    basis = await basis_of(database, hotel_rows, "double")
    assert basis.room_type is not None
    assert basis.room_type.id == hotel_rows.room_type.id != other.room_type.id
    assert (basis.free, basis.earlier) == (hotel_rows.room_type.rooms, None)
    assert (await basis_of(database, hotel_rows, "DOUBLE")).room_type is None


async def test_terms_are_what_the_guest_was_told(database: Database) -> None:
    """A hotel that changes its terms after a booking was made alters nothing for it."""
    hotel_rows = await create_hotel(
        database, cutoff_days_before=1, cutoff_hour=18, timezone="Asia/Tokyo", currency="JPY"
    )
    booking = await book(database, hotel_rows, free_cancel_days=5, late_cancel_fee_percent=30, version=1)
    async with database.transaction() as db:
        hotel = await db.get_one(Hotel, hotel_rows.id)
        hotel.timezone, hotel.cutoff_days_before, hotel.cutoff_hour = "Europe/Dublin", 0, 3
        hotel.check_in_hour, hotel.check_out_hour = 9, 9
        hotel.free_cancel_days, hotel.late_cancel_fee_percent = 9, 100
        hotel.payment_window_s, hotel.approval_sla_s = 1234, 4321
    async with database.reading() as db:
        kept = await booking_by_id(db, booking.booking_id)
    assert kept is not None
    terms = submission_terms(kept, hotel_rows.hotel.slug, authorization_margin_s=7, payment_poll_s=8)
    assert (terms.booking_id, terms.hotel_slug, terms.version) == (
        booking.booking_id,
        hotel_rows.hotel.slug,
        1,
    )
    assert (terms.amount_minor, terms.currency) == (15000, "JPY")
    assert (terms.payment_window_s, terms.approval_sla_s) == (86400, 86400)
    assert terms.check_in_at == datetime(2026, 12, 24, 6, tzinfo=UTC)
    assert terms.check_out_at == datetime(2026, 12, 25, 15, tzinfo=UTC)
    assert terms.cutoff_at == datetime(2026, 12, 23, 9, tzinfo=UTC)
    assert terms.free_cancel_until == datetime(2026, 12, 18, 15, tzinfo=UTC)
    assert terms.late_cancel_fee_percent == 30
    assert (terms.authorization_margin_s, terms.payment_poll_s, terms.resume) == (7, 8, None)
