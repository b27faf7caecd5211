"""One booking of the management tests: what its guest, staff and the Dashboard do with it, and what can be seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from temporalio.client import WorkflowHandle

from dispatch.client import booking_handle, start_booking
from domain.attention import Attention
from domain.booking import ActorKind, Decision, Status
from domain.identifiers import new_command_id
from domain.messages.answers import CommandResult, SessionRequest, WorkflowSnapshot
from domain.messages.signals import Command
from domain.messages.starts import SUBMIT_COMMAND
from models import Booking, BookingAttention, BookingCommand, BookingTimeline, Hotel, Staff, utc_now
from storage import bookings
from storage.creation import submission_terms
from tests.workflows.servers import Json
from workflows.booking import BookingWorkflow

if TYPE_CHECKING:
    from tests.management.harness import ManagementHarness

TOTAL_MINOR = 15000
GOOD_CARD = "4242424242424242"


class ManagementBookingDriver:
    """One booking, and what can be done to it."""

    def __init__(self, harness: ManagementHarness, booking: Booking, hotel: Hotel, person: Staff) -> None:
        self.harness = harness
        self._booking = booking
        self.hotel = hotel
        self.person = person
        self.booking_id = booking.booking_id
        self.guest_email = booking.guest_email
        self.private = (
            booking.guest_first_name,
            booking.guest_last_name,
            booking.guest_email,
            booking.guest_phone or "",
            booking.special_requests or "",
        )

    @property
    def handle(self) -> WorkflowHandle[BookingWorkflow, WorkflowSnapshot]:
        """Its workflow."""
        return booking_handle(self.harness.client, self.booking_id)

    async def start(self) -> None:
        """Start its workflow, and do not wait."""
        terms = submission_terms(
            self._booking, self.hotel.slug, authorization_margin_s=3600, payment_poll_s=300
        )
        await start_booking(self.harness.client, terms, self.harness.settings.temporal_task_queue)

    async def submit(self) -> None:
        """Start its workflow, and wait until the row says so."""
        await self.start()
        await self.outcome(SUBMIT_COMMAND)

    async def open_page(self) -> str:
        """Open the payment page, and return its session's id."""
        answer = await self.handle.execute_update(BookingWorkflow.payment_session, SessionRequest())
        return answer.session_id

    async def pay(self, session_id: str | None = None) -> None:
        """Fill in the page that was opened last, or another one, without a webhook."""
        if session_id is None:
            async with self.harness.database.transaction() as db:
                newest = await bookings.newest_session(db, self.booking_id)
            assert newest is not None
            session_id = newest.session_id
        url = (await self.page(session_id))["url"]
        answer = await self.harness.stripe.http.post(url, data={"card_number": GOOD_CARD, "hold_seconds": ""})
        assert answer.status_code < 400, answer.text

    async def strange_page(self, booking_id: str | None = None) -> str:
        """Open a payment page of which no row knows, as if the answer had been lost; returns its session's id."""
        metadata = {"booking_id": booking_id or self.booking_id}
        session = await self.harness.stripe_client.v1.checkout.sessions.create_async(
            {
                "mode": "payment",
                "success_url": "http://127.0.0.1:8000/",
                "metadata": metadata,
                "line_items": [
                    {
                        "quantity": 1,
                        "price_data": {
                            "currency": "eur",
                            "unit_amount": TOTAL_MINOR,
                            "product_data": {"name": "A stay"},
                        },
                    }
                ],
                "payment_intent_data": {"capture_method": "manual", "metadata": metadata},
            }
        )
        return session.id

    async def send(self, decision: Decision, actor: ActorKind = ActorKind.STAFF, **fields: Any) -> str:
        """Keep a decision, signal it to a running workflow, and return its id."""
        command_id = await self.keep(decision, actor, **fields)
        command = Command(command_id, actor, self.person.id if actor is ActorKind.STAFF else None)
        await self.handle.signal(str(decision), command)
        return command_id

    async def keep(self, decision: Decision, actor: ActorKind = ActorKind.STAFF, **fields: Any) -> str:
        """Keep a decision in the database alone, and return its id; `fields` are further columns of it."""
        row = BookingCommand(
            command_id=new_command_id(),
            booking_id=self.booking_id,
            kind=decision,
            actor=self.person.email if actor is ActorKind.STAFF else actor,
            **fields,
        )
        async with self.harness.database.transaction() as db:
            await bookings.open_command(db, row)
        return row.command_id

    async def decide(self, decision: Decision, actor: ActorKind = ActorKind.STAFF) -> CommandResult:
        """Have a decision carried out."""
        return await self.outcome(await self.send(decision, actor))

    async def outcome(self, command_id: str) -> CommandResult:
        """Wait until a command has come out."""
        return await self.handle.execute_update(BookingWorkflow.await_outcome, command_id)

    async def colleague(self, role: str) -> None:
        """Add another approver to its hotel."""
        email = f"{role}@{self.hotel.slug}.test"
        async with self.harness.database.transaction() as db:
            db.add(Staff(hotel_id=self.person.hotel_id, email=email, role=role, password_hash="!"))

    async def lose_workflow(self) -> None:
        """Someone terminates the workflow in the Temporal UI."""
        await self.handle.terminate("by mistake")

    async def set(self, **values: Any) -> None:
        """Change the row behind the product's back."""
        async with self.harness.database.transaction() as db:
            row = await bookings.booking_by_id(db, self.booking_id)
            assert row is not None
            for name, value in values.items():
                setattr(row, name, value)

    async def set_attention(self, reason: Attention) -> None:
        """Open a reason behind the product's back, of which no workflow knows."""
        await self.set(needs_attention=True)
        row = BookingAttention(booking_id=self.booking_id, since=utc_now(), **asdict(reason))
        async with self.harness.database.transaction() as db:
            db.add(row)

    # --- what can be seen ---

    async def row(self) -> Booking:
        """Its row."""
        async with self.harness.database.transaction() as db:
            row = await bookings.booking_by_id(db, self.booking_id)
        assert row is not None
        return row

    async def status(self) -> Status:
        """The status of the row."""
        return Status((await self.row()).status)

    async def command(self, command_id: str) -> BookingCommand:
        """A decision as it was kept."""
        async with self.harness.database.transaction() as db:
            return await db.get_one(BookingCommand, command_id)

    async def timeline(self) -> Sequence[BookingTimeline]:
        """Its timeline, oldest first."""
        async with self.harness.database.transaction() as db:
            return await bookings.timeline(db, self.booking_id)

    async def events(self) -> list[str]:
        """The timeline without the creation and the submission."""
        return [step.event for step in await self.timeline()][2:]

    async def payments(self) -> list[Json]:
        """Its PaymentIntents, as Stripe has them."""
        query = {"booking_id": self.booking_id}
        ledger = await self.harness.stripe.ask("GET", "/_sandbox/ledger", params=query)
        found: list[Json] = ledger["payment_intents"]
        return found

    async def page(self, session_id: str) -> Json:
        """A payment page, as Stripe has it."""
        session = await self.harness.stripe_client.v1.checkout.sessions.retrieve_async(session_id)
        found: Json = session.to_dict()
        return found

    async def dashboard(self, action: str, body: Json | None = None) -> None:
        """Act on its first PaymentIntent in the Stripe Dashboard."""
        path = f"/_sandbox/dashboard/payment_intents/{(await self.payments())[0]['id']}/{action}"
        await self.harness.stripe.ask("POST", path, json=body or {})
