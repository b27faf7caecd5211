"""Reports the findings that scheduled reconciliation left for people: in the log each time, by e-mail once."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Final, cast

from emails.compose import Composer, ReconciliationReport
from emails.mailbox import is_address
from emails.send import NEVER, SmtpServer
from models import Hotel, utc_now
from reconciliation.findings import FindingKind
from reconciliation.run_queries import hotels_of, left_for_people, mark_reported
from storage import mails
from storage.database import Database
from storage.tables import ReconciliationFinding

log = logging.getLogger(__name__)

_PER_REPORT_S: Final = (
    15  # for a hotel's whole staff: no mail is begun after that, and the last one may take as long
)
_PATIENCE_S: Final = 60
"""The next run waits while this one tries to send; what is not begun by then that one sends."""


class ReconciliationAlerts:
    """Reports findings to people.

    Raises (all methods):
        sqlalchemy.exc.SQLAlchemyError, OSError: the database is away.
    """

    def __init__(self, database: Database, composer: Composer, server: SmtpServer) -> None:
        self._database = database
        self._composer = composer
        self._server = server

    async def send(self, run_id: str) -> None:
        """Log a run's remaining findings, and mail the new ones to the hotels; a repeat mails those not yet sent.

        A finding that could not be healed for now (the booking moved on, Stripe was away) is not reported: the next run
        tries again.
        """
        async with self._database.transaction() as db:
            left = await left_for_people(db, run_id)
            hotels = await hotels_of(db, run_id)
        for row in left:
            # The booking id of such a payment is foreign metadata and may be any text, so it is not logged.
            booking_id = "-" if row.kind == FindingKind.PAYMENT_WITHOUT_BOOKING else row.booking_id or "-"
            log.error(
                "reconciliation left kind=%s booking=%s subject=%s",
                row.kind,
                booking_id,
                row.subject or "-",
            )
        await self._mail(run_id, [row for row in left if not row.reported], hotels)

    async def _mail(
        self, run_id: str, fresh: Sequence[ReconciliationFinding], hotels: dict[str, Hotel]
    ) -> None:
        by_hotel: dict[str, list[ReconciliationFinding]] = defaultdict(list)
        for row in fresh:
            if row.booking_id in hotels:
                by_hotel[hotels[row.booking_id].slug].append(row)
        deadline = time.monotonic() + _PATIENCE_S
        for findings in by_hotel.values():
            # Checked between hotels only: a report cut off in the middle would be sent again to its first recipients.
            if time.monotonic() > deadline:
                log.warning("reconciliation: the mail server takes too long, the next run tells what is left")
                break
            report = ReconciliationReport(run_id, hotels[findings[0].booking_id], findings)
            if await self._deliver_report(report):
                async with self._database.transaction() as db:
                    await mark_reported(db, findings)
            else:
                log.warning(
                    "reconciliation: no mailbox of a hotel accepted the report; the next run sends it"
                )

    async def _deliver_report(self, report: ReconciliationReport) -> bool:
        """Send a report to all approvers and managers of its hotel.

        Once one mailbox has accepted it, a temporary refusal by another is not retried: a retry would go to all.

        Returns:
            Whether the report is done: False if no mailbox accepted it and at least one may accept it later.
        """
        async with self._database.reading() as db:
            staff = await mails.deciding_staff(db, cast("int", report.hotel.id))
        codes = await self._send_to(report, staff)
        refused = [code for code in codes if code is not None]
        if refused:
            log.warning("reconciliation: %s of %s mailboxes did not take a report", len(refused), len(codes))
        return len(refused) < len(codes) or all(code >= NEVER for code in refused)

    async def _send_to(self, report: ReconciliationReport, staff: Sequence[str]) -> list[int | None]:
        try:
            mail = self._composer.compose_report(report, utc_now())
        except ValueError:
            return [NEVER for _ in staff]
        sender = self._composer.sender
        async with self._server.conversation(sender, patience_s=_PER_REPORT_S) as conversation:
            return [
                await conversation.send(mail.addressed_to(to, mail.message_id(to)), to)
                if is_address(to)
                else NEVER
                for to in staff
            ]
