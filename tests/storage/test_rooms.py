"""Rooms are claimed with the hold and freed with the end, and PostgreSQL refuses one too many."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import col

from domain.booking import Event, ReasonCode, Status
from domain.messages.changes import ChangeResult
from models import Booking, RoomType
from sandbox.drivers import wait_until
from storage.bookings import apply_change
from storage.catalogue import change_overbooking, change_room_type, hotel_by_slug, room_type_by_code
from storage.database import Database
from storage.room_blocks import BlockedStretch, RoomsTakenError, block_rooms
from storage.rooms import claim_rooms, rebuild_claims, recount_claims, rooms_free, rooms_taken
from storage.tables import RoomClaim, RoomNight
from tests.storage.rows import CHECK_IN, HotelRows, book, change_of, create_hotel, draft, row_of

DAY = timedelta(days=1)
BOTH = [CHECK_IN, CHECK_IN + DAY]

_WAITING = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%room_night%'
"""


async def waiting(database: Database, hotel_rows: HotelRows, **booking: Any) -> Booking:
    """A booking that waits for its payment."""
    return await book(database, hotel_rows, status=Status.PENDING_PAYMENT, **booking)


async def step(database: Database, booking: Booking, event: Event, **change: Any) -> ChangeResult:
    """Apply a change to the booking as its row is now."""
    row = await row_of(database, booking.booking_id)
    async with database.transaction() as db:
        return await apply_change(db, change_of(row, event, **change))


async def hold(database: Database, booking: Booking) -> ChangeResult:
    return await step(
        database,
        booking,
        Event.AUTHORIZED,
        payment_intent_id=f"pi_{booking.booking_id}",
        authorized_at=booking.created_at,
    )


async def claims(database: Database, booking: Booking) -> list[date]:
    async with database.transaction() as db:
        query = select(col(RoomClaim.night)).where(col(RoomClaim.booking_id) == booking.booking_id)
        return sorted(await db.scalars(query))


async def counts(database: Database, hotel_rows: HotelRows) -> dict[date, tuple[int, int, int]]:
    """Rooms claimed, claimed beyond the limit, and in all, by night."""
    query = select(RoomNight).where(col(RoomNight.room_type_id) == hotel_rows.room_type.id)
    async with database.transaction() as db:
        rows = (await db.scalars(query)).all()
    return {row.night: (row.claimed, row.beyond, row.capacity) for row in rows}


async def with_rooms(database: Database, rooms: int, **hotel: Any) -> HotelRows:
    hotel_rows = await create_hotel(database, **hotel)
    async with database.transaction() as db:
        change = update(RoomType).where(col(RoomType.id) == hotel_rows.room_type.id)
        await db.execute(change.values(rooms=rooms))
    return hotel_rows


async def test_hold_claims_a_room_for_each_night(database: Database, hotel_rows: HotelRows) -> None:
    booking = await waiting(database, hotel_rows)
    assert await claims(database, booking) == []
    await hold(database, booking)
    assert await claims(database, booking) == BOTH
    assert await counts(database, hotel_rows) == dict.fromkeys(BOTH, (1, 0, 3))


@pytest.mark.parametrize(
    "end", [Event.APPROVAL_TIMED_OUT, Event.DECLINED, Event.AUTHORIZATION_LOST, Event.CANCELLED_BY_GUEST]
)
async def test_end_frees_the_rooms_with_the_status(
    database: Database, hotel_rows: HotelRows, end: Event
) -> None:
    booking, other = [await waiting(database, hotel_rows) for _ in range(2)]
    await hold(database, booking)
    await hold(database, other)
    reason = ReasonCode.OTHER if end is Event.DECLINED else None
    await step(database, booking, end, reason_code=reason)
    assert await claims(database, booking) == []
    assert await counts(database, hotel_rows) == dict.fromkeys(BOTH, (1, 0, 3))


async def test_confirmed_booking_keeps_its_rooms_until_it_is_cancelled(
    database: Database, hotel_rows: HotelRows
) -> None:
    booking = await waiting(database, hotel_rows)
    await hold(database, booking)
    await step(database, booking, Event.APPROVED, amount_captured_minor=15000)
    assert await claims(database, booking) == BOTH
    await step(database, booking, Event.CANCELLED_BY_STAFF)
    assert await claims(database, booking) == []


