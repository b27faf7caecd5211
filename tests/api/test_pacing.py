"""A client with many refusals is served at a pace; a crowd that a limit counts waits for itself."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import httpx
import pytest
from sqlalchemy import delete, func, select, text, update
from sqlmodel import col

from api.limits import client_network, subject
from api.pacing import RefusedClients
from api.services import GUESTS_AT_ONCE
from domain.mailbox import mailbox_of
from sandbox.drivers import wait_until
from storage.tables import RateLimit
from tests.api.hotels import PERSON, HotelDriver, Json
from tests.api.problems import assert_problem
from tests.api.rows import count_bookings
from tests.api.stack import another_api, flaky_api
from tests.api.test_limits import ask, email_of, network

_REFUSALS, _CROWD = 100, 40
_LONG_S = 3600
_HOLD = text(
    "INSERT INTO rate_limit AS r (subject, began_at, attempts)"
    " SELECT :subject, date_trunc(size, now(), 'UTC') + n * ('1 ' || size)::interval, 0"
    " FROM generate_series(0, 1) AS n, unnest(ARRAY['minute', 'hour']) AS size"
    " ON CONFLICT (subject, began_at) DO UPDATE SET attempts = r.attempts"
)


def test_many_refusals_lead_to_a_pace_of_twenty_a_second() -> None:
    clients = RefusedClients()
    for _ in range(_REFUSALS - 1):
        clients.count("stranger", 1.0)
    assert clients.wait_s("stranger", 1.0) == 0
    clients.count("stranger", 1.0)
    waits = [clients.wait_s("stranger", 1.0) for _ in range(3)]
    assert waits == pytest.approx([0, 0.05, 0.1])
    assert clients.wait_s("somebody else", 1.0) == 0


def test_a_paced_client_has_no_more_than_two_seconds_of_places() -> None:
    clients = RefusedClients()
    for _ in range(_REFUSALS):
        clients.count("stranger", 1.0)
    waits = [clients.wait_s("stranger", 1.0) for _ in range(50)]
    assert sum(wait <= 2 for wait in waits) == 41
    assert max(waits) < 2.1, "those that are refused take no place"


def test_the_pace_ends_a_window_after_the_refusals() -> None:
    clients = RefusedClients()
    for _ in range(_REFUSALS):
        clients.count("stranger", 9.0)
    assert [clients.wait_s("stranger", 11.0) for _ in range(2)][1] > 0, "the next window remembers"
    assert [clients.wait_s("stranger", 21.0) for _ in range(2)] == [0, 0]


async def test_a_flood_of_refused_requests_waits_for_itself(hotel: HotelDriver) -> None:
    """Its first hundred are refused at once, the others one after the other; someone else is answered meanwhile."""
    async with another_api(hotel.stack) as api:
        url = hotel.bookings_url.replace(hotel.stack.api, api)

        async def stranger() -> int:
            headers = {"X-Forwarded-For": network(hotel)}
            return (await hotel.stack.http.post(f"{url}BK-1/payment/session/", headers=headers)).status_code

        assert set(await asyncio.gather(*(stranger() for _ in range(_REFUSALS)))) == {401}
        begun = time.monotonic()
        crowd = [asyncio.create_task(stranger()) for _ in range(_CROWD)]
        await asyncio.sleep(0)
        elsewhere = await ask(hotel, api, email_of(hotel, 1), address=f"2001:db8:{hotel.id:x}:2::1")
        assert elsewhere.status_code == 201
        assert not all(caller.done() for caller in crowd)
        await asyncio.gather(*crowd)
        assert time.monotonic() - begun > _CROWD / 40


async def test_a_limit_that_was_reached_costs_postgresql_nothing(hotel: HotelDriver) -> None:
    """This process remembers it until the window ends; PostgreSQL's count is gone, and another process asks it."""
    limits = {"rate_limit_booking_per_hour": 3}
    async with another_api(hotel.stack, **limits) as api, another_api(hotel.stack, **limits) as other:

        async def request(number: int, at: str) -> httpx.Response:
            return await ask(hotel, at, email_of(hotel, number), address=network(hotel))

        assert [(await request(number, api)).status_code for number in range(4)] == [201, 201, 201, 429]
        async with hotel.stack.database.transaction() as db:
            await db.execute(delete(RateLimit).where(col(RateLimit.subject) == _counted(hotel)))
        refused = await request(4, api)
        assert_problem(refused, 429, "rate_limited")
        assert 1 <= int(refused.headers["retry-after"]) <= _LONG_S
        assert (await request(5, other)).status_code == 201


async def test_a_crowd_that_waits_to_be_counted_leaves_others_their_connections(hotel: HotelDriver) -> None:
    """PostgreSQL counts one client's attempts one by one; those that wait would hold every connection there is."""
    async with another_api(hotel.stack, rate_limit_booking_per_hour=900) as api:
        assert (await ask(hotel, api, email_of(hotel, 0), address=network(hotel))).status_code == 201
        async with hotel.stack.database.transaction() as db:
            row = update(RateLimit).where(col(RateLimit.subject) == _counted(hotel))
            await db.execute(row.values(attempts=col(RateLimit.attempts)))
            crowd = [
                asyncio.create_task(ask(hotel, api, email_of(hotel, number), address=network(hotel)))
                for number in range(_CROWD)
            ]
            await asyncio.sleep(0)
            elsewhere = await ask(hotel, api, email_of(hotel, 99), address=f"2001:db8:{hotel.id:x}:2::1")
            assert elsewhere.status_code == 201
            assert not any(caller.done() for caller in crowd)
        answers = await asyncio.gather(*crowd)
    assert Counter(answer.status_code for answer in answers)[201] >= _CROWD - 1


