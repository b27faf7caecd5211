"""The rules by which Stripe, the database and the workflow must agree on one booking, with a remedy for each breach.

`compare` is pure: it takes one snapshot of each side and returns findings. `reconciliation/remedies.py` applies safe
remedies; a person handles the other findings. A remedy is safe if the product would have done the same had nothing
been lost: restart a booking's workflow, signal a workflow to read Stripe, close a payment page, write a workflow's
recorded changes into a row that is older. No rule decides about money.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from domain.booking import ENDED, UNDER_DECISION, Status
from domain.payment import PaymentSnapshot, PaymentStatus
from reconciliation.findings import (
    DatabaseSnapshot,
    ExternalSnapshot,
    Finding,
    FindingKind,
    Remedy,
    WorkflowState,
)

GRACE: Final = timedelta(minutes=15)
"""How long after its time was over a booking may take before it counts as overdue."""

_TAKES_UP: Final = frozenset({Remedy.SIGNAL, Remedy.RESUME})
"""What sets a workflow to work on a booking. It must be the only one: each counts on the row's version."""

_BEFORE_ANY_HOLD: Final = frozenset({Status.DRAFT, Status.PENDING_PAYMENT})

_HOLD: Final = "payment_intent.amount_capturable_updated"
_RELEASED: Final = "payment_intent.canceled"
_CAPTURED: Final = "payment_intent.succeeded"
_REFUNDED: Final = "charge.refunded"
_DISPUTED: Final = "charge.dispute.created"


def compare(booking: DatabaseSnapshot, external: ExternalSnapshot, now: datetime) -> list[Finding]:
    """Return the findings about one booking; an empty list means that the three agree."""
    found = [
        *_workflow(booking, external, now),
        *_own_payment(booking, external),
        *_other_payments(booking, external),
        *_pages(booking, external),
        *_decisions(booking, external, now),
        *_rooms(booking, external),
    ]
    placed = (replace(finding, status=booking.status) for finding in found)
    return [
        finding
        for finding in (_unless_under_way(finding, booking, external) for finding in placed)
        if finding is not None
    ]


def _unless_under_way(
    finding: Finding, booking: DatabaseSnapshot, external: ExternalSnapshot
) -> Finding | None:
    """Skip what a workflow is handling already, and leave to people what waits for them."""
    if finding.remedy not in _TAKES_UP:
        return finding
    seeing_off = external.workflow is WorkflowState.RUNNING and booking.status in ENDED
    if booking.needs_attention and (external.payment_workflows or seeing_off):
        detail = f"{finding.detail}; the workflow that settles its money waits for `booking retry`"
        return replace(finding, remedy=Remedy.REPORT, detail=detail)
    return None if external.payment_workflows else finding


def persisting(first: Iterable[Finding], second: Iterable[Finding]) -> list[Finding]:
    """Keep the findings of both comparisons; the others were steps under way."""
    before = {finding.key for finding in first}
    return [finding for finding in second if finding.key in before]


# --- the workflow ---


def _workflow(booking: DatabaseSnapshot, external: ExternalSnapshot, now: datetime) -> Iterator[Finding]:
    running = external.workflow is WorkflowState.RUNNING
    if booking.status is Status.DRAFT:
        yield from _draft(booking, external, now)
    elif booking.is_open(now) and not running:
        detail = f"{booking.status}, but its workflow is {external.workflow}"
        # A restored row may be older than its workflow's end.
        is_behind = external.workflow_status not in {None, booking.status} or _lacks_changes(
            booking, external
        )
        remedy = Remedy.REWRITE_ROW if is_behind and not external.payment_workflows else Remedy.RESUME
        yield Finding(FindingKind.WORKFLOW_MISSING, booking.booking_id, remedy, detail=detail)
    elif running:
        yield from _running(booking, external, now)
    elif booking.is_over(now):
        yield from _over(booking, external)


def _lacks_changes(booking: DatabaseSnapshot, external: ExternalSnapshot) -> bool:
    """Whether a restored row lacks changes that leave its status as it is: a refund, say, or attention."""
    return external.recorded_version > booking.version


