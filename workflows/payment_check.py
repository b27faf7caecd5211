"""Payment checks: a caller asks for the present state of a booking's payment."""

from __future__ import annotations

import asyncio
from types import MappingProxyType

from temporalio.exceptions import ActivityError, ApplicationError

from domain.booking import Status
from domain.payment import PaymentSnapshot, PaymentStatus
from gateway.errors import FINAL, REFUSED
from workflows.booking_context import BookingContext
from workflows.message_queue import STRIPE_UNAVAILABLE, PaymentCheckRequested
from workflows.payment_phase import PaymentPhase
from workflows.payment_steps import failure

_NEWS = MappingProxyType(
    {
        Status.PENDING_PAYMENT: frozenset({PaymentStatus.REQUIRES_CAPTURE, PaymentStatus.SUCCEEDED}),
        Status.PENDING_APPROVAL: frozenset({PaymentStatus.SUCCEEDED, PaymentStatus.CANCELED}),
    }
)


class PaymentCheck:
    """Reads the payment outside the booking's loop, so that payment requests need not wait; only news is queued.

    Concurrent callers share one read.
    """

    def __init__(self, context: BookingContext, payment: PaymentPhase) -> None:
        self._context = context
        self._payment = payment
        self._asking: asyncio.Task[PaymentSnapshot] | None = None
        self._is_queued = False

    async def ask(self) -> None:
        """Read the payment from Stripe, and let the booking follow it.

        Raises:
            ApplicationError: Stripe does not answer, or refuses.
        """
        state, queue = self._context.state, self._context.message_queue
        # The loop reads Stripe already, or is about to: for a decision, the release of a hold, or a queued event.
        is_asked = queue.decision_in_progress or state.is_giving_up_hold or self._is_queued
        if state.status not in _NEWS or is_asked:
            return
        snapshot = await self._read()
        if snapshot is None or snapshot.status not in _NEWS.get(state.status, ()) or self._is_queued:
            return
        message = PaymentCheckRequested()
        queue.put(message)
        self._is_queued = True
        message.answer.add_done_callback(self._note_answered)
        await message.answer

    def _note_answered(self, _answer: asyncio.Future[None]) -> None:
        self._is_queued = False

    async def _read(self) -> PaymentSnapshot | None:
        if self._asking is None:
            hold = self._payment.hold
            session_id, intent_id = self._payment.session_id, hold.payment_intent_id if hold else None
            if session_id is None and intent_id is None:
                return None
            question = self._context.payment_steps.read_once(session_id if hold is None else None, intent_id)
            self._asking = asyncio.create_task(question)
            self._asking.add_done_callback(self._note_read)
        try:
            return await self._asking
        except ActivityError as error:
            kind, text = failure(error)
            raise ApplicationError(text, type=REFUSED if kind in FINAL else STRIPE_UNAVAILABLE) from None

    def _note_read(self, _asking: asyncio.Task[PaymentSnapshot]) -> None:
        self._asking = None
