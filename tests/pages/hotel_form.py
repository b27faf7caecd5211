"""A hotel's page as tests open it, and its form as they fill it in."""

from __future__ import annotations

from typing import Any

import httpx

from tests.api.hotels import HotelDriver
from tests.pages.page_client import PageClient

PERSON = {"first_name": "Aoife", "last_name": "Brennan", "email": "aoife.brennan@example.com", "phone": ""}


def at(hotel: HotelDriver) -> str:
    return f"/hotels/{hotel.slug}/"


def stay(hotel: HotelDriver, **changes: Any) -> dict[str, str]:
    """The fields about the stay, for 30 days from now."""
    wish = {name: hotel.wish()[name] for name in ("room_type", "check_in", "check_out", "adults")}
    return {name: str(value) for name, value in ({**wish, "children": 0} | changes).items()}


def form(hotel: HotelDriver, **changes: Any) -> dict[str, str]:
    """The whole form."""
    filled = {**stay(hotel), **PERSON, "special_requests": "A quiet room.", "do": "book", **changes}
    return {name: str(value) for name, value in filled.items()}


async def price(page_client: PageClient, hotel: HotelDriver, **changes: Any) -> str:
    """The text of the live price."""
    query = httpx.QueryParams(stay(hotel, **changes))
    page = await page_client.open(f"{at(hotel)}price/?{query}")
    return page.words
