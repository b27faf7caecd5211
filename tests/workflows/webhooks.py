"""Webhooks, delivered by hand: in order or not, once, twice or never.

An event goes the way it goes in production behind the endpoint: into the inbox, then on to its workflow.
"""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

from temporalio.client import Client
from temporalio.service import RPCError

from dispatch.events import deliver, deliver_event, keep
from domain.identifiers import ended_booking_payment_workflow_id
from domain.stripe_events import subject_of
from models import StripeWebhookEvent, utc_now
from storage.database import Database
from tests.workflows.servers import STRIPE_KEY, Json, StandInClient

_PAGE = 100


class WebhookQueue:
    """Fetches Stripe's events and delivers them on order.

    Args:
        bookings: ids of the bookings at hand; events about others are left alone.
    """

    def __init__(
        self,
        stripe: StandInClient,
        database: Database,
        client: Client,
        task_queue: str,
        bookings: set[str],
    ) -> None:
        self._stripe = stripe
        self._database = database
        self._client = client
        self._task_queue = task_queue
        self._bookings = bookings
        self._intents: set[str] = set()
        self._last: str | None = None
        self.waiting: list[Json] = []
        self.delivered: list[str] = []
        self.ended_booking_workflows: list[str] = []
        self.is_paused = False

    async def begin(self) -> None:
        """Leave what happened before now alone."""
        listed = await self._events({"limit": 1})
        self._last = listed[0]["id"] if listed else None

    async def collect(self) -> list[Json]:
        """Fetch what is new at Stripe, and return all that waits to be delivered, oldest first."""
        while True:
            cursor = {"ending_before": self._last} if self._last else {}
            listed = await self._events({"limit": _PAGE, **cursor})
            if not listed:
                return self.waiting
            self._last = listed[0]["id"]
            self.waiting += [event for event in reversed(listed) if self._is_ours(event)]
            if not cursor:
                return self.waiting

    async def deliver(self, match: str = "*", *, backwards: bool = False, copies: int = 1) -> list[str]:
        """Bring every waiting event whose type matches; returns their types in the order of delivery.

        Args:
            backwards: the newest first.
            copies: how often each is brought.
        """
        await self.collect()
        chosen = [event for event in self.waiting if fnmatchcase(event["type"], match)]
        for event in chosen[::-1] if backwards else chosen:
            self.waiting.remove(event)
            for _ in range(copies):
                await self.deliver_event(event)
        return [event["type"] for event in chosen]

    async def lose(self) -> list[str]:
        """Let every waiting event be lost; returns their types."""
        await self.collect()
        events, self.waiting = self.waiting, []
        return [event["type"] for event in events]

    async def deliver_event(self, event: Json, event_id: str | None = None) -> str | None:
        """Deliver one event, under another id if one is given; returns the reason if no workflow received it."""
        row = _kept(event, event_id or event["id"])
        nobody_told = await deliver_event(self._database, self._client, self._task_queue, row)
        self.delivered.append(row.event_id)
        unmatched = ended_booking_payment_workflow_id(
            row.payment_intent_id or row.session_id or "unknown", row.event_id
        )
        if await self._is_started(unmatched):
            self.ended_booking_workflows.append(unmatched)
        return nobody_told

    async def signal_again(self, event: Json) -> None:
        """Signal an event once more although it was processed, as a crash before the mark would."""
        entry = await keep(self._database, _kept(event, event["id"]))
        crashed = replace(entry, is_processed=False)
        await deliver(self._database, self._client, self._task_queue, crashed)

    async def _is_started(self, id_: str) -> bool:
        try:
            await self._client.get_workflow_handle(id_).describe()
        except RPCError:
            return False
        return True

    def _is_ours(self, event: Json) -> bool:
        subject = subject_of(event["data"]["object"])
        if subject.booking_id not in self._bookings:
            return subject.payment_intent_id in self._intents
        if subject.payment_intent_id is not None:
            # An event about a refund or a dispute names only the PaymentIntent.
            self._intents.add(subject.payment_intent_id)
        return True

    async def _events(self, query: dict[str, Any]) -> list[Json]:
        headers = {"Authorization": f"Bearer {STRIPE_KEY}"}
        answer = await self._stripe.ask("GET", "/v1/events", params=query, headers=headers)
        events: list[Json] = answer["data"]
        return events


def _kept(event: Json, event_id: str) -> StripeWebhookEvent:
    subject = subject_of(event["data"]["object"])
    return StripeWebhookEvent(
        event_id=event_id,
        event_type=event["type"],
        booking_id=subject.booking_id,
        session_id=subject.session_id,
        payment_intent_id=subject.payment_intent_id,
        received_at=utc_now(),
    )
