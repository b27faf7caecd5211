"""A booking's status and the one method that changes it: transition, then persist, then tell."""

from __future__ import annotations

import re
from typing import Any, Final

from temporalio import workflow
from temporalio.common import SearchAttributeUpdate

from dispatch import ui_texts
from dispatch.names import BOOKING_STATUS, NEEDS_ATTENTION
from domain.booking import ActorKind, Event, ReasonCode, Status, transition
from domain.messages.changes import Change
from domain.messages.notifications import StaffEvent
from domain.messages.signals import Command, StripeEventHint
from domain.messages.starts import Resumption
from domain.stripe_events import is_relevant
from workflows import options
from workflows.notifications import Notifications
from workflows.projection import Projection

_REQUEST: Final = re.compile(r", request \S+")


class BookingState:
    """Where a booking stands. Its row in the database follows what is recorded here.

    Args:
        booking_id: the booking.
        hotel_slug: its hotel.
        notifications: tells people of each change.
        status: where the story is taken up.
        version: the row's version at that point.
        database_options: how the database is insisted on.
    """

    def __init__(
        self,
        booking_id: str,
        hotel_slug: str,
        notifications: Notifications,
        *,
        status: Status,
        version: int,
        database_options: dict[str, Any] = options.DATABASE,
    ) -> None:
        self._booking_id = booking_id
        self._hotel_slug = hotel_slug
        self._notifications = notifications
        self.projection = Projection(notifications, database_options)
        self.status = status
        self.version = version
        self.reason_code: ReasonCode | None = None
        self.attention: str | None = None
        self.payment_intent_id: str | None = None
        self.refunded_minor = 0
        self.waiting_for = ui_texts.WAITING_FOR_SUBMISSION
        self.is_over = False
        self.unreturned_payments: dict[StripeEventHint, str] = {}
        """Stray money that could not be given back, and why. It outlives every change of status."""
        self._attention_shown = False

    def resume_from(self, resume: Resumption) -> None:
        """Go on from what the row says, for a booking whose workflow was lost."""
        self.status = resume.status
        self.payment_intent_id = resume.payment_intent_id
        self.refunded_minor = resume.refunded_minor
        self.attention = resume.needs_attention
        self.reason_code = resume.reason_code
        self._update_search_attributes(moved=True)
        for mailing in resume.mailings:
            self._notifications.mail(mailing.kinds, mailing.version)

    async def apply(
        self,
        event: Event,
        *,
        actor: ActorKind = ActorKind.SYSTEM,
        command: Command | None = None,
        **facts: Any,
    ) -> None:
        """Let `event` happen to the booking.

        Args:
            actor: who did it, where no command says so.
            command: the decision this carries out.
            facts: further fields of `Change`.

        Raises:
            IllegalTransitionError: the table has no such row; a defect.
        """
        step = transition(self.status, event)
        moved = step.to is not self.status
        if moved:
            # A change of status settles what a person was asked for, but not what is still to be given back.
            facts["attention"] = self.outstanding_reason()
        change = Change(
            booking_id=self._booking_id,
            hotel_slug=self._hotel_slug,
            expected_version=self.version,
            event=event,
            at=workflow.now(),
            actor=command.actor if command else actor,
            staff_id=command.staff_id if command else None,
            command_id=command.command_id if command else None,
            staff_event=StaffEvent.BOOKING_REQUESTED if event is Event.AUTHORIZED else None,
            **facts,
        )
        waiting_for, attention = self.waiting_for, self.attention
        recorded = await self.projection.write(change, self.status, self._show_projection_blocked)
        self.status, self.version = step.to, recorded.version
        self.reason_code = step.reason or change.reason_code or self.reason_code
        self.payment_intent_id = change.payment_intent_id or self.payment_intent_id
        if change.amount_refunded_minor is not None:
            self.refunded_minor = change.amount_refunded_minor
        if moved or event in {Event.ATTENTION_NEEDED, Event.ATTENTION_CLEARED}:
            self.attention = change.attention
        self._update_search_attributes(moved=moved)
        if not recorded.published:
            self._notifications.publish(self.status, self.version, change.at, change.staff_event)
        if moved and self._notifications.has_failed_emails:
            # The flag that told of them has come down.
            self._notifications.resend_failed_emails()
        mails = step.mails_for(was_held=self.payment_intent_id is not None)
        if mails:
            self._notifications.mail(mails, self.version)
        if self.projection.blocked_by is not None:
            await self._resume_after_block(waiting_for, attention)

    def _show_projection_blocked(self, reason: str) -> None:
        self.attention = reason
        self._update_search_attributes(moved=False)
        self.wait_for(ui_texts.WAITING_FOR_ROW)

    async def _resume_after_block(self, waiting_for: str, attention: str | None) -> None:
        """The row is written again; what a person was called for before that is not over with it."""
        reason, self.projection.blocked_by = self.projection.blocked_by, None
        self.wait_for(waiting_for)
        if self.attention == reason and attention is not None:
            await self.request_attention(attention)
        elif self.attention == reason:
            await self.clear_attention()
        self.projection.report_retry(done=True)

    def is_relevant(self, hint: StripeEventHint) -> bool:
        """Whether an event of Stripe's may tell something that is not known here."""
        own = self.payment_intent_id
        about_own_payment = own is not None and hint.payment_intent_id in {None, own}
        return is_relevant(hint.event_type, self.status, about_own_payment=about_own_payment)

    async def request_attention(self, reason: str) -> None:
        """Flag the booking for an operator, with what is known; what is tried every hour calls them once."""
        if self._is_same_reason(reason):
            return
        await self.apply(Event.ATTENTION_NEEDED, attention=reason[:500])

    def _is_same_reason(self, reason: str) -> bool:
        """Whether the flag says so already, but for the id of the request that was refused."""
        return self.attention is not None and _REQUEST.sub("", self.attention) == _REQUEST.sub("", reason)

    def outstanding_reason(self) -> str | None:
        """Why stray money could not be given back; None where none is left."""
        if not self.unreturned_payments:
            return None
        return list(self.unreturned_payments.values())[-1][:500]

    async def clear_attention(self) -> None:
        """Take the flag down again; where money is still to be given back, it stays up for that."""
        outstanding_reason = self.outstanding_reason()
        if outstanding_reason is not None:
            await self.request_attention(outstanding_reason)
        elif self.attention is not None:
            await self.apply(Event.ATTENTION_CLEARED, actor=ActorKind.OPERATOR)

    def _update_search_attributes(self, *, moved: bool) -> None:
        """Bring what operators filter by up to date; each update costs the history an event."""
        updates: list[SearchAttributeUpdate[Any]] = []
        if moved and self.status is not Status.PENDING_PAYMENT:  # that one was given at the start
            updates.append(BOOKING_STATUS.value_set(self.status))
        if self._attention_shown != (self.attention is not None):
            self._attention_shown = not self._attention_shown
            updates.append(NEEDS_ATTENTION.value_set(self._attention_shown))
        if updates:
            workflow.upsert_search_attributes(updates)
        self._describe()

    def wait_for(self, what: str) -> None:
        """Say what the booking waits for now."""
        self.waiting_for = what
        self._describe()

    def _describe(self) -> None:
        workflow.set_current_details(
            ui_texts.booking_details(self.status, self.version, self.waiting_for, self.attention)
        )
