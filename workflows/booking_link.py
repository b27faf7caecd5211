"""The link to a booking, sent again because its guest asked for it."""

from __future__ import annotations

from temporalio import workflow

from activities.emails import Emails
from dispatch import ui_texts
from domain.messages.notifications import Mailing
from workflows import options


@workflow.defn
class BookingLinkWorkflow:
    """Sends one link, and tries again while the mail server is away."""

    @workflow.run
    async def run(self, mailing: Mailing) -> None:
        """Send the link; for an address without a booking there is nothing to send.

        Raises:
            ActivityError: the mail server refuses the mail, or was away for a day.
        """
        if mailing.booking_id:
            await workflow.execute_activity_method(
                Emails.send,
                mailing,
                summary=ui_texts.send_email(mailing.kinds),
                schedule_to_close_timeout=options.MAIL_PATIENCE,
                **options.MAIL,
            )
