"""The e-mails to a guest who has not paid: "Finish your request", and a reminder before the payment window ends."""

from __future__ import annotations

from datetime import datetime

from temporalio import workflow

from domain.booking import MailKind
from domain.deadlines import finish_mail_at, payment_reminder_at
from domain.messages.starts import PaymentProgress


class PaymentReminders:
    """The times of these e-mails. Each is sent once; one whose time passed while the workflow was lost is not.

    Args:
        submitted_at: the start of the payment window.
        closes_at: its end.
    """

    def __init__(self, submitted_at: datetime, closes_at: datetime) -> None:
        self.finish_at = _if_ahead(finish_mail_at(submitted_at, closes_at))
        self.remind_at = _if_ahead(payment_reminder_at(submitted_at, closes_at))

    def continue_from(self, progress: PaymentProgress) -> None:
        """Take over the times from the previous run."""
        self.finish_at, self.remind_at = progress.finish_at, progress.remind_at

    @property
    def next_at(self) -> datetime | None:
        """The time of the next e-mail; None if none is left."""
        return min((at for at in (self.finish_at, self.remind_at) if at is not None), default=None)

    def take_due(self) -> MailKind | None:
        """Return the e-mail that is due, and expect it no more."""
        now = workflow.now()
        if self.remind_at is not None and now >= self.remind_at:
            self.finish_at = self.remind_at = None
            return MailKind.PAYMENT_REMINDER
        if self.finish_at is not None and now >= self.finish_at:
            self.finish_at = None
            return MailKind.FINISH_REQUEST
        return None

    def put_off(self, kind: MailKind, until: datetime) -> None:
        """Expect an e-mail again later: Stripe did not say whether the guest has paid."""
        if kind is MailKind.FINISH_REQUEST:
            self.finish_at = until
        else:
            self.remind_at = until


def _if_ahead(at: datetime | None) -> datetime | None:
    return at if at is not None and at > workflow.now() else None
