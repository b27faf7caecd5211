"""Money of a booking whose own workflow has ended: a late hold, a refund or dispute after check-in."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from temporalio import workflow
from temporalio.exceptions import ActivityError

from activities.bookings import STALE_VERSION, Bookings
from dispatch import ui_texts
from dispatch.names import NEEDS_ATTENTION
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
from workflows.run_length import RunLength
from workflows.unmatched_payments import (
    ResolutionRefusedError,
    follow_resolved_payment,
    handle_payment_event,
    subject_of_hint,
    unreturned_reason,
    without_recorded_dispute,
)


@workflow.defn
class EndedBookingPaymentWorkflow:
    """Handles one payment event, then ends. The booking keeps its status; its money and timeline change."""

    @workflow.init
    def __init__(self, event: EndedBookingEvent) -> None:
        self._event = event
        self._run_length = RunLength()
        self._notifications = Notifications(
            event.booking_id, event.hotel_slug, on_email_failed=lambda _: None
        )
        self._commands: deque[OperatorCommand] = deque()
        self._command: OperatorCommand | None = None
        """The `retry` or `resolve` that is being carried out."""
        self._has_taken_retry = False
        self._recorded_disputes: set[str] = set()
        self._own_attention = event.attention
        self._attention_shown = event.attention is not None
        """Whether operators find this workflow among those that need attention."""

    @workflow.run
    async def run(self, event: EndedBookingEvent) -> None:
        """Check the payment until nothing is left to do, with a person's help if Stripe refuses."""
        if event.attention is not None:
            await self._next_command()
        generation = 1
        while True:
            booking = await self._read_booking()
            state = self._load_state(booking)
            payment_steps = PaymentSteps(
                event.booking_id,
                booking.amount_minor,
                booking.currency,
                self._run_length,
                generation=generation,
            )
            try:
                if await self._handle_event(state, payment_steps):
                    break
            except ActivityError as error:
                # Another of these workflows wrote first: the payment is checked against the row it left.
                if failure(error)[0] != STALE_VERSION:
                    raise
            generation = payment_steps.generation
            self._attention_shown = state.attention_shown
        if state.attention_shown:
            # Other reasons of the booking are other workflows'.
            workflow.upsert_search_attributes([NEEDS_ATTENTION.value_set(False)])
        await self._notifications.drain()

    async def _handle_event(self, state: BookingState, payment_steps: PaymentSteps) -> bool:
        """Check the payment, by a person's command if there is one; False if it has to be checked again."""
        if self._command is not None and not await self._take_retry(state):
            if await self._is_settled(state, payment_steps):
                return True
            await self._next_command()
            return False
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
            await state.request_attention(reason)
            self._own_attention = reason
            await self._next_command()
            return False
        # The reason is still open if another writer kept it from being cleared, or if a lost workflow had opened it.
        await state.clear_attention(OUTLIVES_STATUS_CHANGE, subject_of_hint(self._event.hint))
        if self._own_attention is not None:
            await state.clear_attention({self._own_attention.code}, self._own_attention.subject)
        # While another workflow's reason was open, a later event left its returned refund to that reason.
        left_to_others = (AttentionCode.REFUND_RETURNED, subject_of_hint(self._event.hint)) in open_before
        self._command = None
        return not left_to_others

    async def _take_retry(self, state: BookingState) -> bool:
        """Whether this workflow carries out the command; False leaves a `retry` to another one.

        A `retry` reaches each workflow that waits about this booking. The row's version lets one of them clear the
        reason, and that one alone may refund: Stripe would accept a refund from each, under keys of their own.
        """
        if self._command is None or self._command.resolved_by_hand or self._has_taken_retry:
            return True
        if not self._is_still_open(state.attention):
            return False
        assert self._own_attention is not None, "a command comes to a workflow that waits for one"
        await state.clear_attention({self._own_attention.code}, self._own_attention.subject)
        self._has_taken_retry = True
        return True

    async def _is_settled(self, state: BookingState, payment_steps: PaymentSteps) -> bool:
        try:
            payment = await payment_steps.read_event_payment_until_answered(self._event.hint)
        except PaymentStepFailedError:
            return False
        return not payment.is_held and state.owed_minor(payment) == 0

    def _is_still_open(self, attention: tuple[Attention, ...]) -> bool:
        return not self._called_for.isdisjoint(each.key for each in attention)

    async def _follow_payment(self, state: BookingState, payment_steps: PaymentSteps) -> None:
        message, hint = self._command, self._event.hint
        if message is None:
            await handle_payment_event(state, payment_steps, hint)
        elif message.command.withdraw:
            raise ResolutionRefusedError(CommandOutcome.NOTHING_TO_WITHDRAW)
        elif message.command.paid_elsewhere_minor is not None:
            is_left = self._is_still_open(state.attention)
            await record_paid_elsewhere(state, payment_steps, hint, message.command, is_left=is_left)
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

    async def _read_booking(self) -> BookingSnapshot:
        return await workflow.execute_activity_method(
            Bookings.read_snapshot, self._event.booking_id, summary=ui_texts.READ_BOOKING, **options.DATABASE
        )

    def _load_state(self, booking: BookingSnapshot) -> BookingState:
        state = BookingState(
            self._event.booking_id,
            self._event.hotel_slug,
            self._notifications,
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
        state.attention_shown = self._attention_shown
        if state.attention_shown:
            state.show_attention()
        state.recorded_disputes = self._recorded_disputes
        return state

    async def _next_command(self) -> None:
        """Wait for a person's command, or until another writer has cleared this workflow's reason.

        A full run ends here.
        """
        self._command, self._has_taken_retry = None, False
        pause = options.REASON_RECHECK
        while not self._commands:
            self._hand_on_if_full()
            try:
                await workflow.wait_condition(
                    lambda: bool(self._commands), timeout=pause, timeout_summary=ui_texts.REASON_TIMER
                )
            except TimeoutError:
                self._run_length.count_input()
                pause = min(2 * pause, options.REASON_RECHECK_LONGEST)
                if not self._is_still_open((await self._read_booking()).attention):
                    return
        self._command = self._commands.popleft()

    def _hand_on_if_full(self) -> None:
        notifications = self._notifications
        is_sending = notifications.unsent_mailings or notifications.unsent_publications
        if self._run_length.is_full and not is_sending:
            hint = without_recorded_dispute(self._recorded_disputes, self._event.hint)
            workflow.continue_as_new(replace(self._event, hint=hint, attention=self._own_attention))

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
        self._put(OperatorCommand(command, resolved_by_hand=False))

    @workflow.signal
    def resolve(self, command: Command) -> None:
        """A person reports what they did, as in `BookingWorkflow.resolve`."""
        self._put(OperatorCommand(command, resolved_by_hand=True))

    def _put(self, command: OperatorCommand) -> None:
        self._run_length.count_input()
        self._commands.append(command)
