"""Mail servers that refuse, defer, hang up or are away: the recipients that get a mail, and the effect of a repeat."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
from temporalio.exceptions import ApplicationError

from domain.booking import MailKind
from models import Staff
from sandbox.mail.app import create_app
from sandbox.mail.catcher import SmtpLogin
from sandbox.mail.inbox import MailInbox
from storage.database import Database
from tests.activities.mail_harness import MailHarness
from tests.storage.rows import HotelRows, held
from tests.workflows.servers import StandInClients
from tests.workflows.servers import served as serving

GUEST = "philippa.quarshie@example.com"


def kind_of(error: ApplicationError) -> tuple[str | None, bool]:
    return error.type, error.non_retryable


async def test_deferred(mail_harness: MailHarness, database: Database, hotel_rows: HotelRows) -> None:
    """SMTP 4xx: worth a retry. Begun is noted, sent is not; the repeat has the same Message-ID."""
    booking = await held(database, hotel_rows)
    await mail_harness.mail.order(f"DATA *{booking.booking_id}*", "error_before", status=451)
    error = await mail_harness.refusal(booking, MailKind.AUTHORIZED)
    assert kind_of(error) == ("mail_deferred", False)
    assert str(error) == "mail_deferred: 1 of 1 not accepted: SMTP 451"
    [row] = await mail_harness.books(booking)
    assert row.sent_at is None
    await mail_harness.send(booking, MailKind.AUTHORIZED)
    [mail] = await mail_harness.arrived(booking)
    [row] = await mail_harness.books(booking)
    assert mail["message_id"] == row.message_id
    assert row.sent_at is not None


@pytest.mark.parametrize("fault", ["error_after", "drop_after"])
async def test_taken_and_not_said_so(
    mail_harness: MailHarness, database: Database, hotel_rows: HotelRows, fault: str
) -> None:
    """M8: the repeat carries the same Message-ID, so that a mailbox can tell."""
    booking = await held(database, hotel_rows)
    await mail_harness.mail.order(f"DATA *{booking.booking_id}*", fault, status=451)
    error = await mail_harness.refusal(booking, MailKind.AUTHORIZED)
    assert kind_of(error) == ("mail_deferred", False)
    await mail_harness.send(booking, MailKind.AUTHORIZED)
    first, second = await mail_harness.arrived(booking)
    assert first["message_id"] == second["message_id"]
    assert {key: first[key] for key in ("to", "subject", "text", "html")} == {
        key: second[key] for key in ("to", "subject", "text", "html")
    }


async def test_sender_of_another_domain_goes_on_with_the_mail_that_was_begun(
    mail_harness: MailHarness, database: Database, hotel_rows: HotelRows
) -> None:
    """The Message-ID stays with the row when the sender changes; so the repeat is sent once."""
    booking = await held(database, hotel_rows)
    await mail_harness.mail.order(f"DATA *{booking.booking_id}*", "error_before", status=550)
    await mail_harness.refusal(booking, MailKind.AUTHORIZED)
    other = mail_harness.activity(email_from="stays@another-domain.test")
    for _ in range(2):
        await mail_harness.send(booking, MailKind.AUTHORIZED, activity=other)
    [mail], [row] = await mail_harness.arrived(booking), await mail_harness.books(booking)
    assert "stays@another-domain.test" in mail["from"]
    assert mail["message_id"] == row.message_id
    assert row.sent_at is not None


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA"])
async def test_refused(
    mail_harness: MailHarness, database: Database, hotel_rows: HotelRows, step: str
) -> None:
    """SMTP 5xx at any step: final."""
    booking = await held(database, hotel_rows, guest_email=f"{hotel_rows.hotel.slug}@refused.test")
    match = {"MAIL": "MAIL *", "RCPT": f"RCPT {booking.guest_email}", "DATA": f"DATA *{booking.booking_id}*"}
    await mail_harness.mail.order(match[step], "error_before", status=550)
    error = await mail_harness.refusal(booking, MailKind.AUTHORIZED)
    assert kind_of(error) == ("mail_refused", True)
    assert str(error) == "mail_refused: 1 of 1 not accepted: SMTP 550"
    assert await mail_harness.arrived(booking) == []


async def test_one_of_several_is_refused(
    mail_harness: MailHarness, database: Database, hotel_rows: HotelRows
) -> None:
    """The others get theirs, once: a repeat tries the one alone."""
    booking = await held(database, hotel_rows)
    refused = f"approver@{hotel_rows.hotel.slug}.test"
    await mail_harness.mail.order(f"RCPT {refused}", "error_before", status=550, times=2)
    kinds = (MailKind.AUTHORIZED, MailKind.STAFF_REQUEST)
    for _ in range(2):
        error = await mail_harness.refusal(booking, *kinds)
        assert kind_of(error) == ("mail_refused", True)
        assert str(error) == "mail_refused: 1 of 3 not accepted: SMTP 550"
        to = await mail_harness.by_recipient(booking, lambda mail: mail["to"])
        assert set(to) == {GUEST, f"manager@{hotel_rows.hotel.slug}.test"}
    await mail_harness.send(booking, *kinds)
    assert len(await mail_harness.arrived(booking)) == 3


async def test_a_connection_that_is_cut_costs_one_mail(
    mail_harness: MailHarness, database: Database, hotel_rows: HotelRows
) -> None:
    """The others go over another connection, and a repeat sends that one alone."""
    booking = await held(database, hotel_rows)
    cut = f"approver@{hotel_rows.hotel.slug}.test"
    await mail_harness.mail.order(f"RCPT {cut}", "drop_before")
    kinds = (MailKind.AUTHORIZED, MailKind.STAFF_REQUEST)
    error = await mail_harness.refusal(booking, *kinds)
    assert str(error) == "mail_deferred: 1 of 3 not accepted: no answer"
    unsent = [row.recipient for row in await mail_harness.books(booking) if row.sent_at is None]
    assert unsent == [cut]
    await mail_harness.send(booking, *kinds)
    assert len(await mail_harness.by_recipient(booking, lambda mail: mail["to"])) == 3


async def test_a_worker_that_stops_notes_what_was_accepted(
    mail_harness: MailHarness, database: Database, hotel_rows: HotelRows
) -> None:
    """Its next attempt, on another worker, sends the rest."""
    booking = await held(database, hotel_rows)
    hang = await mail_harness.mail.order(f"RCPT approver@{hotel_rows.hotel.slug}.test", "hang")
    kinds = (MailKind.AUTHORIZED, MailKind.STAFF_REQUEST)
    sending = asyncio.create_task(mail_harness.send(booking, *kinds))
    while not await mail_harness.mail.hits(hang):
        assert not sending.done()
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    sent = [row.recipient for row in await mail_harness.books(booking) if row.sent_at is not None]
    assert sent == [GUEST]
    await mail_harness.send(booking, *kinds)
    assert len(await mail_harness.by_recipient(booking, lambda mail: mail["to"])) == 3


async def test_one_refused_and_one_deferred(
    mail_harness: MailHarness, database: Database, hotel_rows: HotelRows
) -> None:
    """Worth a retry, for the sake of the one."""
    booking = await held(database, hotel_rows)
    await mail_harness.mail.order(f"RCPT approver@{hotel_rows.hotel.slug}.test", "error_before", status=550)
    await mail_harness.mail.order(f"RCPT manager@{hotel_rows.hotel.slug}.test", "error_before", status=452)
    error = await mail_harness.refusal(booking, MailKind.STAFF_REQUEST)
    assert kind_of(error) == ("mail_deferred", False)
    assert str(error) == "mail_deferred: 2 of 2 not accepted: SMTP 452, SMTP 550"


@pytest.mark.parametrize("match", ["MAIL *", "RCPT philippa*", "DATA *"])
async def test_the_connection_is_cut(
    mail_harness: MailHarness, database: Database, hotel_rows: HotelRows, match: str
) -> None:
    """No answer: worth a retry."""
    booking = await held(database, hotel_rows)
    await mail_harness.mail.order(match, "drop_before")
    error = await mail_harness.refusal(booking, MailKind.AUTHORIZED)
    assert kind_of(error) == ("mail_deferred", False)
    assert str(error) == "mail_deferred: 1 of 1 not accepted: no answer"


async def test_the_server_is_away(
    mail_harness: MailHarness, database: Database, hotel_rows: HotelRows
) -> None:
    """The port has no listener."""
    booking = await held(database, hotel_rows)
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    error = await mail_harness.refusal(
        booking, MailKind.STAFF_REQUEST, activity=mail_harness.activity(port=port)
    )
    assert kind_of(error) == ("mail_deferred", False)
    assert str(error) == "mail_deferred: 2 of 2 not accepted: no answer"


async def test_the_server_offers_no_encryption(
    mail_harness: MailHarness, database: Database, hotel_rows: HotelRows
) -> None:
    """With STARTTLS asked for, nothing is sent in the clear."""
    booking = await held(database, hotel_rows)
    error = await mail_harness.refusal(
        booking, MailKind.AUTHORIZED, activity=mail_harness.activity(starttls=True)
    )
    assert error.type in {"mail_deferred", "mail_refused"}
    assert await mail_harness.arrived(booking) == []


async def test_log_in(
    mail_harness: MailHarness, database: Database, hotel_rows: HotelRows, served_login: int
) -> None:
    """By name and password; a wrong one is retried, because an operator will correct it."""
    booking = await held(database, hotel_rows)
    wrong = mail_harness.activity(port=served_login, username="hotel", password="guess")
    error = await mail_harness.refusal(booking, MailKind.AUTHORIZED, activity=wrong)
    assert error.type == "mail_deferred"
    right = mail_harness.activity(port=served_login, username="hotel", password="pässword")
    await mail_harness.send(booking, MailKind.AUTHORIZED, activity=right)
    [row] = await mail_harness.books(booking)
    assert row.sent_at is not None


@pytest.fixture
async def served_login() -> AsyncIterator[int]:
    """A mail server that wants a log-in; the port it takes mail at."""
    sock = socket.create_server(("127.0.0.1", 0))
    async with serving(create_app(sock, MailInbox(None), SmtpLogin("hotel", "pässword"))):
        yield sock.getsockname()[1]


@pytest.mark.parametrize(
    "address",
    [
        "eve@evil.test\r\nBcc: everybody@evil.test",
        "eve@evil.test, everybody@evil.test",
        "Eve <eve@evil.test>",
        "eve@evil.test, ä@evil.test",
        "ä@evil.test\nBcc: everybody@evil.test",
        "ä",
        "no address at all",
        "@",
        "",
    ],
)
async def test_what_is_no_address(
    mail_harness: MailHarness, database: Database, hotel_rows: HotelRows, address: str
) -> None:
    """Refused for good, in words that do not quote it; and others get their mails all the same."""
    booking = await held(database, hotel_rows, guest_email=address)
    error = await mail_harness.refusal(booking, MailKind.AUTHORIZED, MailKind.STAFF_REQUEST)
    assert kind_of(error) == ("mail_refused", True)
    assert str(error) == "mail_refused: 1 of 3 not accepted: SMTP 500"
    assert error.__cause__ is None
    to = await mail_harness.by_recipient(booking, lambda mail: mail["to"])
    assert set(to) == {f"{role}@{hotel_rows.hotel.slug}.test" for role in ("approver", "manager")}
    assert (
        await mail_harness.mail.ask("GET", "/_sandbox/messages", params={"to": "everybody@evil.test"}) == []
    )


async def test_errors_hold_no_addresses(
    mail_harness: MailHarness, database: Database, hotel_rows: HotelRows
) -> None:
    """M9: what the server answered may quote the address; the error, and what caused it, do not."""
    booking = await held(database, hotel_rows)
    message = f"<{GUEST}>: no such guest"
    await mail_harness.mail.order("RCPT *", "error_before", status=550, message=message)
    error: BaseException | None = await mail_harness.refusal(booking, MailKind.AUTHORIZED)
    while error is not None:
        assert "philippa" not in str(error).lower()
        error = error.__cause__


async def test_a_booking_that_is_gone(
    mail_harness: MailHarness, database: Database, hotel_rows: HotelRows
) -> None:
    """Final: there is no recipient."""
    booking = await held(database, hotel_rows)
    booking.booking_id = "BK-NOBODY"
    error = await mail_harness.refusal(booking, MailKind.AUTHORIZED)
    assert kind_of(error) == ("booking_gone", True)


async def test_a_crowd(
    mail_harness: MailHarness, database: Database, hotel_rows: HotelRows, served: StandInClients
) -> None:
    """All other recipients get theirs when one is refused."""
    async with database.transaction() as db:
        db.add_all(
            Staff(
                hotel_id=hotel_rows.id,
                email=f"{number}@{hotel_rows.hotel.slug}.test",
                role="approver",
                password_hash="-",
            )
            for number in range(12)
        )
    booking = await held(database, hotel_rows)
    await served.mail.order(f"RCPT 7@{hotel_rows.hotel.slug}.test", "error_before", status=550)
    error = await mail_harness.refusal(booking, MailKind.STAFF_REMINDER)
    assert str(error) == "mail_refused: 1 of 14 not accepted: SMTP 550"
    assert len(await mail_harness.by_recipient(booking, lambda mail: mail["subject"])) == 13


async def test_attempts_at_once(mail_harness: MailHarness, database: Database, hotel_rows: HotelRows) -> None:
    """An attempt that Temporal had given up, and the next one: whatever arrives twice bears one Message-ID."""
    booking = await held(database, hotel_rows)
    await asyncio.gather(*(mail_harness.send(booking, MailKind.CONFIRMED, version=4) for _ in range(4)))
    mails = await mail_harness.arrived(booking)
    assert len({mail["message_id"] for mail in mails}) == 1
    assert len(await mail_harness.books(booking)) == 1
