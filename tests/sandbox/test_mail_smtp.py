"""The mail catcher's SMTP side: what it takes, what it refuses, and how it goes wrong on request."""

from __future__ import annotations

import smtplib
import time
import uuid
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import aiosmtplib
import pytest

from tests.sandbox.stand_in_process import StandInProcess, running

PORTS = ("--smtp-port", "0", "--http-port", "0")


@pytest.fixture
def server(running_mail: StandInProcess) -> StandInProcess:
    return running_mail


@pytest.fixture
def booking_id() -> str:
    """A booking that no other test uses."""
    return f"B{uuid.uuid4().hex[:12]}"


@pytest.fixture(autouse=True)
def no_faults(server: StandInProcess) -> Iterator[None]:
    yield
    server.forget("faults")


def mail(booking_id: str, to: str = "ada@example.test", text: str = "Your room is booked.\n") -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Hotel Killarney <bookings@hotel.test>"
    message["To"] = to
    message["Subject"] = f"Booking Confirmed - {booking_id}"
    message["Message-ID"] = f"<{booking_id}.confirmed@hotel.test>"
    message.set_content(text)
    return message


async def send(server: StandInProcess, message: EmailMessage, **options: Any) -> dict[str, Any]:
    options = {"timeout": 5, "start_tls": False} | options
    errors, _ = await aiosmtplib.send(message, hostname="127.0.0.1", port=server.smtp_port, **options)
    return errors


def kept(server: StandInProcess, booking_id: str) -> list[dict[str, Any]]:
    answer = server.http.get("/_sandbox/messages", params={"booking_id": booking_id})
    messages: list[dict[str, Any]] = answer.raise_for_status().json()
    return messages


@pytest.mark.parametrize("sender", ["Killarney, Hotel <a@b.test>", "a@b.test, c@d.test", "", "Killarney"])
async def test_malformed_sender_is_refused(server: StandInProcess, booking_id: str, sender: str) -> None:
    message = f"From: {sender}\r\nSubject: Booking {booking_id}\r\n\r\nHello\r\n".encode()
    with pytest.raises(aiosmtplib.SMTPDataError, match="From must hold one mailbox"):
        await aiosmtplib.send(
            message, sender="a@b.test", recipients=["ada@example.test"], hostname="127.0.0.1",
            port=server.smtp_port, start_tls=False,
        )  # fmt: skip
    assert kept(server, booking_id) == []


async def test_message_is_kept_as_it_was_sent(server: StandInProcess, booking_id: str) -> None:
    """Envelope, headers, both bodies and the calendar file come back."""
    message = mail(booking_id, text="Zimmer für 2 — bestätigt.\n")
    message.add_alternative("<p>Zimmer für 2 — <b>bestätigt</b>.</p>\n", subtype="html")
    calendar = "BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n"
    message.add_attachment(calendar.encode(), maintype="text", subtype="calendar", filename="stay.ics")
    message.add_attachment(b"\x00\xff", maintype="application", subtype="pdf", filename="Quittung ü.pdf")
    await send(server, message)
    (found,) = kept(server, booking_id)
    assert (found["from"], found["to"]) == ("bookings@hotel.test", ["ada@example.test"])
    assert found["subject"] == found["headers"]["Subject"] == f"Booking Confirmed - {booking_id}"
    assert found["message_id"] == f"<{booking_id}.confirmed@hotel.test>"
    assert found["headers"]["From"] == "Hotel Killarney <bookings@hotel.test>"
    assert found["text"].splitlines() == ["Zimmer für 2 — bestätigt."]
    assert found["html"].splitlines() == ["<p>Zimmer für 2 — <b>bestätigt</b>.</p>"]
    assert found["attachments"] == [
        {"filename": "stay.ics", "content_type": "text/calendar", "text": calendar},
        {"filename": "Quittung ü.pdf", "content_type": "application/pdf", "text": None},
    ]


async def test_subject_beyond_ascii_is_decoded(server: StandInProcess, booking_id: str) -> None:
    """An encoded and folded subject is shown, and found, as it was written."""
    message = mail(booking_id)
    del message["Subject"]
    message["Subject"] = subject = (
        f"Payment authorized — awaiting hotel confirmation ({booking_id}) für Frau Straßenbäcker"
    )
    await send(server, message)
    assert [found["subject"] for found in kept(server, booking_id)] == [subject]


async def test_messages_are_filtered(server: StandInProcess, booking_id: str) -> None:
    """By recipient in either case, by part of the subject, by booking; oldest first."""
    await send(server, mail(f"{booking_id}-1", to="ada@example.test, bob@example.test"))
    await send(server, mail(f"{booking_id}-2", to=f"{booking_id}@example.test"))

    def subjects(**filters: str) -> list[str]:
        found = server.http.get("/_sandbox/messages", params=filters).raise_for_status().json()
        return [message["subject"].rpartition(" ")[2] for message in found]

    assert subjects(booking_id=booking_id) == [f"{booking_id}-1", f"{booking_id}-2"]
    assert subjects(booking_id=booking_id, to="BOB@example.test") == [f"{booking_id}-1"]
    assert subjects(to=f"{booking_id}@example.test".lower()) == [f"{booking_id}-2"]
    assert subjects(subject=f"Confirmed - {booking_id}-2") == [f"{booking_id}-2"]
    assert subjects(subject=f"Declined - {booking_id}") == []


