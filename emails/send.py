"""Hands e-mails to the mail server."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from types import TracebackType
from typing import Final, Self

import aiosmtplib

NEVER: Final = 500
"""SMTP codes from here on mean: do not try again."""
NO_ANSWER: Final = 0

_PER_MAIL_S: Final = 15
_PATIENCE_S: Final = 40
"""With the last mail's own seconds this ends before the activity's time does, so that what was accepted is noted."""
_FAREWELL_S: Final = 2
_BEYOND_ASCII: Final = ("SMTPUTF8", "BODY=8BITMIME")  # https://www.rfc-editor.org/rfc/rfc6531#section-3.4
_ABOUT_ONE_MAIL = (
    aiosmtplib.SMTPRecipientRefused,
    aiosmtplib.SMTPSenderRefused,
    aiosmtplib.SMTPDataError,
)


@dataclass(frozen=True)
class SmtpServer:
    """The mail server.

    Args:
        username: account to log in with; None or empty sends without a log-in.
        starttls: encrypt the connection first; the server must offer it.
    """

    host: str
    port: int
    username: str | None = None
    password: str | None = None
    starttls: bool = False

    def conversation(self, sender: str, *, patience_s: float = _PATIENCE_S) -> SmtpConversation:
        """Mails of one sender over one connection.

        Args:
            patience_s: a mail that is not begun after so many seconds is not sent.
        """
        client = aiosmtplib.SMTP(
            hostname=self.host,
            port=self.port,
            username=self.username,
            password=self.password,
            start_tls=self.starttls,
            tls_context=self._trusted,
            timeout=_PER_MAIL_S,
        )
        return SmtpConversation(client, sender, time.monotonic() + patience_s, self._forget_trusted)

    @cached_property
    def _trusted(self) -> ssl.SSLContext | None:
        """The certificates this machine trusts, kept: reading them costs more than the mails of a connection."""
        return ssl.create_default_context() if self.starttls else None

    def _forget_trusted(self) -> None:
        """Make the next conversation read them anew: the one that was missing may have been added since."""
        vars(self).pop("_trusted", None)


class SmtpConversation:
    """Sends mails one after the other: connects for the first one, and anew after the server has hung up.

    Args:
        until: on the monotonic clock.
        on_distrust: called when the server's certificate is not trusted.
    """

    def __init__(
        self, client: aiosmtplib.SMTP, sender: str, until: float, on_distrust: Callable[[], None]
    ) -> None:
        self._client = client
        self._sender = sender
        self._until = until
        self._on_distrust = on_distrust

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with suppress(aiosmtplib.SMTPException, OSError):
            if exc is None and self._client.is_connected:
                await self._client.quit(timeout=_FAREWELL_S)
        self._client.close()

    async def send(self, mail: bytes, recipient: str) -> int | None:
        """Hand over one mail. What comes of it does not touch the other mails, unless nobody can connect.

        Returns:
            None if the server accepted the mail, else the SMTP code of its refusal, or `NO_ANSWER`. The server's text
            is dropped: it may quote an address.
        """
        if time.monotonic() >= self._until:
            return NO_ANSWER
        try:
            async with asyncio.timeout(_PER_MAIL_S):
                await self._connect()
                options = () if recipient.isascii() else _BEYOND_ASCII
                await self._client.sendmail(self._sender, [recipient], mail, mail_options=options)
        except aiosmtplib.SMTPRecipientsRefused as error:
            return error.recipients[0].code
        except ssl.SSLCertVerificationError:
            # A ValueError as well, but the certificate can be renewed, or trusted later.
            self._on_distrust()
            self._client.close()
            return NO_ANSWER
        except (aiosmtplib.SMTPNotSupported, ValueError):
            # The address cannot be encoded for this server, or for any.
            return NEVER
        except _ABOUT_ONE_MAIL as error:
            return error.code
        except (aiosmtplib.SMTPException, OSError):
            # An answer that comes late must not be taken for the next mail's.
            self._client.close()
            return NO_ANSWER
        return None

    async def _connect(self) -> None:
        if self._client.is_connected:
            return
        try:
            await self._client.connect()
        except BaseException:
            # A server that is away costs its time once, and not once for each mail.
            self._until = 0
            raise
