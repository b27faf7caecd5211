"""What a booking that waits for its payment asks Stripe about by itself, and when, in case a webhook was lost."""

from __future__ import annotations

from datetime import datetime, timedelta

from temporalio import workflow

from domain.messages.signals import StripeEventHint
from domain.messages.starts import PollProgress
from domain.messages.stripe_steps import CheckoutSession
from workflows import options


class StripePoll:
    """The session that the guest pays on, and the questions about it.

    Each answer without news doubles the pause before the next question.

    Args:
        interval: the shortest pause.
        session: the Checkout session opened last, if any.
        next_at: when Stripe is asked first.
    """

    def __init__(self, interval: timedelta, session: CheckoutSession | None, next_at: datetime) -> None:
        self._interval = interval
        self._pause = interval
        self._next_at = next_at
        self.session = session
        self.is_session_over = False
        """Stripe has shown it expired or complete: only webhooks and the window's end may still tell of it."""
        self.unread_hint: StripeEventHint | None = None
        """An event that Stripe could not be asked about yet."""

    def continue_from(self, progress: PollProgress) -> None:
        """Go on from where the run before was."""
        self._pause = timedelta(seconds=progress.pause_s)
        self._next_at = progress.next_at
        self.session, self.is_session_over = progress.session, progress.session_over
        self.unread_hint = progress.unread_hint

    @property
    def progress(self) -> PollProgress:
        """All of this, for the next run."""
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

    @property
    def question(self) -> StripeEventHint:
        """What Stripe is asked about next."""
        return self.unread_hint or StripeEventHint(session_id=self.session_id)

    @property
    def next_at(self) -> datetime | None:
        """When it is asked; None where there is nothing to ask about."""
        is_silent = (self.session is None or self.is_session_over) and self.unread_hint is None
        return None if is_silent else self._next_at

    def is_about_session(self, hint: StripeEventHint) -> bool:
        """Whether a hint names the session alone."""
        # An event may name our page together with a payment of which Stripe knows nothing.
        session_id = hint.session_id if hint.payment_intent_id is None else None
        return self.session is not None and session_id == self.session.session_id

    def begin(self, session: CheckoutSession) -> None:
        """Ask about another session from now on."""
        self.session, self.is_session_over = session, False
        self.note_news()
        self.note_question()

    def note_news(self) -> None:
        """Something has happened: Stripe is asked again soon."""
        self._pause = self._interval

    def note_question(self) -> None:
        """Stripe is being asked."""
        self._next_at = workflow.now() + self._pause

    def note_silence(self) -> None:
        """Stripe has answered that nothing has happened."""
        longest = max(options.POLL_PAUSE_LONGEST, self._interval)
        self._pause = min(2 * self._pause, longest)
        self.note_question()
