"""A booking's status and the one method that changes it: transition, persist, notify."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributeUpdate

from dispatch import ui_texts
from dispatch.names import BOOKING_STATUS, NEEDS_ATTENTION
from domain.attention import OUTLIVES_STATUS_CHANGE, Attention, AttentionCode
from domain.booking import KEEPS_MONEY, ActorKind, Event, MailKind, ReasonCode, Status, transition
from domain.messages.changes import Change
from domain.messages.notifications import StaffEvent
from domain.messages.signals import Command, StripeEventHint
from domain.messages.starts import Continuation, Resumption
from domain.payment import PaymentSnapshot
from domain.stripe_events import is_relevant
from workflows import options
from workflows.notifications import Notifications
from workflows.projection import Projection


class BookingState:
    """The state of a booking. Its row in the database follows the changes recorded here.

    Args:
        booking_id: the booking.
        hotel_slug: its hotel.
        notifications: sends the e-mails and realtime events of each change.
        status: the status to start from.
        version: the row's version at that point.
        currency: ISO 4217 code.
        database_options: timeout and retries of database activities.
    """

    def __init__(
        self,
        booking_id: str,
        hotel_slug: str,
        notifications: Notifications,
        *,
        status: Status,
        version: int,
        currency: str,
        database_options: Mapping[str, Any] = options.DATABASE,
    ) -> None:
        self._booking_id = booking_id
        self._hotel_slug = hotel_slug
        self._notifications = notifications
        self.projection = Projection(notifications, database_options)
        self.status = status
        self.version = version
        self.currency = currency
        self.reason_code: ReasonCode | None = None
        self.attention: tuple[Attention, ...] = ()
        """The open reasons why the booking needs attention, oldest first."""
        self.payment_intent_id: str | None = None
        self.refunded_minor = 0
        self.refund_due_minor: int | None = None
        """The total refund of a cancellation, whether it has been carried out or has failed."""
        self.paid_elsewhere: dict[str, int] = {}
        """What people have paid the guest outside Stripe, by the PaymentIntent it replaces."""
        self.cancellation_counts_from: datetime | None = None
        self._hold_found_no_room = False
        self.waiting_for = ui_texts.WAITING_FOR_SUBMISSION
        self.is_over = False
        self.unreturned_payments: dict[str, StripeEventHint] = {}
        """Events to check again, by the payment or session they are about. They outlive every change of status."""
        self.recorded_disputes: set[str] = set()
        """Ids of the events whose dispute is recorded: their payment may be checked again."""
        self.attention_shown = False
        """Whether operators find the workflow among those that need attention."""

    def resume_from(self, resume: Resumption) -> None:
        """Start from the row, for a booking whose workflow was lost."""
        self._take_over(resume)
        for reason in resume.attention:
            if reason.code in OUTLIVES_STATUS_CHANGE:
                self.unreturned_payments[reason.subject] = hint_about(reason.subject)
        self._update_search_attributes(moved=True)
        for mailing in resume.mailings:
            self._notifications.mail(mailing.kinds, mailing.version)

    def continue_from(self, continuation: Continuation) -> None:
        """Start from the previous run's state. Temporal has kept the search attributes."""
        self._take_over(continuation)
        self.attention_shown = bool(self.attention)
        self.unreturned_payments = {
            hint.payment_intent_id or hint.session_id or "": hint for hint in continuation.unreturned_payments
        }
        self.waiting_for = continuation.waiting_for

    def _take_over(self, known: Resumption | Continuation) -> None:
        self.status = known.status
        self.reason_code = known.reason_code
        self.payment_intent_id = known.payment_intent_id
        self.refunded_minor = known.refunded_minor
        self.refund_due_minor = known.refund_due_minor
        self.paid_elsewhere = known.paid_elsewhere
        self.cancellation_counts_from = known.cancellation_counts_from
        self._hold_found_no_room = known.sold_out
        self.attention = known.attention

    async def apply(
        self,
        event: Event,
        *,
        actor: ActorKind = ActorKind.SYSTEM,
        command: Command | None = None,
        **facts: Any,
    ) -> None:
        """Apply `event` to the booking; a hold without a free room changes no status: see `is_giving_up_hold`.

        Args:
            actor: the author of the change if there is no command.
            command: the decision this carries out.
            facts: further fields of `Change`.

        Raises:
            IllegalTransitionError: the transition table has no such entry; a defect of the caller.
        """
        step = transition(self.status, event)
        moved = step.to is not self.status
        change = Change(
            booking_id=self._booking_id,
            hotel_slug=self._hotel_slug,
            run_id=workflow.info().run_id,
            expected_version=self.version,
            event=event,
            at=workflow.now(),
            actor=command.actor if command else actor,
            staff_id=command.staff_id if command else None,
            command_id=command.command_id if command else None,
            staff_event=StaffEvent.BOOKING_REQUESTED if event is Event.AUTHORIZED else None,
            **facts,
        )
        waiting_for = self.waiting_for
        recorded = await self.projection.write(change, self.status, self._show_projection_blocked)
        if recorded.sold_out:
            self._hold_found_no_room = True
            self.payment_intent_id = change.payment_intent_id
            return
        self.status, self.version = step.to, recorded.version
        self.reason_code = step.reason or change.reason_code or self.reason_code
        self.payment_intent_id = change.payment_intent_id or self.payment_intent_id
        self._follow_amounts(change)
        self._follow_attention(change, moved=moved)
        self._update_search_attributes(moved=moved)
        if not recorded.published:
            self._notifications.publish(self.status, self.version, change.at, change.staff_event)
        if moved and self._notifications.has_failed_emails:
            # The attention about these payments is over.
            self._notifications.resend_failed_emails()
        mails = step.mails_for(was_held=self.payment_intent_id is not None)
        if change.attention_opened and MailKind.STAFF_ATTENTION not in mails:
            mails = (*mails, MailKind.STAFF_ATTENTION)
        if mails:
            self._notifications.mail(mails, self.version)
        if self.projection.blocked_by is not None:
            await self._resume_after_block(waiting_for)

    def _follow_amounts(self, change: Change) -> None:
        if change.amount_refunded_minor is not None:
            self.refunded_minor = change.amount_refunded_minor
        if change.refund_due_minor is not None:
            self.refund_due_minor = change.refund_due_minor
        if change.paid_elsewhere is not None:
            self.paid_elsewhere = change.paid_elsewhere
        if change.cancellation_counts_from is not None:
            self.cancellation_counts_from = change.cancellation_counts_from

    def owed_minor(self, payment: PaymentSnapshot) -> int:
        """Return the part of a captured payment still owed to the guest, in the smallest unit of its currency."""
        if not payment.is_captured:
            return 0
        due = payment.amount_received_minor
        if self.status in KEEPS_MONEY and payment.payment_intent_id == self.payment_intent_id:
            agreed = self.refund_due_minor
            if agreed is not None or self.status is Status.CONFIRMED:
                due = agreed or 0
        return max(due - payment.amount_refunded_minor - self.paid_elsewhere.get(payment.intent_id, 0), 0)

    @property
    def is_giving_up_hold(self) -> bool:
        """Whether no room was left for the booking's hold. That is final: only its release remains."""
        return self._hold_found_no_room and self.status is Status.PENDING_PAYMENT

    def _follow_attention(self, change: Change, *, moved: bool) -> None:
        """Open and clear attention as the row does."""
        cleared = {reason.key for reason in change.attention_cleared}
        kept = (
            reason
            for reason in self.attention
            if reason.key not in cleared and (not moved or reason.code in OUTLIVES_STATUS_CHANGE)
        )
        self.attention = (*kept, *change.attention_opened)

    def _show_projection_blocked(self, reason: Attention) -> None:
        self.attention = (*self.attention, reason)
        self._update_search_attributes(moved=False)
        self.wait_for(ui_texts.WAITING_FOR_ROW)

    async def _resume_after_block(self, waiting_for: str) -> None:
        """Wait as before once the row is written again; the attention opened before that remains."""
        self.projection.blocked_by = None
        self.wait_for(waiting_for)
        await self.clear_attention({AttentionCode.ROW_CHANGED})
        self.projection.report_write(done=True)

    def is_relevant(self, hint: StripeEventHint) -> bool:
        """Whether a Stripe event may bring information that this state lacks."""
        own = self.payment_intent_id
        about_own_payment = own is not None and hint.payment_intent_id in {None, own}
        return is_relevant(hint.event_type, self.status, about_own_payment=about_own_payment)

    async def request_attention(self, attention: Attention) -> None:
        """Open an attention reason and notify staff. A reason that is open already causes no second e-mail."""
        if all(reason.key != attention.key for reason in self.attention):
            await self.apply(Event.ATTENTION_NEEDED, attention_opened=(attention,))
        else:
            # Callers decide by `workflow.now()`, so this workflow task needs a command: docs/decisions/16.
            self.attention_shown = True
            workflow.upsert_search_attributes([NEEDS_ATTENTION.value_set(True)])

    async def clear_attention(
        self,
        codes: Collection[AttentionCode] = frozenset(AttentionCode),
        subject: str | None = None,
        *,
        actor: ActorKind = ActorKind.OPERATOR,
    ) -> None:
        """Clear attention; a reason about an unreturned payment stays.

        Args:
            codes: the kinds of reasons to clear.
            subject: the payment, session or e-mails of the reason; None for any.
            actor: the author of the clearance.
        """
        cleared = tuple(
            reason
            for reason in self.attention
            if reason.code in codes and subject in {None, reason.subject} and not self._is_outstanding(reason)
        )
        if cleared:
            await self.apply(Event.ATTENTION_CLEARED, actor=actor, attention_cleared=cleared)

    def _is_outstanding(self, reason: Attention) -> bool:
        return reason.code in OUTLIVES_STATUS_CHANGE and reason.subject in self.unreturned_payments

    async def retry_emails(self) -> None:
        """Send failed e-mails again. Their attention ends now; a new failure opens a new one."""
        self._notifications.resend_failed_emails()
        await self.clear_attention({AttentionCode.EMAIL_FAILED})

    def forget_emails(self) -> None:
        """Give up the failed e-mails."""
        self._notifications.forget_failed_emails()

    def _update_search_attributes(self, *, moved: bool) -> None:
        """Update the search attributes that operators filter by; each update adds an event to the history."""
        updates: list[SearchAttributeUpdate[Any]] = []
        if moved and self.status is not Status.PENDING_PAYMENT:  # set when the workflow was started
            updates.append(BOOKING_STATUS.value_set(self.status))
        if self.attention_shown != bool(self.attention):
            self.attention_shown = not self.attention_shown
            updates.append(NEEDS_ATTENTION.value_set(self.attention_shown))
        if updates:
            workflow.upsert_search_attributes(updates)
        self._describe()

    def show_attention(self) -> None:
        """Let operators find the workflow among those that need attention, or no longer."""
        self._update_search_attributes(moved=False)

    def wait_for(self, what: str) -> None:
        """Set the booking's reason for waiting."""
        self.waiting_for = what
        self._describe()

    def _describe(self) -> None:
        workflow.set_current_details(
            ui_texts.booking_details(self.status, self.version, self.waiting_for, self.attention)
        )


def hint_about(subject: str) -> StripeEventHint:
    """Return the question to Stripe about a reason's subject."""
    if subject.startswith("cs_"):
        return StripeEventHint(session_id=subject)
    return StripeEventHint(payment_intent_id=subject)
