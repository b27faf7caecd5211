"""What is known of a booking on each of the three sides that have to agree, and what can be found between them.

`reconciliation/rules.py` compares; these are the words it uses.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from domain.booking import ENDED, UNDER_DECISION, Decision, Status
from domain.payment import PaymentSnapshot

_CHECK_IN_MARGIN: Final = timedelta(minutes=1)
"""The servers' clocks may differ: around check-in a workflow may have ended already, or not yet."""


class WorkflowState(StrEnum):
    """What Temporal says of a booking's workflow."""

    MISSING = "missing"
    RUNNING = "running"
    COMPLETED = "completed"
    LOST = "lost"
    """Terminated, cancelled, failed or timed out: it ended without having come to its end."""


class FindingKind(StrEnum):
    """How the three can disagree."""

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
    OVERDUE = "overdue"


class Remedy(StrEnum):
    """What is done about a finding."""

    RESUME = "resume_workflow"
    SUBMIT = "submit_again"
    SIGNAL = "signal_workflow"
    CLOSE_PAGE = "close_payment_page"
    CLOSE_DECISION = "close_decision"
    DELIVER_EVENT = "deliver_event"
    REPORT = "report"
    """Nothing is safe: a person has to look."""


class FindingOutcome(StrEnum):
    """What became of a finding."""

    HEALED = "healed"
    PLANNED = "planned"
    """Would have been healed, had this not been a dry run."""
    LEFT = "left"
    """For a person."""


@dataclass(frozen=True)
class UnansweredDecision:
    """A decision that was kept and has not come out."""

    command_id: str
    decision: Decision
    issued_at: datetime


@dataclass(frozen=True)
class DatabaseSnapshot:
    """A booking as the database has it. Amounts in the currency's smallest unit.

    Args:
        fee_minor: what may be kept after its end: the policy's fee where it was confirmed and then
            cancelled, else nothing.
        closes_at: end of the payment window; None while it is a draft.
        check_in_at: 00:00 hotel time of the check-in day.
        dispute_recorded: its timeline tells of a dispute.
        open_decisions: oldest first.
    """

    booking_id: str
    hotel_slug: str
    status: Status
    version: int
    amount_minor: int
    currency: str
    created_at: datetime
    check_in_at: datetime
    captured_minor: int = 0
    refunded_minor: int = 0
    fee_minor: int = 0
    payment_intent_id: str | None = None
    needs_attention: bool = False
    closes_at: datetime | None = None
    decision_deadline: datetime | None = None
    dispute_recorded: bool = False
    open_decisions: tuple[UnansweredDecision, ...] = ()

    def is_open(self, now: datetime) -> bool:
        """Whether a workflow of its own has to look after it."""
        if self.status is Status.CONFIRMED:
            return now < self.check_in_at - _CHECK_IN_MARGIN
        return self.status in UNDER_DECISION

    def is_over(self, now: datetime) -> bool:
        """Whether its workflow may have come to its end."""
        if self.status is Status.CONFIRMED:
            return now > self.check_in_at + _CHECK_IN_MARGIN
        return self.status in ENDED


@dataclass(frozen=True)
class ExternalSnapshot:
    """A booking as Temporal and Stripe have it.

    Args:
        workflow_status: the status its workflow shows to operators, where it runs.
        payment_workflows: workflows that are settling money of this booking right now.
        payments: all PaymentIntents known to be about it.
        own_is_unknown: the row names a PaymentIntent that Stripe does not know.
        open_pages: Checkout sessions on which its guest could pay.
    """

    workflow: WorkflowState = WorkflowState.MISSING
    workflow_status: str | None = None
    payment_workflows: tuple[str, ...] = ()
    payments: tuple[PaymentSnapshot, ...] = ()
    own_is_unknown: bool = False
    open_pages: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """One disagreement.

    Args:
        subject: what it is about besides the booking: a PaymentIntent, a session, an event, a command.
        detail: what a person has to know, without guest data.
        hint: the Stripe event that would have told, for `Remedy.TELL`.
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
        """What makes it the same finding at a second look, or in the next run."""
        return (self.kind, self.booking_id, self.subject)
