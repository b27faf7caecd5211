"""The steps on a booking's money, retried until Stripe gives a clear answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from activities.payments import Payments
from dispatch import ui_texts
from domain.attention import Attention, AttentionCode
from domain.messages.signals import StripeEventHint
from domain.messages.stripe_steps import (
    CheckoutSession,
    ExpireSession,
    MoneyStep,
    OpenSession,
    PaymentQuestion,
)
from domain.payment import PaymentSnapshot
from domain.stripe_events import DISPUTES
from gateway.errors import FAILED, FINAL, KEY_REJECTED, REFUSED, UNKNOWN
from workflows import options
from workflows.run_length import RunLength

_NO_TIME: Final = timedelta(0)
_PAUSE_SHORTEST: Final = timedelta(seconds=1)


class PaymentStepFailedError(Exception):
    """Stripe refused, or gave no clear answer in time: the booking needs attention.

    Args:
        attention: the reason.
    """

    def __init__(self, attention: Attention) -> None:
        super().__init__(attention.detail)
        self.attention = attention


_CODES: Final = MappingProxyType(
    {
        UNKNOWN: AttentionCode.STRIPE_REFUSED,
        REFUSED: AttentionCode.STRIPE_REFUSED,
        KEY_REJECTED: AttentionCode.STRIPE_KEY_REJECTED,
    }
)
"""The attention code of each kind of failure; any other kind means no clear answer."""


class PaymentUnknownError(PaymentStepFailedError):
    """Stripe has no such payment."""


def failure(error: ActivityError) -> tuple[str, str]:
    """The type and text of an activity's last failure."""
    if isinstance(error.cause, ApplicationError):
        return error.cause.type or "error", error.cause.message
    return "timeout", "no answer in time"