def _draft(booking: DatabaseSnapshot, external: ExternalSnapshot, now: datetime) -> Iterator[Finding]:
    booking_id, workflow, shown = booking.booking_id, external.workflow, external.workflow_status
    # Only a submitted booking has a payment page: after a restore, the row may be older than the submission.
    has_page = bool(external.open_pages) or any(payment.is_at_stake for payment in external.payments)
    if workflow is WorkflowState.LOST or (workflow is WorkflowState.MISSING and has_page):
        detail = "submitted, but its workflow was lost before it could say so"
        yield Finding(FindingKind.SUBMISSION_LOST, booking_id, Remedy.SUBMIT, detail=detail)
    elif workflow is WorkflowState.COMPLETED:
        detail = "its workflow has completed and left it a draft"
        yield Finding(FindingKind.STATUS_DIFFERS, booking_id, Remedy.REWRITE_ROW, detail=detail)
    elif workflow is WorkflowState.RUNNING and shown not in {None, Status.DRAFT, Status.PENDING_PAYMENT}:
        yield Finding(
            FindingKind.STATUS_DIFFERS, booking_id, Remedy.REWRITE_ROW, detail=_differ(booking, shown)
        )
    elif external.workflow is WorkflowState.RUNNING and now > booking.created_at + GRACE:
        detail = "its workflow runs and has not submitted it: is a worker there?"
        yield Finding(FindingKind.OVERDUE, booking_id, Remedy.REWRITE_ROW, detail=detail)


def _differ(booking: DatabaseSnapshot, shown: str | None) -> str:
    return f"the row says {booking.status}, its workflow {shown}"


def _over(booking: DatabaseSnapshot, external: ExternalSnapshot) -> Iterator[Finding]:
    if booking.needs_attention:
        if not external.payment_workflows:
            detail = "it asks for a person, and no workflow would hear `booking retry` or `booking resolve`"
            yield Finding(
                FindingKind.ATTENTION_WITHOUT_WORKFLOW, booking.booking_id, Remedy.RESUME, detail=detail
            )
    elif external.workflow is WorkflowState.LOST:
        # An unknown workflow may have completed long ago. Its restart then completes too, once.
        detail = f"{booking.status}, but its workflow was lost before it sent all notifications"
        yield Finding(FindingKind.END_NOT_ANNOUNCED, booking.booking_id, Remedy.RESUME, detail=detail)


def _running(booking: DatabaseSnapshot, external: ExternalSnapshot, now: datetime) -> Iterator[Finding]:
    if external.workflow_status is not None and external.workflow_status != booking.status:
        detail = _differ(booking, external.workflow_status)
        yield Finding(FindingKind.STATUS_DIFFERS, booking.booking_id, Remedy.REWRITE_ROW, detail=detail)
    elif _lacks_changes(booking, external):
        detail = f"the row is at version {booking.version}, its workflow recorded {external.recorded_version}"
        yield Finding(FindingKind.STATUS_DIFFERS, booking.booking_id, Remedy.REWRITE_ROW, detail=detail)
    due = booking.decision_deadline if booking.status is Status.PENDING_APPROVAL else booking.closes_at
    waits = booking.status in UNDER_DECISION and not booking.needs_attention
    if waits and due is not None and now > due + GRACE:
        detail = f"its deadline was {due:%Y-%m-%d %H:%M} UTC, and it has no open reason for attention"
        yield Finding(FindingKind.OVERDUE, booking.booking_id, Remedy.REPORT, detail=detail)


# --- money ---


def _own_payment(booking: DatabaseSnapshot, external: ExternalSnapshot) -> Iterator[Finding]:
    own_id = booking.payment_intent_id
    if own_id is None:
        if booking.status in {Status.PENDING_APPROVAL, Status.CONFIRMED}:
            detail = "the row names no payment"
            yield Finding(FindingKind.PAYMENT_UNKNOWN, booking.booking_id, Remedy.REPORT, detail=detail)
        return
    if external.own_is_unknown:
        detail = "Stripe does not know the payment the row names: another account's key?"
        yield Finding(FindingKind.PAYMENT_UNKNOWN, booking.booking_id, Remedy.REPORT, own_id, detail)
    own = next((payment for payment in external.payments if payment.payment_intent_id == own_id), None)
    if own is None:
        return
    if booking.status is Status.PENDING_APPROVAL:
        yield from _own_under_decision(booking, external, own)
    elif booking.status is Status.CONFIRMED:
        yield from _own_confirmed(booking, own)
    elif booking.status in ENDED:
        yield from _own_ended(booking, own)


