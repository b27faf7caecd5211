"""`guest erase`: the guest goes from everywhere, and the accounts stay complete."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from api.views import BookingDetails, show
from domain.booking import Decision, MailKind, Status
from domain.messages.notifications import Mailing
from models import Booking, ReturnAddresses
from storage.bookings import keep_return_addresses
from storage.courses import booking_with_course
from storage.tables import IdempotentRequest
from tests.management.booking_driver import ManagementBookingDriver
from tests.management.harness import ManagementHarness, eventually
from tests.workflows.servers import Json

_GUESTS = (
    "guest_first_name",
    "guest_last_name",
    "guest_email",
    "guest_phone",
    "special_requests",
    "reason_note",
)


async def _everything(harness: ManagementHarness) -> str:
    """All rows of all tables, as text."""
    async with harness.database.transaction() as db:
        tables = await db.scalars(
            text("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
        )
        rows = [
            row[0]
            for table in tables.all()
            for row in await db.execute(text(f'SELECT row_to_json(t)::text FROM "{table}" t'))  # noqa: S608
        ]
    return "\n".join(rows)


async def _mails(harness: ManagementHarness, booking: ManagementBookingDriver) -> list[Json]:
    found: list[Json] = await harness.stand_ins.mail.ask(
        "GET", "/_sandbox/messages", params={"booking_id": booking.booking_id}
    )
    return found


async def _told(harness: ManagementHarness, booking: ManagementBookingDriver, mails: int) -> None:
    async def enough() -> bool:
        to_guest = [mail for mail in await _mails(harness, booking) if booking.guest_email in mail["to"]]
        return len(to_guest) >= mails

    await eventually("the guest's mails", enough)


async def _over(harness: ManagementHarness) -> ManagementBookingDriver:
    """A booking that was declined with a note, and whatever else may name its guest."""
    booking = await harness.held()
    command_id = await booking.send(Decision.DECLINE, reason_note=f"Dear {booking.private[0]}, we are full.")
    await booking.outcome(command_id)
    await booking.handle.result()
    await _told(harness, booking, 2)
    assert booking.hotel.id is not None
    answer = {
        "booking_id": booking.booking_id,
        "guest": {
            "first_name": booking.private[0],
            "last_name": booking.private[1],
            "email": booking.guest_email,
        },
        "special_requests": booking.private[4],
        "access_token": "token",
    }
    async with harness.database.transaction() as db:
        db.add(
            IdempotentRequest(
                hotel_id=booking.hotel.id,
                key="k",
                body_hash="h",
                booking_id=booking.booking_id,
                response=answer,
            )
        )
        addresses = ReturnAddresses(
            booking_id=booking.booking_id, success_url=f"https://shop.test/?guest={booking.guest_email}"
        )
        await keep_return_addresses(db, addresses)
    return booking


def _books(row: Booking) -> dict[str, Any]:
    left_out = {*_GUESTS, "guest_erased_at", "risk_rank"}
    return {name: value for name, value in row.model_dump().items() if name not in left_out}


async def test_erase_removes_the_guest_and_keeps_the_books(harness: ManagementHarness) -> None:
    booking = await _over(harness)
    before, timeline = await booking.row(), await booking.timeline()
    everything = await _everything(harness)
    assert [word for word in booking.private if word not in everything] == []

    said = await harness.done("guest", "erase", booking.booking_id)

    assert "removed for good" in said
    everything = await _everything(harness)
    assert [word for word in booking.private if word in everything] == []
    after = await booking.row()
    assert after.guest_erased_at is not None
    assert _books(after) == _books(before)
    assert [step.model_dump() for step in await booking.timeline()] == [
        step.model_dump() for step in timeline
    ]
    for value in (
        before.payment_intent_id,
        "authorized",
        "declined",
        booking.person.email,
        '"access_token": "token"',
    ):
        assert str(value) in everything


async def test_a_second_time_says_when_it_was_done(shared_harness: ManagementHarness) -> None:
    booking = await shared_harness.declined()
    await shared_harness.done("guest", "erase", booking.booking_id)
    erased_at = (await booking.row()).guest_erased_at
    said = await shared_harness.done("guest", "erase", booking.booking_id)
    assert f"was removed on {erased_at:%Y-%m-%d %H:%M} UTC already" in said
    assert (await booking.row()).guest_erased_at == erased_at


async def test_an_erased_guest_gets_no_more_mails(shared_harness: ManagementHarness) -> None:
    booking = await shared_harness.declined()
    await _told(shared_harness, booking, 2)
    await shared_harness.done("guest", "erase", booking.booking_id)
    before = await _mails(shared_harness, booking)
    mailing = Mailing(booking.booking_id, (MailKind.DECLINED, MailKind.STAFF_PAYMENT_NOTICE), 4)
    await shared_harness.emails().send(mailing)
    new = [mail for mail in await _mails(shared_harness, booking) if mail not in before]
    # Staff still get the notice, without the guest's name.
    assert [mail["to"] for mail in new] == [[booking.person.email]]
    assert not [word for mail in new for word in booking.private if word in str(mail)]


async def test_an_erased_booking_is_shown_as_before(shared_harness: ManagementHarness) -> None:
    booking = await shared_harness.declined()
    await shared_harness.done("guest", "erase", booking.booking_id)
    async with shared_harness.database.transaction() as db:
        found = await booking_with_course(db, booking.booking_id)
    assert found is not None
    shown = show(BookingDetails(*found)).model_dump(mode="json")
    assert shown["guest"] == {"first_name": "Erased", "last_name": "guest", "email": "", "phone": None}
    assert (shown["status"], shown["amount"], shown["special_requests"]) == ("DECLINED", "150.00", None)
    said = await shared_harness.done("booking", "show", booking.booking_id)
    assert "erased on" in said
    assert "@example.com" not in said


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        ("draft", "a draft, which is deleted"),
        ("submitted", "a payment or a decision is still outstanding"),
        ("held", "a payment or a decision is still outstanding"),
        ("confirmed", "the stay is not over yet"),
    ],
)
async def test_a_booking_that_is_not_over_keeps_its_guest(
    shared_harness: ManagementHarness, make: str, reason: str
) -> None:
    booking: ManagementBookingDriver = await getattr(shared_harness, make)()
    result = await shared_harness.run("guest", "erase", booking.booking_id)
    assert result.exit_code == 1
    assert reason in result.stderr
    row = await booking.row()
    assert (row.guest_email, row.guest_erased_at) == (booking.guest_email, None)


async def test_a_stay_is_over_with_its_check_out(shared_harness: ManagementHarness) -> None:
    booking = await shared_harness.draft(check_in_days=-3)
    await booking.set(status=Status.CONFIRMED)
    await shared_harness.done("guest", "erase", booking.booking_id)
    assert (await booking.row()).guest_email == ""


async def test_no_such_booking(shared_harness: ManagementHarness) -> None:
    result = await shared_harness.run("guest", "erase", "BK-00000-00000-00000")
    assert (result.exit_code, result.stderr) == (1, "There is no booking BK-00000-00000-00000.\n")
