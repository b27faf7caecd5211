"""Notifications: realtime events and e-mails, sent in the background of the booking's next steps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any, Final

from temporalio import workflow
from temporalio.exceptions import ActivityError

from activities.emails import Emails
from activities.realtime import Realtime
from dispatch import ui_texts
from domain.attention import Attention, AttentionCode
from domain.booking import UNPAID_MAILS, MailKind, Status
from domain.messages.notifications import Mailing, Publication, StaffEvent
from domain.messages.starts import Continuation, UnsentMailing, UnsentPublication
from workflows import options
from workflows.payment_steps import failure

_NEEDS_NOBODY: Final = UNPAID_MAILS | {MailKind.STAFF_ATTENTION}
"""E-mails whose failure opens no attention.

One about attention would open attention for ever, and before a hold anyone may have typed the guest's address.
"""


class Notifications:
    """Sends the notifications of a booking's changes. A failed notification delays no decision and changes no payment.

    Args:
        booking_id: the booking.
        hotel_slug: its hotel.
        on_email_failed: called with the reason if an e-mail could not be sent within a day.
    """

    def __init__(
        self, booking_id: str, hotel_slug: str, on_email_failed: Callable[[Attention], None]
    ) -> None:
        self._booking_id = booking_id
        self._hotel_slug = hotel_slug
        self._on_email_failed = on_email_failed
        self._under_way: dict[asyncio.Task[None], UnsentMailing | UnsentPublication] = {}
        self._failed: list[Mailing] = []

    def continue_from(self, continuation: Continuation) -> None:
        """Send what the previous run had left; a notification it was sending at that moment may be sent twice."""
        self._failed = list(continuation.failed_mailings)
        for unsent in continuation.unsent_publications:
            self._start(self._publish(unsent), unsent)
        for unsent_mailing in continuation.unsent_mailings:
            self._start(self._mail(unsent_mailing), unsent_mailing)

    @property
    def unsent_mailings(self) -> tuple[UnsentMailing, ...]:
        """E-mails that are still being sent."""
        return tuple(unsent for unsent in self._under_way.values() if isinstance(unsent, UnsentMailing))

    @property
    def unsent_publications(self) -> tuple[UnsentPublication, ...]:
        """Realtime events that are still being sent."""
        return tuple(unsent for unsent in self._under_way.values() if isinstance(unsent, UnsentPublication))

    @property
    def failed_mailings(self) -> tuple[Mailing, ...]:
        """E-mails that failed."""
        return tuple(self._failed)

    def publish(
        self, status: Status, version: int, at: datetime, staff_event: StaffEvent | None = None
    ) -> None:
        """Publish a version of the booking to browsers."""
        publication = Publication(
            booking_id=self._booking_id,
            hotel_slug=self._hotel_slug,
            status=status,
            version=version,
            updated_at=at,
            staff_event=staff_event,
        )
        unsent = UnsentPublication(publication, workflow.now() + options.PUSHER_PATIENCE)
        self._start(self._publish(unsent), unsent)

    def mail(self, kinds: tuple[MailKind, ...], version: int) -> None:
        """Send the e-mails of these kinds about a version of the booking."""
        self._send(Mailing(booking_id=self._booking_id, kinds=kinds, version=version))

    @property
    def has_failed_emails(self) -> bool:
        """Whether any e-mail has failed."""
        return bool(self._failed)

    def resend_failed_emails(self) -> None:
        """Send the failed e-mails again; each keeps its Message-ID."""
        failed, self._failed = self._failed, []
        for mailing in failed:
            self._send(mailing)

    def _send(self, mailing: Mailing) -> None:
        unsent = UnsentMailing(mailing, workflow.now() + options.MAIL_PATIENCE)
        self._start(self._mail(unsent), unsent)

    def forget_failed_emails(self) -> None:
        """Give up the failed e-mails, as a person asked."""
        self._failed.clear()

    async def drain(self) -> None:
        """Wait until each notification has been sent or given up."""
        while self._under_way:
            await asyncio.gather(*self._under_way)

    async def _publish(self, unsent: UnsentPublication) -> None:
        publication = unsent.publication
        try:
            await workflow.execute_activity_method(
                Realtime.publish,
                publication,
                summary=ui_texts.publish(publication.status, publication.version),
                schedule_to_close_timeout=_time_left(unsent.until),
                **options.PUSHER,
            )
        except ActivityError as error:
            workflow.logger.warning(
                "realtime event dropped: version %d, %s", publication.version, failure(error)[1]
            )

    async def _mail(self, unsent: UnsentMailing) -> None:
        mailing = unsent.mailing
        names = ", ".join(mailing.kinds)
        try:
            await workflow.execute_activity_method(
                Emails.send,
                mailing,
                summary=ui_texts.send_email(mailing.kinds),
                schedule_to_close_timeout=_time_left(unsent.until),
                **options.MAIL,
            )
        except ActivityError as error:
            attention = Attention(AttentionCode.EMAIL_FAILED, names, failure(error)[1])
            workflow.logger.warning("e-mail not sent: %s", attention.text)
            if not _NEEDS_NOBODY.issuperset(mailing.kinds):
                self._failed.append(mailing)
                self._on_email_failed(attention)

    def _start(self, work: Coroutine[Any, Any, None], unsent: UnsentMailing | UnsentPublication) -> None:
        task = asyncio.create_task(work)
        self._under_way[task] = unsent
        task.add_done_callback(self._under_way.pop)


def _time_left(until: datetime) -> timedelta:
    return max(until - workflow.now(), options.NOTIFICATION_PATIENCE_SHORTEST)
