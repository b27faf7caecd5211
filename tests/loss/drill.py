"""A stack whose databases can be dumped, restored and lost, and the bookings that this happens to."""

from __future__ import annotations

import json
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from sandbox.drivers import Addresses, GuestDriver, RoomRequest, StackClient, StaffDriver
from sandbox.evidence import Json
from sandbox.stack import Stack
from sandbox.stack.postgres import binary
from sandbox.stack.process import PartError
from tests.whole_stack import HOTEL

GUEST: Final = {"first_name": "Nora", "last_name": "Kelly", "email": "nora@example.com", "phone": ""}
FINDINGS: Final = """
    SELECT coalesce(json_agg(json_build_object('kind', kind, 'booking_id', booking_id, 'outcome', outcome)), '[]')
    FROM reconciliation_finding JOIN reconciliation_run USING (run_id)
    WHERE started_at = (SELECT max(started_at) FROM reconciliation_run WHERE started_by = 'operator')
"""
OF_OTHER_PROGRAMS: Final = {"ORDER-1": HOTEL, "BK-00000-00000-00000": "another-hotel"}
"""Holds of other programs on the same Stripe account: the booking and hotel that their metadata name."""


class LossDrill:
    """A stack, and what is done to its databases."""

    def __init__(self, stack: Stack, client: StackClient) -> None:
        self.stack = stack
        self.client = client
        self._dump = stack.folder / "before.sql"

    # --- loss ---

    def dump(self) -> None:
        """Dump the product's database, as a backup does while the product works."""
        self._run("pg_dump", "--file", str(self._dump), self.stack.database_url)

    def stop_product(self) -> None:
        """End API and worker."""
        for part in ("api", "worker"):
            self.stack.kill(part)

    def restore(self) -> None:
        """Replace the product's database by the dump."""
        self.query("DROP SCHEMA public CASCADE; CREATE SCHEMA public;")
        self._run(
            "psql", "--quiet", "--set", "ON_ERROR_STOP=1", "--file", str(self._dump), self.stack.database_url
        )

    def lose_temporal(self) -> None:
        """Replace Temporal's database by an empty one."""
        self.stack.kill("temporal")
        for file in self.stack.folder.glob("temporal.db*"):
            file.unlink()
        self.stack.restart("temporal")

    def start_product(self) -> None:
        """Start worker and API."""
        for part in ("worker", "api"):
            self.stack.restart(part)

    def reconcile(self) -> list[Json]:
        """Run `migrate` and `reconcile --after-restore`, and return the findings."""
        self.stack.manage("migrate")
        with suppress(PartError):  # Findings are left for a person.
            self.stack.manage("reconcile", "--after-restore")
        found: list[Json] = json.loads(self.query(FINDINGS))
        return found

    def query(self, sql: str) -> str:
        """The database's answer."""
        return self._run("psql", "--tuples-only", "--no-align", "--command", sql, self.stack.database_url)

    def _run(self, command: str, *arguments: str) -> str:
        done = subprocess.run([binary(command), *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@dataclass
class LossBookings:
    """One booking for each thing that may happen between a dump and a loss.

    Args:
        lost: by what happens after the dump: bookings that are made only then.
    """

    drill: LossDrill
    staff: StaffDriver
    kept: dict[str, GuestDriver]
    lost: dict[str, GuestDriver]

    @classmethod
    async def make(cls, drill: LossDrill, staff: StaffDriver) -> LossBookings:
        """The bookings that the dump knows."""
        made = cls(drill, staff, {}, {})
        for name in ("waits", "pays", "is_held", "is_approved", "is_declined", "is_cancelled", "stays"):
            guest = made.kept[name] = await GuestDriver.book(drill.client, RoomRequest(HOTEL), GUEST)
            await guest.open_page()
            if name not in {"waits", "pays"}:
                await guest.pay()
                await guest.until("PENDING_APPROVAL")
        for name in ("is_cancelled", "stays"):
            await made.approve(made.kept[name])
        made.kept["is_submitted"] = await made._draft()
        for booking_id, hotel in OF_OTHER_PROGRAMS.items():
            body = {"bookings": [booking_id], "amount": 5000, "currency": "eur", "hotel": hotel}
            answer = await drill.client.http.post(f"{drill.client.at.stripe}/_sandbox/holds", json=body)
            answer.raise_for_status()
        return made

    async def go_on(self) -> None:
        """What happens after the dump."""
        drafted = self.kept["is_submitted"]
        (await drafted.ask("POST", "submit/")).raise_for_status()
        for name in ("pays", "is_submitted"):
            await self.kept[name].pay()
            await self.kept[name].until("PENDING_APPROVAL")
        await self.approve(self.kept["is_approved"])
        await self.staff.decline(self.kept["is_declined"].booking_id)
        await self.kept["is_declined"].until("DECLINED")
        await self.kept["is_cancelled"].cancel()
        await self.kept["is_cancelled"].until("CANCELLED")
        for name in ("new_held", "new_confirmed"):
            guest = self.lost[name] = await GuestDriver.book(self.drill.client, RoomRequest(HOTEL), GUEST)
            await guest.pay()
            await guest.until("PENDING_APPROVAL")
        await self.approve(self.lost["new_confirmed"])

    async def approve(self, guest: GuestDriver) -> None:
        """Approve a booking."""
        await self.staff.approve(guest.booking_id)
        await guest.until("CONFIRMED")

    async def read(self) -> dict[str, Json]:
        """Every booking that the dump knows, as its guest sees it."""
        return {name: await guest.read_booking() for name, guest in self.kept.items()}

    async def statuses(self) -> dict[str, str]:
        """Their statuses."""
        return {name: booking["status"] for name, booking in (await self.read()).items()}

    async def payment_status(self, booking_id: str) -> str:
        """The status at Stripe of the one payment that names a booking."""
        return str((await self.drill.client.payment(booking_id))["status"])

    async def _draft(self) -> GuestDriver:
        client = self.drill.client
        body = RoomRequest(HOTEL).as_json(GUEST) | {"submit": False}
        url = f"{client.at.api}/api/public/hotel/{HOTEL}/room-bookings/"
        return GuestDriver(client, (await client.http.post(url, json=body)).raise_for_status().json())


def addresses(stack: Stack) -> Addresses:
    """Where a stack's parts are."""
    at = stack.url
    return Addresses(api=at["api"], stripe=at["stripe"], pusher=at["pusher"], inbox=at["inbox"])


def figures(name: str, numbers: dict[str, Any]) -> None:
    """Print what a drill saw; `docs/runbook.md` quotes it."""
    print(f"{name}: " + ", ".join(f"{text} {number}" for text, number in numbers.items()))
