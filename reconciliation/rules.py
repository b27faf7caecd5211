"""What Stripe, the database and the workflow must agree on about one booking, and what mends it where they do not.

Pure comparison: `compare` is handed what each of the three says, and answers with findings. A finding whose
remedy is safe is healed by whoever asked (`reconciliation/remedies.py`); the rest is a person's to settle. Safe is
what the product would have done by itself had nothing been lost: giving a booking its workflow back, telling a
workflow to look at Stripe, closing a payment page. Nothing here decides about money.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from domain.booking import ENDED, UNDER_DECISION, Status
from domain.messages import PaymentStatus
from reconciliation.findings import Booked, Finding, Kind, Remedy, Seen, SeenPayment, WorkflowState

GRACE: Final = timedelta(minutes=15)
"""How long after its time was over a booking may take before it counts as overdue."""

_TAKES_UP: Final = frozenset({Remedy.TELL, Remedy.RESUME})
"""What sets a workflow to work on a booking. It must be the only one: each counts on the row's version."""

_BEFORE_ANY_HOLD: Final = frozenset({Status.DRAFT, Status.PENDING_PAYMENT})

_HOLD: Final = "payment_intent.amount_capturable_updated"
_RELEASED: Final = "payment_intent.canceled"
_CAPTURED: Final = "payment_intent.succeeded"
_REFUNDED: Final = "charge.refunded"
_DISPUTED: Final = "charge.dispute.created"


def compare(booked: Booked, seen: Seen, now: datetime) -> list[Finding]:
    """Say in what the three disagree about one booking; nothing, where all is well."""
    found = [
        *_workflow(booked, seen, now),
        *_own_payment(booked, seen),
        *_other_payments(booked, seen),
        *_pages(booked, seen),
        *_decisions(booked, seen, now),
    ]
    placed = (replace(finding, status=booked.status) for finding in found)
    return [
        finding
        for finding in (_unless_under_way(finding, booked, seen) for finding in placed)
        if finding is not None
    ]


def _unless_under_way(finding: Finding, booked: Booked, seen: Seen) -> Finding | None:
    """Leave alone what a workflow is settling already, and leave to people what waits for them."""
    if finding.remedy not in _TAKES_UP:
        return finding
    seeing_off = seen.workflow is WorkflowState.RUNNING and booked.status in ENDED
    if booked.needs_attention and (seen.strays or seeing_off):
        detail = f"{finding.detail}; the workflow that settles its money waits for `booking retry`"
        return replace(finding, remedy=Remedy.REPORT, detail=detail)
    return None if seen.strays else finding


def persisting(first: Iterable[Finding], second: Iterable[Finding]) -> list[Finding]:
    """What is still so at a second look; the rest was a step on its way."""
    before = {finding.key for finding in first}
    return [finding for finding in second if finding.key in before]


# --- the workflow ---


def _workflow(booked: Booked, seen: Seen, now: datetime) -> Iterator[Finding]:
    running = seen.workflow is WorkflowState.RUNNING
    if booked.status is Status.DRAFT:
        yield from _draft(booked, seen, now)
    elif booked.is_open(now) and not running:
        detail = f"{booked.status}, but its workflow is {seen.workflow}"
        yield Finding(Kind.WORKFLOW_MISSING, booked.booking_id, Remedy.RESUME, detail=detail)
    elif running:
        yield from _running(booked, seen, now)
    elif booked.is_over(now):
        yield from _over(booked, seen)


def _draft(booked: Booked, seen: Seen, now: datetime) -> Iterator[Finding]:
    if seen.workflow is WorkflowState.LOST:
        detail = "submitted, but its workflow was lost before it could say so"
        yield Finding(Kind.SUBMISSION_LOST, booked.booking_id, Remedy.SUBMIT, detail=detail)
    elif seen.workflow is WorkflowState.COMPLETED:
        detail = "its workflow has completed and left it a draft"
        yield Finding(Kind.STATUS_DIFFERS, booked.booking_id, Remedy.REPORT, detail=detail)
    elif seen.workflow is WorkflowState.RUNNING and now > booked.created_at + GRACE:
        detail = "its workflow runs and has not submitted it: is a worker there?"
        yield Finding(Kind.OVERDUE, booked.booking_id, Remedy.REPORT, detail=detail)