def _own_under_decision(
    booking: DatabaseSnapshot, external: ExternalSnapshot, own: PaymentSnapshot
) -> Iterator[Finding]:
    id_, booking_id = own.intent_id, booking.booking_id
    if own.is_held:
        if (own.amount_minor, own.currency) != (booking.amount_minor, booking.currency):
            yield Finding(FindingKind.AMOUNT_DIFFERS, booking_id, Remedy.REPORT, id_, _amounts(booking, own))
    elif external.workflow is not WorkflowState.RUNNING:
        # The restarted workflow reads this payment first.
        return
    elif own.status is PaymentStatus.CANCELED:
        detail = "the hold is gone, and the booking still waits for a decision"
        yield Finding(FindingKind.HOLD_GONE, booking_id, Remedy.SIGNAL, id_, detail, _RELEASED)
    elif own.is_captured:
        detail = "captured, and the booking still waits for a decision"
        yield Finding(FindingKind.CAPTURE_NOT_RECORDED, booking_id, Remedy.SIGNAL, id_, detail, _CAPTURED)


def _own_confirmed(booking: DatabaseSnapshot, own: PaymentSnapshot) -> Iterator[Finding]:
    id_, booking_id = own.intent_id, booking.booking_id
    if not own.is_captured:
        detail = f"confirmed, but its payment is {own.status}"
        yield Finding(FindingKind.CONFIRMED_UNPAID, booking_id, Remedy.REPORT, id_, detail)
        return
    if not own.amount_received_minor == booking.captured_minor == booking.amount_minor:
        yield Finding(FindingKind.AMOUNT_DIFFERS, booking_id, Remedy.REPORT, id_, _amounts(booking, own))
    yield from _aftermath(booking, own)


def _own_ended(booking: DatabaseSnapshot, own: PaymentSnapshot) -> Iterator[Finding]:
    id_, booking_id = own.intent_id, booking.booking_id
    if booking.status is not Status.CANCELLED:
        yield from _after_end(booking, own)
        return
    if own.is_held:
        # A cancelled booking is written after its hold was released, so this payment is a new one.
        detail = "the card is held, and the booking is cancelled: release it in the Stripe Dashboard"
        yield Finding(FindingKind.HOLD_AFTER_END, booking_id, Remedy.REPORT, id_, detail)
    kept_minor = own.kept_minor - booking.paid_elsewhere.get(id_, 0)
    if kept_minor > booking.fee_minor:
        detail = f"{kept_minor} kept, {booking.fee_minor} may be ({own.currency}, smallest unit)"
        yield Finding(FindingKind.REFUND_SHORT, booking_id, Remedy.REPORT, id_, detail)
    if own.is_captured:
        yield from _aftermath(booking, own)


def _aftermath(booking: DatabaseSnapshot, own: PaymentSnapshot) -> Iterator[Finding]:
    id_, booking_id = own.intent_id, booking.booking_id
    if own.amount_refunded_minor != booking.refunded_minor:
        detail = f"Stripe refunded {own.amount_refunded_minor}, we say {booking.refunded_minor}"
        yield Finding(FindingKind.REFUND_NOT_RECORDED, booking_id, Remedy.SIGNAL, id_, detail, _REFUNDED)
    if own.disputed and not booking.dispute_recorded:
        detail = "the payment is or was disputed, and the timeline does not say so"
        yield Finding(FindingKind.DISPUTE_NOT_RECORDED, booking_id, Remedy.SIGNAL, id_, detail, _DISPUTED)


