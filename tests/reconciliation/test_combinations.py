"""The rules of reconciliation, over every combination of what the three sides can say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

from domain.booking import ENDED, UNDER_DECISION, Status
from domain.payment import PaymentSnapshot
from domain.stripe_events import is_relevant
from reconciliation.findings import (
    DatabaseSnapshot,
    ExternalSnapshot,
    Finding,
    FindingKind,
    Remedy,
    WorkflowState,
)
from reconciliation.rules import compare
from tests.reconciliation.snapshots import (
    ASKED,
    HELD,
    HOUR,
    NOW,
    OTHER,
    OWN,
    PAGE,
    RELEASED,
    RETURNED,
    TAKEN,
    TOTAL,
    UNPAID,
    booking,
    snapshot,
)

_OWNS = (None, UNPAID, HELD, TAKEN, replace(TAKEN, amount_received_minor=1), RETURNED, RELEASED)
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
            check_out_at=NOW - HOUR if has_come else NOW + HOUR,
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


def _is_entitled(row: DatabaseSnapshot, payment: PaymentSnapshot) -> bool:
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
    needs_one = row.status in UNDER_DECISION or (row.status is Status.CONFIRMED and row.check_out_at > NOW)
    resumed = any(finding.remedy is Remedy.RESUME for finding in found)
    assert not (resumed and (running or said.payment_workflows)), case
    is_left = bool(said.payment_workflows) and not row.needs_attention
    assert (FindingKind.WORKFLOW_MISSING in kinds) == (needs_one and not running and not is_left), case
    # M8: one that was lost at its end comes back to it; one that is unknown may have come to it long ago.
    over = row.status in ENDED or (row.status is Status.CONFIRMED and row.check_out_at < NOW)
    untold = (
        over
        and said.workflow is WorkflowState.LOST
        and not row.needs_attention
        and not said.payment_workflows
    )
    assert (FindingKind.END_NOT_ANNOUNCED in kinds) == untold, case
    # M3: money at stake that is not the booking's to keep is found, unless a workflow is handling it.
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
    if row.status is Status.CONFIRMED and (own is None or own.amount_received_minor != TOTAL):
        assert kinds & {
            FindingKind.CONFIRMED_UNPAID,
            FindingKind.AMOUNT_DIFFERS,
            FindingKind.PAYMENT_UNKNOWN,
        }, case
    for finding in found:
        _check_remedy(row, said, finding, case)


def needs_told(row: DatabaseSnapshot, said: ExternalSnapshot) -> bool:
    """A booking that is given its workflow back reads its own payment then: no signal is needed."""
    return row.status is not Status.PENDING_APPROVAL or said.workflow is WorkflowState.RUNNING


def _check_remedy(row: DatabaseSnapshot, said: ExternalSnapshot, finding: Finding, case: object) -> None:
    match finding.remedy:
        case Remedy.SIGNAL:
            # A workflow drops a signal that cannot change it: then a signal would heal nothing.
            own = finding.subject == row.payment_intent_id
            assert is_relevant(finding.hint, row.status, about_own_payment=own), case
            assert row.status is not Status.DRAFT, case
            assert not said.payment_workflows, case
        case Remedy.CLOSE_PAGE:
            assert row.status not in {Status.DRAFT, Status.PENDING_PAYMENT}, case
        case Remedy.CLOSE_DECISION:
            over = row.status in ENDED or (row.status is Status.CONFIRMED and row.check_out_at < NOW)
            assert over, case
            assert said.workflow not in {WorkflowState.RUNNING, WorkflowState.LOST}, case
        case Remedy.SUBMIT:
            is_paid = any(payment.is_at_stake for payment in said.payments) or bool(said.open_pages)
            is_lost = said.workflow is WorkflowState.LOST
            assert is_lost or (is_paid and said.workflow is WorkflowState.MISSING), case
            assert row.status is Status.DRAFT, case
        case Remedy.REWRITE_ROW:
            assert said.workflow is not WorkflowState.MISSING, case
            assert not (finding.kind is FindingKind.WORKFLOW_MISSING and said.payment_workflows), case
        case Remedy.RESUME | Remedy.DELIVER_EVENT | Remedy.REPORT:
            pass
