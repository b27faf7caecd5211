"""The e-mail with a link to an account: an invitation, or a password reset."""

from __future__ import annotations

from temporalio import workflow

from activities.account_mails import AccountMails
from dispatch import ui_texts
from workflows import options


@workflow.defn
class AccountMailWorkflow:
    """Sends one link, and tries again while the mail server is away."""

    @workflow.run
    async def run(self, link_id: str) -> None:
        """Send the link with this id.

        Raises:
            ActivityError: the mail server refuses the mail, or was away for a day.
        """
        await workflow.execute_activity_method(
            AccountMails.send,
            link_id,
            summary=ui_texts.SEND_ACCOUNT_MAIL,
            schedule_to_close_timeout=options.MAIL_PATIENCE,
            **options.MAIL,
        )
