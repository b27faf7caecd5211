"""The rules of reconciliation: what agrees, and what each difference is found as."""

from __future__ import annotations

from dataclasses import replace

import pytest

from domain.booking import Status
from reconciliation.findings import (
    DatabaseSnapshot,
    ExternalSnapshot,
    Finding,
    FindingKind,
    Remedy,
    RoomsSnapshot,
)
from reconciliation.rules import GRACE, compare, persisting
from tests.reconciliation.snapshots import (
    ASKED,
    HELD,
    HOUR,
    LOST,
    NOW,
    OTHER,
    OVER,
    OWN,
    PAGE,
    RELEASED,
    RETURNED,
    RUNNING,
    SECOND,
    SECOND_TAKEN,
    TAKEN,
    TOTAL,
    UNPAID,
    booking,
    snapshot,
)

CLEAN = {
    "a draft": (booking(Status.DRAFT, closes_at=None), ExternalSnapshot()),
    "a draft being submitted": (booking(Status.DRAFT, closes_at=None), RUNNING),
    "waits for payment": (booking(Status.PENDING_PAYMENT), snapshot(RUNNING, open_pages=(PAGE,))),
    "a card was refused": (booking(Status.PENDING_PAYMENT), snapshot(RUNNING, replace(UNPAID))),
    "waits for a decision": (booking(Status.PENDING_APPROVAL), snapshot(RUNNING, HELD)),
    "stuck, and says so": (
        booking(Status.PENDING_APPROVAL, decision_deadline=NOW - HOUR, needs_attention=True),
        snapshot(RUNNING, HELD),
    ),
    "confirmed": (booking(Status.CONFIRMED), snapshot(RUNNING, TAKEN)),
    "partly refunded, and counted": (
        booking(Status.CONFIRMED, refunded_minor=100),
        snapshot(RUNNING, replace(TAKEN, amount_refunded_minor=100)),
    ),
    "disputed, and on record": (
        booking(Status.CONFIRMED, dispute_recorded=True),
        snapshot(RUNNING, replace(TAKEN, disputed=True)),
    ),
    "the stay is over": (booking(Status.CONFIRMED, check_out_at=NOW - HOUR), snapshot(OVER, TAKEN)),
    "checked in long ago": (
        booking(Status.CONFIRMED, check_out_at=NOW - HOUR),
        snapshot(ExternalSnapshot(), TAKEN),
    ),
    "check-out is now": (booking(Status.CONFIRMED, check_out_at=NOW), snapshot(OVER, TAKEN)),
    "declined": (booking(Status.DECLINED), snapshot(OVER, RELEASED)),
    "declined, mails on their way": (booking(Status.DECLINED), snapshot(RUNNING, RELEASED)),
    "declined, captured in part and refunded": (
        booking(Status.DECLINED, captured_minor=5000, refunded_minor=5000),
        snapshot(OVER, replace(TAKEN, amount_received_minor=5000, amount_refunded_minor=5000)),
    ),
    "expired": (booking(Status.EXPIRED), OVER),
    "cancelled while held": (booking(Status.CANCELLED), snapshot(OVER, RELEASED)),
    "cancelled, free of charge": (
        booking(Status.CANCELLED, captured_minor=TOTAL, refunded_minor=TOTAL),
        snapshot(OVER, RETURNED),
    ),
    "cancelled, less the fee": (
        booking(Status.CANCELLED, captured_minor=TOTAL, refunded_minor=10500, fee_minor=4500),
        snapshot(OVER, replace(TAKEN, amount_refunded_minor=10500)),
    ),
    "a late hold, being released": (
        booking(Status.DECLINED),
        snapshot(OVER, RELEASED, replace(HELD, payment_intent_id=OTHER), payment_workflows=("payment-1",)),
    ),
    "a stay without a workflow, while its money is being settled": (
        booking(Status.CONFIRMED),
        snapshot(LOST, replace(TAKEN, amount_refunded_minor=100), payment_workflows=("payment-1",)),
    ),
    "an unmatched payment waits for an operator": (
        booking(Status.DECLINED, needs_attention=True),
        snapshot(OVER, RELEASED, payment_workflows=("payment-1",)),
    ),
    "an unmatched payment of a booking lost at its end waits for an operator": (
        booking(Status.DECLINED, needs_attention=True),
        snapshot(LOST, RELEASED, payment_workflows=("payment-1",)),
    ),
    "with its rooms": (booking(Status.CONFIRMED, rooms=RoomsSnapshot(2, 2)), snapshot(RUNNING, TAKEN)),
    "ended long ago": (booking(Status.DECLINED), snapshot(ExternalSnapshot(), RELEASED)),
}


