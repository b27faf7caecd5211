"""The polls of Stripe by a booking that waits for its payment, in case a webhook was lost."""

from __future__ import annotations

from datetime import datetime, timedelta

from temporalio import workflow

from domain.messages.answers import SessionAnswer
from domain.messages.signals import StripeEventHint
from domain.messages.starts import PollProgress
from domain.messages.stripe_steps import CheckoutSession
from workflows import options


class StripePoll:
    """The session on which the guest pays, and the polls about it.

    Each answer without news doubles the pause before the next poll.

    Args:
        interval: the shortest pause.
        session: the latest Checkout session, if any.
        next_at: the time of the first poll.
    """

    def __init__(self, interval: timedelta, session: CheckoutSession | None, next_at: datetime) -> None:
        self._interval = interval
        self._pause = interval
        self._next_at = next_at
        self.session = session
        self.is_session_over = False
        """Stripe showed the session as expired or complete: only webhooks and the window's end may still bring news."""
        self.unread_hint: StripeEventHint | None = None
        """An event whose payment could not be read yet."""

    def continue_from(self, progress: PollProgress) -> None:
        """Start from the previous run's polls."""
        self._pause = timedelta(seconds=progress.pause_s)
        self._next_at = progress.next_at
        self.session, self.is_session_over = progress.session, progress.session_over
        self.unread_hint = progress.unread_hint

    @property
    def progress(self) -> PollProgress:
        """The state of the polls, for the next run."""
        return PollProgress(
            session=self.session,
            session_over=self.is_session_over,
            next_at=self._next_at,
            pause_s=int(self._pause.total_seconds()),
            unread_hint=self.unread_hint,
        )

    @property
    def session_id(self) -> str | None:
        """The session's id."""
        return self.session.session_id if self.session else None

    def answer(self, *, created: bool) -> SessionAnswer:
        """The answer to a guest who asked for the payment page: the session, open or `created` for this request."""
        assert self.session is not None, "a session was opened"
        return SessionAnswer(payable=True, session_id=self.session.session_id, created=created)

    @property
    def question(self) -> StripeEventHint:
        """The subject of the next poll."""
        return self.unread_hint or StripeEventHint(session_id=self.session_id)

    @property
    def next_at(self) -> datetime | None:
        """The time of the next poll; None without a subject."""
        is_silent = (self.session is None or self.is_session_over) and self.unread_hint is None
        return None if is_silent else self._next_at

    def is_about_session(self, hint: StripeEventHint) -> bool:
        """Whether a hint names the session alone."""
        # An event may name the booking's session together with a payment that Stripe does not know.
        session_id = hint.session_id if hint.payment_intent_id is None else None
        return self.session is not None and session_id == self.session.session_id

    def begin(self, session: CheckoutSession) -> None:
        """Poll another session from now on."""
        self.session, self.is_session_over = session, False
        self.note_news()
        self.note_question()

    def note_news(self) -> None:
        """Note that there was news: the next poll comes soon."""
        self._pause = self._interval

    def note_question(self) -> None:
        """Note that a poll has started."""
        self._next_at = workflow.now() + self._pause

    def note_silence(self) -> None:
        """Note that a poll brought no news."""
        longest = max(options.POLL_PAUSE_LONGEST, self._interval)
        longer = min(2 * self._pause, longest)
        # Counted from the question: the answer comes in a workflow task without a command (docs/decisions/16).
        self._next_at += longer - self._pause
        self._pause = longer
