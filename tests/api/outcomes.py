"""The outcome of a decision: the caller's answer, and the money at Stripe."""

from __future__ import annotations

import httpx

from sandbox.drivers import GuestDriver
from tests.api.hotels import HotelDriver
from tests.workflows.servers import Json


async def money(hotel: HotelDriver, guest: GuestDriver) -> tuple[str, int, int, int]:
    """A booking's PaymentIntent: its status, what was received, what was refunded, and how many captures."""
    payment = await hotel.stack.client.payment(guest.booking_id)
    return payment["status"], payment["amount_received"], payment["refunded"], payment["captures"]


def settled(response: httpx.Response) -> Json:
    """The booking in an answer that says: done."""
    assert response.status_code == 200, response.text
    body: Json = response.json()
    assert body.pop("settled") is True
    return body
