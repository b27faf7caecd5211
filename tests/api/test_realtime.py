"""Authorization of realtime channels, with signatures that Pusher accepts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from sqlalchemy import update
from sqlmodel import col
from websockets.asyncio.client import ClientConnection, connect

from domain.roles import Role
from models import Staff as StaffRow
from tests.api.hotels import HotelDriver, open_hotel
from tests.api.problems import assert_problem
from tests.api.stack import PATIENCE_S, ApiStack
from tests.workflows.servers import PUSHER, Json

_SOCKET_ID = "1234.5678"


async def authorize(
    stack: ApiStack, token: str | None, channel: str, socket_id: str = _SOCKET_ID
) -> httpx.Response:
    """Ask as Pusher's client in a browser does."""
    headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
    form = {"socket_id": socket_id, "channel_name": channel}
    return await stack.http.post(f"{stack.api}/api/realtime/auth/", data=form, headers=headers)


class BrowserListener:
    """A browser that is connected to Pusher."""

    def __init__(self, socket: ClientConnection, socket_id: str) -> None:
        self._socket = socket
        self.socket_id = socket_id

    async def hear(self) -> Json:
        """The next message."""
        message: Json = json.loads(await asyncio.wait_for(self._socket.recv(), PATIENCE_S))
        return message

    async def subscribe(self, channel: str, auth: str) -> Json:
        """Join a channel; Pusher's answer."""
        data = {"channel": channel, "auth": auth}
        await self._socket.send(json.dumps({"event": "pusher:subscribe", "data": data}))
        return await self.hear()


@asynccontextmanager
async def listening(stack: ApiStack) -> AsyncIterator[BrowserListener]:
    """Connect to Pusher until the block ends."""
    url = f"{stack.client.at.pusher.replace('http', 'ws')}/app/{PUSHER.key}?protocol=7&client=js&version=8.6"
    async with connect(url) as socket:
        greeting = json.loads(await asyncio.wait_for(socket.recv(), PATIENCE_S))
        yield BrowserListener(socket, json.loads(greeting["data"])["socket_id"])


async def joined(stack: ApiStack, listener: BrowserListener, token: str, channel: str) -> None:
    """Join a private channel with the API's signature."""
    response = await authorize(stack, token, channel, listener.socket_id)
    assert response.status_code == 200, response.text
    answer = await listener.subscribe(channel, response.json()["auth"])
    assert answer["event"] == "pusher_internal:subscription_succeeded", answer


async def test_guests_and_staff_hear_of_their_bookings(hotel: HotelDriver) -> None:
    """Pusher takes the signatures, and what is published arrives."""
    guest, staff, stack = await hotel.submitted(), await hotel.staff(Role.VIEWER), hotel.stack
    own, staff_base = f"private-booking-{guest.booking_id}", f"private-staff-{hotel.slug}"
    async with listening(stack) as browser, listening(stack) as console:
        await joined(stack, browser, guest.token, own)
        await joined(stack, console, staff.token, staff_base)
        await joined(stack, console, staff.token, own)
        await guest.pay()
        message = await browser.hear()
        heard = [await console.hear(), await console.hear()]
    data = json.loads(message["data"])
    updated_at = (await guest.read_booking())["updated_at"]
    assert (message["event"], message["channel"]) == ("booking-updated", own)
    assert data == {
        "booking_id": guest.booking_id,
        "status": "PENDING_APPROVAL",
        "updated_at": updated_at,
        "version": 3,
    }
    assert {(message["event"], message["channel"]) for message in heard} == {
        ("booking-updated", own),
        ("booking-requested", staff_base),
    }


async def test_a_signature_is_for_one_socket_and_channel(hotel: HotelDriver) -> None:
    """Another socket or channel cannot use it."""
    guest, other, stack = await hotel.draft(), await hotel.draft(), hotel.stack
    channel = f"private-booking-{guest.booking_id}"
    async with listening(stack) as thief:
        auth = (await authorize(stack, guest.token, channel)).json()["auth"]
        assert (await thief.subscribe(channel, auth))["event"] == "pusher:error"
        await thief.hear()
        auth = (await authorize(stack, guest.token, channel, thief.socket_id)).json()["auth"]
        others = f"private-booking-{other.booking_id}"
        assert (await thief.subscribe(others, auth))["event"] == "pusher:error"


async def test_channels_of_others(hotel: HotelDriver, stack: ApiStack) -> None:
    """403 for whatever the token does not open, and for no token."""
    guest, other, elsewhere = await hotel.draft(), await hotel.draft(), await open_hotel(stack)
    staff, stranger = await hotel.staff(Role.MANAGER), await elsewhere.staff(Role.MANAGER)
    own, staff_base = f"private-booking-{guest.booking_id}", f"private-staff-{hotel.slug}"
    refused: list[tuple[str | None, str]] = [
        (None, own),
        ("x", own),
        (other.token, own),
        (stranger.token, own),
        (None, staff_base),
        (guest.token, staff_base),
        (stranger.token, staff_base),
        (staff.token, "private-booking-BK-00000-00000-00000"),
        (staff.token, "private-booking-"),
        (staff.token, f"private-staff-{elsewhere.slug}"),
        (staff.token, "private-staff-"),
        (staff.token, f"hotel-{hotel.slug}"),
        (staff.token, f"presence-staff-{hotel.slug}"),
        (staff.token, f"private-encrypted-staff-{hotel.slug}"),
        (guest.token, guest.booking_id),
        (guest.token, f"presence-booking-{guest.booking_id}"),
    ]
    for token, channel in refused:
        assert_problem(await authorize(stack, token, channel), 403, "forbidden")


async def test_staff_who_left_hear_nothing_more(hotel: HotelDriver) -> None:
    """A closed account's token opens no channel."""
    staff = await hotel.staff()
    change = update(StaffRow).where(col(StaffRow.email) == staff.email).values(active=False)
    async with hotel.stack.database.transaction() as db:
        await db.execute(change)
    assert_problem(await authorize(hotel.stack, staff.token, f"private-staff-{hotel.slug}"), 403, "forbidden")


@pytest.mark.parametrize(
    ("form", "fields"),
    [
        ({}, ["socket_id", "channel_name"]),
        ({"socket_id": "1.2"}, ["channel_name"]),
        ({"socket_id": "1.2", "channel_name": "private-staff-a", "more": "x"}, ["more"]),
        ({"socket_id": "1", "channel_name": "private-staff-a"}, ["socket_id"]),
        ({"socket_id": "1.2\n", "channel_name": "private-staff-a:1"}, ["channel_name"]),
        ({"socket_id": "1.2:private-staff-b", "channel_name": "private-staff-a"}, ["socket_id"]),
        ({"socket_id": "١.٢", "channel_name": "private-staff-a"}, ["socket_id"]),
        ({"socket_id": "1" * 101 + ".2", "channel_name": "private-staff-a"}, ["socket_id"]),
        ({"socket_id": "1.2", "channel_name": "private-staff-" + "a" * 200}, ["channel_name"]),
        ({"socket_id": "1.2", "channel_name": "private-staff-\x00"}, ["channel_name"]),
    ],
)
async def test_forms_that_are_none(hotel: HotelDriver, form: dict[str, Any], fields: list[str]) -> None:
    """422: nothing that Pusher could read differently is signed."""
    stack, staff = hotel.stack, await hotel.staff()
    headers = {"Authorization": f"Bearer {staff.token}"}
    response = await stack.http.post(f"{stack.api}/api/realtime/auth/", data=form, headers=headers)
    assert_problem(response, 422, "invalid_request", *fields)