async def test_refused_recipient(server: StandInProcess, booking_id: str) -> None:
    """A fault on RCPT refuses the recipients it matches; the others get the message."""
    server.order_fault(match="RCPT *@refused.test", kind="error_before", status=550, times=None)
    with pytest.raises(aiosmtplib.SMTPRecipientsRefused) as refused:
        await send(server, mail(booking_id, to="ada@refused.test"))
    assert [error.code for error in refused.value.recipients] == [550]
    assert kept(server, booking_id) == []
    errors = await send(server, mail(booking_id, to="ada@refused.test, bob@example.test"))
    assert errors["ada@refused.test"].code == 550
    assert [found["to"] for found in kept(server, booking_id)] == [["bob@example.test"]]


async def test_refused_sender(server: StandInProcess, booking_id: str) -> None:
    """A fault on MAIL answers 451 when it names no status, and is used up after `times`."""
    server.order_fault(match="MAIL bookings@*", kind="error_before", times=1)
    with pytest.raises(aiosmtplib.SMTPSenderRefused) as refused:
        await send(server, mail(booking_id))
    assert refused.value.code == 451
    await send(server, mail(booking_id))
    assert len(kept(server, booking_id)) == 1
    assert server.fault_hits() == [1]


@pytest.mark.parametrize(
    ("kind", "error", "count"),
    [
        ("error_before", aiosmtplib.SMTPDataError, 0),
        ("error_after", aiosmtplib.SMTPDataError, 1),
        ("drop_before", aiosmtplib.SMTPServerDisconnected, 0),
        ("drop_after", aiosmtplib.SMTPServerDisconnected, 1),
        ("hang", aiosmtplib.SMTPReadTimeoutError, 0),
        ("hang_after", aiosmtplib.SMTPReadTimeoutError, 1),
    ],
)
async def test_ambiguous_faults(
    server: StandInProcess, booking_id: str, kind: str, error: type[Exception], count: int
) -> None:
    """The sender sees a failure either way; the inbox tells whether the message was taken."""
    server.order_fault(match=f"DATA *{booking_id}", kind=kind, times=1)
    with pytest.raises(error) as failure:
        await send(server, mail(booking_id), timeout=0.3)
    if isinstance(failure.value, aiosmtplib.SMTPDataError):
        assert failure.value.code == 451
    assert len(kept(server, booking_id)) == count
    await send(server, mail(booking_id))
    assert len(kept(server, booking_id)) == count + 1


async def test_delay(server: StandInProcess, booking_id: str) -> None:
    """`delay` answers late, and properly."""
    server.order_fault(match=f"DATA *{booking_id}", kind="delay", delay_s=0.2, times=1)
    started = time.monotonic()
    await send(server, mail(booking_id))
    assert time.monotonic() - started >= 0.2
    assert len(kept(server, booking_id)) == 1


def test_over_ten_megabytes(server: StandInProcess, booking_id: str) -> None:
    """A message over the limit is refused when it is announced, and when it is not."""
    lines = b"x" * 78 + b"\r\n"
    body = f"Subject: {booking_id}\r\n\r\n".encode() + lines * (10 * 1024 * 1024 // len(lines))
    with smtplib.SMTP("127.0.0.1", server.smtp_port, timeout=5) as smtp:
        with pytest.raises(smtplib.SMTPSenderRefused) as announced:
            smtp.sendmail("a@hotel.test", "b@example.test", body)
        smtp.mail("a@hotel.test")
        smtp.rcpt("b@example.test")
        code, _ = smtp.data(body)
    assert (announced.value.smtp_code, code) == (552, 552)
    assert kept(server, booking_id) == []


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"no headers at all\r\n",
        b"Subject: =?nonsense?b?////?=\r\nMessage-ID: <broken\r\n\r\nx",
        b"Content-Type: text/plain; charset=klingon\r\n\r\n\xff\xfe",
        b"Content-Type: multipart/mixed\r\n\r\nno boundary",
        b"To: \xff\xfe\r\nContent-Disposition: ; ;=\r\n\r\n\xe4",
    ],
)
def test_malformed_messages_are_kept(server: StandInProcess, booking_id: str, raw: bytes) -> None:
    """Every mail with a sender can be read afterwards."""
    to = f"{booking_id}@example.test"
    with smtplib.SMTP("127.0.0.1", server.smtp_port, timeout=5) as smtp:
        smtp.sendmail("a@hotel.test", to, b"From: a@hotel.test\r\n" + raw)
    found = server.http.get("/_sandbox/messages", params={"to": to}).raise_for_status().json()
    assert len(found) == 1
    assert server.http.get(f"/messages/{found[0]['id']}").status_code == 200


async def test_log_in(booking_id: str) -> None:
    """With `--username`, only who knows name and password may send."""
    account = ("--username", "hotel", "--password", "pässword")
    with running("sandbox.mail", *PORTS, *account) as server:
        with pytest.raises(aiosmtplib.SMTPSenderRefused) as refused:
            await send(server, mail(booking_id))
        assert refused.value.code == 530
        with pytest.raises(aiosmtplib.SMTPAuthenticationError):
            await send(server, mail(booking_id), username="hotel", password="guess")
        await send(server, mail(booking_id), username="hotel", password="pässword")
        assert len(kept(server, booking_id)) == 1
        assert server.interrupt() == (0, "")


async def test_messages_survive_a_kill(booking_id: str, tmp_path: Path) -> None:
    """A request answered with 250 is still there after `kill -9`; DELETE forgets it."""
    arguments = ("sandbox.mail", *PORTS, "--data", str(tmp_path / "mail"))
    with running(*arguments) as first:
        await send(first, mail(booking_id))
        before = kept(first, booking_id)
        first.kill()
    with running(*arguments) as second:
        assert kept(second, booking_id) == before
        await send(second, mail(booking_id))
        assert len(kept(second, booking_id)) == 2
        second.forget("messages")
        assert kept(second, booking_id) == []
