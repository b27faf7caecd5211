"""Limits on requests by strangers: counted in the database, by all API processes together."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from api.limits import client_network
from tests.api.hotels import PERSON, HotelDriver
from tests.api.problems import assert_problem
from tests.api.rows import count_bookings
from tests.api.stack import ApiStack, another_api

_MOST = 6
_SHARE = _MOST // 3


@pytest.fixture
async def apis(stack: ApiStack) -> AsyncIterator[list[str]]:
    """Two API processes with limits of their own."""
    limits = {"rate_limit_booking_per_hour": _MOST, "rate_limit_verify_per_min": 5}
    async with another_api(stack, **limits) as first, another_api(stack, **limits) as second:
        yield [first, second]


def network(hotel: HotelDriver, host: int = 1) -> str:
    """An IPv6 address out of a /64 of the test's own."""
    return f"2001:db8:{hotel.id:x}:1::{host:x}"


async def ask(
    hotel: HotelDriver, api: str, email: str, *, address: str, key: str = "", **changes: Any
) -> httpx.Response:
    """Request a booking, as a proxy hands the request on."""
    body = hotel.wish(submit=False, guest=PERSON | {"email": email}, **changes)
    url = hotel.bookings_url.replace(hotel.stack.api, api)
    headers = {"X-Forwarded-For": address} | ({"Idempotency-Key": key} if key else {})
    return await hotel.stack.http.post(url, json=body, headers=headers)


def email_of(hotel: HotelDriver, number: int) -> str:
    """Another guest's address."""
    return f"guest-{number}@{hotel.slug}.example.com"


async def test_bookings_are_limited_per_client(hotel: HotelDriver, apis: list[str]) -> None:
    """Many at once, at both processes, from all over a /64: as many as the limit are made, the rest get Retry-After."""
    answers = await asyncio.gather(
        *(
            ask(hotel, apis[n % 2], email_of(hotel, n), address=network(hotel, n + 1))
            for n in range(_MOST + 4)
        )
    )
    assert Counter(answer.status_code for answer in answers) == {201: _MOST, 429: 4}
    for answer in answers:
        if answer.status_code == 429:
            assert_problem(answer, 429, "rate_limited")
            assert int(answer.headers["retry-after"]) <= 3600
    assert await count_bookings(hotel) == _MOST
    elsewhere = await ask(hotel, apis[0], email_of(hotel, 99), address=f"2001:db8:{hotel.id:x}:2::1")
    assert elsewhere.status_code == 201, "another network is another count"


async def test_bookings_are_limited_per_mailbox(hotel: HotelDriver, apis: list[str]) -> None:
    """A third of it for one e-mail address, however it is written and wherever it is asked from."""
    spellings = (
        "victim@{}.example.com",
        "Victim@{}.example.com",
        "victim+1@{}.example.com",
        "VICTIM+2@{}.example.com",
    )
    answers = [
        await ask(
            hotel, apis[n % 2], spelling.format(hotel.slug), address=f"2001:db8:{hotel.id:x}:{n + 16:x}::1"
        )
        for n, spelling in enumerate(spellings)
    ]
    assert [answer.status_code for answer in answers] == [201] * _SHARE + [429] * (len(spellings) - _SHARE)


async def test_what_makes_no_booking_does_not_count(hotel: HotelDriver, apis: list[str]) -> None:
    """Neither a request with a mistake in it, nor a repeat of one under its key."""
    address, email = network(hotel), email_of(hotel, 0)
    for _ in range(_MOST):
        wrong = await ask(hotel, apis[0], email, address=address, room_type="none-such")
        assert_problem(wrong, 422, "invalid_request", "room_type")
    key = f"same-{hotel.slug}"
    repeats = [await ask(hotel, apis[0], email, address=address, key=key) for _ in range(_MOST)]
    assert {answer.status_code for answer in repeats} == {201}
    assert await count_bookings(hotel) == 1
    assert (await ask(hotel, apis[0], email, address=address)).status_code == 201


async def test_verify_is_limited_per_client(hotel: HotelDriver, apis: list[str]) -> None:
    """For any session id: strangers guess them."""
    guest = await hotel.submitted()
    await guest.open_page()

    async def verify(n: int, address: str) -> httpx.Response:
        url = f"{apis[n % 2]}/api/public/hotel/{hotel.slug}/room-bookings/{guest.booking_id}/payment/verify/"
        params = {"session_id": guest.session_id or "" if n % 3 else "cs_guess"}
        return await hotel.stack.http.get(url, params=params, headers={"X-Forwarded-For": address})

    answers = await asyncio.gather(*(verify(n, network(hotel, n + 1)) for n in range(12)))
    refused = [answer for answer in answers if answer.status_code == 429]
    # A minute may have turned on the way, and with it the count.
    assert 2 <= len(refused) <= 7
    for answer in refused:
        assert_problem(answer, 429, "rate_limited")
        assert int(answer.headers["retry-after"]) <= 60
    assert (await verify(1, f"2001:db8:{hotel.id:x}:2::1")).status_code == 200


@pytest.mark.parametrize("everybody", ["*", "0.0.0.0/0", "10.0.0.1,::/0", "proxy", "10.0.0.0/33", ""])
def test_forwarded_addresses_count_from_named_proxies_only(stack: ApiStack, everybody: str) -> None:
    """The setting names the proxy; without it, this machine is believed."""
    assert stack.settings.forwarded_allow_ips == "127.0.0.1/32,::1/128"
    with pytest.raises(ValidationError, match="must name the proxy's"):
        stack.settings_with(forwarded_allow_ips=everybody)


def test_the_proxys_network_is_named(stack: ApiStack) -> None:
    """Host bits are no mistake."""
    settings = stack.settings_with(forwarded_allow_ips="10.0.3.7/24, 192.0.2.1")
    assert settings.forwarded_allow_ips == "10.0.3.0/24,192.0.2.1/32"


@pytest.mark.parametrize(
    ("host", "client"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("not an address", "unknown"),
        ("", "unknown"),
    ],
)
def test_clients_are_networks(host: str, client: str) -> None:
    """A client with one IPv6 address has 2^64 of them."""
    assert client_network(host) == client
