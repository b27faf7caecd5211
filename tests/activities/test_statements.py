"""The SQL statements of the worker's steps for one approved booking, counted below our own code.

docs/performance.md, "PostgreSQL by step", lists them. A step that needs one more should be worth it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event
from temporalio.testing import ActivityEnvironment

from activities.bookings import Bookings
from activities.realtime import Realtime
from domain.booking import ActorKind, Event, MailKind
from domain.messages.changes import ChangeResult
from storage.database import Database
from tests.activities.mail_harness import MailHarness
from tests.activities.payment_driver import PaymentDriver, PaymentPageVisit
from tests.storage.rows import T0, HotelRows, ask, book, change_of, row_of


class StatementCounter:
    """Counts the statements of each step."""

    def __init__(self) -> None:
        self.by_step: dict[str, int] = {}

    @contextmanager
    def during(self, step: str) -> Iterator[None]:
        """Count the statements of a step."""
        statements: list[str] = []

        def note(*call: Any) -> None:
            statements.append(call[2])

        event.listen(Engine, "before_cursor_execute", note)
        try:
            yield
        finally:
            event.remove(Engine, "before_cursor_execute", note)
        self.by_step[step] = len(statements)


async def test_statements_of_an_approved_booking(
    env: ActivityEnvironment,
    database: Database,
    realtime: Realtime,
    hotel_rows: HotelRows,
    driver: PaymentDriver,
    mail_harness: MailHarness,
) -> None:
    """It is submitted, held with a claim of two nights, and approved; three people get e-mails."""
    bookings, counter = Bookings(database, realtime), StatementCounter()
    booking = await book(database, hotel_rows)

    async def record(step: Event, **facts: Any) -> ChangeResult:
        row = await row_of(database, booking.booking_id)
        change = change_of(row, step, hotel_slug=hotel_rows.hotel.slug, **facts)
        with counter.during(step):
            result: ChangeResult = await env.run(bookings.record, change)
        return result

    async def send(step: str, *kinds: MailKind, version: int) -> None:
        with counter.during(step):
            await mail_harness.send(booking, *kinds, version=version)

    await record(Event.SUBMITTED)
    with counter.during("payment session"):
        session = await driver.open(booking)
    await driver.pay(session.session_id)
    visit = PaymentPageVisit(booking, session.session_id, "")
    with counter.during("card of the hold"):
        payment = await driver.run(driver.payments.read, visit.question())
    intent_id = payment.intent_id
    held = await record(Event.AUTHORIZED, payment_intent_id=intent_id, authorized_at=T0)
    await send("e-mails of the hold", MailKind.AUTHORIZED, MailKind.STAFF_REQUEST, version=held.version)
    command = await ask(database, booking.booking_id, "approve")
    with counter.during("Stripe's fee"):
        await driver.run(driver.payments.capture, visit.step(payment_intent_id=intent_id))
    approved = await record(
        Event.APPROVED,
        actor=ActorKind.STAFF,
        staff_id=hotel_rows.approver_id,
        command_id=command.command_id,
        amount_captured_minor=booking.amount_minor,
    )
    await send("e-mail of the confirmation", MailKind.CONFIRMED, version=approved.version)

    assert len(await mail_harness.arrived(booking)) == 4
    assert counter.by_step == {
        "submitted": 2,
        "payment session": 2,
        "card of the hold": 1,
        "authorized": 3,
        "e-mails of the hold": 3,
        "Stripe's fee": 1,
        "approved": 2,
        "e-mail of the confirmation": 3,
    }
