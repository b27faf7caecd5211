"""Rooms and prices, as managers set them and guests read them."""

from __future__ import annotations

import pytest
from sqlalchemy import delete
from sqlmodel import col

from models import RoomType
from storage.catalogue import hotel_by_slug, room_types
from tests.api.hotels import HotelDriver, open_hotel
from tests.api.stack import ApiStack
from tests.pages.page_client import PageClient, PageClients

TOWER = {"name": "Tower room", "price_per_night": "99.5", "max_guests": "3", "rooms": "2"}


async def rooms_of(stack: ApiStack, hotel: HotelDriver) -> dict[str, tuple[str, int, int, int]]:
    async with stack.database.reading() as db:
        rows = await room_types(db, hotel.id)
    return {row.code: (row.name, row.price_per_night_minor, row.max_guests, row.rooms) for row in rows}


async def test_rooms_and_prices_are_for_managers(viewer: PageClient, approver: PageClient) -> None:
    for page_client in (viewer, approver):
        assert "/staff/rooms/" not in (await page_client.open("/staff/")).links
        for path in ("/staff/rooms/", "/staff/rooms/double/"):
            assert (await page_client.open(path)).status == 403
            await page_client.open("/staff/")
            assert (await page_client.send(path, **TOWER)).status == 403
        assert (await page_client.send("/staff/overbooking/", overbooking="1")).status == 403


async def test_room_types_are_listed_with_their_prices(manager: PageClient) -> None:
    assert "/staff/rooms/" in (await manager.open("/staff/")).links
    page = await manager.open("/staff/rooms/")
    assert "A double €75.00 2 30 A suite €150.00 4 30" in page.words
    assert {"/staff/rooms/double/", "/staff/rooms/suite/"} <= set(page.links)


async def test_a_room_type_is_added_and_booked(
    manager: PageClient, page_clients: PageClients, hotel: HotelDriver, stack: ApiStack
) -> None:
    page = await manager.submit("/staff/rooms/", **TOWER)
    assert "Saved: Tower room." in page.words
    assert (await rooms_of(stack, hotel))["tower-room"] == ("Tower room", 9950, 3, 2)
    words = (await page_clients.stranger().open(f"/hotels/{hotel.slug}/")).words
    assert "Tower room for up to 3 guests €99.50 a night" in words
    guest = await hotel.submitted(room_type="tower-room")
    assert (await guest.read_booking())["amount"] == "199.00"


async def test_the_first_room_type(manager: PageClient, hotel: HotelDriver, stack: ApiStack) -> None:
    """A name without Latin letters has a code, too."""
    async with stack.database.transaction() as db:
        await db.execute(delete(RoomType).where(col(RoomType.hotel_id) == hotel.id))
    assert "There are no room types yet." in (await manager.open("/staff/rooms/")).words
    for name in ("和室", "洋室"):
        await manager.submit("/staff/rooms/", **(TOWER | {"name": name}))
    assert [(code, row[0]) for code, row in (await rooms_of(stack, hotel)).items()] == [
        ("room", "和室"),
        ("room-2", "洋室"),
    ]


async def test_a_changed_price_holds_for_later_bookings(
    manager: PageClient, hotel: HotelDriver, stack: ApiStack
) -> None:
    before = await hotel.submitted()
    form = {"name": "Twin", "price_per_night": "80", "max_guests": "2", "rooms": "9"}
    page = await manager.submit("/staff/rooms/double/", **form)
    assert "Saved: Twin. The change applies to new requests; earlier bookings keep their price." in page.words
    assert (await rooms_of(stack, hotel))["double"] == ("Twin", 8000, 2, 9)
    after = await hotel.submitted()
    assert ((await before.read_booking())["amount"], (await after.read_booking())["amount"]) == (
        "150.00",
        "160.00",
    )
    assert (await before.pay()).status_code == 303
    await before.until("PENDING_APPROVAL")
    assert (await stack.client.payment(before.booking_id))["amount"] == 15000


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", " ", "Give one line of 1 to 200 characters."),
        ("name", "x" * 201, "Give one line of 1 to 200 characters."),
        ("name", "Two\nlines", "Give one line of 1 to 200 characters."),
        ("name", "a DOUBLE", "Another room type has this name"),
        ("price_per_night", "", "Give a price, such as 150.00."),
        ("price_per_night", "€5", "'€5' is not an amount; write it like 150.00."),
        ("price_per_night", "99.999", "has more decimals than EUR does (2)."),
        ("price_per_night", "0.49", "0.49 EUR is below the smallest charge, 0.50 EUR."),
        ("price_per_night", "1000000", "is above the largest charge Stripe takes."),
        ("max_guests", "0", "Give a whole number between 1 and 100."),
        ("max_guests", "2.5", "Give a whole number between 1 and 100."),
        ("rooms", "10001", "Give a whole number between 1 and 10000."),
        ("rooms", "", "Give a whole number between 1 and 10000."),
    ],
)
async def test_a_room_type_that_cannot_be_is_refused_in_words(
    manager: PageClient, hotel: HotelDriver, stack: ApiStack, field: str, value: str, words: str
) -> None:
    before = await rooms_of(stack, hotel)
    for path in ("/staff/rooms/", "/staff/rooms/suite/"):
        page = await manager.submit(path, **(TOWER | {field: value}))
        assert page.status == 422
        assert words in page.words
        assert f'id="{field}-error"' in page.html
    assert await rooms_of(stack, hotel) == before


