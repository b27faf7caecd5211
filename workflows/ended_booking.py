"""Money of a booking whose own workflow has ended: a late hold, a refund or dispute after check-in."""

from __future__ import annotations

from temporalio import workflow
from temporalio.exceptions import ActivityError

from activities.bookings import STALE_VERSION, Bookings
from dispatch import ui_texts
from domain.attention import ABOUT_PAYMENTS_BESIDE, Attention
from domain.booking import Status
from domain.messages.changes import BookingSnapshot
from domain.messages.signals import Command
from domain.messages.starts import EndedBookingEvent
from workflows import options
from workflows.booking_state import BookingState
from workflows.notifications import Notifications
from workflows.payment_steps import PaymentStepFailedError, PaymentSteps, failure
from workflows.unmatched_payments import handle_payment_event, subject_of_hint, unreturned_reason


@workflow.defn
class EndedBookingPaymentWorkflow:
    """Settles one piece of news, then ends. The booking stays as it is; its money and timeline do not."""

    @workflow.init
    def __init__(self, event: EndedBookingEvent) -> None:
        self._event = event
        self._retry_requested = False
        self._own_attention: Attention | None = None

    @workflow.run
    async def run(self, event: EndedBookingEvent) -> None:
        """Look into the news until it is settled, with an operator's help where Stripe refuses."""
        notifications = Notifications(event.booking_id, event.hotel_slug, on_email_failed=lambda _: None)
        generation = 1
        while True:
            booking = await workflow.execute_activity_method(
                Bookings.read_snapshot, event.booking_id, summary=ui_texts.READ_BOOKING, **options.DATABASE
            )
            state = self._load_state(booking, notifications)
            payment_steps = PaymentSteps(
                event.booking_id, booking.amount_minor, booking.currency, generation=generation
            )
            try:
                if await self._handle_event(state, payment_steps):
                    break
            except ActivityError as error:
                # Another one of these was quicker to write: what it left is looked at anew.
                if failure(error)[0] != STALE_VERSION:
                    raise
            generation = payment_steps.generation
        await notifications.drain()

    async def _handle_event(self, state: BookingState, payment_steps: PaymentSteps) -> bool:
        try:
            await handle_payment_event(state, payment_steps, self._event.hint)
        except PaymentStepFailedError as error:
            await self._wait_for_operator(state, unreturned_reason(error.attention, self._event.hint))
            return False
        # The reason is still open where another writer came between when it was to be cleared, or where a workflow
        # that was lost had called for it.
        codes = ABOUT_PAYMENTS_BESIDE | {each.code for each in (self._own_attention,) if each}
        await state.clear_attention(codes, subject_of_hint(self._event.hint))
        return True

    def _load_state(self, booking: BookingSnapshot, notifications: Notifications) -> BookingState:
        state = BookingState(
            self._event.booking_id,
            self._event.hotel_slug,
            notifications,
            status=Status(booking.status),
            version=booking.version,
            database_options=options.DATABASE_SHARED,
        )
        state.payment_intent_id = booking.payment_intent_id
        state.refunded_minor = booking.amount_refunded_minor
        state.attention = booking.attention
        return state

    async def _wait_for_operator(self, state: BookingState, attention: Attention) -> None:
        await state.request_attention(attention)
        self._own_attention = attention
        await workflow.wait_condition(lambda: self._retry_requested)
        self._retry_requested = False
        await state.clear_attention({attention.code}, attention.subject)

    @workflow.signal
    def retry(self, command: Command) -> None:  # noqa: ARG002  the booking's own signal takes it too
        """An operator wants Stripe asked again."""
        self._retry_requested = True
