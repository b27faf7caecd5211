"""Requests of a workflow to the database, and the database's answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from domain.attention import Attention
from domain.booking import ActorKind, Event, ReasonCode, Status
from domain.decisions import CommandOutcome
from domain.messages.notifications import StaffEvent
from domain.timestamps import EPOCH


@dataclass(frozen=True)
class Change:
    """A step of the booking to be written: row, timeline and version in one transaction.

    Args:
        expected_version: the version the row must have; it has one more afterwards.
        at: the workflow's clock, so that a repeat writes the same time.
        command_id: the decision this carries out, whose note then becomes the booking's.
        attention_opened: new reasons why the booking needs a person. One that is open already stays as it is.
        attention_cleared: reasons that are over. A change of status ends others by itself, as `domain.attention` says.
        payment_deadline: end of the payment window, as it was when the booking was submitted.
        refund_due_minor: what the guest is to get back in all, as the cancellation was decided.
        amount_paid_elsewhere_minor: what people have paid the guest outside Stripe, in all.
        cancellation_counts_from: when the cancellation was asked for that is withdrawn.
    """

    booking_id: str = ""
    hotel_slug: str = ""
    expected_version: int = 0
    event: Event = Event.SUBMITTED
    at: datetime = EPOCH
    actor: ActorKind = ActorKind.SYSTEM
    staff_id: int | None = None
    command_id: str | None = None
    reason_code: ReasonCode | None = None
    payment_intent_id: str | None = None
    authorized_at: datetime | None = None
    decision_deadline: datetime | None = None
    amount_captured_minor: int | None = None
    amount_refunded_minor: int | None = None
    attention_opened: tuple[Attention, ...] = ()
    attention_cleared: tuple[Attention, ...] = ()
    staff_event: StaffEvent | None = None
    payment_deadline: datetime | None = None
    refund_due_minor: int | None = None
    amount_paid_elsewhere_minor: int | None = None
    cancellation_counts_from: datetime | None = None


@dataclass(frozen=True)
class ChangeResult:
    """The row after a change.

    Args:
        published: browsers have been told. False: not at the first attempt, and it must be tried again.
        sold_out: no room was left for a hold. Nothing was changed, and no repeat will find one.
    """

    version: int = 0
    status: Status = Status.DRAFT
    published: bool = False
    sold_out: bool = False


@dataclass(frozen=True)
class RefusedCommand:
    """A decision that came to nothing, to be closed in the books."""

    command_id: str = ""
    outcome: CommandOutcome = CommandOutcome.ALREADY_DECIDED


@dataclass(frozen=True)
class BookingSnapshot:
    """The row of a booking whose workflow has ended, as far as its money goes."""

    status: Status = Status.CANCELLED
    version: int = 0
    payment_intent_id: str | None = None
    amount_minor: int = 0
    amount_refunded_minor: int = 0
    refund_due_minor: int | None = None
    amount_paid_elsewhere_minor: int = 0
    currency: str = "EUR"
    attention: tuple[Attention, ...] = ()
