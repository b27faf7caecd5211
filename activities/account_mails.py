"""E-mails with a link to an account. Nothing that they contain reaches a history: the activity is given a row's id."""

from __future__ import annotations

import logging

from sqlalchemy.exc import SQLAlchemyError
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.emails import report_refusals
from emails.compose import AccountEmail, Composer
from emails.send import NEVER, SmtpServer
from models import utc_now
from storage.account_links import link_to_send, mark_sent
from storage.database import Database

log = logging.getLogger("activities")


class AccountMails:
    """The activity that sends a link."""

    def __init__(self, database: Database, composer: Composer, server: SmtpServer) -> None:
        self._database = database
        self._composer = composer
        self._server = server

    @activity.defn(name="account_mails.send")
    async def send(self, link_id: str) -> None:
        """Send a link, unless it was sent or is of no use any more. A repeat has the same Message-ID, unless
        the sender's domain was changed meanwhile: it is not stored.

        Raises:
            ApplicationError: `mail_refused`, final; `mail_deferred`, worth a retry.
        """
        try:
            code = await self._send(link_id)
        except SQLAlchemyError as error:
            # The error's text may quote the row, and with it the address.
            raise ApplicationError(type(error).__name__, type="database") from None
        report_refusals([] if code is None else [code], 1)

    async def _send(self, link_id: str) -> int | None:
        now = utc_now()
        async with self._database.reading() as db:
            found = await link_to_send(db, link_id, now)
        if found is None:
            return None
        email = AccountEmail(*found)
        to = email.link.email
        try:
            mail = self._composer.compose_account_mail(email, now)
            content = mail.addressed_to(to, mail.message_id(to))
        except ValueError:
            # The address cannot stand in a header; the error would quote it.
            return NEVER
        async with self._server.conversation(self._composer.sender) as conversation:
            code = await conversation.send(content, to)
        if code is None:
            log.info("e-mail accepted", extra={"fields": {"kind": email.link.kind}})
            async with self._database.transaction() as db:
                await mark_sent(db, link_id, utc_now())
        return code