async def test_hold_without_a_room_is_refused_for_good(database: Database) -> None:
    """Nothing moves but the mark, also where a room becomes free before the refused hold comes again."""
    hotel_rows = await with_rooms(database, 1)
    first, second = [await waiting(database, hotel_rows) for _ in range(2)]
    await hold(database, first)
    refused = await hold(database, second)
    assert refused == ChangeResult(1, Status.PENDING_PAYMENT, sold_out=True)

    await step(database, first, Event.APPROVAL_TIMED_OUT)
    assert (await hold(database, second)).sold_out
    row = await row_of(database, second.booking_id)
    assert (row.status, row.version, row.decision_deadline) == (Status.PENDING_PAYMENT, 1, None)
    assert row.payment_intent_id == f"pi_{second.booking_id}"
    assert row.sold_out_at is not None
    await step(database, second, Event.SOLD_OUT)
    row = await row_of(database, second.booking_id)
    assert (row.status, row.reason_code) == (Status.DECLINED, ReasonCode.SOLD_OUT)


async def test_one_full_night_refuses_the_whole_stay(database: Database) -> None:
    hotel_rows = await with_rooms(database, 1)
    await hold(database, await waiting(database, hotel_rows))
    late = await waiting(database, hotel_rows, check_in=CHECK_IN + DAY, check_out=CHECK_IN + 4 * DAY)
    assert (await hold(database, late)).sold_out
    next_door = await waiting(database, hotel_rows, check_in=CHECK_IN + 2 * DAY, check_out=CHECK_IN + 4 * DAY)
    assert not (await hold(database, next_door)).sold_out


async def test_repeated_hold_claims_nothing_more(database: Database, hotel_rows: HotelRows) -> None:
    booking = await waiting(database, hotel_rows)
    change = change_of(booking, Event.AUTHORIZED, payment_intent_id="pi_repeated")
    for _ in range(2):
        async with database.transaction() as db:
            assert not (await apply_change(db, change)).sold_out
    async with database.transaction() as db:
        assert await claim_rooms(db, booking)
    assert await counts(database, hotel_rows) == dict.fromkeys(BOTH, (1, 0, 3))


async def test_overbooking_allowance_is_counted(database: Database) -> None:
    hotel_rows = await with_rooms(database, 1, overbooking=1)
    results = [await hold(database, await waiting(database, hotel_rows)) for _ in range(3)]
    assert [result.sold_out for result in results] == [False, False, True]


async def test_postgresql_refuses_one_too_many(database: Database) -> None:
    """For any writer and any statement."""
    hotel_rows = await with_rooms(database, 1)
    await hold(database, await waiting(database, hotel_rows))
    night = update(RoomNight).where(col(RoomNight.room_type_id) == hotel_rows.room_type.id)
    for column in ("claimed", "blocked"):
        with pytest.raises(IntegrityError, match="room_night_within_capacity"):
            async with database.transaction() as db:
                await db.execute(night.values({column: 2}))


async def test_crowd_for_the_last_rooms(database: Database) -> None:
    """Stays that overlap every which way: no night is sold twice, and no deadlock occurs."""
    hotel_rows = await with_rooms(database, 5)
    stays = [(CHECK_IN + (i * 7 % 5) * DAY, CHECK_IN + (i * 7 % 5 + 1 + i % 4) * DAY) for i in range(60)]
    guests = [await waiting(database, hotel_rows, check_in=begin, check_out=end) for begin, end in stays]
    results = await asyncio.gather(*(hold(database, guest) for guest in guests))
    claimed = {guest.booking_id: await claims(database, guest) for guest in guests}
    nights = Counter(night for own in claimed.values() for night in own)
    assert max(nights.values()) == 5
    assert {night: row[0] for night, row in (await counts(database, hotel_rows)).items() if row[0]} == nights
    for guest, result in zip(guests, results, strict=True):
        assert bool(claimed[guest.booking_id]) is not result.sold_out


