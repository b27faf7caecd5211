"""Sending e-mails: the mail server accepts one for each recipient, once.

    mail_refused    the server refuses a mail for good (SMTP 5xx): a retry is of no use
    mail_deferred   the server is away, or wants it later (SMTP 4xx): worth a retry

Errors contain codes and counts only: their text becomes part of workflow histories.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from email.errors import MessageError
from typing import Final

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.bookings import BOOKING_GONE
from domain.booking import STAFF_MAILS, UNPAID_MAILS, Decision, MailKind, Status
from domain.dispute import Dispute
from domain.messages.notifications import Mailing
from domain.payment_card import PaymentCard
from emails.compose import BookingEmail, Composer
from emails.send import NEVER, SmtpServer
from models import Booking, SentMail, utc_now
from storage import bookings, mails
from storage.attention import as_attention, attention_of
from storage.card_details import cards_of
from storage.console import open_decision
from storage.database import Database
from storage.disputes import disputes_of
from storage.rooms import rooms_taken

log = logging.getLogger("activities")

REFUSED: Final = "mail_refused"
DEFERRED: Final = "mail_deferred"

_AT_ONCE: Final = 5


class Emails:
    """The activity that sends e-mails. A repeat sends only those not accepted yet, under the same ids."""

    def __init__(self, database: Database, composer: Composer, server: SmtpServer) -> None:
        self._database = database
        self._composer = composer
        self._server = server

    @activity.defn(name="emails.send")
    async def send(self, mailing: Mailing) -> None:
        """Send e-mails to all their recipients. A failure for one recipient does not stop the others' e-mails.

        Raises:
            ApplicationError: `booking_gone` or `mail_refused`, final; `mail_deferred`, worth a retry.
        """
        try:
            addressed = await self._read(mailing)
            # Many recipients are served a few at a time: mail servers limit connections.
            places = asyncio.Semaphore(_AT_ONCE)
            codes = await asyncio.gather(*(self._deliver(email, to, places) for email, to in addressed))
        except SQLAlchemyError as error:
            # The error's text may quote the row, and with it the guest.
            raise ApplicationError(type(error).__name__, type="database") from None
        report_refusals([code for code in codes if code is not None], len(addressed))

    async def _read(self, mailing: Mailing) -> list[tuple[BookingEmail, str]]:
        async with self._database.reading() as db:
            found = await bookings.booking_with_hotel(db, mailing.booking_id)
            if found is None:
                raise ApplicationError("the booking's row is gone", type=BOOKING_GONE, non_retryable=True)
            booking = found[0]
            step = await bookings.timeline_step(db, mailing.booking_id, mailing.version)
            taken = 0
            staff: Sequence[str] = ()
            card: PaymentCard | None = None
            disputes: Sequence[Dispute] = ()
            reasons = [as_attention(row) for row in await attention_of(db, booking)]
            open_command = await open_decision(db, booking.booking_id) if reasons else None
            if STAFF_MAILS.intersection(mailing.kinds):
                taken = (await rooms_taken(db, [booking]))[booking.booking_id]
                staff = await mails.deciding_staff(db, booking.hotel_id)
            if MailKind.STAFF_REQUEST in mailing.kinds:
                card = (await cards_of(db, [booking.booking_id])).get(booking.booking_id)
            if MailKind.STAFF_PAYMENT_NOTICE in mailing.kinds:
                disputes = await disputes_of(db, booking.booking_id)
        pending = Decision(open_command.kind) if open_command else None
        # A guest whose data was erased has no address any more.
        guest = [] if booking.guest_erased_at else [booking.guest_email]
        return [
            (
                BookingEmail(
                    kind, mailing.version, *found, step, taken, reasons, pending, card=card, disputes=disputes
                ),
                recipient,
            )
            for kind in mailing.kinds
            if kind not in UNPAID_MAILS or _awaits_payment(booking)
            for recipient in (staff if kind in STAFF_MAILS else guest)
        ]

    async def _deliver(self, email: BookingEmail, recipient: str, places: asyncio.Semaphore) -> int | None:
        """Hand a mail to the server, unless the server accepted it before.

        Returns:
            None if the server has accepted it, else the SMTP code of its refusal; 0 for no answer.
        """
        now = utc_now()
        try:
            message = self._composer.compose(email, recipient, now)
        except (ValueError, MessageError):
            # The address cannot stand in a header. The error would quote it, and stop the other mails.
            return NEVER
        row = SentMail(
            message_id=message["Message-ID"],
            booking_id=email.booking.booking_id,
            kind=email.kind,
            version=email.version,
            recipient=recipient,
            subject=message["Subject"],
            sending_at=now,
        )
        async with self._database.transaction() as db:
            message_id = await mails.begin_mail(db, row) if await _may_send(db, row) else None
        if message_id is None:
            return None
        message.replace_header("Message-ID", message_id)
        async with places:
            code = await self._server.send(message, sender=self._composer.sender, recipient=recipient)
        if code is None:
            async with self._database.transaction() as db:
                await mails.finish_mail(db, message_id)
            # The Message-ID is left out: it contains a digest of the recipient's address.
            log.info("e-mail accepted", extra={"fields": {"kind": email.kind, "version": email.version}})
        return code


def _awaits_payment(booking: Booking) -> bool:
    return booking.status == Status.PENDING_PAYMENT and booking.sold_out_at is None


async def _may_send(db: AsyncSession, mail: SentMail) -> bool:
    """Whether the mailbox may receive a mail now: anyone may type an address, and a request costs nothing."""
    if mail.kind != MailKind.FINISH_REQUEST:
        return True
    return await mails.claim_daily_mail(db, mail.recipient, mail.booking_id, mail.sending_at)


def report_refusals(codes: Sequence[int], of: int) -> None:
    """Raise the error for the mails that were not accepted.

    Args:
        codes: of the refusals.
        of: how many mails there were.

    Raises:
        ApplicationError: `mail_refused`, final; `mail_deferred`, worth a retry.
    """
    if not codes:
        return
    later = [code for code in codes if code < NEVER]
    answers = ", ".join(f"SMTP {code}" if code else "no answer" for code in sorted(set(codes)))
    raise ApplicationError(
        f"{len(codes)} of {of} not accepted: {answers}",
        type=DEFERRED if later else REFUSED,
        non_retryable=not later,
    )
