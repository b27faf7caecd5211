"""A hotel's public page."""

from __future__ import annotations

from tests.api.hotels import HotelDriver, open_hotel
from tests.api.problems import assert_problem
from tests.api.stack import ApiStack


async def test_rooms_prices_and_policy(hotel: HotelDriver) -> None:
    """A guest sees room types with prices in the hotel's currency, and what cancelling costs."""
    response = await hotel.stack.http.get(f"{hotel.url}/")
    assert response.status_code == 200
    page = response.json()
    policy = page.pop("cancellation_policy")
    assert page == {
        "slug": hotel.slug,
        "name": f"The {hotel.slug}",
        "currency": "EUR",
        "timezone": "Europe/Dublin",
        "room_types": [
            {"code": "double", "name": "A double", "price_per_night": "75.00", "max_guests": 2},
            {"code": "suite", "name": "A suite", "price_per_night": "150.00", "max_guests": 4},
        ],
    }
    assert (policy["free_cancel_days"], policy["late_cancel_fee_percent"]) == (2, 100)
    assert policy["text"]


async def test_prices_in_yen_have_no_decimals(stack: ApiStack) -> None:
    """Amounts are written with the currency's own number of decimals."""
    inn = await open_hotel(stack, currency="JPY", price_minor=15000, timezone="Asia/Tokyo")
    page = (await stack.http.get(f"{inn.url}/")).json()
    assert [room["price_per_night"] for room in page["room_types"]] == ["15000", "30000"]


async def test_unknown_hotels(stack: ApiStack) -> None:
    """There is no hotel of that name, whatever the name looks like."""
    for slug in ("nowhere", "%00", "a%0Ab", "x" * 300, "%ff%fe", "'; drop table hotel; --"):
        response = await stack.http.get(f"{stack.api}/api/public/hotel/{slug}/")
        assert_problem(response, 404, "not_found")