async def test_claim_waits_for_a_change_of_the_number_of_rooms(database: Database) -> None:
    """The nights that it writes have the new number, of which the hotel and the room type each hold a part."""
    hotel_rows = await with_rooms(database, 1)
    booking = await waiting(database, hotel_rows)

    async def claim_waits() -> int:
        async with database.reading() as db:
            return int(await db.scalar(text(_WAITING)) or 0)

    async with database.transaction() as db:
        hotel = await hotel_by_slug(db, hotel_rows.hotel.slug, lock=True)
        assert hotel is not None
        room_type = await room_type_by_code(db, hotel_rows.id, hotel_rows.room_type.code)
        assert room_type is not None
        claim = asyncio.create_task(hold(database, booking))
        await wait_until(claim_waits, bool, what="the claim to wait for the hotel")
        await change_room_type(db, hotel, room_type, {"rooms": 4})
        await change_overbooking(db, hotel, 2)
    assert not (await claim).sold_out
    assert await counts(database, hotel_rows) == dict.fromkeys(BOTH, (1, 0, 6))


async def test_captured_money_is_recorded_beyond_the_limit(database: Database) -> None:
    """And takes the next place that becomes free."""
    hotel_rows = await with_rooms(database, 1)
    first = await waiting(database, hotel_rows)
    await hold(database, first)
    restored = await book(database, hotel_rows, status=Status.CONFIRMED)
    async with database.transaction() as db:
        assert not await rebuild_claims(db, restored, beyond=False)
    async with database.transaction() as db:
        assert await rebuild_claims(db, restored, beyond=True)
    assert await counts(database, hotel_rows) == dict.fromkeys(BOTH, (2, 1, 1))
    assert (await hold(database, await waiting(database, hotel_rows))).sold_out

    await step(database, first, Event.APPROVAL_TIMED_OUT)
    assert await counts(database, hotel_rows) == dict.fromkeys(BOTH, (1, 0, 1))
    assert (await hold(database, await waiting(database, hotel_rows))).sold_out


async def test_refused_block_counts_all_bookings_in_the_way(database: Database) -> None:
    hotel_rows = await with_rooms(database, 60)
    bookings = [draft(hotel_rows, status=Status.PENDING_APPROVAL) for _ in range(60)]
    async with database.transaction() as db:
        db.add_all(bookings)
        await db.flush()
        for booking in bookings:
            assert await claim_rooms(db, booking)
    ids = sorted(booking.booking_id for booking in bookings)
    async with database.transaction() as db:
        stretch = BlockedStretch(CHECK_IN, CHECK_IN + DAY)
        with pytest.raises(RoomsTakenError) as refused:
            await block_rooms(db, hotel_rows.room_type, stretch, 1, None)
    assert (refused.value.booking_ids, refused.value.unnamed) == (ids[:20], 40)
    assert str(refused.value).endswith(f"bookings {', '.join(ids[:10])} and 50 more")


async def test_counts_are_made_anew_from_the_claims(database: Database, hotel_rows: HotelRows) -> None:
    await hold(database, await waiting(database, hotel_rows))
    async with database.transaction() as db:
        night = update(RoomNight).where(col(RoomNight.room_type_id) == hotel_rows.room_type.id)
        await db.execute(night.values(claimed=3))
    async with database.transaction() as db:
        await recount_claims(db)
    assert await counts(database, hotel_rows) == dict.fromkeys(BOTH, (1, 0, 3))


@pytest.mark.parametrize(
    ("from_day", "nights", "shares"),
    [(-2, 2, False), (-1, 2, True), (0, 1, True), (1, 1, True), (1, 5, True), (2, 2, False), (-5, 20, True)],
)
async def test_rooms_free_and_taken_on_shared_nights(
    database: Database, hotel_rows: HotelRows, from_day: int, nights: int, shares: bool
) -> None:
    """A stay that ends on the day another begins shares no night with it."""
    mine = await waiting(database, hotel_rows)
    begins = CHECK_IN + timedelta(days=from_day)
    stay = {"check_in": begins, "check_out": begins + timedelta(days=nights)}
    await hold(database, await waiting(database, hotel_rows, **stay))
    await hold(database, await waiting(database, await create_hotel(database), **stay))
    async with database.transaction() as db:
        assert await rooms_taken(db, [mine]) == {mine.booking_id: int(shares)}
        free = await rooms_free(db, hotel_rows.hotel, mine.check_in, mine.check_out)
    assert free == {hotel_rows.room_type.id: 3 - int(shares)}
