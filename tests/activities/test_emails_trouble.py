"""Mail servers that refuse, defer, hang up or are away: who is told what, and what a repeat does."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
from temporalio.exceptions import ApplicationError

from domain.booking import MailKind
from models import Staff
from sandbox.mail.app import create_app
from sandbox.mail.catcher import Login
from sandbox.mail.inbox import Inbox
from storage.database import Database
from tests.activities.post import Post
from tests.storage.rows import House, held
from tests.workflows.servers import StandIns
from tests.workflows.servers import served as serving

GUEST = "philippa.quarshie@example.com"


def kind_of(error: ApplicationError) -> tuple[str | None, bool]:
    return error.type, error.non_retryable


async def test_deferred(post: Post, database: Database, house: House) -> None:
    """SMTP 4xx: worth a retry. Begun is noted, sent is not; the repeat has the same Message-ID."""
    booking = await held(database, house)
    await post.mail.order(f"DATA *{booking.booking_id}*", "error_before", status=451)
    error = await post.refusal(booking, MailKind.AUTHORIZED)
    assert kind_of(error) == ("mail_deferred", False)
    assert str(error) == "mail_deferred: 1 of 1 not taken: SMTP 451"
    [row] = await post.books(booking)
    assert row.sent_at is None
    await post.send(booking, MailKind.AUTHORIZED)
    [mail] = await post.arrived(booking)
    [row] = await post.books(booking)
    assert mail["message_id"] == row.message_id
    assert row.sent_at is not None


@pytest.mark.parametrize("fault", ["error_after", "drop_after"])
async def test_taken_and_not_said_so(post: Post, database: Database, house: House, fault: str) -> None:
    """M8: the repeat carries the same Message-ID, so that a mailbox can tell."""
    booking = await held(database, house)
    await post.mail.order(f"DATA *{booking.booking_id}*", fault, status=451)
    error = await post.refusal(booking, MailKind.AUTHORIZED)
    assert kind_of(error) == ("mail_deferred", False)
    await post.send(booking, MailKind.AUTHORIZED)
    first, second = await post.arrived(booking)
    assert first["message_id"] == second["message_id"]
    assert {key: first[key] for key in ("to", "subject", "text", "html")} == {
        key: second[key] for key in ("to", "subject", "text", "html")
    }


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA"])
async def test_refused(post: Post, database: Database, house: House, step: str) -> None:
    """SMTP 5xx at any step: final."""
    booking = await held(database, house, guest_email=f"{house.hotel.slug}@refused.test")
    match = {"MAIL": "MAIL *", "RCPT": f"RCPT {booking.guest_email}", "DATA": f"DATA *{booking.booking_id}*"}
    await post.mail.order(match[step], "error_before", status=550)
    error = await post.refusal(booking, MailKind.AUTHORIZED)
    assert kind_of(error) == ("mail_refused", True)
    assert str(error) == "mail_refused: 1 of 1 not taken: SMTP 550"
    assert await post.arrived(booking) == []


async def test_one_of_several_is_refused(post: Post, database: Database, house: House) -> None:
    """The others get theirs, once: a repeat tries the one alone."""
    booking = await held(database, house)
    refused = f"approver@{house.hotel.slug}.test"
    await post.mail.order(f"RCPT {refused}", "error_before", status=550, times=2)
    kinds = (MailKind.AUTHORIZED, MailKind.STAFF_REQUEST)
    for _ in range(2):
        error = await post.refusal(booking, *kinds)
        assert kind_of(error) == ("mail_refused", True)
        assert str(error) == "mail_refused: 1 of 3 not taken: SMTP 550"
        to = await post.by_recipient(booking, lambda mail: mail["to"])
        assert set(to) == {GUEST, f"manager@{house.hotel.slug}.test"}
    await post.send(booking, *kinds)
    assert len(await post.arrived(booking)) == 3


async def test_one_refused_and_one_deferred(post: Post, database: Database, house: House) -> None:
    """Worth a retry, for the sake of the one."""
    booking = await held(database, house)
    await post.mail.order(f"RCPT approver@{house.hotel.slug}.test", "error_before", status=550)
    await post.mail.order(f"RCPT manager@{house.hotel.slug}.test", "error_before", status=452)
    error = await post.refusal(booking, MailKind.STAFF_REQUEST)
    assert kind_of(error) == ("mail_deferred", False)
    assert str(error) == "mail_deferred: 2 of 2 not taken: SMTP 452, SMTP 550"


@pytest.mark.parametrize("match", ["MAIL *", "RCPT philippa*", "DATA *"])
async def test_the_connection_is_cut(post: Post, database: Database, house: House, match: str) -> None:
    """No answer: worth a retry."""
    booking = await held(database, house)
    await post.mail.order(match, "drop_before")
    error = await post.refusal(booking, MailKind.AUTHORIZED)
    assert kind_of(error) == ("mail_deferred", False)
    assert str(error) == "mail_deferred: 1 of 1 not taken: no answer"


async def test_the_server_is_away(post: Post, database: Database, house: House) -> None:
    """Nobody listens there."""
    booking = await held(database, house)
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    error = await post.refusal(booking, MailKind.STAFF_REQUEST, activity=post.activity(port=port))
    assert kind_of(error) == ("mail_deferred", False)
    assert str(error) == "mail_deferred: 2 of 2 not taken: no answer"


async def test_the_server_offers_no_encryption(post: Post, database: Database, house: House) -> None:
    """With STARTTLS asked for, nothing is sent in the clear."""
    booking = await held(database, house)
    error = await post.refusal(booking, MailKind.AUTHORIZED, activity=post.activity(starttls=True))
    assert error.type in {"mail_deferred", "mail_refused"}
    assert await post.arrived(booking) == []


async def test_log_in(post: Post, database: Database, house: House, served_login: int) -> None:
    """By name and password; a wrong one is worth a retry, because somebody will mend it."""
    booking = await held(database, house)
    wrong = post.activity(port=served_login, username="hotel", password="guess")
    error = await post.refusal(booking, MailKind.AUTHORIZED, activity=wrong)
    assert error.type == "mail_deferred"
    right = post.activity(port=served_login, username="hotel", password="pässword")
    await post.send(booking, MailKind.AUTHORIZED, activity=right)
    [row] = await post.books(booking)
    assert row.sent_at is not None


@pytest.fixture
async def served_login() -> AsyncIterator[int]:
    """A mail server that wants a log-in; the port it takes mail at."""
    sock = socket.create_server(("127.0.0.1", 0))
    async with serving(create_app(sock, Inbox(None), Login("hotel", "pässword"))):
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
async def test_what_is_no_address(post: Post, database: Database, house: House, address: str) -> None:
    """Refused for good, in words that do not quote it; and others get their mails all the same."""
    booking = await held(database, house, guest_email=address)
    error = await post.refusal(booking, MailKind.AUTHORIZED, MailKind.STAFF_REQUEST)
    assert kind_of(error) == ("mail_refused", True)
    assert str(error) == "mail_refused: 1 of 3 not taken: SMTP 500"
    assert error.__cause__ is None
    to = await post.by_recipient(booking, lambda mail: mail["to"])
    assert set(to) == {f"{role}@{house.hotel.slug}.test" for role in ("approver", "manager")}
    assert await post.mail.ask("GET", "/_sandbox/messages", params={"to": "everybody@evil.test"}) == []


async def test_errors_name_nobody(post: Post, database: Database, house: House) -> None:
    """M9: what the server answered may quote the address; the error, and what caused it, do not."""
    booking = await held(database, house)
    message = f"<{GUEST}>: no such guest"
    await post.mail.order("RCPT *", "error_before", status=550, message=message)
    error: BaseException | None = await post.refusal(booking, MailKind.AUTHORIZED)
    while error is not None:
        assert "philippa" not in str(error).lower()
        error = error.__cause__


async def test_a_booking_that_is_gone(post: Post, database: Database, house: House) -> None:
    """Final: there is nobody to write to."""
    booking = await held(database, house)
    booking.booking_id = "BK-NOBODY"
    error = await post.refusal(booking, MailKind.AUTHORIZED)
    assert kind_of(error) == ("booking_gone", True)


async def test_a_crowd(post: Post, database: Database, house: House, served: StandIns) -> None:
    """Everybody gets theirs, though one of them is refused."""
    async with database.transaction() as db:
        db.add_all(
            Staff(
                hotel_id=house.id,
                email=f"{number}@{house.hotel.slug}.test",
                role="approver",
                password_hash="-",
            )
            for number in range(12)
        )
    booking = await held(database, house)
    await served.mail.order(f"RCPT 7@{house.hotel.slug}.test", "error_before", status=550)
    error = await post.refusal(booking, MailKind.STAFF_REMINDER)
    assert str(error) == "mail_refused: 1 of 14 not taken: SMTP 550"
    assert len(await post.by_recipient(booking, lambda mail: mail["subject"])) == 13


async def test_attempts_at_once(post: Post, database: Database, house: House) -> None:
    """An attempt that Temporal had given up, and the next one: whatever arrives twice bears one Message-ID."""
    booking = await held(database, house)
    await asyncio.gather(*(post.send(booking, MailKind.CONFIRMED, version=4) for _ in range(4)))
    mails = await post.arrived(booking)
    assert len({mail["message_id"] for mail in mails}) == 1
    assert len(await post.books(booking)) == 1