def _other_payments(booking: DatabaseSnapshot, external: ExternalSnapshot) -> Iterator[Finding]:
    # Before a hold is recorded, any payment is an unrecorded one.
    own_id = None if booking.status in _BEFORE_ANY_HOLD else booking.payment_intent_id
    for payment in external.payments:
        if payment.payment_intent_id == own_id or not payment.is_at_stake:
            continue
        id_, booking_id = payment.intent_id, booking.booking_id
        if booking.status in ENDED:
            yield from _after_end(booking, payment)
        elif booking.status is Status.PENDING_PAYMENT:
            detail = f"its payment is {payment.status}, and the booking still waits for one"
            yield Finding(FindingKind.HOLD_NOT_RECORDED, booking_id, Remedy.SIGNAL, id_, detail, _HOLD)
        else:
            # A draft has no workflow to signal, and no payment page.
            remedy = Remedy.REPORT if booking.status is Status.DRAFT else Remedy.SIGNAL
            detail = f"a second payment of this booking is {payment.status}"
            yield Finding(FindingKind.SECOND_PAYMENT, booking_id, remedy, id_, detail, _HOLD)


def _after_end(booking: DatabaseSnapshot, payment: PaymentSnapshot) -> Iterator[Finding]:
    id_, booking_id = payment.intent_id, booking.booking_id
    if payment.is_held:
        detail = "a card is held, although the booking has ended"
        yield Finding(FindingKind.HOLD_AFTER_END, booking_id, Remedy.SIGNAL, id_, detail, _HOLD)
    elif payment.kept_minor > booking.paid_elsewhere.get(id_, 0):
        detail = (
            f"{payment.kept_minor} {payment.currency} (smallest unit) kept, although the booking has ended"
        )
        yield Finding(FindingKind.MONEY_AFTER_END, booking_id, Remedy.SIGNAL, id_, detail, _REFUNDED)


def _amounts(booking: DatabaseSnapshot, own: PaymentSnapshot) -> str:
    taken = own.amount_received_minor or own.amount_minor
    return (
        f"Stripe has {taken} {own.currency}, the booking is {booking.amount_minor} {booking.currency} "
        f"of which {booking.captured_minor} captured (smallest unit)"
    )


# --- pages and decisions ---


def _pages(booking: DatabaseSnapshot, external: ExternalSnapshot) -> Iterator[Finding]:
    if booking.status in _BEFORE_ANY_HOLD:
        return
    for session_id in external.open_pages:
        detail = f"the guest could still pay, although the booking is {booking.status}"
        yield Finding(FindingKind.PAGE_OPEN, booking.booking_id, Remedy.CLOSE_PAGE, session_id, detail)


def _decisions(booking: DatabaseSnapshot, external: ExternalSnapshot, now: datetime) -> Iterator[Finding]:
    # A lost workflow is restarted, and answers them.
    if external.workflow in {WorkflowState.RUNNING, WorkflowState.LOST} or not booking.is_over(now):
        return
    for decision in booking.open_decisions:
        detail = f"{decision.decision} was requested, and no workflow is left to carry it out"
        yield Finding(
            FindingKind.DECISION_LEFT_OPEN,
            booking.booking_id,
            Remedy.CLOSE_DECISION,
            decision.command_id,
            detail,
        )


# --- rooms ---


def _rooms(booking: DatabaseSnapshot, external: ExternalSnapshot) -> Iterator[Finding]:
    rooms = booking.rooms
    captured = any(
        payment.payment_intent_id == booking.payment_intent_id and payment.is_captured
        for payment in external.payments
    )
    if booking.status is Status.CONFIRMED and captured and not rooms.fits:
        # The guest has paid and was promised the room: it is recorded, and the hotel told.
        detail = "confirmed and paid, and no room of its type is left on a night of its stay"
        yield Finding(FindingKind.OVERBOOKED, booking.booking_id, Remedy.REBUILD_CLAIMS, detail=detail)
    elif rooms.claimed != rooms.wanted or rooms.misplaced:
        detail = f"it has a room on {rooms.claimed} nights, and should on {rooms.wanted}"
        if rooms.misplaced:
            detail += f"; it has {rooms.misplaced} of another type or outside its stay"
        yield Finding(FindingKind.CLAIMS_DIFFER, booking.booking_id, Remedy.REBUILD_CLAIMS, detail=detail)
    elif rooms.is_beyond:
        detail = "its room is one more than the hotel may sell: move a guest, or cancel a booking"
        yield Finding(FindingKind.OVERBOOKED, booking.booking_id, Remedy.REPORT, detail=detail)
