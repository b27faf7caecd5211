"""Pusher: notifying browsers that a booking changed."""

from __future__ import annotations

import asyncio
from typing import Any

import pusher
from temporalio import activity
from temporalio.exceptions import ApplicationError

from domain.identifiers import booking_channel, hotel_channel, staff_channel
from domain.messages.notifications import Publication
from domain.timestamps import rfc3339

BOOKING_UPDATED = "booking-updated"
_QUICK_S = 1


class Realtime:
    """Activities that publish. A repeat is harmless: each event carries the version it is about."""

    def __init__(self, client: pusher.Pusher) -> None:
        self._client = client

    @activity.defn(name="realtime.publish")
    async def publish(self, publication: Publication) -> None:
        """Send `booking-updated` to the hotel and the booking, and the staff's own event if there is one.

        Raises:
            ApplicationError: `pusher_refused`, final: the request is wrong; `pusher_failed`, worth a retry: no answer,
                an outage, a quota, or credentials that are being replaced.
        """
        # The library blocks; in a thread it does not block the worker's event loop.
        try:
            await asyncio.to_thread(self._client.trigger_batch, _batch(publication))
        except pusher.errors.PusherBadRequest as error:
            raise ApplicationError(type(error).__name__, type="pusher_refused", non_retryable=True) from None
        except Exception as error:
            # The library's errors and those of its HTTP client share no base class.
            raise ApplicationError(type(error).__name__, type="pusher_failed") from None

    async def try_publish(self, publication: Publication) -> bool:
        """Make one quick attempt while a caller waits; returns whether it worked."""
        try:
            async with asyncio.timeout(_QUICK_S):
                await self.publish(publication)
        except Exception as error:
            # The background publication, which is retried for an hour, will meet and report the same error.
            activity.logger.info("not published at the first attempt: %s", type(error).__name__)
            return False
        return True


def _batch(publication: Publication) -> list[dict[str, Any]]:
    data = {
        "booking_id": publication.booking_id,
        "status": publication.status,
        "updated_at": rfc3339(publication.updated_at),
        "version": publication.version,
    }
    channels = [hotel_channel(publication.hotel_slug), booking_channel(publication.booking_id)]
    batch = [{"channel": channel, "name": BOOKING_UPDATED, "data": data} for channel in channels]
    if publication.staff_event is not None:
        channel = staff_channel(publication.hotel_slug)
        batch.append({"channel": channel, "name": publication.staff_event, "data": data})
    return batch
