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
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from temporalio.client import Client
from temporalio.worker import Worker
from typer.testing import CliRunner, Result

from activities.emails import Emails
from domain.booking import Decision, Status
from domain.identifiers import new_booking_id
from emails.compose import Composer
from emails.send import SmtpServer
from gateway.client import stripe_client, stripe_connections
from manage import build_app
from models import Booking, Hotel, RoomType, Staff
from reconciliation.alerts import ReconciliationAlerts
from settings import Settings
from storage.creation import insert_draft, offered_terms
from storage.database import Database
from tests.management.booking_driver import TOTAL_MINOR, ManagementBookingDriver
from tests.workflows.servers import STRIPE_KEY, Json, StandInClients
from worker import build_worker
from workflows.booking import BookingWorkflow

ROOT = Path(__file__).parents[2]
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
        """Stop it; no worker runs bookings then."""
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
        return Emails(self.database, *self._mailing_parts())

    def alerts(self) -> ReconciliationAlerts:
        """The alarm that reports findings to people."""
        return ReconciliationAlerts(self.database, *self._mailing_parts())

    def _mailing_parts(self) -> tuple[Composer, SmtpServer]:
        settings = self.settings
        composer = Composer(
            settings.email_from, settings.public_base_url, settings.auth_secret.get_secret_value()
        )
        return composer, SmtpServer(host=settings.smtp_host, port=settings.smtp_port)

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
                **offered_terms(hotel, check_in) | {"free_cancel_days": 2, "late_cancel_fee_percent": 30},
            )
            await insert_draft(db, booking)
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


def _settings(environment: Mapping[str, str]) -> Settings:
    return Settings.model_validate({name.lower(): value for name, value in environment.items()})
