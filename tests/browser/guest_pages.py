"""A guest's actions on a hotel's page, now or earlier."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import asyncpg

from sandbox.drivers import GuestDriver, RoomRequest, StackClient
from sandbox.stack.stack import Stack
from tests.browser.window import Window

REQUESTS: Final = "A quiet room, please.\nWe arrive late."
PERSON: Final = {
    "first_name": "Aoife",
    "last_name": "Brennan",
    "email": "aoife.brennan@example.com",
    "phone": "+353 64 555 0123",
}
_AHEAD: Final = 40
_NIGHTS: Final = 3


async def fill_in(guest: Window, slug: str, *, days_ahead: int = _AHEAD, nights: int = _NIGHTS) -> None:
    """Open a hotel's page and fill in the whole form."""
    page = guest.page
    await guest.go(f"/hotels/{slug}/")
    arrives = datetime.now(UTC).date() + timedelta(days=days_ahead)
    await page.get_by_label("Double room").check()
    await page.get_by_label("Check-in").fill(arrives.isoformat())
    await page.get_by_label("Check-out").fill((arrives + timedelta(days=nights)).isoformat())
    await page.get_by_label("First name").fill("Aoife")
    await page.get_by_label("Last name").fill("Brennan")
    await page.get_by_label("E-mail address").fill("aoife.brennan@example.com")
    await page.get_by_label("Special requests").fill(REQUESTS)


async def hold(guest: Window, client: StackClient, slug: str, **room_request: Any) -> str:
    """Open the page of a booking whose card is held already; returns its id. `room_request`: `RoomRequest`'s fields."""
    booking = await booked(client, slug, **room_request)
    await booking.pay()
    await booking.until("PENDING_APPROVAL")
    await come_by_link(guest, booking)
    await guest.reads("Waiting for the hotel")
    return booking.booking_id


async def booked(client: StackClient, slug: str, **room_request: Any) -> GuestDriver:
    """An unpaid booking, made by the API: the form has tests of its own."""
    wish: dict[str, Any] = {"days_ahead": _AHEAD, "nights": _NIGHTS, "special_requests": REQUESTS}
    return await GuestDriver.book(client, RoomRequest(slug, **(wish | room_request)), PERSON)


async def drafted(client: StackClient, slug: str) -> GuestDriver:
    """A booking that was filled in and not sent."""
    wish = RoomRequest(slug, days_ahead=_AHEAD, nights=_NIGHTS).as_json(PERSON) | {"submit": False}
    response = await client.http.post(f"{client.at.api}/api/public/hotel/{slug}/room-bookings/", json=wish)
    return GuestDriver(client, response.raise_for_status().json())


async def set_off_to_pay(guest: Window) -> None:
    """Open the page that leads on to Stripe's, and go no further."""
    # An answer without content leaves a browser where it is.
    await guest.page.route("**/c/pay/**", lambda route: route.fulfill(status=204))
    await guest.press("Enter card details")
    await guest.headline("Continue to Stripe's payment page")


async def give_up(stack: Stack, booking_id: str, *, at: datetime | None) -> None:
    """Write that a booking's hold found no room at that moment; None takes it back."""
    connection = await asyncpg.connect(stack.database_url)
    await connection.execute("UPDATE booking SET sold_out_at = $2 WHERE booking_id = $1", booking_id, at)
    await connection.close()


async def come_by_link(guest: Window, booking: GuestDriver) -> None:
    """Open a booking's page as the link of its e-mails does."""
    await guest.go(f"/bookings/{booking.booking_id}/?token={booking.token}")
