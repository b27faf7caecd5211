"""The calendar: the rooms of each night in words, its bookings, and blocking rooms from there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import pytest
from sqlalchemy import select
from sqlmodel import col

from domain.identifiers import new_booking_id
from models import Booking, RoomType
from storage.rooms import claim_rooms
from storage.tables import RoomBlock, RoomNight
from tests.api.hotels import HotelDriver, open_hotel
from tests.api.rows import row_of
from tests.api.stack import ApiStack
from tests.pages.page_client import PageClient, PageClients, PageContent
from tests.pages.test_staff_queue import listed
from wording.values import short_day

CALENDAR = "/staff/calendar/"


@pytest.fixture
async def small(stack: ApiStack) -> HotelDriver:
    """A hotel with three rooms of each type."""
    return await open_hotel(stack, rooms=3)


@pytest.fixture
async def boss(page_clients: PageClients, small: HotelDriver) -> PageClient:
    """Its manager."""
    return await page_clients.staff(small, "manager")


def block_form(hotel: HotelDriver, *, ahead: int = 20, nights: int = 2, **changes: str) -> dict[str, str]:
    first = hotel.today() + timedelta(days=ahead)
    form = {
        "room_type": "double",
        "first_night": f"{first}",
        "last_night": f"{first + timedelta(days=nights - 1)}",
        "rooms": "2",
        "note": "Painting",
    }
    return form | changes


async def blocked_nights(hotel: HotelDriver) -> dict[date, int]:
    query = (
        select(RoomNight)
        .join(RoomType, col(RoomType.id) == col(RoomNight.room_type_id))
        .where(col(RoomType.hotel_id) == hotel.id, col(RoomNight.blocked) > 0)
    )
    async with hotel.stack.database.reading() as db:
        return {row.night: row.blocked for row in await db.scalars(query)}


async def blocks_of(hotel: HotelDriver) -> Sequence[RoomBlock]:
    query = select(RoomBlock).join(RoomType, col(RoomType.id) == col(RoomBlock.room_type_id))
    async with hotel.stack.database.reading() as db:
        return (await db.scalars(query.where(col(RoomType.hotel_id) == hotel.id))).all()


def cells(page: PageContent) -> list[str]:
    return [link for link in page.links if "night=" in link]


async def test_each_night_tells_what_is_free_claimed_waiting_and_blocked(
    boss: PageClient, small: HotelDriver
) -> None:
    confirmed = await small.confirmed(days_ahead=20, nights=1)
    waiting = await small.held(days_ahead=20, nights=2)
    assert (await boss.submit(CALENDAR, **block_form(small, rooms="1"))).status == 200
    page = await boss.open(CALENDAR)
    day = small.today() + timedelta(days=20)
    nights = [short_day(day + timedelta(days=number)) for number in range(3)]
    label = f"2 bookings of A double, {nights[0]}"
    assert f"{nights[0]} A double full 1 claimed 1 waiting 1 blocked {label} A suite 3 free" in page.words
    assert f"{nights[1]} A double 1 free 1 waiting 1 blocked" in page.words
    assert f"{nights[2]} A double 3 free A suite 3 free" in page.words
    assert cells(page) == [
        f"/staff/?view=all&room=double&night={day}",
        f"/staff/?view=all&room=double&night={day + timedelta(days=1)}",
    ]
    first, second = cells(page)
    page = await boss.open(first)
    assert listed(page) == [waiting.booking_id, confirmed.booking_id]
    assert f"Bookings with a room on the night of {nights[0]}: A double." in page.words
    assert f"{CALENDAR}?first={day}" in page.links
    assert listed(await boss.open(second)) == [waiting.booking_id]
    assert listed(await boss.open(first.replace("all", "confirmed"))) == [confirmed.booking_id]
    assert listed(await boss.open(first.replace("double", "suite"))) == []


async def test_a_room_that_is_given_up_is_free_again(boss: PageClient, small: HotelDriver) -> None:
    guest = await small.held(days_ahead=20, nights=1)
    assert len(cells(await boss.open(CALENDAR))) == 1
    assert (await guest.cancel()).status_code == 200
    page = await boss.open(CALENDAR)
    assert cells(page) == []
    assert f"{short_day(small.today() + timedelta(days=20))} A double 3 free" in page.words


@pytest.mark.parametrize("timezone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
async def test_thirty_nights_from_today_earlier_and_later(
    stack: ApiStack, page_clients: PageClients, timezone: str
) -> None:
    """Today is the hotel's; an address that names no day of the calendar shows today."""
    hotel = await open_hotel(stack, timezone=timezone)
    viewer, today = await page_clients.staff(hotel, "viewer"), hotel.today()
    page = await viewer.open(CALENDAR)
    assert page.html.count("<time datetime=") == 30
    assert f"{short_day(today)} today A double 30 free A suite 30 free" in page.words
    assert CALENDAR in (await viewer.open("/staff/")).links
    for days in (30, -30):
        address = f"{CALENDAR}?first={today + timedelta(days=days)}"
        assert address in page.links
        there = await viewer.open(address)
        assert f'<time datetime="{today + timedelta(days=days)}">' in there.html
        assert f"{CALENDAR}?first={today}" in there.links
    for nonsense in ("tomorrow", "2027-02-30", "0001-01-01", "9999-12-31", ""):
        again = await viewer.open(f"{CALENDAR}?first={nonsense}")
        assert f"{short_day(today)} today" in again.words, nonsense
    for days, lacking in ((1095, "later"), (-1095, "earlier")):
        end = await viewer.open(f"{CALENDAR}?first={today + timedelta(days=days)}")
        assert f'id="{lacking}"' not in end.html


