"""Sending e-mails: the mail server accepts one for each recipient, once.

    mail_refused    the server refuses a mail for good (SMTP 5xx): a retry is of no use
    mail_deferred   the server is away, or wants it later (SMTP 4xx): worth a retry

Errors contain codes and counts only: their text becomes part of workflow histories.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy.exc import SQLAlchemyError
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.bookings import BOOKING_GONE
from domain.booking import STAFF_MAILS, UNPAID_MAILS, Decision, MailKind, Status
from domain.messages.notifications import Mailing
from emails.compose import BookingEmail, Composer
from emails.mailbox import is_address
from emails.mime import Mail
from emails.send import NEVER, SmtpServer
from models import Booking, SentMail, utc_now
from storage.attention import as_attention, attention_of
from storage.console import open_decision
from storage.database import Database
from storage.disputes import disputes_of
from storage.mail_facts import mail_facts
from storage.mails import claim_daily_mail, claim_mails, finish_mails

log = logging.getLogger("activities")

REFUSED: Final = "mail_refused"
DEFERRED: Final = "mail_deferred"


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
            letters = await self._read(mailing)
            mails = [mail for email, recipients in letters for mail in self._compose(email, recipients)]
            codes = await self._deliver(mails)
        except SQLAlchemyError as error:
            # The error's text may quote the row, and with it the guest.
            raise ApplicationError(type(error).__name__, type="database") from None
        wanted = sum(len(recipients) for _, recipients in letters)
        report_refusals([*codes, *[NEVER] * (wanted - len(mails))], wanted)

    async def _read(self, mailing: Mailing) -> list[tuple[BookingEmail, Sequence[str]]]:
        async with self._database.reading() as db:
            facts = await mail_facts(db, mailing.booking_id, mailing.version)
            if facts is None:
                raise ApplicationError("the booking's row is gone", type=BOOKING_GONE, non_retryable=True)
            booking = facts.booking
            reasons = [as_attention(row) for row in await attention_of(db, booking)]
            pending = await open_decision(db, booking.booking_id) if reasons else None
            is_notice = MailKind.STAFF_PAYMENT_NOTICE in mailing.kinds
            disputes = await disputes_of(db, booking.booking_id) if is_notice else ()
        # A guest whose data was erased has no address any more.
        guest = [] if booking.guest_erased_at else [booking.guest_email]
        return [
            (
                BookingEmail(
                    kind,
                    mailing.version,
                    booking,
                    facts.hotel,
                    facts.room_type,
                    facts.step,
                    facts.rooms_taken,
                    reasons,
                    Decision(pending.kind) if pending else None,
                    card=facts.card,
                    disputes=disputes,
                ),
                facts.staff if kind in STAFF_MAILS else guest,
            )
            for kind in mailing.kinds
            if kind not in UNPAID_MAILS or _awaits_payment(booking)
        ]

    def _compose(self, email: BookingEmail, recipients: Sequence[str]) -> list[tuple[Mail, SentMail]]:
        """The mail and its row for each recipient, but for those whose address cannot stand in a header."""
        possible = [recipient for recipient in recipients if is_address(recipient)]
        if not possible:
            return []
        now = utc_now()
        try:
            mail = self._composer.compose(email, now)
        except ValueError:
            # The sender's address cannot stand in one. The error would quote it, and stop the other mails.
            return []
        return [(mail, _row(email, mail, recipient, now)) for recipient in possible]

    async def _deliver(self, mails: Sequence[tuple[Mail, SentMail]]) -> list[int]:
        """Hand those mails to the server that it has not accepted before.

        Returns:
            For each mail that it did not accept, the SMTP code of its refusal; 0 for no answer.
        """
        rows = [row for _, row in mails if await self._may_send(row)]
        async with self._database.single_statement() as db:
            claimed = await claim_mails(db, rows)
        codes: list[int] = []
        accepted: list[str] = []
        try:
            async with self._server.conversation(self._composer.sender) as conversation:
                for mail, row in mails:
                    if message_id := claimed.get((row.kind, row.recipient)):
                        content = mail.addressed_to(row.recipient, message_id)
                        code = await conversation.send(content, row.recipient)
                        if code is None:
                            accepted.append(message_id)
                            # The Message-ID is left out: it contains a digest of the recipient's address.
                            fields = {"kind": row.kind, "version": row.version}
                            log.info("e-mail accepted", extra={"fields": fields})
                        else:
                            codes.append(code)
        finally:
            # The worker may stop in between: what was accepted must not be sent again.
            if accepted:
                async with self._database.single_statement() as db:
                    await finish_mails(db, accepted)
        return codes

    async def _may_send(self, mail: SentMail) -> bool:
        """Whether the mailbox may receive a mail now: anyone may type an address, and a request costs nothing."""
        if mail.kind not in UNPAID_MAILS:
            return True
        async with self._database.single_statement() as db:
            return await claim_daily_mail(db, mail.recipient, mail.booking_id, mail.sending_at)


def _row(email: BookingEmail, mail: Mail, recipient: str, now: datetime) -> SentMail:
    return SentMail(
        message_id=mail.message_id(recipient),
        booking_id=email.booking.booking_id,
        kind=email.kind,
        version=email.version,
        recipient=recipient,
        subject=mail.subject,
        sending_at=now,
    )


def _awaits_payment(booking: Booking) -> bool:
    return booking.status == Status.PENDING_PAYMENT and booking.sold_out_at is None


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
