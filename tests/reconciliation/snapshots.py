"""Snapshots of one booking from the three systems."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from domain.booking import Decision, Status
from domain.payment import PaymentSnapshot, PaymentStatus
from reconciliation.findings import (
    DatabaseSnapshot,
    ExternalSnapshot,
    UnansweredDecision,
    WorkflowState,
)

NOW = datetime(2027, 5, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
TOTAL = 15000
OWN, OTHER, PAGE = "pi_own", "pi_other", "cs_page"

HELD = PaymentSnapshot(PaymentStatus.REQUIRES_CAPTURE, OWN, "BK-1", TOTAL, "EUR")
TAKEN = replace(HELD, status=PaymentStatus.SUCCEEDED, amount_received_minor=TOTAL)
RELEASED = replace(HELD, status=PaymentStatus.CANCELED)
RETURNED = replace(TAKEN, amount_refunded_minor=TOTAL)
UNPAID = replace(HELD, status=PaymentStatus.PENDING)

BASE = DatabaseSnapshot(
    booking_id="BK-1",
    hotel_slug="grand",
    status=Status.PENDING_PAYMENT,
    version=3,
    amount_minor=TOTAL,
    currency="EUR",
    created_at=NOW - timedelta(minutes=5),
    check_out_at=NOW + timedelta(days=20),
    closes_at=NOW + HOUR,
)
RUNNING = ExternalSnapshot(workflow=WorkflowState.RUNNING)
OVER = ExternalSnapshot(workflow=WorkflowState.COMPLETED)
LOST = ExternalSnapshot(workflow=WorkflowState.LOST)


def booking(status: Status, **fields: object) -> DatabaseSnapshot:
    """A booking in this status, with the money that belongs to it."""
    own = status in {Status.PENDING_APPROVAL, Status.CONFIRMED, Status.DECLINED, Status.CANCELLED}
    captured = TOTAL if status is Status.CONFIRMED else 0
    base = replace(
        BASE, status=status, payment_intent_id=OWN if own else None, captured_minor=captured,
        decision_deadline=NOW + HOUR if own else None,
    )  # fmt: skip
    return replace(base, **fields)  # type: ignore[arg-type]


def snapshot(base: ExternalSnapshot, *payments: PaymentSnapshot, **fields: object) -> ExternalSnapshot:
    """Snapshots from Temporal and Stripe."""
    return replace(base, payments=payments, **fields)  # type: ignore[arg-type]


SECOND = replace(HELD, payment_intent_id=OTHER)
SECOND_TAKEN = replace(TAKEN, payment_intent_id=OTHER)
ASKED = (UnansweredDecision("cmd_1", Decision.APPROVE, NOW - HOUR),)
