"""Money of a booking whose own workflow has ended: a late hold, a refund or dispute after check-in."""

from __future__ import annotations

from collections import deque

from temporalio import workflow
from temporalio.exceptions import ActivityError

from activities.bookings import STALE_VERSION, Bookings
from dispatch import ui_texts
from domain.attention import OUTLIVES_STATUS_CHANGE, Attention, AttentionCode
from domain.booking import Status
from domain.decisions import CommandOutcome
from domain.messages.changes import BookingSnapshot, RefusedCommand
from domain.messages.signals import Command
from domain.messages.starts import EndedBookingEvent
from workflows import options
from workflows.booking_state import BookingState
from workflows.message_queue import OperatorCommand
from workflows.notifications import Notifications
from workflows.paid_elsewhere import record_paid_elsewhere
from workflows.payment_steps import PaymentStepFailedError, PaymentSteps, failure
from workflows.unmatched_payments import (
    ResolutionRefusedError,
    follow_resolved_payment,
    handle_payment_event,
    subject_of_hint,
    unreturned_reason,
)


@workflow.defn
class EndedBookingPaymentWorkflow:
    """Handles one payment event, then ends. The booking keeps its status; its money and timeline change."""

    @workflow.init
    def __init__(self, event: EndedBookingEvent) -> None:
        self._event = event
        self._commands: deque[OperatorCommand] = deque()
        self._command: OperatorCommand | None = None
        """The `retry` or `resolve` that is being carried out."""
        self._own_attention: Attention | None = None

    @workflow.run
    async def run(self, event: EndedBookingEvent) -> None:
        """Check the payment until nothing is left to do, with a person's help if Stripe refuses."""
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
                # Another of these workflows wrote first: the payment is checked against the row it left.
                if failure(error)[0] != STALE_VERSION:
                    raise
            generation = payment_steps.generation
        await notifications.drain()

    async def _handle_event(self, state: BookingState, payment_steps: PaymentSteps) -> bool:
        """Check the payment, by a person's command if there is one; False if it has to be checked again."""
        open_before = {each.key for each in state.attention}
        try:
            await self._follow_payment(state, payment_steps)
        except ResolutionRefusedError as refusal:
            await self._close_command(refusal.outcome)
            await self._next_command()
            return False
        except PaymentStepFailedError as error:
            reason = unreturned_reason(error.attention, self._event.hint)
            if reason.code is AttentionCode.REFUND_RETURNED and reason.key in open_before - self._called_for:
                # Another of these workflows waits for a person about this payment: two would refund it twice.
                return True
            await self._wait_for_help(state, reason)
            return False
        # The reason is still open if another writer kept it from being cleared, or if a lost workflow had opened it.
        await state.clear_attention(OUTLIVES_STATUS_CHANGE, subject_of_hint(self._event.hint))
        if self._own_attention is not None:
            await state.clear_attention({self._own_attention.code}, self._own_attention.subject)
        # While another workflow's reason was open, a later event left its returned refund to that reason.
        left_to_others = (AttentionCode.REFUND_RETURNED, subject_of_hint(self._event.hint)) in open_before
        self._command = None
        return not left_to_others

    async def _follow_payment(self, state: BookingState, payment_steps: PaymentSteps) -> None:
        message, hint = self._command, self._event.hint
        if message is None:
            await handle_payment_event(state, payment_steps, hint)
        elif message.command.withdraw:
            raise ResolutionRefusedError(CommandOutcome.NOTHING_TO_WITHDRAW)
        elif message.command.paid_elsewhere_minor is not None:
            await record_paid_elsewhere(state, payment_steps, hint, message.command)
            # The rest of the debt keeps the reason open; a refund of it needs a `retry`.
            self._command = None
            await handle_payment_event(state, payment_steps, hint)
        elif message.resolved_by_hand:
            await follow_resolved_payment(state, payment_steps, hint)
        else:
            await handle_payment_event(state, payment_steps, hint, on_request=True)

    @property
    def _called_for(self) -> set[tuple[AttentionCode, str]]:
        return {self._own_attention.key} if self._own_attention else set()

    def _load_state(self, booking: BookingSnapshot, notifications: Notifications) -> BookingState:
        state = BookingState(
            self._event.booking_id,
            self._event.hotel_slug,
            notifications,
            status=Status(booking.status),
            version=booking.version,
            currency=booking.currency,
            database_options=options.DATABASE_SHARED,
        )
        state.payment_intent_id = booking.payment_intent_id
        state.refunded_minor = booking.amount_refunded_minor
        state.refund_due_minor = booking.refund_due_minor
        state.paid_elsewhere = booking.paid_elsewhere
        state.attention = booking.attention
        return state

    async def _wait_for_help(self, state: BookingState, attention: Attention) -> None:
        self._command = None
        await state.request_attention(attention)
        self._own_attention = attention
        await self._next_command()
        if self._command is not None and not self._command.resolved_by_hand:
            await state.clear_attention({attention.code}, attention.subject)

    async def _next_command(self) -> None:
        await workflow.wait_condition(lambda: bool(self._commands))
        self._command = self._commands.popleft()

    async def _close_command(self, outcome: CommandOutcome) -> None:
        assert self._command is not None, "only a `resolve` can be refused"
        await workflow.execute_activity_method(
            Bookings.close_command,
            RefusedCommand(self._command.command.command_id, outcome),
            summary=ui_texts.refuse(outcome),
            **options.DATABASE,
        )

    @workflow.signal
    def retry(self, command: Command) -> None:
        """A person asks to check the payment again."""
        self._commands.append(OperatorCommand(command, resolved_by_hand=False))

    @workflow.signal
    def resolve(self, command: Command) -> None:
        """A person reports what they did, as in `BookingWorkflow.resolve`."""
        self._commands.append(OperatorCommand(command, resolved_by_hand=True))