async def test_all_that_is_wrong_is_told_at_once_and_kept_in_the_form(
    manager: PageClient, hotel: HotelDriver, stack: ApiStack
) -> None:
    before = await rooms_of(stack, hotel)
    wrong = {"name": "A double", "price_per_night": "free", "max_guests": "none", "rooms": "0"}
    page = await manager.submit("/staff/rooms/", **wrong)
    assert page.status == 422
    assert all(f'id="{field}-error"' in page.html for field in wrong)
    assert all(f'value="{value}"' in page.html for value in wrong.values())
    assert await rooms_of(stack, hotel) == before


async def test_a_price_has_its_currencys_decimals(stack: ApiStack, page_clients: PageClients) -> None:
    inn = await open_hotel(stack, currency="JPY", price_minor=12000)
    manager = await page_clients.staff(inn, "manager")
    page = await manager.open("/staff/rooms/double/")
    assert "In JPY, such as 15000." in page.words
    assert 'value="12000"' in page.html
    await manager.submit("/staff/rooms/double/", **(TOWER | {"price_per_night": "13000"}))
    assert (await rooms_of(stack, inn))["double"][1] == 13000


async def test_the_overbooking_allowance(page_clients: PageClients, stack: ApiStack) -> None:
    """It lets one booking more be held; while that one is, it cannot be lowered, and the page names the booking."""
    hotel = await open_hotel(stack, rooms=1)
    manager = await page_clients.staff(hotel, "manager")
    await hotel.held()
    await manager.open("/staff/rooms/")
    page = await manager.send("/staff/overbooking/", overbooking="1")
    page = await manager.follow(page.location)
    assert "The overbooking allowance is now 1." in page.words
    second = await hotel.held()
    for text, words in (
        ("0", "A double: too few rooms would be left on"),
        ("-1", "Give a whole number between 0 and 1000."),
        ("1001", "Give a whole number between 0 and 1000."),
    ):
        page = await manager.send("/staff/overbooking/", overbooking=text)
        assert page.status == 422
        assert words in page.words
        assert f'value="{text}"' in page.html
        assert (second.booking_id in page.words) is (text == "0")
    assert "is now" not in (await manager.open("/staff/rooms/")).words
    async with stack.database.reading() as db:
        row = await hotel_by_slug(db, hotel.slug)
        assert row is not None
        assert row.overbooking == 1


async def test_another_hotels_room_types_are_not_there(manager: PageClient, stack: ApiStack) -> None:
    other = await open_hotel(stack)
    async with stack.database.transaction() as db:
        row = RoomType(
            hotel_id=other.id, code="attic", name="Attic", price_per_night_minor=5000, max_guests=1, rooms=1
        )
        db.add(row)
    assert (await manager.open("/staff/rooms/attic/")).status == 404
    await manager.open("/staff/rooms/")
    assert (await manager.send("/staff/rooms/attic/", **TOWER)).status == 404
    assert (await rooms_of(stack, other))["attic"] == ("Attic", 5000, 1, 1)


async def test_rooms_that_bookings_have_cannot_be_taken_away(
    page_clients: PageClients, stack: ApiStack
) -> None:
    hotel = await open_hotel(stack, rooms=2)
    manager = await page_clients.staff(hotel, "manager")
    guests = [await hotel.held() for _ in range(2)]
    form = {"name": "A double", "price_per_night": "75.00", "max_guests": "2", "rooms": "1"}
    page = await manager.submit("/staff/rooms/double/", **form)
    assert page.status == 422
    assert "Too few rooms would be left" in page.words
    assert all(guest.booking_id in page.words for guest in guests)
