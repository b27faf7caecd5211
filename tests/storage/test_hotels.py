"""Hotels and their people."""

from __future__ import annotations

import asyncio

from domain.roles import Role
from models import Hotel, RoomType
from storage.catalogue import add_unless_there, hotel_by_slug, room_types, set_password, staff_with_hotel
from storage.database import Database
from storage.staff_accounts import active_staff
from tests.storage.rows import HotelRows


async def test_adding_what_is_there_changes_nothing(database: Database) -> None:
    """Of several operators at once, one hears that it was added."""
    slug = "hotel-added-once"
    rows = [Hotel(slug=slug, name=f"Name {i}", currency="EUR", timezone="Europe/Dublin") for i in range(4)]

    async def add(row: Hotel) -> bool:
        async with database.transaction() as db:
            return await add_unless_there(db, row)

    added = await asyncio.gather(*(add(row) for row in rows))
    assert sorted(added) == [False, False, False, True]
    async with database.transaction() as db:
        hotel = await hotel_by_slug(db, slug)
        assert hotel is not None
        assert hotel.name == rows[added.index(True)].name
        assert hotel.id is not None
        room = RoomType(hotel_id=hotel.id, code="b", name="B", price_per_night_minor=1, max_guests=1, rooms=1)
        assert await add_unless_there(db, room)
        assert await add_unless_there(db, RoomType(**{**room.model_dump(), "code": "a"}))
        assert not await add_unless_there(db, room)
        assert [found.code for found in await room_types(db, hotel.id)] == ["a", "b"]
        assert await hotel_by_slug(db, "hotel-nobody") is None


async def test_staff_are_found_with_their_hotel(database: Database, hotel_rows: HotelRows) -> None:
    """By address for the log-in, by id for every request after it; who left is not found by id."""
    email = hotel_rows.staff[Role.VIEWER].email
    async with database.transaction() as db:
        found = await staff_with_hotel(db, email)
        assert found is not None
        assert (found[0].email, found[1].slug) == (email, hotel_rows.hotel.slug)
        assert await staff_with_hotel(db, email.upper()) is None
        await set_password(db, email, "new hash")
    async with database.transaction() as db:
        assert found[0].id is not None
        known = await active_staff(db, found[0].id)
        assert known is not None
        assert (known[0].password_hash, known[1].id) == ("new hash", hotel_rows.id)
        known[0].active = False
    async with database.transaction() as db:
        assert await active_staff(db, found[0].id) is None
