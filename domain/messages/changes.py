"""Requests of a workflow to the database, and the database's answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from domain.attention import Attention
from domain.booking import ActorKind, Event, ReasonCode, Status
from domain.decisions import CommandOutcome
from domain.messages.notifications import StaffEvent
from domain.timestamps import EPOCH


@dataclass(frozen=True)
class Change:
    """A change of the booking to write: row, timeline and version in one transaction.

    Args:
        run_id: the workflow run that writes. Only its own repeat of a change finds it done.
        expected_version: the version the row must have; it has one more afterwards.
        at: the workflow's clock. The first attempt's time stays: a repeated workflow task reads a later one.
        command_id: the decision this carries out; its note then becomes the booking's.
        attention_opened: new reasons why the booking needs attention. One that is already open stays as it is.
        attention_cleared: reasons that are over. A change of status ends others by itself, as `domain.attention` says.
        capture_before: when the hold lapses, if Stripe says.
        payment_deadline: end of the payment window, as it was when the booking was submitted.
        refund_due_minor: the guest's total refund, as the cancellation decided it.
        paid_elsewhere: what people have paid the guest outside Stripe after this change, in all, by PaymentIntent.
        cancellation_counts_from: when the withdrawn cancellation was requested.
    """

    booking_id: str = ""
    hotel_slug: str = ""
    run_id: str = ""
    expected_version: int = 0
    event: Event = Event.SUBMITTED
    at: datetime = EPOCH
    actor: ActorKind = ActorKind.SYSTEM
    staff_id: int | None = None
    command_id: str | None = None
    reason_code: ReasonCode | None = None
    payment_intent_id: str | None = None
    authorized_at: datetime | None = None
    capture_before: datetime | None = None
    decision_deadline: datetime | None = None
    amount_captured_minor: int | None = None
    amount_refunded_minor: int | None = None
    attention_opened: tuple[Attention, ...] = ()
    attention_cleared: tuple[Attention, ...] = ()
    staff_event: StaffEvent | None = None
    payment_deadline: datetime | None = None
    refund_due_minor: int | None = None
    paid_elsewhere: dict[str, int] | None = None
    cancellation_counts_from: datetime | None = None

    @property
    def amount_paid_elsewhere_minor(self) -> int | None:
        """The booking's total of `paid_elsewhere`; None if this does not change it."""
        return None if self.paid_elsewhere is None else sum(self.paid_elsewhere.values())


@dataclass(frozen=True)
class ChangeResult:
    """The row after a change.

    Args:
        published: browsers have been notified. False: the first attempt failed, and another must follow.
        sold_out: no room was left for a hold. No field was changed, and a repeat finds none either.
        change: the change itself, if it was written within the workflow task: the history then holds only the result,
            and a row that is older after a restore is written from it (`reconciliation.row_recovery`).
    """

    version: int = 0
    status: Status = Status.DRAFT
    published: bool = False
    sold_out: bool = False
    change: Change | None = None


@dataclass(frozen=True)
class RefusedCommand:
    """A decision that changed nothing, to be closed in the database."""

    command_id: str = ""
    outcome: CommandOutcome = CommandOutcome.ALREADY_DECIDED


@dataclass(frozen=True)
class BookingSnapshot:
    """The part of an ended booking's row that its money depends on."""

    status: Status = Status.CANCELLED
    version: int = 0
    payment_intent_id: str | None = None
    amount_minor: int = 0
    amount_refunded_minor: int = 0
    refund_due_minor: int | None = None
    paid_elsewhere: dict[str, int] = field(default_factory=dict)
    currency: str = "EUR"
    attention: tuple[Attention, ...] = ()