def _over(booked: Booked, seen: Seen) -> Iterator[Finding]:
    if booked.needs_attention:
        if not seen.strays:
            detail = "it asks for a person, and no workflow would hear `booking retry` or `booking resolve`"
            yield Finding(Kind.ATTENTION_UNHEARD, booked.booking_id, Remedy.RESUME, detail=detail)
    elif seen.workflow is WorkflowState.LOST:
        # One that is unknown may have completed long ago. Given back, it completes: that is once.
        detail = f"{booked.status}, but its workflow was lost before it had told everybody"
        yield Finding(Kind.END_UNTOLD, booked.booking_id, Remedy.RESUME, detail=detail)


def _running(booked: Booked, seen: Seen, now: datetime) -> Iterator[Finding]:
    if seen.workflow_status is not None and seen.workflow_status != booked.status:
        detail = f"the row says {booked.status}, its workflow {seen.workflow_status}"
        yield Finding(Kind.STATUS_DIFFERS, booked.booking_id, Remedy.REPORT, detail=detail)
    due = booked.decision_deadline if booked.status is Status.PENDING_APPROVAL else booked.closes_at
    waits = booked.status in UNDER_DECISION and not booked.needs_attention
    if waits and due is not None and now > due + GRACE:
        detail = f"its time was over at {due:%Y-%m-%d %H:%M} UTC, and it asks nobody for help"
        yield Finding(Kind.OVERDUE, booked.booking_id, Remedy.REPORT, detail=detail)


# --- money ---


def _own_payment(booked: Booked, seen: Seen) -> Iterator[Finding]:
    own_id = booked.payment_intent_id
    if own_id is None:
        if booked.status in {Status.PENDING_APPROVAL, Status.CONFIRMED}:
            detail = "the row names no payment"
            yield Finding(Kind.PAYMENT_UNKNOWN, booked.booking_id, Remedy.REPORT, detail=detail)
        return
    if seen.own_is_unknown:
        detail = "Stripe does not know the payment the row names: another account's key?"
        yield Finding(Kind.PAYMENT_UNKNOWN, booked.booking_id, Remedy.REPORT, own_id, detail)
    own = next((payment for payment in seen.payments if payment.payment_intent_id == own_id), None)
    if own is None:
        return
    if booked.status is Status.PENDING_APPROVAL:
        yield from _own_under_decision(booked, seen, own)
    elif booked.status is Status.CONFIRMED:
        yield from _own_confirmed(booked, own)
    elif booked.status in ENDED:
        yield from _own_ended(booked, own)


def _own_under_decision(booked: Booked, seen: Seen, own: SeenPayment) -> Iterator[Finding]:
    id_, booking_id = own.payment_intent_id, booked.booking_id
    if own.is_held:
        if (own.amount_minor, own.currency) != (booked.amount_minor, booked.currency):
            yield Finding(Kind.AMOUNT_DIFFERS, booking_id, Remedy.REPORT, id_, _amounts(booked, own))
    elif seen.workflow is not WorkflowState.RUNNING:
        # The workflow it gets back reads this payment before anything else.
        return
    elif own.status is PaymentStatus.CANCELED:
        detail = "the hold is gone, and the booking still waits for a decision"
        yield Finding(Kind.HOLD_GONE, booking_id, Remedy.TELL, id_, detail, _RELEASED)
    elif own.status is PaymentStatus.SUCCEEDED:
        detail = "captured, and the booking still waits for a decision"
        yield Finding(Kind.CAPTURE_UNSEEN, booking_id, Remedy.TELL, id_, detail, _CAPTURED)


def _own_confirmed(booked: Booked, own: SeenPayment) -> Iterator[Finding]:
    id_, booking_id = own.payment_intent_id, booked.booking_id
    if own.status is not PaymentStatus.SUCCEEDED:
        detail = f"confirmed, but its payment is {own.status}"
        yield Finding(Kind.CONFIRMED_UNPAID, booking_id, Remedy.REPORT, id_, detail)
        return
    if not own.received_minor == booked.captured_minor == booked.amount_minor:
        yield Finding(Kind.AMOUNT_DIFFERS, booking_id, Remedy.REPORT, id_, _amounts(booked, own))
    yield from _aftermath(booked, own)


