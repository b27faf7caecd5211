"""The inbox of Stripe's events: its sweep, and notes on events that were not followed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import stripe
from stripe.params import EventListParams
from temporalio import activity
from temporalio.client import Client

from dispatch.events import deliver_event
from domain.stripe_events import KNOWN, subject_of
from gateway.errors import translated_errors
from models import StripeWebhookEvent, utc_now
from storage.database import Database
from storage.inbox import keep_event, missing_events, note_event, unprocessed_events

# The webhook that received an event is given this long to hand it on itself.
_LEFT_BEHIND_AFTER: Final = timedelta(seconds=30)
_AT_ONCE: Final = 200

# Stripe delivers within seconds and repeats for days. What is this old and was never seen was lost.
_OVERDUE_AFTER: Final = timedelta(minutes=2)
_LOOK_BACK: Final = timedelta(minutes=30)
_PAGE: Final = 100


class Inbox:
    """Hands on what webhooks left behind."""

    def __init__(
        self, database: Database, stripe_client: stripe.StripeClient, client: Client, task_queue: str
    ) -> None:
        self._database = database
        self._stripe = stripe_client.v1
        self._client = client
        self._task_queue = task_queue

    @activity.defn(name="inbox.deliver_unprocessed_events")
    async def deliver_unprocessed_events(self) -> int:
        """Hand on events that were kept and not processed, oldest first; returns how many."""
        async with self._database.transaction() as db:
            events = await unprocessed_events(db, utc_now() - _LEFT_BEHIND_AFTER, _AT_ONCE)
        for event in events:
            await deliver_event(self._database, self._client, self._task_queue, event)
            activity.heartbeat()
        return len(events)

    @activity.defn(name="inbox.fetch_missing_events")
    async def fetch_missing_events(self) -> int:
        """Take from Stripe's own list what no webhook ever brought; returns how many events."""
        now = utc_now()
        listed = await self._listed(now - _LOOK_BACK, now - _OVERDUE_AFTER)
        async with self._database.transaction() as db:
            lost = await missing_events(db, [event.id for event in listed])
        for event in listed:
            if event.id in lost:
                kept = _kept(event)
                async with self._database.transaction() as db:
                    await keep_event(db, kept)
                await deliver_event(self._database, self._client, self._task_queue, kept)
                activity.heartbeat()
        return len(lost)

    @activity.defn(name="inbox.note_unknown_payment")
    async def note_unknown_payment(self, event_id: str) -> None:
        """Keep with an event that Stripe knows nothing of the payment it names."""
        async with self._database.transaction() as db:
            await note_event(db, event_id, "Stripe does not know its payment")

    async def _listed(self, since: datetime, until: datetime) -> list[stripe.Event]:
        """Events of the types that matter to us, oldest first."""
        params: EventListParams = {
            "created": {"gte": int(since.timestamp()), "lte": int(until.timestamp())},
            "types": sorted(KNOWN),
            "limit": _PAGE,
        }
        with translated_errors(write=False):
            page = await self._stripe.events.list_async(params)
            return [event async for event in page.auto_paging_iter()][::-1]


def _kept(event: stripe.Event) -> StripeWebhookEvent:
    subject = subject_of(event.data.object.to_dict())
    return StripeWebhookEvent(
        event_id=event.id,
        event_type=event.type,
        booking_id=subject.booking_id,
        session_id=subject.session_id,
        payment_intent_id=subject.payment_intent_id,
        received_at=datetime.now(UTC),
    )
