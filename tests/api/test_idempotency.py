"""Idempotency-Key: repeating a creation does nothing twice."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import update
from sqlmodel import col

from models import utc_now
from storage.tables import IdempotentRequest
from tests.api.hotels import HotelDriver, open_hotel
from tests.api.problems import assert_problem
from tests.api.rows import count_bookings
from tests.api.stack import ApiStack


@pytest.fixture
def key() -> str:
    """A key of the test's own."""
    return f"key-{secrets.token_hex(8)}"


async def rewrite(hotel: HotelDriver, key: str, **values: Any) -> None:
    """Write into what is kept of a key what only time or a crash could have written."""
    mine = (col(IdempotentRequest.hotel_id) == hotel.id, col(IdempotentRequest.key) == key)
    async with hotel.stack.database.transaction() as db:
        await db.execute(update(IdempotentRequest).where(*mine).values(**values))


async def test_the_same_body_gets_the_same_answer(hotel: HotelDriver, key: str) -> None:
    """Status, booking and token, to the letter; the order of members makes no other body."""
    wish = hotel.wish()
    first = await hotel.ask_for(wish, key=key)
    backwards = dict(reversed(wish.items()))
    second = await hotel.ask_for(backwards, key=key)
    assert (first.status_code, second.status_code) == (201, 201)
    assert second.content == first.content
    assert await count_bookings(hotel) == 1


async def test_the_answer_stays_as_it_was(hotel: HotelDriver, key: str) -> None:
    """The repeat gets the first answer, though the booking has moved on."""
    wish = hotel.wish()
    first = await hotel.ask_for(wish, key=key)
    url = f"{hotel.bookings_url}{first.json()['booking_id']}/cancel/"
    headers = {"Authorization": f"Bearer {first.json()['access_token']}"}
    assert (await hotel.stack.http.post(url, headers=headers)).json()["status"] == "CANCELLED"
    assert (await hotel.ask_for(wish, key=key)).content == first.content


async def test_drafts_too(hotel: HotelDriver, key: str) -> None:
    """A repeated draft is one draft."""
    wish = hotel.wish(submit=False)
    first, second = [await hotel.ask_for(wish, key=key) for _ in range(2)]
    assert second.content == first.content
    assert await count_bookings(hotel) == 1


async def test_another_body(hotel: HotelDriver, key: str) -> None:
    """A key is for one booking."""
    await hotel.ask_for(hotel.wish(), key=key)
    for other in (hotel.wish(nights=3), hotel.wish(submit=False), hotel.wish(special_requests="Quiet")):
        assert_problem(await hotel.ask_for(other, key=key), 422, "idempotency_key_reused")
    assert await count_bookings(hotel) == 1


async def test_each_hotel_has_its_own_keys(stack: ApiStack, hotel: HotelDriver, key: str) -> None:
    """The same key at another hotel is another key."""
    other = await open_hotel(stack)
    ids = {(await inn.ask_for(inn.wish(), key=key)).json()["booking_id"] for inn in (hotel, other)}
    assert len(ids) == 2


async def test_no_key_no_memory(hotel: HotelDriver) -> None:
    """Without a key two requests are two bookings."""
    for _ in range(2):
        await hotel.ask_for(hotel.wish())
    assert await count_bookings(hotel) == 2


async def test_a_refused_request_leaves_the_key_free(hotel: HotelDriver, key: str) -> None:
    """A mended body may come under the same key."""
    assert_problem(await hotel.ask_for(hotel.wish(nights=0), key=key), 422, "invalid_request")
    assert_problem(await hotel.ask_for(hotel.wish(room_type="attic"), key=key), 422, "invalid_request")
    assert (await hotel.ask_for(hotel.wish(), key=key)).status_code == 201


async def test_ten_at_once_are_one_booking(hotel: HotelDriver, second_api: str, key: str) -> None:
    """Over two API processes; a refused caller gets the booking at its next attempt."""
    wish = hotel.wish()
    apis = [hotel.stack.api, second_api] * 5
    answers = await asyncio.gather(*(hotel.ask_for(wish, key=key, api=api) for api in apis))
    assert Counter(answer.status_code for answer in answers)[201] >= 1
    for answer in answers:
        if answer.status_code != 201:
            assert_problem(answer, 409, "idempotency_key_in_use")
            assert answer.headers["retry-after"] == "1"
    repeats = await asyncio.gather(*(hotel.ask_for(wish, key=key, api=api) for api in apis))
    assert {answer.status_code for answer in repeats} == {201}
    tokens = {answer.json()["access_token"] for answer in [*answers, *repeats] if answer.status_code == 201}
    assert len(tokens) == 1
    assert await count_bookings(hotel) == 1


async def test_under_way(hotel: HotelDriver, key: str) -> None:
    """While the first request runs, a repeat gets Retry-After, and does nothing."""
    wish = hotel.wish(submit=False)
    first = await hotel.ask_for(wish, key=key)
    await rewrite(hotel, key, response=None, locked_until=utc_now() + timedelta(seconds=20))
    problem = assert_problem(await hotel.ask_for(wish, key=key), 409, "idempotency_key_in_use")
    assert problem["booking"]["booking_id"] == first.json()["booking_id"]
    assert await count_bookings(hotel) == 1


async def test_cut_off(hotel: HotelDriver, key: str) -> None:
    """A request whose API died before it answered is finished by its repeat: the same booking, submitted."""
    wish = hotel.wish(submit=False)
    first = (await hotel.ask_for(wish, key=key)).json()
    await rewrite(hotel, key, response=None, locked_until=utc_now() - timedelta(seconds=1))
    answers = await asyncio.gather(*(hotel.ask_for(wish, key=key) for _ in range(3)))
    done = [answer.json() for answer in answers if answer.status_code == 201]
    assert first in done, [answer.text for answer in answers]
    assert all(answer.status_code in {201, 409} for answer in answers)
    assert await count_bookings(hotel) == 1


async def test_a_key_is_forgotten_after_a_day(hotel: HotelDriver, key: str) -> None:
    """Within 24 hours it stands for its booking; afterwards it is as good as new."""
    wish = hotel.wish(submit=False)
    first = await hotel.ask_for(wish, key=key)
    await rewrite(hotel, key, created_at=utc_now() - timedelta(hours=23, minutes=59))
    assert (await hotel.ask_for(wish, key=key)).content == first.content
    await rewrite(hotel, key, created_at=utc_now() - timedelta(hours=24, seconds=1))
    again = await hotel.ask_for(hotel.wish(nights=3, submit=False), key=key)
    assert again.status_code == 201
    assert again.json()["booking_id"] != first.json()["booking_id"]


@pytest.mark.parametrize("bad", ["", "x" * 256, "caf\xe9\x85"])
async def test_keys_that_cannot_be_kept(hotel: HotelDriver, bad: str) -> None:
    """1 to 255 printable characters."""
    url, wish = hotel.bookings_url, hotel.wish()
    headers = httpx.Headers({"Idempotency-Key": bad}, encoding="latin-1")
    response = await hotel.stack.http.post(url, json=wish, headers=headers)
    assert_problem(response, 422, "invalid_request", "Idempotency-Key")


async def test_the_longest_key(hotel: HotelDriver) -> None:
    """255 characters, of Latin-1 as headers have it."""
    key = "é" + secrets.token_hex(127)
    headers = httpx.Headers({"Idempotency-Key": key}, encoding="latin-1")
    for _ in range(2):
        response = await hotel.stack.http.post(
            hotel.bookings_url, json=hotel.wish(submit=False), headers=headers
        )
        assert response.status_code == 201
    assert await count_bookings(hotel) == 1