def _own_ended(booked: Booked, own: SeenPayment) -> Iterator[Finding]:
    id_, booking_id = own.payment_intent_id, booked.booking_id
    if booked.status is not Status.CANCELLED:
        yield from _after_end(booked, own)
        return
    if own.is_held:
        # A cancelled booking is only written once its hold is released: whatever this is, it is new to us.
        detail = "the card is held, and the booking is cancelled: release it in the Stripe Dashboard"
        yield Finding(Kind.HOLD_AFTER_END, booking_id, Remedy.REPORT, id_, detail)
    if own.kept_minor > booked.fee_minor:
        detail = f"{own.kept_minor} kept, {booked.fee_minor} may be ({own.currency}, smallest unit)"
        yield Finding(Kind.REFUND_SHORT, booking_id, Remedy.REPORT, id_, detail)
    if own.status is PaymentStatus.SUCCEEDED:
        yield from _aftermath(booked, own)


def _aftermath(booked: Booked, own: SeenPayment) -> Iterator[Finding]:
    id_, booking_id = own.payment_intent_id, booked.booking_id
    if own.refunded_minor != booked.refunded_minor:
        detail = f"Stripe refunded {own.refunded_minor}, we say {booked.refunded_minor}"
        yield Finding(Kind.REFUND_UNCOUNTED, booking_id, Remedy.TELL, id_, detail, _REFUNDED)
    if own.disputed and not booked.dispute_recorded:
        detail = "the payment is or was disputed, and the timeline does not say so"
        yield Finding(Kind.DISPUTE_UNCOUNTED, booking_id, Remedy.TELL, id_, detail, _DISPUTED)


def _other_payments(booked: Booked, seen: Seen) -> Iterator[Finding]:
    # Before a hold has been counted, whatever comes is one that was not.
    own_id = None if booked.status in _BEFORE_ANY_HOLD else booked.payment_intent_id
    for payment in seen.payments:
        if payment.payment_intent_id == own_id or not payment.is_at_stake:
            continue
        id_, booking_id = payment.payment_intent_id, booked.booking_id
        if booked.status in ENDED:
            yield from _after_end(booked, payment)
        elif booked.status is Status.PENDING_PAYMENT:
            detail = f"its payment is {payment.status}, and the booking still waits for one"
            yield Finding(Kind.HOLD_UNSEEN, booking_id, Remedy.TELL, id_, detail, _HOLD)
        else:
            # A draft has no workflow to tell, and no page on which anybody could have paid.
            remedy = Remedy.REPORT if booked.status is Status.DRAFT else Remedy.TELL
            detail = f"a second payment of this booking is {payment.status}"
            yield Finding(Kind.SECOND_PAYMENT, booking_id, remedy, id_, detail, _HOLD)


def _after_end(booked: Booked, payment: SeenPayment) -> Iterator[Finding]:
    id_, booking_id = payment.payment_intent_id, booked.booking_id
    if payment.is_held:
        detail = "a card is held, although the booking has ended"
        yield Finding(Kind.HOLD_AFTER_END, booking_id, Remedy.TELL, id_, detail, _HOLD)
    elif payment.kept_minor > 0:
        detail = (
            f"{payment.kept_minor} {payment.currency} (smallest unit) kept, although the booking has ended"
        )
        yield Finding(Kind.MONEY_AFTER_END, booking_id, Remedy.TELL, id_, detail, _REFUNDED)


def _amounts(booked: Booked, own: SeenPayment) -> str:
    taken = own.received_minor or own.amount_minor
    return (
        f"Stripe has {taken} {own.currency}, the booking is {booked.amount_minor} {booked.currency} "
        f"of which {booked.captured_minor} captured (smallest unit)"
    )


# --- pages and decisions ---


def _pages(booked: Booked, seen: Seen) -> Iterator[Finding]:
    if booked.status in _BEFORE_ANY_HOLD:
        return
    for session_id in seen.open_pages:
        detail = f"the guest could still pay, although the booking is {booked.status}"
        yield Finding(Kind.PAGE_OPEN, booked.booking_id, Remedy.CLOSE_PAGE, session_id, detail)


def _decisions(booked: Booked, seen: Seen, now: datetime) -> Iterator[Finding]:
    # A workflow that was lost is given back, and answers them.
    if seen.workflow in {WorkflowState.RUNNING, WorkflowState.LOST} or not booked.is_over(now):
        return
    for asked in booked.open_decisions:
        detail = f"{asked.decision} was asked for, and nobody is left to answer"
        yield Finding(
            Kind.DECISION_LEFT_OPEN, booked.booking_id, Remedy.CLOSE_DECISION, asked.command_id, detail
        )
