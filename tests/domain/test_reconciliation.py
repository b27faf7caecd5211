"""The rules of reconciliation, over every combination of what the three sides can say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from domain.booking import ENDED, UNDER_DECISION, Decision, Status
from domain.erasure import reason_to_keep
from domain.payment import PaymentStatus
from domain.stripe_events import is_relevant
from reconciliation.findings import (
    DatabaseSnapshot,
    ExternalSnapshot,
    Finding,
    FindingKind,
    PaymentIntentSnapshot,
    Remedy,
    UnansweredDecision,
    WorkflowState,
)
from reconciliation.rules import GRACE, compare, persisting

NOW = datetime(2027, 5, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
TOTAL = 15000
OWN, OTHER, PAGE = "pi_own", "pi_other", "cs_page"

HELD = PaymentIntentSnapshot(OWN, "BK-1", PaymentStatus.REQUIRES_CAPTURE, TOTAL, "EUR")
TAKEN = replace(HELD, status=PaymentStatus.SUCCEEDED, received_minor=TOTAL)
RELEASED = replace(HELD, status=PaymentStatus.CANCELED)
RETURNED = replace(TAKEN, refunded_minor=TOTAL)
UNPAID = replace(HELD, status=PaymentStatus.PENDING)

BASE = DatabaseSnapshot(
    booking_id="BK-1",
    hotel_slug="grand",
    status=Status.PENDING_PAYMENT,
    version=3,
    amount_minor=TOTAL,
    currency="EUR",
    created_at=NOW - timedelta(minutes=5),
    check_in_at=NOW + timedelta(days=20),
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


def snapshot(base: ExternalSnapshot, *payments: PaymentIntentSnapshot, **fields: object) -> ExternalSnapshot:
    """What Temporal and Stripe say."""
    return replace(base, payments=payments, **fields)  # type: ignore[arg-type]


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
        snapshot(RUNNING, replace(TAKEN, refunded_minor=100)),
    ),
    "disputed, and on record": (
        booking(Status.CONFIRMED, dispute_recorded=True),
        snapshot(RUNNING, replace(TAKEN, disputed=True)),
    ),
    "checked in": (booking(Status.CONFIRMED, check_in_at=NOW - HOUR), snapshot(OVER, TAKEN)),
    "checked in long ago": (
        booking(Status.CONFIRMED, check_in_at=NOW - HOUR),
        snapshot(ExternalSnapshot(), TAKEN),
    ),
    "check-in is now": (booking(Status.CONFIRMED, check_in_at=NOW), snapshot(OVER, TAKEN)),
    "declined": (booking(Status.DECLINED), snapshot(OVER, RELEASED)),
    "declined, mails on their way": (booking(Status.DECLINED), snapshot(RUNNING, RELEASED)),
    "declined, captured in part and refunded": (
        booking(Status.DECLINED, captured_minor=5000, refunded_minor=5000),
        snapshot(OVER, replace(TAKEN, received_minor=5000, refunded_minor=5000)),
    ),
    "expired": (booking(Status.EXPIRED), OVER),
    "cancelled while held": (booking(Status.CANCELLED), snapshot(OVER, RELEASED)),
    "cancelled, free of charge": (
        booking(Status.CANCELLED, captured_minor=TOTAL, refunded_minor=TOTAL),
        snapshot(OVER, RETURNED),
    ),
    "cancelled, less the fee": (
        booking(Status.CANCELLED, captured_minor=TOTAL, refunded_minor=10500, fee_minor=4500),
        snapshot(OVER, replace(TAKEN, refunded_minor=10500)),
    ),
    "a late hold, being released": (
        booking(Status.DECLINED),
        snapshot(OVER, RELEASED, replace(HELD, payment_intent_id=OTHER), payment_workflows=("payment-1",)),
    ),
    "a stay without a workflow, while its money is being settled": (
        booking(Status.CONFIRMED),
        snapshot(LOST, replace(TAKEN, refunded_minor=100), payment_workflows=("payment-1",)),
    ),
    "stray money waits for an operator": (
        booking(Status.DECLINED, needs_attention=True),
        snapshot(OVER, RELEASED, payment_workflows=("payment-1",)),
    ),
    "stray money of a booking lost at its end waits for an operator": (
        booking(Status.DECLINED, needs_attention=True),
        snapshot(LOST, RELEASED, payment_workflows=("payment-1",)),
    ),
    "ended long ago": (booking(Status.DECLINED), snapshot(ExternalSnapshot(), RELEASED)),
}


@pytest.mark.parametrize("case", CLEAN)
def test_what_agrees_is_no_finding(case: str) -> None:
    assert compare(*CLEAN[case], NOW) == []


SECOND = replace(HELD, payment_intent_id=OTHER)
SECOND_TAKEN = replace(TAKEN, payment_intent_id=OTHER)
ASKED = (UnansweredDecision("cmd_1", Decision.APPROVE, NOW - HOUR),)

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
        snapshot(LOST, replace(TAKEN, refunded_minor=100)),
        [(FindingKind.WORKFLOW_MISSING, Remedy.RESUME, ""), (FindingKind.REFUND_NOT_RECORDED, Remedy.SIGNAL, OWN)],
    ),
    "a stay without a workflow, whose stray money waits for an operator": (
        booking(Status.CONFIRMED, needs_attention=True),
        snapshot(LOST, TAKEN, payment_workflows=("payment-1",)),
        [(FindingKind.WORKFLOW_MISSING, Remedy.REPORT, "")],
    ),
    "a submission that was lost": (
        booking(Status.DRAFT, closes_at=None), LOST, [(FindingKind.SUBMISSION_LOST, Remedy.SUBMIT, "")],
    ),
    "a draft whose workflow is done": (
        booking(Status.DRAFT, closes_at=None), OVER, [(FindingKind.STATUS_DIFFERS, Remedy.REPORT, "")],
    ),
    "a submission nobody works on": (
        booking(Status.DRAFT, closes_at=None, created_at=NOW - GRACE - HOUR),
        RUNNING,
        [(FindingKind.OVERDUE, Remedy.REPORT, "")],
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
        booking(Status.DRAFT, closes_at=None), snapshot(ExternalSnapshot(), SECOND),
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
        snapshot(RUNNING, replace(TAKEN, received_minor=1)),
        [(FindingKind.AMOUNT_DIFFERS, Remedy.REPORT, OWN)],
    ),
    "a refund and a dispute nobody counted": (
        booking(Status.CONFIRMED),
        snapshot(RUNNING, replace(TAKEN, refunded_minor=1, disputed=True)),
        [(FindingKind.REFUND_NOT_RECORDED, Remedy.SIGNAL, OWN), (FindingKind.DISPUTE_NOT_RECORDED, Remedy.SIGNAL, OWN)],
    ),
    "a refund that came back": (
        booking(Status.CANCELLED, captured_minor=TOTAL, refunded_minor=TOTAL),
        snapshot(OVER, TAKEN),
        [(FindingKind.REFUND_SHORT, Remedy.REPORT, OWN), (FindingKind.REFUND_NOT_RECORDED, Remedy.SIGNAL, OWN)],
    ),
    "more kept than the fee": (
        booking(Status.CANCELLED, captured_minor=TOTAL, refunded_minor=10000, fee_minor=4500),
        snapshot(OVER, replace(TAKEN, refunded_minor=10000)),
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
        booking(Status.CONFIRMED, check_in_at=NOW - HOUR, open_decisions=ASKED),
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
        [(FindingKind.STATUS_DIFFERS, Remedy.REPORT, "")],
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


# --- over every combination ---

_OWNS = (None, UNPAID, HELD, TAKEN, replace(TAKEN, received_minor=1), RETURNED, RELEASED)
_OTHERS = (None, UNPAID, HELD, TAKEN, RETURNED, RELEASED)


def _combinations() -> Iterator[tuple[DatabaseSnapshot, ExternalSnapshot]]:
    for status, state, own, other, flagged, payment_workflows, page, has_come, named, asked in product(
        Status, WorkflowState, _OWNS, _OTHERS, (False, True), ((), ("payment-1",)), ((), (PAGE,)), (False, True),
        (False, True), ((), ASKED),
    ):  # fmt: skip
        payments = [own] if own else []
        payments += [replace(other, payment_intent_id=OTHER)] if other else []
        row = booking(
            status,
            payment_intent_id=OWN if named else None,
            needs_attention=flagged,
            check_in_at=NOW - HOUR if has_come else NOW + HOUR,
            open_decisions=asked,
        )
        unknown = named and own is None
        yield (
            row,
            snapshot(
                ExternalSnapshot(state),
                *payments,
                payment_workflows=payment_workflows,
                open_pages=page,
                own_is_unknown=unknown,
            ),
        )


def _is_entitled(row: DatabaseSnapshot, payment: PaymentIntentSnapshot) -> bool:
    """M2 and M3 in other words: whether this booking may hold this card, or keep this money."""
    if payment.payment_intent_id != row.payment_intent_id:
        return False
    if payment.is_held:
        return row.status is Status.PENDING_APPROVAL
    return row.status is Status.CONFIRMED or payment.kept_minor == 0


def test_every_combination_keeps_the_promises() -> None:
    count = 0
    for row, said in _combinations():
        found = compare(row, said, NOW)
        count += 1
        _check(row, said, found)
    assert count == 7 * 4 * 7 * 6 * 2**6


def _check(row: DatabaseSnapshot, said: ExternalSnapshot, found: list[Finding]) -> None:
    case = (row, said, found)
    kinds = {finding.kind for finding in found}
    running = said.workflow is WorkflowState.RUNNING
    assert len({finding.key for finding in found}) == len(found), case
    # M5: whoever needs a workflow and has none gets one, once nobody else writes the row; nobody who has one gets
    # another.
    needs_one = row.status in UNDER_DECISION or (row.status is Status.CONFIRMED and row.check_in_at > NOW)
    resumed = any(finding.remedy is Remedy.RESUME for finding in found)
    assert not (resumed and (running or said.payment_workflows)), case
    is_left = bool(said.payment_workflows) and not row.needs_attention
    assert (FindingKind.WORKFLOW_MISSING in kinds) == (needs_one and not running and not is_left), case
    # M8: one that was lost at its end comes back to it; one that is unknown may have come to it long ago.
    over = row.status in ENDED or (row.status is Status.CONFIRMED and row.check_in_at < NOW)
    untold = (
        over
        and said.workflow is WorkflowState.LOST
        and not row.needs_attention
        and not said.payment_workflows
    )
    assert (FindingKind.END_NOT_ANNOUNCED in kinds) == untold, case
    # M3: money at stake that is not the booking's to keep is found, unless somebody is at it.
    for payment in said.payments:
        if (
            payment.is_at_stake
            and not _is_entitled(row, payment)
            and not said.payment_workflows
            and needs_told(row, said)
        ):
            about = [finding for finding in found if finding.subject == payment.payment_intent_id]
            assert about, case
    # M2: a confirmed booking that was not paid in full is found.
    own = next(
        (payment for payment in said.payments if payment.payment_intent_id == row.payment_intent_id), None
    )
    if row.status is Status.CONFIRMED and (own is None or own.received_minor != TOTAL):
        assert kinds & {
            FindingKind.CONFIRMED_UNPAID,
            FindingKind.AMOUNT_DIFFERS,
            FindingKind.PAYMENT_UNKNOWN,
        }, case
    for finding in found:
        _check_remedy(row, said, finding, case)


def needs_told(row: DatabaseSnapshot, said: ExternalSnapshot) -> bool:
    """A booking that is given its workflow back reads its own payment then: nothing has to be told."""
    return row.status is not Status.PENDING_APPROVAL or said.workflow is WorkflowState.RUNNING


def _check_remedy(row: DatabaseSnapshot, said: ExternalSnapshot, finding: Finding, case: object) -> None:
    match finding.remedy:
        case Remedy.SIGNAL:
            # A workflow drops what cannot be news to it: then telling would heal nothing.
            own = finding.subject == row.payment_intent_id
            assert is_relevant(finding.hint, row.status, about_own_payment=own), case
            assert row.status is not Status.DRAFT, case
            assert not said.payment_workflows, case
        case Remedy.CLOSE_PAGE:
            assert row.status not in {Status.DRAFT, Status.PENDING_PAYMENT}, case
        case Remedy.CLOSE_DECISION:
            over = row.status in ENDED or (row.status is Status.CONFIRMED and row.check_in_at < NOW)
            assert over, case
            assert said.workflow not in {WorkflowState.RUNNING, WorkflowState.LOST}, case
        case Remedy.SUBMIT:
            assert (row.status, said.workflow) == (Status.DRAFT, WorkflowState.LOST), case
        case Remedy.RESUME | Remedy.DELIVER_EVENT | Remedy.REPORT:
            pass


def test_only_what_is_so_twice_persists() -> None:
    once = Finding(FindingKind.HOLD_NOT_RECORDED, "BK-1", Remedy.SIGNAL, OWN, "held")
    again = replace(once, detail="captured")
    other = replace(once, booking_id="BK-2")
    assert persisting([once], [again, other]) == [again]
    assert persisting([once], []) == []
    assert persisting([], [once]) == []


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("checked_in", [False, True])
def test_a_guest_may_be_erased_once_the_booking_is_over(status: Status, *, checked_in: bool) -> None:
    over = status in ENDED or (status is Status.CONFIRMED and checked_in)
    assert (reason_to_keep(status, checked_in=checked_in) is None) == over
