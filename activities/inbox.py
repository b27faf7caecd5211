"""The sweep of the inbox."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from temporalio import activity
from temporalio.client import Client

from activities.delivery import hand_on
from models import utc_now
from storage.database import Database
from storage.inbox import unprocessed_events

# The webhook that received an event is given this long to hand it on itself.
_LEFT_BEHIND_AFTER: Final = timedelta(seconds=30)
_AT_ONCE: Final = 200


class Inbox:
    """Hands on what webhooks left behind."""

    def __init__(self, database: Database, client: Client, task_queue: str) -> None:
        self._database = database
        self._client = client
        self._task_queue = task_queue

    @activity.defn(name="inbox.hand_on")
    async def hand_on(self) -> int:
        """Hand on events that were kept and not processed, oldest first; returns how many."""
        async with self._database.transaction() as db:
            events = await unprocessed_events(db, utc_now() - _LEFT_BEHIND_AFTER, _AT_ONCE)
        for event in events:
            await hand_on(self._database, self._client, self._task_queue, event)
            activity.heartbeat()
        return len(events)
