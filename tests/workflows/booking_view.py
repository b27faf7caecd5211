"""One booking under test: what its row, its workflow, Stripe and the mailboxes show of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from temporalio.client import WorkflowHandle

from domain.attention import Attention, AttentionCode
from domain.booking import Event, Status
from domain.identifiers import workflow_id
from domain.messages.answers import WorkflowSnapshot
from domain.messages.starts import BookingTerms
from models import Booking, BookingTimeline
from storage import bookings
from storage.attention import as_attention, attention_of
from tests.workflows.servers import Json
from workflows.booking import BookingWorkflow

if TYPE_CHECKING:
    from tests.workflows.harness import WorkflowHarness


class BookingView:
    """The observable state of a booking."""

    def __init__(self, harness: WorkflowHarness, terms: BookingTerms, guest_email: str) -> None:
        self._harness = harness
        self.terms = terms
        self.guest_email = guest_email
        self.booking_id = terms.booking_id

    @property
    def handle(self) -> WorkflowHandle[BookingWorkflow, WorkflowSnapshot]:
        """The booking's workflow."""
        return self._harness.client.get_workflow_handle_for(BookingWorkflow.run, workflow_id(self.booking_id))

    async def row(self) -> Booking:
        """The booking's row."""
        async with self._harness.database.transaction() as db:
            row = await bookings.booking_by_id(db, self.booking_id)
        assert row is not None, f"{self.booking_id} has no row"
        return row

    async def attention(self) -> list[Attention]:
        """The open reasons for attention, oldest first."""
        row = await self.row()
        async with self._harness.database.transaction() as db:
            return [as_attention(reason) for reason in await attention_of(db, row)]

    async def attention_codes(self) -> list[AttentionCode]:
        """The codes of these reasons."""
        return [reason.code for reason in await self.attention()]

    async def status(self) -> Status:
        """The status the row has."""
        return Status((await self.row()).status)

    async def timeline(self) -> Sequence[BookingTimeline]:
        """The timeline, oldest first."""
        async with self._harness.database.transaction() as db:
            return await bookings.timeline(db, self.booking_id)

    async def events(self) -> list[Event]:
        """The timeline's events, without the creation and the submission."""
        return [Event(step.event) for step in await self.timeline()][2:]

    async def last_actor(self) -> str:
        """The actor of the last change."""
        return (await self.timeline())[-1].actor

    async def view(self) -> WorkflowSnapshot:
        """The workflow's own account."""
        return await self.handle.query(BookingWorkflow.state)

    async def ledger(self) -> Json:
        """Stripe's books about the booking."""
        found: Json = await self._harness.stripe.ask(
            "GET", "/_sandbox/ledger", params={"booking_id": self.booking_id}
        )
        return found

    async def intent(self) -> Json:
        """The booking's only PaymentIntent, as Stripe has it."""
        [intent] = (await self.ledger())["payment_intents"]
        found: Json = intent
        return found

    async def money(self) -> tuple[str, int, int]:
        """The only PaymentIntent's status, and the amounts captured and refunded."""
        intent = await self.intent()
        return intent["status"], intent["amount_received"], intent["refunded"]

    async def intents(self) -> list[tuple[str, int, int]]:
        """The same of each PaymentIntent that names the booking, oldest first."""
        found = (await self.ledger())["payment_intents"][::-1]
        return [(intent["status"], intent["amount_received"], intent["refunded"]) for intent in found]

    async def keys(self, step: str) -> list[str]:
        """Idempotency keys that a step (`capture`, `release`…) was asked under, in order, each named once.

        Only what comes after `booking:{id}:` in them.
        """
        log = await self._harness.stripe.ask("GET", "/_sandbox/requests", params={"limit": "500"})
        prefix = f"booking:{self.booking_id}:"
        keys = [request["idempotency_key"] or "" for request in log["requests"][::-1]]
        mine = [key.removeprefix(prefix) for key in keys if key.startswith(f"{prefix}{step}")]
        return list(dict.fromkeys(mine))

    async def mails(self, to: str | None = None) -> list[Json]:
        """Mails about the booking, oldest first; only those to one address, if given."""
        query = {"booking_id": self.booking_id} | ({"to": to} if to else {})
        found: list[Json] = await self._harness.stand_ins.mail.ask("GET", "/_sandbox/messages", params=query)
        return found

    async def guest_subjects(self) -> list[str]:
        """Subjects of the mails the guest got, oldest first."""
        return [mail["subject"] for mail in await self.mails(self.guest_email)]

    async def staff_subjects(self) -> list[str]:
        """Subjects of the mails to people of the hotel, without repeats to several of them, oldest first."""
        subjects = [mail["subject"] for mail in await self.mails() if self.guest_email not in mail["to"]]
        return list(dict.fromkeys(subjects))

    async def published(self, channel: str | None = None) -> list[tuple[int, str]]:
        """Version and status of each realtime event on a channel (the booking's own), oldest first."""
        query = {"channel": channel or f"private-booking-{self.booking_id}", "booking_id": self.booking_id}
        found = await self._harness.stand_ins.pusher.ask("GET", "/_sandbox/messages", params=query)
        return [(message["data"]["version"], message["data"]["status"]) for message in found]

    async def staff_events(self) -> list[str]:
        """Names of the realtime events only staff receive, oldest first."""
        query = {"channel": f"private-staff-{self.terms.hotel_slug}", "booking_id": self.booking_id}
        found = await self._harness.stand_ins.pusher.ask("GET", "/_sandbox/messages", params=query)
        return [message["name"] for message in found]

    async def deadline(self) -> datetime:
        """Until when the hotel may decide."""
        deadline = (await self.row()).decision_deadline
        assert deadline is not None, "the booking waits for no decision"
        return deadline

    async def is_over(self) -> bool:
        """Whether the workflow has completed."""
        description = await self.handle.describe()
        return description.status is not None and description.status.name == "COMPLETED"

    async def evidence_of_search(self) -> dict[str, Any]:
        """The workflow's search attributes by name."""
        attributes = (await self.handle.describe()).typed_search_attributes
        return {pair.key.name: pair.value for pair in attributes.search_attributes}
