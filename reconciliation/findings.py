"""Snapshots of a booking on the three sides that have to agree, and the findings between them.

`reconciliation/rules.py` compares the snapshots.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from domain.booking import ENDED, UNDER_DECISION, Decision, Status
from domain.payment import PaymentSnapshot

_CHECK_OUT_MARGIN: Final = timedelta(minutes=1)
"""The servers' clocks may differ: around check-in a workflow may have ended already, or not yet."""


class WorkflowState(StrEnum):
    """The state of a booking's workflow in Temporal."""

    MISSING = "missing"
    RUNNING = "running"
    COMPLETED = "completed"
    LOST = "lost"
    """Terminated, cancelled, failed or timed out: it closed before its booking's end."""


class FindingKind(StrEnum):
    """The kinds of difference between the three sides."""

    WORKFLOW_MISSING = "workflow_missing"
    SUBMISSION_LOST = "submission_lost"
    ATTENTION_WITHOUT_WORKFLOW = "attention_without_workflow"
    END_NOT_ANNOUNCED = "end_not_announced"
    HOLD_NOT_RECORDED = "hold_not_recorded"
    HOLD_GONE = "hold_gone"
    CAPTURE_NOT_RECORDED = "capture_not_recorded"
    SECOND_PAYMENT = "second_payment"
    HOLD_AFTER_END = "hold_after_end"
    MONEY_AFTER_END = "money_after_end"
    REFUND_NOT_RECORDED = "refund_not_recorded"
    DISPUTE_NOT_RECORDED = "dispute_not_recorded"
    PAGE_OPEN = "page_open"
    DECISION_LEFT_OPEN = "decision_left_open"
    EVENT_UNPROCESSED = "event_unprocessed"
    PAYMENT_UNKNOWN = "payment_unknown"
    PAYMENT_WITHOUT_BOOKING = "payment_without_booking"
    CONFIRMED_UNPAID = "confirmed_unpaid"
    AMOUNT_DIFFERS = "amount_differs"
    REFUND_SHORT = "refund_short"
    STATUS_DIFFERS = "status_differs"
    CLAIMS_DIFFER = "claims_differ"
    OVERBOOKED = "overbooked"
    OVERDUE = "overdue"


class Remedy(StrEnum):
    """The remedy for a finding."""

    RESUME = "resume_workflow"
    SUBMIT = "submit_again"
    SIGNAL = "signal_workflow"
    CLOSE_PAGE = "close_payment_page"
    CLOSE_DECISION = "close_decision"
    DELIVER_EVENT = "deliver_event"
    REBUILD_CLAIMS = "rebuild_claims"
    REWRITE_ROW = "rewrite_row"
    """Write into the row the changes that its workflow's history records beyond it."""
    RELEASE_HOLD = "release_hold"
    """Release a hold whose booking is not in the database any more."""
    REPORT = "report"
    """Nothing is safe: a person has to look."""


class FindingOutcome(StrEnum):
    """The outcome of a finding's remedy."""

    HEALED = "healed"
    PLANNED = "planned"
    """Would have been healed, had this not been a dry run."""
    LEFT = "left"
    """For a person."""


@dataclass(frozen=True)
class UnansweredDecision:
    """A stored decision without an outcome."""

    command_id: str
    decision: Decision
    issued_at: datetime


@dataclass(frozen=True)
class RoomsSnapshot:
    """A booking's rooms.

    Args:
        claimed: on how many nights of its stay it has one of its type.
        wanted: on how many it has to have one.
        misplaced: rooms it has of another type, or on nights outside its stay.
        fits: those it lacks are free.
        is_beyond: it has one beyond what the hotel may sell.
    """

    claimed: int = 0
    wanted: int = 0
    misplaced: int = 0
    fits: bool = True
    is_beyond: bool = False


@dataclass(frozen=True)
class DatabaseSnapshot:
    """A booking in the database. Amounts are in the currency's smallest unit.

    Args:
        fee_minor: the amount the hotel may keep after the booking's end: the policy's fee, or less by a manager's
            choice, if the booking was confirmed and then cancelled, else 0.
        closes_at: end of the payment window; None while it is a draft.
        check_out_at: 00:00 hotel time of the check-out day.
        dispute_recorded: its timeline records a dispute.
        open_decisions: oldest first.
    """

    booking_id: str
    hotel_slug: str
    status: Status
    version: int
    amount_minor: int
    currency: str
    created_at: datetime
    check_out_at: datetime
    captured_minor: int = 0
    refunded_minor: int = 0
    paid_elsewhere: Mapping[str, int] = field(default_factory=dict)
    fee_minor: int = 0
    payment_intent_id: str | None = None
    needs_attention: bool = False
    closes_at: datetime | None = None
    decision_deadline: datetime | None = None
    dispute_recorded: bool = False
    open_decisions: tuple[UnansweredDecision, ...] = ()
    rooms: RoomsSnapshot = RoomsSnapshot()

    def is_open(self, now: datetime) -> bool:
        """Whether the booking needs a running workflow."""
        if self.status is Status.CONFIRMED:
            return now < self.check_out_at - _CHECK_OUT_MARGIN
        return self.status in UNDER_DECISION

    def is_over(self, now: datetime) -> bool:
        """Whether the booking's workflow may have completed."""
        if self.status is Status.CONFIRMED:
            return now > self.check_out_at + _CHECK_OUT_MARGIN
        return self.status in ENDED


@dataclass(frozen=True)
class ExternalSnapshot:
    """A booking in Temporal and Stripe.

    Args:
        workflow_status: the status that its workflow shows to operators, if it runs.
        recorded_version: the newest version that its workflow's history records; 0 if the history was not read.
        payment_workflows: running workflows of this booking's unmatched payments.
        payments: all PaymentIntents that name the booking.
        own_is_unknown: the row names a PaymentIntent that Stripe does not know.
        open_pages: Checkout sessions on which its guest can pay.
    """

    workflow: WorkflowState = WorkflowState.MISSING
    workflow_status: str | None = None
    recorded_version: int = 0
    payment_workflows: tuple[str, ...] = ()
    payments: tuple[PaymentSnapshot, ...] = ()
    own_is_unknown: bool = False
    open_pages: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """One difference between the three sides.

    Args:
        subject: the object concerned, besides the booking: a PaymentIntent, a session, an event, a command.
        detail: the facts a person needs, without guest data.
        hint: the Stripe event that would have reported the change, for `Remedy.SIGNAL`.
    """

    kind: FindingKind
    booking_id: str
    remedy: Remedy
    subject: str = ""
    detail: str = ""
    hint: str = ""
    status: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """The identity of a finding, at the second comparison and in the next run."""
        return (self.kind, self.booking_id, self.subject)
