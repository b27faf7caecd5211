"""Drives guest, staff and Stripe's Dashboard over HTTP: for the demo, end-to-end tests and load."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

import httpx

from sandbox.evidence import Json, read_sandbox

GOOD_CARD: Final = "4242424242424242"
_LOOK_EVERY_S: Final = 0.1

Observation = TypeVar("Observation")


@dataclass(frozen=True)
class Addresses:
    """Base URLs of the parts, without a trailing slash."""

    api: str
    stripe: str
    pusher: str
    inbox: str


@dataclass(frozen=True)
class StackClient:
    """A client for the product and the stand-ins.

    Args:
        http: one client for everything; it must not follow redirects.
        at: base URLs of the parts.
    """

    http: httpx.AsyncClient
    at: Addresses

    async def ledger(self, booking_id: str) -> Json:
        """The Stripe stand-in's ledger of one booking."""
        found: Json = await read_sandbox(self.http, self.at.stripe, "ledger", booking_id=booking_id)
        return found

    async def payment(self, booking_id: str) -> Json:
        """The PaymentIntent of a booking that has exactly one."""
        [intent] = (await self.ledger(booking_id))["payment_intents"]
        found: Json = intent
        return found

    async def mails(self, booking_id: str) -> list[Json]:
        """E-mails about one booking, oldest first."""
        found: list[Json] = await read_sandbox(self.http, self.at.inbox, "messages", booking_id=booking_id)
        return found

    async def messages(self, booking_id: str) -> list[Json]:
        """Realtime messages about one booking, oldest first."""
        found: list[Json] = await read_sandbox(self.http, self.at.pusher, "messages", booking_id=booking_id)
        return found

    async def fault(self, stand_in: str, **fault: Any) -> str:
        """Order a fault from a stand-in, in the format of `sandbox.faults`, and return its id."""
        response = await self.http.post(f"{stand_in}/_sandbox/faults", json=fault)
        return str(response.raise_for_status().json()["id"])

    async def dashboard(self, action: str, body: Json | None = None) -> Json:
        """Act in the Stripe Dashboard, such as `payment_intents/pi_1/capture`."""
        response = await self.http.post(f"{self.at.stripe}/_sandbox/dashboard/{action}", json=body or {})
        found: Json = response.raise_for_status().json()
        return found


async def wait_until(
    look: Callable[[], Awaitable[Observation]],
    enough: Callable[[Observation], object],
    *,
    timeout_s: float = 20,
    what: str = "the condition",
) -> Observation:
    """Poll until the result satisfies a condition, and return it.

    Raises:
        TimeoutError: the condition did not hold within `timeout_s`; the text contains the last result.
    """
    until = time.monotonic() + timeout_s
    while True:
        seen = await look()
        if enough(seen):
            return seen
        if time.monotonic() > until:
            raise TimeoutError(f"waited {timeout_s:g} s for {what}; the last thing seen: {seen!r}")
        await asyncio.sleep(_LOOK_EVERY_S)


@dataclass(frozen=True)
class RoomRequest:
    """A guest's request. `days_ahead` counts from today, in UTC."""

    hotel: str
    room_type: str = "double"
    days_ahead: int = 30
    nights: int = 2
    adults: int = 2
    special_requests: str | None = None

    def as_json(self, guest: Json) -> Json:
        """The body of a booking request."""
        check_in = datetime.now(UTC).date() + timedelta(days=self.days_ahead)
        body: Json = {
            "room_type": self.room_type,
            "check_in": check_in.isoformat(),
            "check_out": (check_in + timedelta(days=self.nights)).isoformat(),
            "adults": self.adults,
            "children": 0,
            "guest": guest,
        }
        return body | ({"special_requests": self.special_requests} if self.special_requests else {})


