"""A stranger who floods the API over many connections, with bookings of its own and with requests that are refused."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Final

import httpx

Json = dict[str, Any]

_CONNECTIONS: Final = 50
_OWN_BOOKINGS: Final = 6
"""Fewer than a client may make in an hour. Each has limits of its own on questions and on payment pages."""
_MAILBOXES: Final = 3
_ADDRESS: Final = "127.0.0.66"

_Request = tuple[str, Callable[[], Awaitable[httpx.Response]]]


@dataclass(frozen=True)
class PayableBooking:
    """A booking whose payment page is open, and what its guest knows of it."""

    booking_id: str
    token: str
    session_id: str


@dataclass(frozen=True)
class Stranger:
    """Everything that a process needs to play the stranger.

    Args:
        api: base URL.
        hotel: the hotel's slug.
        foreign_booking_id: a booking of someone else, whose token and session the stranger does not know.
        own: the stranger's bookings.
    """

    api: str
    hotel: str
    foreign_booking_id: str
    own: Sequence[PayableBooking]

    def play(self, seconds: float) -> tuple[Counter[str], float]:
        """Flood; returns the stranger's answers by status, and the CPU seconds it used."""
        return asyncio.run(self._flood(seconds)), time.process_time()

    async def _flood(self, seconds: float) -> Counter[str]:
        """Send requests over each connection, one after the other, until the time is over."""
        answers: Counter[str] = Counter()
        until, numbers = time.perf_counter() + seconds, count()
        async with strangers_client(self.api) as http:
            kinds = [request for own in self.own for request in self._requests(http, own)]

            async def connection() -> None:
                while time.perf_counter() < until:
                    name, send = kinds[next(numbers) % len(kinds)]
                    try:
                        answers[f"{name} {(await send()).status_code}"] += 1
                    except httpx.HTTPError as error:
                        answers[f"{name} {type(error).__name__}"] += 1

            await asyncio.gather(*(connection() for _ in range(_CONNECTIONS)))
        return answers

    def _requests(self, http: httpx.AsyncClient, own: PayableBooking) -> list[_Request]:
        bookings = _bookings(self.hotel)
        foreign, mine = (f"{bookings}{id_}/payment/" for id_ in (self.foreign_booking_id, own.booking_id))
        token = {"Authorization": f"Bearer {own.token}"}
        log_in = {"username": f"manager@{self.hotel}.test", "password": "a guess"}
        signature = {"Stripe-Signature": f"t={int(time.time())},v1={'0' * 64}"}
        webhook = "/api/public/hotel/room-bookings/stripe-webhook/"
        return [
            ("own verify", lambda: http.get(f"{mine}verify/", params={"session_id": own.session_id})),
            ("own session", lambda: http.post(f"{mine}session/", json={}, headers=token)),
            ("verify", lambda: http.get(f"{foreign}verify/", params={"session_id": "cs_test_x"})),
            ("session", lambda: http.post(f"{foreign}session/", json={})),
            ("booking", lambda: http.post(bookings, json=_stay("stranger@example.com"))),
            ("log-in", lambda: http.post("/api/staff/auth/token/", data=log_in)),
            ("webhook", lambda: http.post(webhook, content=b"{}", headers=signature)),
        ]


def strangers_client(api: str) -> httpx.AsyncClient:
    """A client with the stranger's address and connections."""
    limits = httpx.Limits(max_connections=_CONNECTIONS)
    transport = httpx.AsyncHTTPTransport(local_address=_ADDRESS, limits=limits)
    return httpx.AsyncClient(base_url=api, transport=transport, timeout=30)


async def open_pages(api: str, hotel: str) -> list[PayableBooking]:
    """Make the stranger's bookings, within the limits, and open their payment pages."""
    async with strangers_client(api) as http:
        return [await _open_page(http, hotel, number) for number in range(_OWN_BOOKINGS)]


async def _open_page(http: httpx.AsyncClient, hotel: str, number: int) -> PayableBooking:
    stay = _stay(f"stranger-{number % _MAILBOXES}@example.com")
    booking = (await http.post(_bookings(hotel), json=stay)).raise_for_status().json()
    booking_id, token = booking["booking_id"], booking["access_token"]
    page = f"{_bookings(hotel)}{booking_id}/payment/session/"
    session = await http.post(page, json={}, headers={"Authorization": f"Bearer {token}"})
    return PayableBooking(booking_id, token, session.raise_for_status().json()["session_id"])


def _bookings(hotel: str) -> str:
    return f"/api/public/hotel/{hotel}/room-bookings/"


def _stay(email: str) -> Json:
    first = datetime.now(UTC).date() + timedelta(days=90)
    return {
        "room_type": "double",
        "check_in": first.isoformat(),
        "check_out": (first + timedelta(days=1)).isoformat(),
        "adults": 1,
        "guest": {"first_name": "A", "last_name": "Stranger", "email": email},
    }
