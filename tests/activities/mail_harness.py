"""Sending mails by the activity, and looking into the mail catcher's inbox."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.emails import Emails
from domain.booking import MailKind, Status
from domain.messages.notifications import Mailing
from emails.compose import Composer
from emails.send import SmtpServer
from models import Booking, SentMail
from storage.database import Database
from storage.mails import mails_of
from tests.storage.rows import T0, HotelRows, held
from tests.workflows.servers import Json, StandInClient

SENDER = "bookings@hotels.test"
PUBLIC_BASE_URL = "https://hotels.test"
AUTH_SECRET = "an-auth-secret-for-activity-tests-only"

# As the contract words them; those after the e-mails of the status table are the product's own.
SUBJECTS = {
    "authorized": "Payment authorized — awaiting hotel confirmation ({id})",
    "confirmed": "Booking Confirmed - {id}",
    "declined": "Booking Update - {id}",
    "expired": "Booking Expired - {id}",
    "cancelled": "Booking Cancelled - {id}",
    "staff_request": "New booking request - {id}",
    "staff_reminder": "Decision due - {id}",
    "staff_payment_notice": "Payment notice - {id}",
    "staff_attention": "Attention needed - {id}",
    "cancellation_withdrawn": "Booking still confirmed - {id}",
    "finish_request": "Finish your request - {id}",
    "payment_reminder": "Your request expires soon - {id}",
    "booking_link": "Your booking link - {id}",
}
UNPAID: dict[str, Any] = {
    "status": Status.PENDING_PAYMENT,
    "payment_intent_id": None,
    "payment_deadline": T0 + timedelta(days=1),
}
# The booking as it stands when the mail is written; amounts of 15000 are captured where it says so.
STANDS: dict[str, dict[str, Any]] = {
    "authorized": {"status": Status.PENDING_APPROVAL},
    "confirmed": {"status": Status.CONFIRMED, "amount_captured_minor": 15000, "paid_at": T0},
    "declined": {
        "status": Status.DECLINED,
        "reason_code": "NO_AVAILABILITY",
        "reason_note": "Painting <that> floor",
    },
    "expired": {"status": Status.EXPIRED, "payment_intent_id": None},
    "cancelled": {
        "status": Status.CANCELLED,
        "amount_captured_minor": 15000,
        "amount_refunded_minor": 7500,
        "late_cancel_fee_percent": 50,
    },
    "staff_request": {"status": Status.PENDING_APPROVAL},
    "staff_reminder": {"status": Status.PENDING_APPROVAL},
    "staff_payment_notice": {"status": Status.CONFIRMED, "amount_captured_minor": 15000},
    "staff_attention": {"status": Status.PENDING_APPROVAL},
    "cancellation_withdrawn": {"status": Status.CONFIRMED, "amount_captured_minor": 15000},
    "finish_request": UNPAID,
    "payment_reminder": UNPAID,
    "booking_link": {"status": Status.PENDING_APPROVAL},
}


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

    def activity(self, *, email_from: str = SENDER, **server: Any) -> Emails:
        """The activity under test, as the worker builds it."""
        return Emails(
            self.database,
            Composer(email_from, PUBLIC_BASE_URL, AUTH_SECRET),
            SmtpServer(**{"host": "127.0.0.1", "port": self._smtp_port, **server}),
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
        """Send mails some of which are refused; returns the activity's error."""
        try:
            await self.send(booking, *kinds, activity=activity)
        except ApplicationError as error:
            return error
        raise AssertionError("every mail was taken")

    async def arrived(self, booking: Booking) -> list[Json]:
        """The mails that arrived about a booking, oldest first."""
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
        """The database's rows about the booking's mails."""
        async with self.database.transaction() as db:
            return list(await mails_of(db, booking.booking_id))


async def standing(database: Database, hotel_rows: HotelRows, kind: MailKind, **booking: Any) -> Booking:
    """A booking about which such a mail is due."""
    values = {"guest_email": guest_address(hotel_rows), **STANDS[kind], **booking}
    return await held(database, hotel_rows, **values)


def guest_address(hotel_rows: HotelRows) -> str:
    """An address that no other test uses: a mailbox gets one mail a day to finish a request."""
    return f"philippa@{hotel_rows.hotel.slug}.example.com"


def recipients(hotel_rows: HotelRows, kind: MailKind) -> set[str]:
    """The recipients of one mail of a kind."""
    if kind.startswith("staff_"):
        return {f"{role}@{hotel_rows.hotel.slug}.test" for role in ("approver", "manager")}
    return {guest_address(hotel_rows)}


def both_parts(mail: Json) -> list[str]:
    """The text, and the words of the HTML."""
    words = re.sub(r"<style.*?</style>|<title>.*?</title>|<[^>]+>", " ", mail["html"], flags=re.DOTALL)
    return [" ".join(part.split()) for part in (mail["text"], words)]
