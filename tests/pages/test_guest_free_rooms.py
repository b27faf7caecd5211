"""A hotel's page offers free rooms only, with the price of the stay."""

from __future__ import annotations

import httpx
import pytest

from tests.api.hotels import HotelDriver, open_hotel
from tests.api.rows import count_bookings, reprice
from tests.api.stack import ApiStack
from tests.pages.hotel_form import at, form, price, stay
from tests.pages.page_client import PageClient, PageClients

PERSON = {"first_name": "Aoife", "last_name": "Brennan", "email": "aoife.brennan@example.com", "phone": ""}


@pytest.fixture
def page_client(page_clients: PageClients) -> PageClient:
    """Someone who looks for a room."""
    return page_clients.stranger()


async def test_only_free_rooms_are_offered_with_the_price_of_the_stay(
    page_client: PageClient, stack: ApiStack
) -> None:
    hotel = await open_hotel(stack, rooms=1)
    await hotel.held(days_ahead=30, nights=1)
    page = await page_client.open(f"{at(hotel)}?{httpx.QueryParams(stay(hotel))}")
    assert "A suite for up to 4 guests €300.00 for 2 nights" in page.words
    assert "A double" not in page.words
    assert "The hotel has no rooms of this type left for your dates." in page.words
    part = await price(page_client, hotel)
    assert "Choose another room or other dates." in part
    assert "A suite" in part


async def test_hotel_that_is_full_says_so(page_client: PageClient, stack: ApiStack) -> None:
    hotel = await open_hotel(stack, rooms=1)
    await hotel.held()
    page = await page_client.open(f"{at(hotel)}?{httpx.QueryParams(stay(hotel, adults=2, children=2))}")
    assert "A suite" in page.words
    await hotel.held(room_type="suite")
    page = await page_client.open(f"{at(hotel)}?{httpx.QueryParams(stay(hotel))}")
    assert "No room for this many guests is available on these nights. Please try other dates." in page.words


async def test_room_that_was_taken_meanwhile_is_told_at_its_field(
    page_client: PageClient, stack: ApiStack
) -> None:
    hotel = await open_hotel(stack, rooms=1)
    await page_client.open(at(hotel))
    await hotel.held()
    page = await page_client.send(at(hotel), **form(hotel))
    assert page.status == 409
    assert "The hotel has no rooms of this type left for your dates. Choose another room" in page.words
    assert await count_bookings(hotel) == 1


async def test_price_that_changed_meanwhile_is_told_first(
    page_client: PageClient, hotel: HotelDriver
) -> None:
    await page_client.open(f"{at(hotel)}?{httpx.QueryParams(stay(hotel))}")
    await reprice(hotel, 8000)
    page = await page_client.send(at(hotel), **form(hotel, total=15000))
    assert page.status == 409
    assert "The price has changed since you saw it." in page.words
    assert "€160.00" in page.words
    assert await count_bookings(hotel) == 0
    await page_client.send(at(hotel), **form(hotel, total=16000))
    assert await count_bookings(hotel) == 1
