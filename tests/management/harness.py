"""An operator's office: the commands, a database and a Stripe of its own, and a worker on a real Temporal server.

The commands run as `manage.py` runs them, each with clients and an event loop of its own.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Worker
from typer.testing import CliRunner, Result

from activities.emails import Emails, SmtpServer
from activities.stripe_client import stripe_client, stripe_connections
from dispatch.client import booking_handle, start_booking
from domain.booking import ActorKind, Decision, Status
from domain.identifiers import new_booking_id, new_command_id
from domain.messages import SUBMIT_COMMAND, Command, CommandResult, SessionRequest, WorkflowSnapshot
from manage import build_app
from models import Booking, BookingCommand, BookingTimeline, Hotel, RoomType, Staff
from settings import Settings
from storage import bookings
from storage.creation import submission_terms
from storage.database import Database
from tests.workflows.servers import STRIPE_KEY, Json, StandInClients
from worker import build_worker
from workflows.booking import BookingWorkflow

ROOT = Path(__file__).parents[2]
TOTAL_MINOR = 15000
GOOD_CARD = "4242424242424242"
_PATIENCE_S = 20


async def eventually(what: str, look: Callable[[], Awaitable[Any]]) -> Any:
    """Wait until `look` finds something, and return it."""
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        if found := await look():
            return found
        await asyncio.sleep(0.02)
    raise AssertionError(f"waited in vain for {what}")


class ManagementHarness:
    """Everything a test of the commands needs.

    Args:
        environment: the product's configuration, as variables.
    """

    def __init__(
        self, environment: Mapping[str, str], stand_ins: StandInClients, client: Client, database: Database
    ) -> None:
        self.environment = dict(environment)
        self.stand_ins = stand_ins
        self.stripe = stand_ins.stripe
        self.client = client
        self.database = database
        self.settings = _settings(environment)
        self._connections = stripe_connections()
        self.stripe_client = stripe_client(STRIPE_KEY, stand_ins.stripe.url, connections=self._connections)
        self._worker: Worker | None = None
        self._working: asyncio.Task[None] | None = None

    # --- commands ---

    async def run(self, *arguments: str, **environment: str | None) -> Result:
        """Run a command within this process; `NAME=None` leaves a variable out."""
        variables = {**self.environment, **environment}
        return await asyncio.to_thread(
            lambda: CliRunner().invoke(build_app(), list(arguments), env=variables)
        )

    async def done(self, *arguments: str, **environment: str | None) -> str:
        """Run a command that must succeed, and return what it says."""
        result = await self.run(*arguments, **environment)
        assert result.exit_code == 0, result.output
        return result.stdout

    async def reconcile(self, *options: str) -> tuple[int, Json]:
        """Run `reconcile --json`: its exit status and its document."""
        result = await self.run("reconcile", "--json", *options)
        assert result.stdout, result.output
        return result.exit_code, json.loads(result.stdout)

    def process(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command as the program it is, with no other configuration than what is given."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env={"PATH": "/usr/bin:/bin", **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    # --- life ---

    def start_worker(self) -> None:
        """Start the product's worker."""
        self._worker = build_worker(self.settings, self.client, self.database)
        self._working = asyncio.create_task(self._worker.run())

    async def stop_worker(self) -> None:
        """Stop it; nobody works on bookings then."""
        if self._worker is not None and self._working is not None:
            await self._worker.shutdown()
            await self._working
        self._worker = self._working = None

    async def close(self) -> None:
        """Stop the worker, and close what was opened."""
        await self.stop_worker()
        await self._connections.close_async()  # type: ignore[no-untyped-call]

    def emails(self) -> Emails:
        """The product's own sender of e-mails."""
        return Emails(
            self.database,
            SmtpServer(host=self.settings.smtp_host, port=self.settings.smtp_port),
            email_from=self.settings.email_from,
            public_base_url=self.settings.public_base_url,
            auth_secret=self.settings.auth_secret.get_secret_value(),
        )

    # --- bookings ---

    async def draft(self, *, check_in_days: int = 20, **hotel_fields: Any) -> ManagementBookingDriver:
        """A booking that was made and not submitted.

        Args:
            check_in_days: days from today to check-in; below zero, the stay has begun.
        """
        word = secrets.token_hex(4)
        hotel = Hotel(
            slug=f"hotel-{word}",
            name="The Test Arms",
            currency="EUR",
            timezone="Europe/Dublin",
            **hotel_fields,
        )
        check_in = datetime.now(UTC).date() + timedelta(days=check_in_days)
        async with self.database.transaction() as db:
            db.add(hotel)
            await db.flush()
            assert hotel.id is not None
            room = RoomType(
                hotel_id=hotel.id, code="double", name="Double", price_per_night_minor=TOTAL_MINOR // 2,
                max_guests=2, rooms=3,
            )  # fmt: skip
            person = Staff(
                hotel_id=hotel.id, email=f"manager@{hotel.slug}.test", role="manager", password_hash="!"
            )
            db.add_all([room, person])
            await db.flush()
            assert room.id is not None
            booking = Booking(
                booking_id=new_booking_id(),
                hotel_id=hotel.id,
                room_type_id=room.id,
                check_in=check_in,
                check_out=check_in + timedelta(days=2),
                adults=2,
                guest_first_name=f"First{word}",
                guest_last_name=f"Last{word}",
                guest_email=f"guest{word}@example.com",
                guest_phone="+353 1 234 5678",
                special_requests=f"Wish{word}",
                amount_minor=TOTAL_MINOR,
                currency="EUR",
                free_cancel_days=2,
                late_cancel_fee_percent=30,
            )
            await bookings.insert_draft(db, booking)
        return ManagementBookingDriver(self, booking, hotel, person)

    async def submitted(self, **fields: Any) -> ManagementBookingDriver:
        """A booking that waits for its payment."""
        booking = await self.draft(**fields)
        await booking.submit()
        return booking

    async def held(self, **fields: Any) -> ManagementBookingDriver:
        """A booking that waits for a decision."""
        booking = await self.submitted(**fields)
        await booking.open_page()
        await booking.pay()
        await booking.handle.execute_update(BookingWorkflow.check_payment)
        assert await booking.status() is Status.PENDING_APPROVAL
        return booking

    async def confirmed(self, **fields: Any) -> ManagementBookingDriver:
        """A booking that was approved and paid."""
        booking = await self.held(**fields)
        await booking.decide(Decision.APPROVE)
        assert await booking.status() is Status.CONFIRMED
        return booking

    async def declined(self, **fields: Any) -> ManagementBookingDriver:
        """A booking that has ended, its workflow too."""
        booking = await self.held(**fields)
        await booking.decide(Decision.DECLINE)
        await booking.handle.result()
        assert await booking.status() is Status.DECLINED
        return booking


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
        terms = submission_terms(self._booking, self.hotel, authorization_margin_s=3600, payment_poll_s=300)
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
        """Fill in the page that was opened last, or another one. Nobody is told."""
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
        """Keep a decision, signal it where there is somebody to hear it, and return its id."""
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
        """Somebody else comes to work at its hotel."""
        email = f"{role}@{self.hotel.slug}.test"
        async with self.harness.database.transaction() as db:
            db.add(Staff(hotel_id=self.person.hotel_id, email=email, role=role, password_hash="!"))

    async def lose_workflow(self) -> None:
        """Somebody terminates the workflow in the Temporal UI."""
        await self.handle.terminate("by mistake")

    async def set(self, **values: Any) -> None:
        """Change the row behind the product's back."""
        async with self.harness.database.transaction() as db:
            row = await bookings.booking_by_id(db, self.booking_id)
            assert row is not None
            for name, value in values.items():
                setattr(row, name, value)

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
        """What happened, without the creation and the submission."""
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


def _settings(environment: Mapping[str, str]) -> Settings:
    return Settings.model_validate({name.lower(): value for name, value in environment.items()})
