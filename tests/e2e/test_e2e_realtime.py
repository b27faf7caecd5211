"""A browser's events over Pusher's WebSocket, through subscriptions the API has allowed."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from sandbox.drivers import GuestDriver, RoomRequest, StackClient
from tests.e2e.observations import GUEST, HotelTeam, held
from tests.whole_stack import HOTEL

PATIENCE_S = 15


async def _heard(socket: ClientConnection, event: str) -> Any:
    """The data of the next event of this name.

    Raises:
        TimeoutError: it does not come.
    """
    async with asyncio.timeout(PATIENCE_S):
        while True:
            message = json.loads(await socket.recv())
            if message["event"] == event:
                return json.loads(message["data"])


async def _permission(client: StackClient, token: str, socket_id: str, channel: str) -> Any:
    return await client.http.post(
        f"{client.at.api}/api/realtime/auth/",
        data={"socket_id": socket_id, "channel_name": channel},
        headers={"Authorization": f"Bearer {token}"},
    )


async def test_guest_watches_the_booking(client: StackClient, team: HotelTeam, pusher_key: str) -> None:
    """A guest subscribed to the booking's private channel sees it held and confirmed, in order."""
    guest = await GuestDriver.book(client, RoomRequest(HOTEL), GUEST)
    stranger = await GuestDriver.book(client, RoomRequest(HOTEL), GUEST)
    channel = f"private-booking-{guest.booking_id}"
    address = client.at.pusher.replace("http://", "ws://")
    async with connect(f"{address}/app/{pusher_key}?protocol=7") as socket:
        socket_id = (await _heard(socket, "pusher:connection_established"))["socket_id"]
        assert (await _permission(client, stranger.token, socket_id, channel)).status_code == 403
        allowed = await _permission(client, guest.token, socket_id, channel)
        assert allowed.status_code == 200, allowed.text
        subscription = {"channel": channel, "auth": allowed.json()["auth"]}
        await socket.send(json.dumps({"event": "pusher:subscribe", "data": subscription}))
        await _heard(socket, "pusher_internal:subscription_succeeded")
        await held(guest)
        seen = await _heard(socket, "booking-updated")
        while seen["version"] < 3:  # the submission's own event may still have been on its way
            seen = await _heard(socket, "booking-updated")
        assert (seen["booking_id"], seen["status"]) == (guest.booking_id, "PENDING_APPROVAL")
        await team.approver.approve(guest.booking_id)
        seen = await _heard(socket, "booking-updated")
        assert (seen["status"], seen["version"]) == ("CONFIRMED", 4)
        assert set(seen) == {"booking_id", "status", "updated_at", "version"}


async def test_staff_channel_is_for_the_hotels_staff(client: StackClient, team: HotelTeam) -> None:
    """Staff may listen to their own hotel's channel; a guest, and staff of another hotel, may not."""
    guest = await GuestDriver.book(client, RoomRequest(HOTEL), GUEST)
    own, other = f"private-staff-{HOTEL}", "private-staff-kyoto-inn"
    assert (await _permission(client, team.viewer.token, "1.1", own)).status_code == 200
    assert (await _permission(client, team.viewer.token, "1.1", other)).status_code == 403
    assert (await _permission(client, guest.token, "1.1", own)).status_code == 403
