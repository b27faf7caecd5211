"""Handing e-mails to the mail server."""

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
    """The server that takes our mail.

    Args:
        username: logs in where given.
        starttls: encrypt before anything else is said; the server must offer it.
    """

    host: str
    port: int
    username: str | None = None
    password: str | None = None
    starttls: bool = False

    async def send(self, message: EmailMessage, *, sender: str, recipient: str) -> int | None:
        """Hand over one mail.

        Returns:
            None where the server has it, else the SMTP code it was turned away with, or `NO_ANSWER`. The server's own
            words are dropped: they may quote an address.
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
            # An address, or a server, that our mail cannot be written for.
            return NEVER
        except _ABOUT_ONE_MAIL as error:
            return error.code
        except (aiosmtplib.SMTPException, OSError):
            return NO_ANSWER
        return None
