"""Many guests for one room, on the whole stack."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

from sandbox.drivers import GuestDriver, RoomRequest, StackClient, wait_until
from sandbox.stack import Stack
from tests.e2e.observations import GUEST
from tests.whole_stack import HOTEL

_GUESTS = 20
_CODE = "last-room"


async def test_twenty_guests_for_one_room(client: StackClient, whole_stack: Stack) -> None:
    """All of them pay at once: one request, nineteen releases, and each of those guests reads why."""
    await one_gets_the_room([client], whole_stack)


async def one_gets_the_room(clients: Sequence[StackClient], stack: Stack) -> None:
    """Let twenty guests pay at once for one room, shared out among the API processes."""
    client = clients[0]
    which = ("--hotel", HOTEL, "--code", _CODE, "--name", "Last room", "--price-per-night", "90.00")
    await asyncio.to_thread(stack.manage, "room-type", "add", *which, "--max-guests", "2", "--rooms", "1")
    guests = [
        await GuestDriver.book(clients[number % len(clients)], RoomRequest(HOTEL, _CODE), GUEST)
        for number in range(_GUESTS)
    ]
    await asyncio.gather(*(guest.open_page() for guest in guests))
    await asyncio.gather(*(guest.pay() for guest in guests))

    async def ends() -> Counter[tuple[str, str | None]]:
        bookings = await asyncio.gather(*(guest.read_booking() for guest in guests))
        return Counter((booking["status"], booking["reason_code"]) for booking in bookings)

    one_request = {("PENDING_APPROVAL", None): 1, ("DECLINED", "SOLD_OUT"): _GUESTS - 1}
    await wait_until(ends, lambda found: found == one_request, timeout_s=60, what="one request")
    payments = [await client.payment(guest.booking_id) for guest in guests]
    released = [payment for payment in payments if payment["released"] == payment["amount"]]
    assert len(released) == _GUESTS - 1
    assert all(payment["captures"] == 0 for payment in payments)
    late = await client.http.post(
        f"{client.at.api}/api/public/hotel/{HOTEL}/room-bookings/",
        json=RoomRequest(HOTEL, _CODE).as_json(GUEST),
    )
    assert (late.status_code, late.json()["code"]) == (409, "sold_out")