async def test_a_crowd_that_asks_about_one_booking_leaves_others_their_connections(
    hotel: HotelDriver,
) -> None:
    """From many addresses: they share the booking's count alone, and wait in the API for it."""
    guest = await hotel.submitted()
    await guest.open_page()
    addresses = many_networks(hotel)
    async with another_api(hotel.stack, rate_limit_verify_per_min=900) as api:
        url = f"{hotel.bookings_url.replace(hotel.stack.api, api)}{guest.booking_id}/payment/verify/"

        async def verify(address: str) -> int:
            params, headers = {"session_id": guest.session_id or ""}, {"X-Forwarded-For": address}
            return (await hotel.stack.http.get(url, params=params, headers=headers)).status_code

        async with holding(hotel, f"check:{guest.booking_id}"):
            crowd = [asyncio.create_task(verify(address)) for address in addresses]
            counted = [subject("verify", client_network(address)) for address in addresses]
            await wait_until(lambda: count_rows(hotel, counted), lambda n: n >= _CROWD, what="the crowd")
            await assert_served(hotel, api)
            assert not any(caller.done() for caller in crowd)
        assert set(await asyncio.gather(*crowd)) == {200}


async def test_a_crowd_that_books_for_one_mailbox_leaves_others_their_connections(hotel: HotelDriver) -> None:
    """From many addresses: they share the mailbox's count alone."""
    async with another_api(hotel.stack, rate_limit_booking_per_hour=900) as api:
        async with holding(hotel, subject("booking-for", mailbox_of(email_of(hotel, 0)))):
            crowd = [
                asyncio.create_task(ask(hotel, api, email_of(hotel, 0), address=address))
                for address in many_networks(hotel)
            ]
            await assert_served(hotel, api)
            assert not any(caller.done() for caller in crowd)
        answers = await asyncio.gather(*crowd)
    assert {answer.status_code for answer in answers} == {201}


async def test_one_clients_bookings_leave_others_half_of_the_places(hotel: HotelDriver) -> None:
    """No worker is there, so each submission keeps its place for seconds; someone else's has one all the same."""
    async with flaky_api(hotel.stack, rate_limit_booking_per_hour=900) as flaky:
        url = hotel.bookings_url.replace(hotel.stack.api, flaky.url)

        async def submit(number: int, address: str) -> str:
            body = hotel.wish(guest=PERSON | {"email": email_of(hotel, number)})
            answer = await hotel.stack.http.post(url, json=body, headers={"X-Forwarded-For": address})
            return str(answer.json()["code"])

        number = GUESTS_AT_ONCE + 4
        crowd = [asyncio.create_task(submit(each, network(hotel))) for each in range(number)]
        await wait_until(lambda: count_bookings(hotel), lambda found: found == number, what="their drafts")
        assert await submit(99, f"2001:db8:{hotel.id:x}:2::1") == "worker_unavailable"
        assert sum(caller.done() for caller in crowd) <= GUESTS_AT_ONCE // 2
        codes = set(await asyncio.gather(*crowd))
    assert codes <= {"worker_unavailable", "temporal_unavailable"}


async def test_one_clients_drafts_leave_others_half_of_the_places(hotel: HotelDriver) -> None:
    """The same for drafts, which are submitted later."""
    async with flaky_api(hotel.stack, rate_limit_booking_per_hour=900) as flaky:
        url = hotel.bookings_url.replace(hotel.stack.api, flaky.url)

        async def draft(number: int, address: str) -> Json:
            answer = await ask(hotel, flaky.url, email_of(hotel, number), address=address)
            found: Json = answer.raise_for_status().json()
            return found

        async def submit(booking: Json, address: str) -> str:
            headers = {"Authorization": f"Bearer {booking['access_token']}", "X-Forwarded-For": address}
            answer = await hotel.stack.http.post(f"{url}{booking['booking_id']}/submit/", headers=headers)
            return str(answer.json()["code"])

        own, others = network(hotel), f"2001:db8:{hotel.id:x}:2::1"
        drafts = [await draft(each, own) for each in range(GUESTS_AT_ONCE + 4)]
        crowd = [asyncio.create_task(submit(each, own)) for each in drafts]
        # The other's own draft is made meanwhile: the crowd has arrived by then.
        assert await submit(await draft(99, others), others) == "worker_unavailable"
        assert sum(caller.done() for caller in crowd) <= GUESTS_AT_ONCE // 2
        codes = set(await asyncio.gather(*crowd))
    assert codes <= {"worker_unavailable", "temporal_unavailable"}


def many_networks(hotel: HotelDriver) -> list[str]:
    """An address for each of a crowd, each in a network of its own."""
    return [f"2001:db8:{hotel.id:x}:{number + 16:x}::1" for number in range(_CROWD)]


@asynccontextmanager
async def holding(hotel: HotelDriver, counted: str) -> AsyncIterator[None]:
    """Lock what PostgreSQL counts for a subject, in this window and the next, until the block ends."""
    async with hotel.stack.database.transaction() as db:
        await db.execute(_HOLD, {"subject": counted})
        yield


async def count_rows(hotel: HotelDriver, counted: Sequence[str]) -> int:
    """The number of windows counted for some subjects."""
    query = select(func.count()).select_from(RateLimit).where(col(RateLimit.subject).in_(counted))
    async with hotel.stack.database.transaction() as db:
        return (await db.scalars(query)).one()


async def assert_served(hotel: HotelDriver, api: str) -> None:
    """Someone of another network books, a few times."""
    for number in range(90, 95):
        answer = await ask(hotel, api, email_of(hotel, number), address=f"2001:db8:{hotel.id:x}:2::1")
        assert answer.status_code == 201, answer.text


def _counted(hotel: HotelDriver) -> str:
    return subject("booking-from", f"2001:db8:{hotel.id:x}:1::/64")