@pytest.mark.parametrize("case", CLEAN)
def test_what_agrees_is_no_finding(case: str) -> None:
    assert compare(*CLEAN[case], NOW) == []


CASES: dict[str, tuple[DatabaseSnapshot, ExternalSnapshot, list[tuple[FindingKind, Remedy, str]]]] = {
    "lost while waiting for payment": (
        booking(Status.PENDING_PAYMENT), LOST, [(FindingKind.WORKFLOW_MISSING, Remedy.RESUME, "")],
    ),
    "completed while waiting for payment": (
        booking(Status.PENDING_PAYMENT), OVER, [(FindingKind.WORKFLOW_MISSING, Remedy.RESUME, "")],
    ),
    "no workflow at all, and the hold is gone as well": (
        booking(Status.PENDING_APPROVAL), snapshot(ExternalSnapshot(), RELEASED),
        [(FindingKind.WORKFLOW_MISSING, Remedy.RESUME, "")],
    ),
    "a stay without a workflow, with a refund": (
        booking(Status.CONFIRMED),
        snapshot(LOST, replace(TAKEN, amount_refunded_minor=100)),
        [(FindingKind.WORKFLOW_MISSING, Remedy.RESUME, ""), (FindingKind.REFUND_NOT_RECORDED, Remedy.SIGNAL, OWN)],
    ),
    "a stay without a workflow, whose unmatched payment waits for an operator": (
        booking(Status.CONFIRMED, needs_attention=True),
        snapshot(LOST, TAKEN, payment_workflows=("payment-1",)),
        [(FindingKind.WORKFLOW_MISSING, Remedy.REPORT, "")],
    ),
    "a submission that was lost": (
        booking(Status.DRAFT, closes_at=None), LOST, [(FindingKind.SUBMISSION_LOST, Remedy.SUBMIT, "")],
    ),
    "a draft whose workflow is done": (
        booking(Status.DRAFT, closes_at=None), OVER, [(FindingKind.STATUS_DIFFERS, Remedy.REWRITE_ROW, "")],
    ),
    "a draft whose workflow waits for a decision": (
        booking(Status.DRAFT, closes_at=None), snapshot(RUNNING, HELD, workflow_status="PENDING_APPROVAL"),
        [(FindingKind.STATUS_DIFFERS, Remedy.REWRITE_ROW, ""), (FindingKind.SECOND_PAYMENT, Remedy.REPORT, OWN)],
    ),
    "a draft that was paid, and nothing is left of its workflow": (
        booking(Status.DRAFT, closes_at=None), snapshot(ExternalSnapshot(), HELD),
        [(FindingKind.SUBMISSION_LOST, Remedy.SUBMIT, ""), (FindingKind.SECOND_PAYMENT, Remedy.REPORT, OWN)],
    ),
    "a stay whose workflow was completed by a cancellation": (
        booking(Status.CONFIRMED), snapshot(OVER, TAKEN, workflow_status="CANCELLED"),
        [(FindingKind.WORKFLOW_MISSING, Remedy.REWRITE_ROW, "")],
    ),
    "a submission nobody works on": (
        booking(Status.DRAFT, closes_at=None, created_at=NOW - GRACE - HOUR),
        RUNNING,
        [(FindingKind.OVERDUE, Remedy.REWRITE_ROW, "")],
    ),
    "paid, says only Stripe": (
        booking(Status.PENDING_PAYMENT), snapshot(RUNNING, HELD), [(FindingKind.HOLD_NOT_RECORDED, Remedy.SIGNAL, OWN)],
    ),
    "captured before we knew of the hold": (
        booking(Status.PENDING_PAYMENT), snapshot(RUNNING, TAKEN),
        [(FindingKind.HOLD_NOT_RECORDED, Remedy.SIGNAL, OWN)],
    ),
    "the hold is gone": (
        booking(Status.PENDING_APPROVAL), snapshot(RUNNING, RELEASED), [(FindingKind.HOLD_GONE, Remedy.SIGNAL, OWN)],
    ),
    "captured outside": (
        booking(Status.PENDING_APPROVAL), snapshot(RUNNING, TAKEN),
        [(FindingKind.CAPTURE_NOT_RECORDED, Remedy.SIGNAL, OWN)],
    ),
    "the hold is of another amount": (
        booking(Status.PENDING_APPROVAL),
        snapshot(RUNNING, replace(HELD, amount_minor=1)),
        [(FindingKind.AMOUNT_DIFFERS, Remedy.REPORT, OWN)],
    ),
    "the hold is in another currency": (
        booking(Status.PENDING_APPROVAL),
        snapshot(RUNNING, replace(HELD, currency="USD")),
        [(FindingKind.AMOUNT_DIFFERS, Remedy.REPORT, OWN)],
    ),
    "a second hold while waiting for a decision": (
        booking(Status.PENDING_APPROVAL), snapshot(RUNNING, HELD, SECOND),
        [(FindingKind.SECOND_PAYMENT, Remedy.SIGNAL, OTHER)],
    ),
    "a second hold on a confirmed booking": (
        booking(Status.CONFIRMED), snapshot(RUNNING, TAKEN, SECOND),
        [(FindingKind.SECOND_PAYMENT, Remedy.SIGNAL, OTHER)],
    ),
    "money for a draft": (
        booking(Status.DRAFT, closes_at=None), snapshot(RUNNING, SECOND),
        [(FindingKind.SECOND_PAYMENT, Remedy.REPORT, OTHER)],
    ),
    "confirmed and only held": (
        booking(Status.CONFIRMED), snapshot(RUNNING, HELD), [(FindingKind.CONFIRMED_UNPAID, Remedy.REPORT, OWN)],
    ),
    "confirmed and released": (
        booking(Status.CONFIRMED), snapshot(RUNNING, RELEASED), [(FindingKind.CONFIRMED_UNPAID, Remedy.REPORT, OWN)],
    ),
    "captured in part": (
        booking(Status.CONFIRMED),
        snapshot(RUNNING, replace(TAKEN, amount_received_minor=1)),
        [(FindingKind.AMOUNT_DIFFERS, Remedy.REPORT, OWN)],
    ),
    "a refund and a dispute nobody counted": (
        booking(Status.CONFIRMED),
        snapshot(RUNNING, replace(TAKEN, amount_refunded_minor=1, disputed=True)),
        [(FindingKind.REFUND_NOT_RECORDED, Remedy.SIGNAL, OWN), (FindingKind.DISPUTE_NOT_RECORDED, Remedy.SIGNAL, OWN)],
    ),
    "a refund that came back": (
        booking(Status.CANCELLED, captured_minor=TOTAL, refunded_minor=TOTAL),
        snapshot(OVER, TAKEN),
        [(FindingKind.REFUND_SHORT, Remedy.REPORT, OWN), (FindingKind.REFUND_NOT_RECORDED, Remedy.SIGNAL, OWN)],
    ),
    "more kept than the fee": (
        booking(Status.CANCELLED, captured_minor=TOTAL, refunded_minor=10000, fee_minor=4500),
        snapshot(OVER, replace(TAKEN, amount_refunded_minor=10000)),
        [(FindingKind.REFUND_SHORT, Remedy.REPORT, OWN)],
    ),
    "a cancelled booking's card is held": (
        booking(Status.CANCELLED), snapshot(OVER, HELD), [(FindingKind.HOLD_AFTER_END, Remedy.REPORT, OWN)],
    ),
    "a declined booking's card is held": (
        booking(Status.DECLINED), snapshot(OVER, HELD), [(FindingKind.HOLD_AFTER_END, Remedy.SIGNAL, OWN)],
    ),
    "a late hold": (
        booking(Status.EXPIRED), snapshot(OVER, SECOND), [(FindingKind.HOLD_AFTER_END, Remedy.SIGNAL, OTHER)],
    ),
    "late money": (
        booking(Status.EXPIRED), snapshot(OVER, SECOND_TAKEN), [(FindingKind.MONEY_AFTER_END, Remedy.SIGNAL, OTHER)],
    ),
    "a late hold that cannot be released": (
        booking(Status.EXPIRED, needs_attention=True),
        snapshot(OVER, SECOND, payment_workflows=("payment-1",)),
        [(FindingKind.HOLD_AFTER_END, Remedy.REPORT, OTHER)],
    ),
    "a page left open": (
        booking(Status.EXPIRED), snapshot(OVER, open_pages=(PAGE,)), [(FindingKind.PAGE_OPEN, Remedy.CLOSE_PAGE, PAGE)],
    ),
    "a second page beside a hold": (
        booking(Status.PENDING_APPROVAL),
        snapshot(RUNNING, HELD, open_pages=(PAGE,)),
        [(FindingKind.PAGE_OPEN, Remedy.CLOSE_PAGE, PAGE)],
    ),
    "a decision nobody answers": (
        booking(Status.EXPIRED, open_decisions=ASKED), OVER,
        [(FindingKind.DECISION_LEFT_OPEN, Remedy.CLOSE_DECISION, "cmd_1")],
    ),
    "a call for help nobody hears": (
        booking(Status.EXPIRED, needs_attention=True), OVER,
        [(FindingKind.ATTENTION_WITHOUT_WORKFLOW, Remedy.RESUME, "")],
    ),
    "lost at its end": (
        booking(Status.DECLINED), snapshot(LOST, RELEASED), [(FindingKind.END_NOT_ANNOUNCED, Remedy.RESUME, "")],
    ),
    "lost at its end, with a call for help": (
        booking(Status.EXPIRED, needs_attention=True), LOST,
        [(FindingKind.ATTENTION_WITHOUT_WORKFLOW, Remedy.RESUME, "")],
    ),
    "lost before check-in with a cancellation that nobody answered": (
        booking(Status.CONFIRMED, check_out_at=NOW - HOUR, open_decisions=ASKED),
        snapshot(LOST, TAKEN),
        [(FindingKind.END_NOT_ANNOUNCED, Remedy.RESUME, "")],
    ),
    "a payment Stripe does not know": (
        booking(Status.PENDING_APPROVAL),
        snapshot(RUNNING, own_is_unknown=True),
        [(FindingKind.PAYMENT_UNKNOWN, Remedy.REPORT, OWN)],
    ),
    "a confirmed booking without a payment": (
        booking(Status.CONFIRMED, payment_intent_id=None), RUNNING, [(FindingKind.PAYMENT_UNKNOWN, Remedy.REPORT, "")],
    ),
    "another status in the workflow": (
        booking(Status.PENDING_PAYMENT),
        snapshot(RUNNING, workflow_status="PENDING_APPROVAL"),
        [(FindingKind.STATUS_DIFFERS, Remedy.REWRITE_ROW, "")],
    ),
    "a restored row that lacks a change of its status": (
        booking(Status.CONFIRMED), snapshot(RUNNING, TAKEN, workflow_status="CONFIRMED", recorded_version=4),
        [(FindingKind.STATUS_DIFFERS, Remedy.REWRITE_ROW, "")],
    ),
    "a restored row that lacks one, and its workflow is lost": (
        booking(Status.CONFIRMED), snapshot(LOST, TAKEN, workflow_status="CONFIRMED", recorded_version=4),
        [(FindingKind.WORKFLOW_MISSING, Remedy.REWRITE_ROW, "")],
    ),
    "a row as its workflow's history has it": (
        booking(Status.CONFIRMED), snapshot(RUNNING, TAKEN, workflow_status="CONFIRMED", recorded_version=3), [],
    ),
    "without its rooms": (
        booking(Status.CONFIRMED, rooms=RoomsSnapshot(1, 2)), snapshot(RUNNING, TAKEN),
        [(FindingKind.CLAIMS_DIFFER, Remedy.REBUILD_CLAIMS, "")],
    ),
    "with a room of another type": (
        booking(Status.CONFIRMED, rooms=RoomsSnapshot(2, 2, misplaced=1)), snapshot(RUNNING, TAKEN),
        [(FindingKind.CLAIMS_DIFFER, Remedy.REBUILD_CLAIMS, "")],
    ),
    "without a room, and none is left": (
        booking(Status.PENDING_APPROVAL, rooms=RoomsSnapshot(0, 2, fits=False)), snapshot(RUNNING, HELD),
        [(FindingKind.CLAIMS_DIFFER, Remedy.REBUILD_CLAIMS, "")],
    ),
    "paid without a room, and none is left": (
        booking(Status.CONFIRMED, rooms=RoomsSnapshot(0, 2, fits=False)), snapshot(RUNNING, TAKEN),
        [(FindingKind.OVERBOOKED, Remedy.REBUILD_CLAIMS, "")],
    ),
    "paid, beyond what the hotel may sell": (
        booking(Status.CONFIRMED, rooms=RoomsSnapshot(2, 2, is_beyond=True)), snapshot(RUNNING, TAKEN),
        [(FindingKind.OVERBOOKED, Remedy.REPORT, "")],
    ),
    "ended, and has a room": (
        booking(Status.DECLINED, rooms=RoomsSnapshot(2, 0)), snapshot(OVER, RELEASED),
        [(FindingKind.CLAIMS_DIFFER, Remedy.REBUILD_CLAIMS, "")],
    ),
    "past its payment window": (
        booking(Status.PENDING_PAYMENT, closes_at=NOW - GRACE - HOUR), RUNNING,
        [(FindingKind.OVERDUE, Remedy.REPORT, "")],
    ),
    "past its decision deadline": (
        booking(Status.PENDING_APPROVAL, decision_deadline=NOW - GRACE - HOUR),
        snapshot(RUNNING, HELD),
        [(FindingKind.OVERDUE, Remedy.REPORT, "")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_disagrees_is_found(case: str) -> None:
    row, said, expected = CASES[case]
    found = compare(row, said, NOW)
    assert [(finding.kind, finding.remedy, finding.subject) for finding in found] == expected
    assert all(finding.detail and finding.status == row.status for finding in found)


def test_a_deadline_just_over_is_no_finding_yet() -> None:
    row = booking(Status.PENDING_APPROVAL, decision_deadline=NOW - GRACE)
    assert compare(row, snapshot(RUNNING, HELD), NOW) == []


def test_only_what_is_so_twice_persists() -> None:
    once = Finding(FindingKind.HOLD_NOT_RECORDED, "BK-1", Remedy.SIGNAL, OWN, "held")
    again = replace(once, detail="captured")
    other = replace(once, booking_id="BK-2")
    assert persisting([once], [again, other]) == [again]
    assert persisting([once], []) == []
    assert persisting([], [once]) == []
