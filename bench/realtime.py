"""Listens to bookings as browsers do: one WebSocket to the Pusher stand-in, on a hotel's channel."""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from websockets.asyncio.client import ClientConnection, connect


class BookingListener:
    """Records when the first event of each booking and status arrived."""

    def __init__(self) -> None:
        self._heard: dict[tuple[str, str], float] = {}
        self._waiting: dict[tuple[str, str], list[asyncio.Future[float]]] = defaultdict(list)

    def hear(self, booking_id: str, status: str) -> None:
        """Record an event."""
        now = time.perf_counter()
        self._heard.setdefault((booking_id, status), now)
        for future in self._waiting.pop((booking_id, status), []):
            if not future.done():
                future.set_result(now)

    async def until(self, booking_id: str, status: str, timeout_s: float) -> float:
        """Wait for the event of a booking in `status`; returns its time by `time.perf_counter`.

        Raises:
            TimeoutError: no event within `timeout_s`.
        """
        key = (booking_id, status)
        if key in self._heard:
            return self._heard[key]
        future: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._waiting[key].append(future)
        async with asyncio.timeout(timeout_s):
            return await future


@asynccontextmanager
async def listen_to_hotel(pusher: str, key: str, hotel: str) -> AsyncIterator[BookingListener]:
    """Listen to a hotel's public channel until the block ends.

    Args:
        pusher: the stand-in's base URL.
        key: the app's public key.
        hotel: its slug.
    """
    listener = BookingListener()
    url = f"{pusher.replace('http', 'ws', 1)}/app/{key}?protocol=7"
    async with connect(url, max_queue=None) as socket:
        await socket.recv()
        subscription = {"event": "pusher:subscribe", "data": {"channel": f"hotel-{hotel}"}}
        await socket.send(json.dumps(subscription))
        hearing = asyncio.create_task(_hear(socket, listener))
        try:
            yield listener
        finally:
            hearing.cancel()


async def _hear(socket: ClientConnection, listener: BookingListener) -> None:
    async for text in socket:
        message = json.loads(text)
        if message["event"] == "booking-updated":
            data = json.loads(message["data"])
            listener.hear(data["booking_id"], data["status"])
        elif message["event"] == "pusher:ping":
            await socket.send(json.dumps({"event": "pusher:pong", "data": {}}))
