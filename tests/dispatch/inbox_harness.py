"""Inbox, Temporal and a Stripe of their own, for what goes from the one to the other.

No worker runs: a workflow that was started keeps its signals in its history, where they are read.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import update
from sqlmodel import col
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client
from temporalio.testing import ActivityEnvironment

from activities.inbox import Inbox
from dispatch.events import deliver, keep
from dispatch.message_converter import DATA_CONVERTER
from domain.booking import Status
from domain.messages.signals import StripeEventHint
from domain.messages.starts import EndedBookingEvent
from models import Booking, StripeWebhookEvent
from storage.database import Database
from tests.storage.rows import HotelRows, book
from tests.workflows.servers import StandInClient

QUEUE: Final = "nobody-works-here"


@dataclass
class InboxHarness:
    """A database of its own, a Stripe of its own, and Temporal."""

    database: Database
    stripe: StandInClient
    temporal: Client
    inbox: Inbox
    env: ActivityEnvironment
    hotel_rows: HotelRows

    async def start(self, booking: Booking) -> None:
        """Start a booking's workflow, which nobody runs."""
        await self.temporal.start_workflow("Anything", id=f"booking-{booking.booking_id}", task_queue=QUEUE)

    async def deliver_event(self, event: StripeWebhookEvent, client: Client | None = None) -> str | None:
        """Deliver an event that is in the inbox, as if nobody had marked it processed."""
        entry = replace(await keep(self.database, event), is_processed=False)
        return await deliver(self.database, client or self.temporal, QUEUE, entry)

    async def signals(self, booking: Booking) -> list[tuple[str, StripeEventHint]]:
        """The signals a booking's workflow has been sent, oldest first."""
        history = await self.temporal.get_workflow_handle(f"booking-{booking.booking_id}").fetch_history()
        found = []
        for event in history.events:
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
                signal = event.workflow_execution_signaled_event_attributes
                [hint] = await DATA_CONVERTER.decode(signal.input.payloads, [StripeEventHint])
                found.append((signal.signal_name, hint))
        return found

    async def ended_booking_payment(self, event: StripeWebhookEvent, subject: str) -> EndedBookingEvent:
        """The notice that reached the workflow for this event about a payment of an ended booking."""
        handle = self.temporal.get_workflow_handle(f"ended-booking-payment-{subject}-{event.event_id}")
        history = await handle.fetch_history()
        started = history.events[0].workflow_execution_started_event_attributes
        assert started.workflow_type.name == "EndedBookingPaymentWorkflow"
        assert started.task_queue.name == QUEUE
        [decoded] = await DATA_CONVERTER.decode(started.input.payloads, [EndedBookingEvent])
        found: EndedBookingEvent = decoded
        return found

    async def keep(self, type_: str, **values: Any) -> StripeWebhookEvent:
        """Put an event into the inbox, as a webhook that left it open."""
        values = {"event_id": f"evt_{secrets.token_hex(8)}", "event_type": type_, **values}
        event = StripeWebhookEvent(**values)
        async with self.database.transaction() as db:
            db.add(event)
        return event

    async def kept(self, event_id: str) -> StripeWebhookEvent | None:
        """An event's row as it is now."""
        async with self.database.transaction() as db:
            return await db.get(StripeWebhookEvent, event_id)

    async def is_open(self, event: StripeWebhookEvent) -> bool:
        """Whether nobody has taken it yet."""
        row = await self.kept(event.event_id)
        assert row is not None
        return row.processed_at is None

    async def note(self, event: StripeWebhookEvent) -> str | None:
        """Why there was nothing to hand on."""
        row = await self.kept(event.event_id)
        assert row is not None
        assert row.processed_at is not None
        return row.note

    async def clear(self) -> None:
        """Close what a test left in the inbox."""
        still_open = update(StripeWebhookEvent).where(col(StripeWebhookEvent.processed_at).is_(None))
        async with self.database.transaction() as db:
            await db.execute(still_open.values(processed_at=datetime.now(UTC)))


async def waiting(harness: InboxHarness) -> Booking:
    """A booking that waits for its guest to pay, with a workflow."""
    booking = await book(harness.database, harness.hotel_rows, status=Status.PENDING_PAYMENT, version=2)
    await harness.start(booking)
    return booking
