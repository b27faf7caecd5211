"""Figures of bookings in `/metrics`, over a database of the test's own: they count all hotels together."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from domain.booking import MailKind, Status
from models import SentMail, utc_now
from storage.database import Database
from storage.tables import ReconciliationFinding, ReconciliationRun
from tests.api.hotels import HotelDriver
from tests.api.stack import ApiStack, another_api
from tests.conftest import NewDatabase
from tests.storage.rows import T0, book, create_hotel, held

# Two that wait; one sent, two to a guest who has not paid, and one given up.
MAILS = (
    (MailKind.AUTHORIZED, T0, None),
    (MailKind.STAFF_REQUEST, T0 - timedelta(hours=22), None),
    (MailKind.CONFIRMED, T0, T0),
    (MailKind.FINISH_REQUEST, T0, None),
    (MailKind.PAYMENT_REMINDER, T0, None),
    (MailKind.CONFIRMED, T0 - timedelta(hours=24), None),
)
Figures = dict[tuple[str, str], float]


async def figures(stack: ApiStack, api: str) -> Figures:
    """The samples that Prometheus would read, by name and the value of the label, if there is one."""
    text = (await stack.http.get(f"{api}/metrics")).raise_for_status().text
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {(sample.name, "".join(sample.labels.values())): sample.value for sample in samples}


@pytest.fixture
async def own_url(new_database: NewDatabase, migrated_template: str) -> str:
    """A database of the test's own."""
    return await new_database(template=migrated_template)


async def fill(url: str) -> None:
    """Two hotels, bookings in several statuses, and mails."""
    database = Database(url)
    today = utc_now().date()
    stay = {"check_in": today + timedelta(days=9), "check_out": today + timedelta(days=11)}
    over = {"check_in": today - timedelta(days=4), "check_out": today - timedelta(days=2)}
    try:
        dublin, kyoto = await create_hotel(database), await create_hotel(database, currency="JPY")
        booking = await held(database, dublin, **stay, decision_deadline=T0 + timedelta(hours=9))
        await held(database, dublin, **stay, amount_minor=12345, decision_deadline=T0 + timedelta(hours=5))
        await held(database, kyoto, **stay, amount_minor=30000, decision_deadline=T0 + timedelta(hours=7))
        await book(database, dublin, **stay, status=Status.CONFIRMED, needs_attention=True)
        await held(database, dublin, **over, amount_minor=100, decision_deadline=T0 + timedelta(hours=3))
        await book(database, dublin, **over, status=Status.CONFIRMED)
        await book(database, dublin, **over, status=Status.CANCELLED, needs_attention=True)
        async with database.transaction() as db:
            for number, (kind, sending_at, sent_at) in enumerate(MAILS):
                db.add(
                    SentMail(
                        message_id=f"<{number}@x>", booking_id=booking.booking_id, kind=kind, version=number,
                        recipient="a@example.com", subject="-", sending_at=sending_at, sent_at=sent_at,
                    )
                )  # fmt: skip
    finally:
        await database.close()


async def test_bookings_are_counted(stack: ApiStack, own_url: str) -> None:
    """By status, with the money that is held, what needs attention, and when the next hold has to be decided on.

    A hold counts even if its stay is over.
    """
    await fill(own_url)
    async with another_api(stack, database_url=own_url) as api:
        found = await figures(stack, api)
    by_status = {status: count for (name, status), count in found.items() if name == "bookings"}
    assert by_status == dict.fromkeys(map(str, Status), 0) | {"PENDING_APPROVAL": 3, "CONFIRMED": 1}
    held_amounts = {currency: amount for (name, currency), amount in found.items() if name == "held_amount"}
    assert held_amounts == {"EUR": 274.45, "JPY": 30000}
    deadline = found["next_decision_deadline_timestamp_seconds", ""]
    assert deadline == pytest.approx((T0 + timedelta(hours=3)).timestamp())
    assert (found["bookings_needing_attention", ""], found["mails_unsent", ""]) == (2, 2)


async def test_nothing_is_booked_yet(stack: ApiStack, own_url: str) -> None:
    """Zeros, and no deadline; no series tells when another one began."""
    async with another_api(stack, database_url=own_url) as api:
        found = await figures(stack, api)
    assert (found["bookings_needing_attention", ""], found["mails_unsent", ""]) == (0, 0)
    assert math.isnan(found["next_decision_deadline_timestamp_seconds", ""])
    assert [name for name, _ in found if name.endswith("_created")] == []


async def test_the_database_is_away(stack: ApiStack) -> None:
    """Figures of the database are missing or not a number."""
    nowhere = "postgresql://nobody:nothing@127.0.0.1:9/none"
    async with another_api(stack, database_url=nowhere) as api:
        found = await figures(stack, api)
    assert [name for name, _ in found if name in {"bookings", "held_amount"}] == []
    for name in ("bookings_needing_attention", "mails_unsent", "next_decision_deadline_timestamp_seconds"):
        assert math.isnan(found[name, ""])


async def test_figure_of_what_reconciliation_left(hotel: HotelDriver) -> None:
    """The newest complete run counts, and none is 0; dry runs and runs under way say nothing."""
    name = "reconciliation_findings_left"
    async with another_api(hotel.stack) as api:
        assert (await figures(hotel.stack, api))[name, ""] == 0
        now = utc_now()
        runs = [
            ("older", 5, True, False),
            ("newest", 2, True, False),
            ("dry", 7, True, True),
            ("begun", 9, False, False),
        ]
        async with hotel.stack.database.transaction() as db:
            for minute, (run_id, left, complete, dry_run) in enumerate(runs):
                at = now + timedelta(minutes=minute)
                db.add(
                    ReconciliationRun(
                        run_id=run_id, started_by="schedule", started_at=at, since=at,
                        complete=complete, dry_run=dry_run,
                    )
                )  # fmt: skip
                await db.flush()
                db.add_all(
                    ReconciliationFinding(
                        run_id=run_id, kind="overdue", booking_id=f"BK-{n}", remedy="report", outcome="left"
                    )
                    for n in range(left)
                )
        assert (await figures(hotel.stack, api))[name, ""] == 2
