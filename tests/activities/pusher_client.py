"""Pusher's own library, pointed at the stand-in, and what arrived there."""

from __future__ import annotations

from typing import Any

import httpx
import pusher

from tests.workflows.servers import PUSHER, Json, StandInClients

BATCH = f"POST /apps/{PUSHER.app_id}/batch_events"


def client(served: StandInClients, **changes: Any) -> pusher.Pusher:
    """Pusher's own library, pointed at the stand-in."""
    at = httpx.URL(served.pusher.url)
    return pusher.Pusher(
        **{
            "app_id": PUSHER.app_id,
            "key": PUSHER.key,
            "secret": PUSHER.secret,
            "host": at.host,
            "port": at.port,
            "ssl": False,
            **changes,
        }
    )


async def arrived(served: StandInClients, booking_id: str) -> list[Json]:
    found: list[Json] = await served.pusher.ask(
        "GET", "/_sandbox/messages", params={"booking_id": booking_id}
    )
    return found
