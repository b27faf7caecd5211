"""The recipients of a change's e-mails, and what the change's own facts add to the words."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.booking import Event, MailKind, Status
from domain.erasure import RECIPIENT
from models import Booking
from sandbox.drivers import wait_until
from storage.bookings import apply_change
from storage.database import Database
from storage.erasure import booking_to_erase, erase_guest
from tests.activities.mail_harness import MailHarness, both_parts, recipients
from tests.storage.rows import T0, HotelRows, book, change_of, held

_WAITING = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'INSERT INTO sent_mail%'
"""


async def test_an_erased_guest_gets_nothing(
    mail_harness: MailHarness, database: Database, hotel_rows: HotelRows
) -> None:
    """A guest whose data was erased has no address any more; staff still get their mails."""
    booking = await held(database, hotel_rows, guest_erased_at=T0, guest_email="")
    await mail_harness.send(booking, MailKind.DECLINED, MailKind.STAFF_PAYMENT_NOTICE, version=5)
    kinds = await mail_harness.by_recipient(booking, lambda mail: mail["subject"])
    assert set(kinds) == recipients(hotel_rows, MailKind.STAFF_REQUEST)


@pytest.mark.parametrize("attempts_before", [0, 1])
async def test_a_guest_erased_during_an_attempt_gets_nothing(
    mail_harness: MailHarness, database: Database, hotel_rows: HotelRows, attempts_before: int
) -> None:
    """The attempt has read the guest's address, and waits for the erasure's end; staff get theirs all the same."""
    booking = await held(database, hotel_rows)
    mail, kinds = mail_harness.mail, (MailKind.DECLINED, MailKind.STAFF_PAYMENT_NOTICE)
    for _ in range(attempts_before):
        await mail.order(f"DATA *{booking.booking_id}*", "error_before", status=451, times=3)
        await mail_harness.refusal(booking, *kinds)

    async def waiting() -> int:
        async with database.reading() as db:
            return int(await db.scalar(text(_WAITING)) or 0)

    async with database.transaction() as db:
        await _erase(db, booking)
        sending = asyncio.create_task(mail_harness.send(booking, *kinds))
        await wait_until(waiting, bool, what="the attempt to wait for the erasure")
    await sending
    assert set(await mail_harness.by_recipient(booking, bool)) == recipients(
        hotel_rows, MailKind.STAFF_REQUEST
    )
    async with database.transaction() as db:
        await _erase(db, booking)
    to_guest = [row.recipient for row in await mail_harness.books(booking) if row.kind == MailKind.DECLINED]
    assert to_guest == [RECIPIENT] * attempts_before


async def _erase(db: AsyncSession, booking: Booking) -> None:
    row = await booking_to_erase(db, booking.booking_id)
    assert row is not None
    await erase_guest(db, row, T0)


async def test_a_hotel_without_approvers(
    mail_harness: MailHarness, database: Database, hotel_rows: HotelRows
) -> None:
    """A hotel without recipients is no failure."""
    async with database.transaction() as db:
        for staff in hotel_rows.staff.values():
            (await db.get_one(type(staff), staff.id)).active = False
    booking = await held(database, hotel_rows)
    await mail_harness.send(booking, MailKind.STAFF_REQUEST)
    assert await mail_harness.arrived(booking) == []


async def test_a_request_whose_card_is_not_known(
    mail_harness: MailHarness, database: Database, hotel_rows: HotelRows
) -> None:
    """The mail says so, and is sent."""
    booking = await held(database, hotel_rows)
    await mail_harness.send(booking, MailKind.STAFF_REQUEST)
    for mail in await mail_harness.arrived(booking):
        for part in both_parts(mail):
            assert "Stripe's risk level for the payment: not available." in part


async def test_several_kinds_at_once(
    mail_harness: MailHarness, database: Database, hotel_rows: HotelRows
) -> None:
    """One change may be mailed to guest and staff."""
    booking = await held(database, hotel_rows)
    await mail_harness.send(booking, MailKind.AUTHORIZED, MailKind.STAFF_REQUEST, version=3)
    kinds = await mail_harness.by_recipient(booking, lambda mail: mail["subject"].partition(" ")[0])
    assert kinds == dict.fromkeys(recipients(hotel_rows, MailKind.STAFF_REQUEST), "New") | {
        "philippa.quarshie@example.com": "Payment"
    }
    await mail_harness.send(booking, version=3)
    assert len(await mail_harness.arrived(booking)) == 3


async def test_a_cancellation_says_who_cancelled(
    mail_harness: MailHarness, database: Database, hotel_rows: HotelRows
) -> None:
    """By the timeline's row of the mail's version."""
    for event, words in (
        (Event.CANCELLED_BY_STAFF, "Hotel Killarney has cancelled your booking"),
        (Event.CANCELLED_BY_GUEST, "has been cancelled, as you asked"),
    ):
        booking = await book(database, hotel_rows, status=Status.CONFIRMED, version=4)
        async with database.transaction() as db:
            await apply_change(db, change_of(booking, event))
        await mail_harness.send(booking, MailKind.CANCELLED, version=5)
        [mail] = await mail_harness.arrived(booking)
        assert all(words in part for part in both_parts(mail))
