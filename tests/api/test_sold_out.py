"""Rooms that are left, and what is answered where none is."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from sandbox.drivers import wait_until
from tests.api.hotels import HotelDriver, Json, open_hotel
from tests.api.problems import assert_problem
from tests.api.rows import count_bookings
from tests.api.stack import PATIENCE_S, ApiStack


@pytest.fixture
async def inn(stack: ApiStack) -> HotelDriver:
    """A hotel with one double and one suite."""
    return await open_hotel(stack, rooms=1)


async def availability(hotel: HotelDriver, **changes: Any) -> httpx.Response:
    wish = hotel.wish(**changes)
    names = ("check_in", "check_out", "adults", "children")
    query = {name: str(wish[name]) for name in names if name in wish}
    return await hotel.stack.http.get(f"{hotel.url}/availability/", params=query)


def left(found: httpx.Response) -> dict[str, int]:
    assert found.status_code == 200, found.text
    return {room["code"]: room["available"] for room in found.json()["room_types"]}


async def test_availability_tells_what_is_left_and_what_it_costs(hotel: HotelDriver) -> None:
    """The price of the whole stay, and at most five rooms."""
    found = (await availability(hotel, nights=3)).json()
    wish = hotel.wish(nights=3)
    assert found == {
        "check_in": wish["check_in"],
        "check_out": wish["check_out"],
        "adults": 2,
        "children": 0,
        "room_types": [
            {"code": "double", "name": "A double", "available": 5, "amount": "225.00", "currency": "EUR"},
            {"code": "suite", "name": "A suite", "available": 5, "amount": "450.00", "currency": "EUR"},
        ],
    }


async def test_availability_follows_the_fullest_night(inn: HotelDriver) -> None:
    await inn.submitted(nights=1)
    assert left(await availability(inn)) == {"double": 1, "suite": 1}, "an unpaid request claims nothing"
    await inn.held(days_ahead=31, nights=1)
    assert left(await availability(inn)) == {"double": 0, "suite": 1}
    assert left(await availability(inn, nights=1)) == {"double": 1, "suite": 1}


async def test_availability_leaves_out_what_is_too_small(hotel: HotelDriver) -> None:
    assert left(await availability(hotel, adults=2, children=1)) == {"suite": 5}
    assert_problem(await availability(hotel, adults=5), 422, "invalid_request", "adults")


async def test_availability_of_no_stay_is_refused(hotel: HotelDriver) -> None:
    assert_problem(await availability(hotel, days_ahead=-1), 422, "invalid_request", "check_in")
    assert_problem(await availability(hotel, nights=31), 422, "invalid_request", "check_out")
    assert_problem(await availability(hotel, adults=0), 422, "invalid_request", "adults")
    url = f"{hotel.stack.api}/api/public/hotel/nowhere/availability/"
    query = {"check_in": "2027-05-01", "check_out": "2027-05-02"}
    assert_problem(await hotel.stack.http.get(url, params=query), 404, "not_found")


async def test_creation_submission_and_session_answer_sold_out(inn: HotelDriver) -> None:
    draft, unpaid = await inn.draft(), await inn.submitted()
    await inn.held()
    before = await count_bookings(inn)
    problem = assert_problem(await inn.ask_for(inn.wish()), 409, "sold_out")
    assert problem["detail"] == "The hotel has no rooms of this type left for your dates."
    assert await count_bookings(inn) == before
    assert assert_problem(await draft.ask("POST", "submit/"), 409, "sold_out")["booking"]["status"] == "DRAFT"
    response = await unpaid.ask("POST", "payment/session/", json={})
    assert assert_problem(response, 409, "sold_out")["booking"]["status"] == "PENDING_PAYMENT"


async def test_hold_that_finds_no_room_ends_the_booking(inn: HotelDriver) -> None:
    """Both pages were open; the slower one reads why, and no session is opened for it any more."""
    guests = [await inn.submitted() for _ in range(2)]
    for guest in guests:
        await guest.open_page()
    first, second = guests
    assert (await first.pay()).status_code == 303
    await first.until("PENDING_APPROVAL", timeout_s=PATIENCE_S)
    assert (await second.pay()).status_code == 303
    booking: Json = await second.until("DECLINED", timeout_s=PATIENCE_S)
    assert booking["reason_code"] == "SOLD_OUT"
    assert [step["event"] for step in booking["timeline"]] == ["created", "submitted", "sold_out"]
    assert_problem(await second.ask("POST", "payment/session/", json={}), 409, "not_payable")


async def test_crowd_for_the_last_room_ends_in_one_request(inn: HotelDriver) -> None:
    guests = [await inn.submitted() for _ in range(6)]
    for guest in guests:
        await guest.open_page()
    await asyncio.gather(*(guest.pay() for guest in guests))

    async def statuses() -> list[str]:
        return sorted([(await guest.read_booking())["status"] for guest in guests])

    expected = ["DECLINED"] * 5 + ["PENDING_APPROVAL"]
    await wait_until(statuses, lambda found: found == expected, timeout_s=PATIENCE_S, what="one request")
