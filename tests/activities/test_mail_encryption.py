"""Mails over STARTTLS: only to a server whose certificate this machine trusts."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from emails.send import NO_ANSWER, SmtpServer
from tests.certificates import write_certificate

SENDER = "bookings@hotels.test"
MAIL = b"From: bookings@hotels.test\r\nSubject: Hello\r\n\r\nHello\r\n"


class _EncryptedMailbox:
    """A mail server that takes no mail before STARTTLS."""

    def __init__(self, certificate: Path) -> None:
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(certificate)
        self.accepted: list[str] = []

    def conversation(self) -> SMTP:
        loop = asyncio.get_running_loop()
        return SMTP(self, tls_context=self._tls, require_starttls=True, loop=loop, hostname="localhost")

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:
        assert session.ssl is not None
        self.accepted += envelope.rcpt_tos
        return "250 OK"


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    path = tmp_path / "server.pem"
    write_certificate(path)
    return path


@pytest.fixture
def mailbox(certificate: Path) -> _EncryptedMailbox:
    return _EncryptedMailbox(certificate)


@pytest.fixture
async def server(mailbox: _EncryptedMailbox) -> AsyncIterator[SmtpServer]:
    sock = socket.create_server(("127.0.0.1", 0))
    running = await asyncio.get_running_loop().create_server(mailbox.conversation, sock=sock)
    yield SmtpServer("127.0.0.1", sock.getsockname()[1], starttls=True)
    running.close()


async def _send(server: SmtpServer, recipient: str) -> int | None:
    async with server.conversation(SENDER) as conversation:
        return await conversation.send(MAIL, recipient)


async def test_every_connection_is_encrypted(
    mailbox: _EncryptedMailbox, server: SmtpServer, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both use the certificates that the first one has read."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert [await _send(server, "a@example.com"), await _send(server, "b@example.com")] == [None, None]
    assert mailbox.accepted == ["a@example.com", "b@example.com"]


async def test_an_unknown_certificate_gets_no_mail(mailbox: _EncryptedMailbox, server: SmtpServer) -> None:
    """Anyone between this machine and the server could have written it."""
    assert await _send(server, "a@example.com") == NO_ANSWER
    assert mailbox.accepted == []


async def test_a_certificate_that_is_trusted_later_gets_the_mail(
    mailbox: _EncryptedMailbox, server: SmtpServer, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the next attempt, and without a restart of the worker."""
    assert await _send(server, "a@example.com") == NO_ANSWER
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert await _send(server, "a@example.com") is None
    assert mailbox.accepted == ["a@example.com"]
