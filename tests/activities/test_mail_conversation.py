"""Several mails over one connection: the server's refusals and hang-ups cost no other mail."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from emails.send import NEVER, NO_ANSWER, SmtpServer

SENDER = "bookings@hotels.test"
MAIL = b"From: bookings@hotels.test\r\nSubject: Hello\r\n\r\nHello\r\n"


class _Mailbox:
    """A mail server of one test; the local part of an address says what becomes of its mail."""

    def __init__(self) -> None:
        self.connections = 0
        self.accepted: list[str] = []
        self.greets = True
        self.knows_utf8 = True

    def conversation(self) -> SMTP:
        self.connections += 1
        return _Conversation(self, enable_SMTPUTF8=self.knows_utf8, hostname="localhost")

    async def handle_RCPT(
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address.startswith("refused"):
            return "550 no such mailbox"
        if address.startswith("too-many"):
            return "421 too many mails, closing"
        if address.startswith("cut"):
            cast("asyncio.Transport", server.transport).abort()
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        self.accepted += envelope.rcpt_tos
        return "250 OK"


class _Conversation(SMTP):
    def __init__(self, mailbox: _Mailbox, **options: Any) -> None:
        super().__init__(mailbox, loop=asyncio.get_running_loop(), **options)
        self._greets = mailbox.greets

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self._greets:
            super().connection_made(transport)
        else:
            cast("asyncio.Transport", transport).abort()

    def connection_lost(self, error: Exception | None) -> None:
        if self._greets:
            super().connection_lost(error)


Codes = list[int | None]


@pytest.fixture
def mailbox() -> _Mailbox:
    return _Mailbox()


@pytest.fixture
async def server(mailbox: _Mailbox) -> AsyncIterator[SmtpServer]:
    sock = socket.create_server(("127.0.0.1", 0))
    running = await asyncio.get_running_loop().create_server(mailbox.conversation, sock=sock)
    yield SmtpServer("127.0.0.1", sock.getsockname()[1])
    running.close()


@pytest.fixture
def send(server: SmtpServer) -> Callable[..., Any]:
    async def each(*recipients: str, **options: Any) -> Codes:
        async with server.conversation(SENDER, **options) as conversation:
            return [await conversation.send(MAIL, f"{recipient}@example.com") for recipient in recipients]

    return each


async def test_one_connection(mailbox: _Mailbox, send: Callable[..., Any]) -> None:
    assert await send("a", "b", "c") == [None, None, None]
    assert mailbox.accepted == ["a@example.com", "b@example.com", "c@example.com"]
    assert mailbox.connections == 1


async def test_a_refused_recipient_costs_no_other(mailbox: _Mailbox, send: Callable[..., Any]) -> None:
    """And the connection goes on."""
    assert await send("a", "refused", "c") == [None, 550, None]
    assert mailbox.accepted == ["a@example.com", "c@example.com"]
    assert mailbox.connections == 1


@pytest.mark.parametrize(("how", "code"), [("cut", NO_ANSWER), ("too-many", 421)])
async def test_a_server_that_hangs_up_is_called_again(
    mailbox: _Mailbox, send: Callable[..., Any], how: str, code: int
) -> None:
    """Whether it got the mail is not known, so that mail is left to a retry; the others go on."""
    assert await send("a", how, "c", "d") == [None, code, None, None]
    assert mailbox.accepted == ["a@example.com", "c@example.com", "d@example.com"]
    assert mailbox.connections <= 2


async def test_a_server_that_is_away_is_asked_once(mailbox: _Mailbox, send: Callable[..., Any]) -> None:
    """Each attempt may take all the seconds a mail has."""
    mailbox.greets = False
    assert await send("a", "b", "c") == [NO_ANSWER] * 3
    assert mailbox.connections == 1


async def test_no_mail_is_begun_too_late(mailbox: _Mailbox, send: Callable[..., Any]) -> None:
    """A slow server must not take longer than the activity has."""
    assert await send("a", "b", patience_s=0) == [NO_ANSWER] * 2
    assert mailbox.connections == 0


async def test_a_server_that_knows_ascii_only(mailbox: _Mailbox, send: Callable[..., Any]) -> None:
    """The mail it can't take is refused for good, and the others go on."""
    mailbox.knows_utf8 = False
    assert await send("a", "ä", "c") == [None, NEVER, None]
    assert mailbox.connections == 1