class GuestDriver:
    """A guest with one booking, identified by its access token."""

    def __init__(self, client: StackClient, booking: Json) -> None:
        self._client = client
        self.hotel: str = booking["hotel"]
        self.booking_id: str = booking["booking_id"]
        self.token: str = booking["access_token"]
        self.session_id: str | None = None
        self.payment_url: str | None = None

    @classmethod
    async def book(cls, client: StackClient, room_request: RoomRequest, guest: Json) -> GuestDriver:
        """Create and submit a booking."""
        url = f"{client.at.api}/api/public/hotel/{room_request.hotel}/room-bookings/"
        response = await client.http.post(url, json=room_request.as_json(guest))
        return cls(client, response.raise_for_status().json())

    async def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request about the booking; `path` is relative to the booking's URL."""
        base = f"{self._client.at.api}/api/public/hotel/{self.hotel}/room-bookings/{self.booking_id}/"
        headers = {"Authorization": f"Bearer {self.token}"}
        return await self._client.http.request(method, base + path, headers=headers, **options)

    async def read_booking(self) -> Json:
        """The booking as its guest sees it."""
        booking: Json = (await self.ask("GET", "")).raise_for_status().json()
        return booking

    async def open_page(self) -> Json:
        """Open the payment page."""
        session: Json = (await self.ask("POST", "payment/session/", json={})).raise_for_status().json()
        self.session_id, self.payment_url = session["session_id"], session["payment_url"]
        return session

    async def pay(self, card: str = GOOD_CARD, *, hold_s: int | None = None) -> httpx.Response:
        """Fill in the payment page's form, opening the page first if need be.

        Args:
            card: one of the stand-in's test cards.
            hold_s: seconds the hold lasts; None uses the card's own.
        """
        if self.payment_url is None:
            await self.open_page()
        assert self.payment_url is not None
        form = {"card_number": card, "expiry": "12/34", "cvc": "123", "hold_seconds": str(hold_s or "")}
        return await self._client.http.post(self.payment_url, data=form)

    async def verify(self) -> httpx.Response:
        """Return from the payment page, so that the product asks Stripe."""
        return await self.ask("GET", "payment/verify/", params={"session_id": self.session_id or ""})

    async def cancel(self) -> httpx.Response:
        """Cancel the booking."""
        return await self.ask("POST", "cancel/")

    async def until(self, *statuses: str, timeout_s: float = 30) -> Json:
        """Wait until the booking is in one of `statuses`, and return it."""
        return await wait_until(
            self.read_booking,
            lambda booking: booking["status"] in statuses,
            timeout_s=timeout_s,
            what=f"{self.booking_id} to be {' or '.join(statuses)}",
        )


class StaffDriver:
    """A logged-in member of a hotel's staff."""

    def __init__(self, client: StackClient, hotel: str, email: str, token: str) -> None:
        self._client = client
        self._hotel = hotel
        self.email = email
        self.token = token

    @classmethod
    async def log_in(cls, client: StackClient, hotel: str, email: str, password: str) -> StaffDriver:
        """Log in with e-mail address and password."""
        form = {"username": email, "password": password, "grant_type": "password"}
        response = await client.http.post(f"{client.at.api}/api/staff/auth/token/", data=form)
        return cls(client, hotel, email, response.raise_for_status().json()["access_token"])

    async def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request; `path` is relative to `room-bookings/`, such as `{booking_id}/approve/`."""
        base = f"{self._client.at.api}/api/staff/hotel/{self._hotel}/room-bookings/"
        headers = {"Authorization": f"Bearer {self.token}"}
        return await self._client.http.request(method, base + path, headers=headers, **options)

    def at(self, client: StackClient) -> StaffDriver:
        """The same person at another API process."""
        return StaffDriver(client, self._hotel, self.email, self.token)

    async def read_booking(self, booking_id: str) -> Json:
        """A booking as staff see it."""
        booking: Json = (await self.ask("GET", f"{booking_id}/")).raise_for_status().json()
        return booking

    async def approve(self, booking_id: str) -> httpx.Response:
        """Approve the booking."""
        return await self.ask("POST", f"{booking_id}/approve/")

    async def decline(self, booking_id: str, code: str = "OTHER", note: str | None = None) -> httpx.Response:
        """Decline the booking; the guest reads the note."""
        body = {"reason_code": code} | ({"reason_note": note} if note else {})
        return await self.ask("POST", f"{booking_id}/decline/", json=body)

    async def cancel(self, booking_id: str, **wishes: str) -> httpx.Response:
        """Cancel a confirmed booking; managers only, with their `refund_amount` and `reason_note`."""
        return await self.ask("POST", f"{booking_id}/cancel/", json=wishes)
