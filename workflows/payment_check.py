"""Asking Stripe for somebody who wants to know how a booking's payment stands."""

from __future__ import annotations

import asyncio

from temporalio.exceptions import ActivityError, ApplicationError

from domain.booking import Status
from domain.payment import PaymentSnapshot, PaymentStatus
from gateway.errors import FINAL, REFUSED
from workflows.booking_context import BookingContext
from workflows.message_queue import STRIPE_UNAVAILABLE, PaymentCheckRequested
from workflows.payment_phase import PaymentPhase
from workflows.payment_steps import failure

_NEWS = {
    Status.PENDING_PAYMENT: frozenset({PaymentStatus.REQUIRES_CAPTURE, PaymentStatus.SUCCEEDED}),
    Status.PENDING_APPROVAL: frozenset({PaymentStatus.SUCCEEDED, PaymentStatus.CANCELED}),
}


class PaymentCheck:
    """Asks beside the booking's loop, so that nobody who wants to pay waits for it; only news is put in the queue.

    Anybody may ask, and many at once: they share one question.
    """

    def __init__(self, context: BookingContext, payment: PaymentPhase) -> None:
        self._context = context
        self._payment = payment
        self._asking: asyncio.Task[PaymentSnapshot] | None = None
        self._is_queued = False

    async def ask(self) -> None:
        """Ask Stripe, and have the booking follow what it says.

        Raises:
            ApplicationError: Stripe is away, or refuses.
        """
        state, queue = self._context.state, self._context.message_queue
        # Stripe is being asked anyway: by a decision that is carried out, for a hold that is given up, or for news that
        # the loop has yet to reach.
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
