"""Hands e-mails to the mail server."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Final

import aiosmtplib

NEVER: Final = 500
"""SMTP codes from here on mean: do not try again."""
NO_ANSWER: Final = 0

_PER_MAIL_S: Final = 15
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

    async def send(self, message: EmailMessage, *, sender: str, recipient: str) -> int | None:
        """Hand over one mail.

        Returns:
            None if the server accepted the mail, else the SMTP code of its refusal, or `NO_ANSWER`. The server's text
            is dropped: it may quote an address.
        """
        try:
            async with asyncio.timeout(_PER_MAIL_S):
                await aiosmtplib.send(
                    message,
                    sender=sender,
                    recipients=[recipient],
                    hostname=self.host,
                    port=self.port,
                    username=self.username,
                    password=self.password,
                    start_tls=self.starttls,
                    timeout=_PER_MAIL_S,
                )
        except aiosmtplib.SMTPRecipientsRefused as error:
            return error.recipients[0].code
        except aiosmtplib.SMTPNotSupported:
            # The address cannot be encoded for this server.
            return NEVER
        except _ABOUT_ONE_MAIL as error:
            return error.code
        except (aiosmtplib.SMTPException, OSError):
            return NO_ANSWER
        return None
