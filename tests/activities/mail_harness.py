"""Sending mails by the activity, and looking into the mail catcher's inbox."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.emails import Emails, SmtpServer
from domain.booking import MailKind
from domain.messages import Mailing
from models import Booking, SentMail
from storage.database import Database
from storage.mails import mails_of
from tests.workflows.servers import Json, StandInClient

SENDER = "bookings@hotels.test"
PUBLIC_BASE_URL = "https://hotels.test"
AUTH_SECRET = "an-auth-secret-for-activity-tests-only"


class MailHarness:
    """Sends, and reads what arrived.

    Args:
        mail: the catcher.
        smtp_port: where it takes mail.
    """

    def __init__(self, database: Database, mail: StandInClient, smtp_port: int) -> None:
        self.database = database
        self.mail = mail
        self._smtp_port = smtp_port
        self._usual = self.activity()

    def activity(self, **server: Any) -> Emails:
        """The activity under test, as the worker builds it."""
        return Emails(
            self.database,
            SmtpServer(**{"host": "127.0.0.1", "port": self._smtp_port, **server}),
            email_from=SENDER,
            public_base_url=PUBLIC_BASE_URL,
            auth_secret=AUTH_SECRET,
        )

    async def send(
        self, booking: Booking, *kinds: MailKind, version: int = 1, activity: Emails | None = None
    ) -> None:
        """Send the mails of one version of a booking."""
        mailing = Mailing(booking_id=booking.booking_id, kinds=kinds, version=version)
        await ActivityEnvironment().run((activity or self._usual).send, mailing)

    async def refusal(
        self, booking: Booking, *kinds: MailKind, activity: Emails | None = None
    ) -> ApplicationError:
        """Send mails of which not all are taken; returns the activity's error."""
        try:
            await self.send(booking, *kinds, activity=activity)
        except ApplicationError as error:
            return error
        raise AssertionError("every mail was taken")

    async def arrived(self, booking: Booking) -> list[Json]:
        """What arrived about a booking, oldest first."""
        found: list[Json] = await self.mail.ask(
            "GET", "/_sandbox/messages", params={"booking_id": booking.booking_id}
        )
        return found

    async def by_recipient(self, booking: Booking, key: Callable[[Json], Any]) -> dict[str, Any]:
        """One fact of each mail that arrived, by its one recipient."""
        found = {mail["to"][0]: key(mail) for mail in await self.arrived(booking)}
        assert len(found) == len(await self.arrived(booking)), "somebody got more than one"
        return found

    async def books(self, booking: Booking) -> list[SentMail]:
        """What the database has about the booking's mails."""
        async with self.database.transaction() as db:
            return list(await mails_of(db, booking.booking_id))