class PaymentSteps:
    """The Stripe calls of one booking's workflows.

    Args:
        booking_id: the booking.
        amount_minor: its total in the currency's smallest unit.
        currency: ISO 4217 code.
        run_length: counts the pauses between attempts.
        generation: the first generation of this workflow's idempotency keys, if it takes over from another.
    """

    def __init__(
        self, booking_id: str, amount_minor: int, currency: str, run_length: RunLength, *, generation: int = 1
    ) -> None:
        self._run_length = run_length
        self._booking_id = booking_id
        self._amount_minor = amount_minor
        self._currency = currency
        # Idempotency keys contain the run: Stripe keeps the answers given to other workflows of this booking under
        # their own keys for a day. Replays and repeated activities stay within the run.
        self._run_id = workflow.info().run_id
        # One counter serves all steps: a key has to be new, and a gap in the numbers does no harm.
        self.generation = generation

    async def open_session(self, expires_at: datetime, return_to: int | None) -> CheckoutSession:
        """Open a Checkout session while its guest waits.

        Raises:
            ActivityError: a few attempts have failed. The guest may ask again.
        """
        request = OpenSession(
            booking_id=self._booking_id,
            run_id=self._run_id,
            generation=self.generation,
            amount_minor=self._amount_minor,
            currency=self._currency,
            expires_at=expires_at,
            return_to=return_to,
        )
        # The next request has other parameters, and Stripe refuses those under an old key. A session whose answer was
        # lost has a link that no guest has received, and lapses by itself.
        self.generation += 1
        return await workflow.execute_activity_method(
            Payments.open_session, request, summary=ui_texts.OPEN_SESSION, **options.STRIPE_ONLINE
        )

    async def read_once(self, session_id: str | None, payment_intent_id: str | None) -> PaymentSnapshot:
        """Read the payment from Stripe once, for a caller or a timer that will ask again.

        Raises:
            ActivityError: a few attempts have failed.
        """
        return await workflow.execute_activity_method(
            Payments.read,
            self._question(session_id, payment_intent_id),
            summary=ui_texts.READ_ONCE,
            **options.STRIPE_ONLINE,
        )

    async def read_until_answered(self, payment_intent_id: str) -> PaymentSnapshot:
        """Read the payment from Stripe, retrying without a time limit.

        Raises:
            PaymentStepFailedError: Stripe refuses to answer.
        """
        return await self.read_event_payment_until_answered(
            StripeEventHint(payment_intent_id=payment_intent_id)
        )

    async def read_event_payment_until_answered(self, hint: StripeEventHint) -> PaymentSnapshot:
        """Read the payment that an event names, retrying without a time limit.

        Raises:
            PaymentUnknownError: Stripe has no such payment.
            PaymentStepFailedError: Stripe refuses to answer.
        """
        try:
            return await workflow.execute_activity_method(
                Payments.read,
                replace(
                    self._question(hint.session_id, hint.payment_intent_id),
                    about_dispute=hint.event_type in DISPUTES,
                ),
                summary=ui_texts.READ_UNTIL_ANSWERED,
                start_to_close_timeout=options.STRIPE_ATTEMPT,
                retry_policy=options.STRIPE_RETRY,
            )
        except ActivityError as error:
            kind, text = failure(error)
            subject = hint.payment_intent_id or hint.session_id or ""
            attention = Attention(AttentionCode.PAYMENT_UNREAD, subject, text)
            raise (PaymentUnknownError if kind == UNKNOWN else PaymentStepFailedError)(attention) from error

    async def expire_session(self, session_id: str) -> PaymentSnapshot:
        """Close a session; the answer shows a hold if the guest completed it first."""
        step = ExpireSession(
            booking_id=self._booking_id,
            session_id=session_id,
            run_id=self._run_id,
            amount_minor=self._amount_minor,
            currency=self._currency,
        )

        async def attempt(generation: int, patience: timedelta) -> PaymentSnapshot:
            return await workflow.execute_activity_method(
                Payments.expire_session,
                replace(step, generation=generation),
                summary=ui_texts.EXPIRE_SESSION,
                start_to_close_timeout=options.STRIPE_ATTEMPT,
                schedule_to_close_timeout=patience,
                retry_policy=options.STRIPE_RETRY,
            )

        return await self._repeat_until_answered(attempt, workflow.now() + timedelta(hours=24), session_id)

    async def capture(self, payment_intent_id: str, until: datetime) -> PaymentSnapshot:
        """Capture the booking's total, retrying until `until` at most."""
        return await self._run_payment_step(
            Payments.capture,
            payment_intent_id,
            self._amount_minor,
            until,
            ui_texts.CAPTURE,
            at_least=_NO_TIME,
        )

    async def release(
        self, payment_intent_id: str, until: datetime, *, suspects_fraud: bool = False
    ) -> PaymentSnapshot:
        """Release a hold, retrying until `until`; Stripe is told if the hotel suspects fraud."""
        return await self._run_payment_step(
            Payments.release, payment_intent_id, 0, until, ui_texts.RELEASE, suspects_fraud=suspects_fraud
        )

    async def refund(self, payment_intent_id: str, total_minor: int, until: datetime) -> PaymentSnapshot:
        """Refund until `total_minor` has been refunded in all, retrying until `until`."""
        payment = await self._run_payment_step(
            Payments.refund, payment_intent_id, total_minor, until, ui_texts.REFUND
        )
        # A refund that the bank returns later needs a new key: Stripe replays the old answer for a day.
        self.generation += 1
        return payment

    async def _run_payment_step(
        self,
        activity: Callable[[Payments, MoneyStep], Awaitable[PaymentSnapshot]],
        payment_intent_id: str,
        amount_minor: int,
        until: datetime,
        summary: str,
        *,
        at_least: timedelta = options.STRIPE_PATIENCE_SHORTEST,
        suspects_fraud: bool = False,
    ) -> PaymentSnapshot:
        step = MoneyStep(
            booking_id=self._booking_id,
            payment_intent_id=payment_intent_id,
            run_id=self._run_id,
            # A release passes no amount: its activity compares the hold with the booking's total.
            amount_minor=amount_minor or self._amount_minor,
            currency=self._currency,
            suspects_fraud=suspects_fraud,
        )

        async def attempt(generation: int, patience: timedelta) -> PaymentSnapshot:
            return await workflow.execute_activity_method(
                activity,
                replace(step, generation=generation),
                summary=summary,
                start_to_close_timeout=options.STRIPE_ATTEMPT,
                schedule_to_close_timeout=patience,
                retry_policy=options.STRIPE_RETRY,
            )

        return await self._repeat_until_answered(attempt, until, payment_intent_id, at_least)

    async def _repeat_until_answered(
        self,
        attempt: Callable[[int, timedelta], Awaitable[PaymentSnapshot]],
        until: datetime,
        subject: str,
        at_least: timedelta = options.STRIPE_PATIENCE_SHORTEST,
    ) -> PaymentSnapshot:
        """Repeat a step under new generations of its idempotency key until it succeeds, is refused or runs out of time.

        Args:
            subject: the PaymentIntent or session that the attention names if the step fails.
            at_least: the shortest time of each attempt, even if less is left until `until`.

        Raises:
            PaymentStepFailedError: Stripe refused, or `until` has passed without a clear answer.
        """
        began_at = workflow.now()
        while True:
            patience = max(until - workflow.now(), at_least)
            if patience <= _NO_TIME:
                raise PaymentStepFailedError(Attention(AttentionCode.STRIPE_UNANSWERED, subject))
            try:
                return await attempt(self.generation, patience)
            except ActivityError as error:
                kind, text = failure(error)
                # Stripe may keep that answer under the key; the activity has read back that the payment is unchanged.
                if kind == FAILED or kind in FINAL:
                    self.generation += 1
                if kind in FINAL or workflow.now() >= until:
                    code = _CODES.get(kind, AttentionCode.STRIPE_UNANSWERED)
                    raise PaymentStepFailedError(Attention(code, subject, text)) from error
            # Otherwise Temporal stopped early, because its next pause would have outlasted the time: another attempt
            # under the same key uses the rest.
            # A pause is half of the time tried so far. An attempt adds 11 events; fewer than 40 attempts fill 30 days.
            left = max(until - workflow.now(), at_least)
            pause = max((workflow.now() - began_at) / 2, _PAUSE_SHORTEST)
            await workflow.sleep(min(pause, left), summary=ui_texts.PAUSE_BEFORE_STRIPE)
            self._run_length.count_input()

    def _question(self, session_id: str | None, payment_intent_id: str | None) -> PaymentQuestion:
        return PaymentQuestion(
            booking_id=self._booking_id,
            session_id=session_id,
            payment_intent_id=payment_intent_id,
            amount_minor=self._amount_minor,
            currency=self._currency,
        )