async def test_rooms_are_blocked_and_put_back_into_service(boss: PageClient, small: HotelDriver) -> None:
    """A repeat changes nothing, of either."""
    form = block_form(small)
    day = small.today() + timedelta(days=20)
    page = await boss.submit(CALENDAR, **form)
    assert "The rooms are blocked." in page.words
    assert "2 rooms, A double" in page.words
    assert "Painting" in page.words
    assert await blocked_nights(small) == {day: 2, day + timedelta(days=1): 2}
    assert "there already; nothing changed" in (await boss.submit(CALENDAR, **form)).words
    other = await boss.submit(CALENDAR, **(form | {"rooms": "1"}))
    assert (other.status, "unblock it first" in other.words) == (422, True)
    [block] = await blocks_of(small)
    assert await blocked_nights(small) == {day: 2, day + timedelta(days=1): 2}
    await boss.open(CALENDAR)
    for words in ("The rooms are back in service.", "This block is not there any more; nothing changed."):
        page = await boss.send(f"{CALENDAR}unblock/", block=f"{block.id}", first=f"{day}")
        page = await boss.follow(page.location)
        assert words in page.words
        assert "No rooms are blocked." in page.words
    assert (await blocks_of(small), await blocked_nights(small)) == ([], {})


async def test_rooms_that_bookings_have_are_not_blocked(boss: PageClient, small: HotelDriver) -> None:
    """The bookings are named, and the form keeps what was written."""
    guests = [await small.held(days_ahead=21, nights=1) for _ in range(2)]
    page = await boss.submit(CALENDAR, **block_form(small))
    assert page.status == 422
    assert f"Too few rooms would be left on {short_day(small.today() + timedelta(days=21))}" in page.words
    assert {f"/staff/bookings/{guest.booking_id}/" for guest in guests} <= set(page.links)
    assert 'value="Painting"' in page.html
    assert (await blocks_of(small), await blocked_nights(small)) == ([], {})
    assert "The rooms are blocked." in (await boss.submit(CALENDAR, **block_form(small, rooms="1"))).words


async def test_refused_block_says_how_many_more_bookings_are_in_the_way(
    stack: ApiStack, page_clients: PageClients
) -> None:
    hotel = await open_hotel(stack, rooms=24)
    guest = await hotel.held(days_ahead=20, nights=1)
    copied = (await row_of(hotel, guest)).model_dump(exclude={"id", "booking_id", "payment_intent_id"})
    async with stack.database.transaction() as db:
        for _ in range(23):
            row = Booking.model_validate(copied | {"booking_id": new_booking_id()})
            db.add(row)
            await db.flush()
            assert await claim_rooms(db, row)
    boss = await page_clients.staff(hotel, "manager")
    await boss.open(CALENDAR)
    page = await boss.submit(CALENDAR, **block_form(hotel, nights=1))
    assert page.status == 422
    assert len([link for link in page.links if link.startswith("/staff/bookings/")]) == 20
    assert "And 4 more bookings." in page.words


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("room_type", "attic", "Choose a room type."),
        ("first_night", "", "Give a night from today on"),
        ("first_night", "2020-01-01", "Give a night from today on"),
        ("first_night", "9999-12-31", "Give a night from today on"),
        ("last_night", "soon", "Give a night from the first one on"),
        ("last_night", "2020-01-01", "Give a night from the first one on"),
        ("last_night", "9999-12-31", "Give a night from the first one on"),
        ("rooms", "0", "Give a whole number between 1 and 10000."),
        ("rooms", "1.5", "Give a whole number between 1 and 10000."),
        ("note", "x" * 201, "Give one line of 1 to 200 characters."),
        ("note", "two\nlines", "Give one line of 1 to 200 characters."),
    ],
)
async def test_a_block_that_cannot_be_is_refused_in_words(
    manager: PageClient, hotel: HotelDriver, field: str, value: str, words: str
) -> None:
    page = await manager.submit(CALENDAR, **(block_form(hotel) | {field: value}))
    assert page.status == 422
    assert words in page.words
    assert f'id="{field}-error"' in page.html
    assert await blocks_of(hotel) == []


async def test_only_managers_block(
    boss: PageClient, small: HotelDriver, page_clients: PageClients, stack: ApiStack
) -> None:
    """All others read the calendar; another hotel's block is not there."""
    await boss.submit(CALENDAR, **block_form(small))
    [block] = await blocks_of(small)
    for role in ("viewer", "approver"):
        page_client = await page_clients.staff(small, role)
        page = await page_client.open(CALENDAR)
        assert "2 rooms, A double" in page.words
        assert "Block rooms" not in page.words
        assert 'id="unblock-' not in page.html
        for path in (CALENDAR, f"{CALENDAR}unblock/"):
            sent = await page_client.send(path, **block_form(small, ahead=5), block=f"{block.id}")
            assert sent.status == 403
    other = await page_clients.staff(await open_hotel(stack), "manager")
    page = await other.open(CALENDAR)
    assert "2 rooms" not in page.words
    for number in (f"{block.id}", "-1", "9" * 30, ""):
        assert (await other.send(f"{CALENDAR}unblock/", block=number)).location.endswith("done=gone")
    assert [each.id for each in await blocks_of(small)] == [block.id]
