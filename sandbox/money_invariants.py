"""The promises about money, M1 to M3: what was captured, what went back, and what is still owed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sandbox.evidence import BookingEvidence
from sandbox.evidence_index import CheckItems, EvidenceIndex, LedgerPayment

OPEN: Final = frozenset({"PENDING_PAYMENT", "PENDING_APPROVAL"})
_GIVEN_BACK: Final = frozenset(
    {"capture_mismatched", "unmatched_payment_returned", "cancelled_by_guest", "sold_out", "paid_elsewhere"}
)


def captured_rightly(index: EvidenceIndex) -> CheckItems:
    """M1."""
    for payment in index.payments:
        if not payment.captures:
            yield None
            continue
        booking = index.bookings.get(payment.booking_id or "")
        yield _capture_problem(payment, booking)


def _capture_problem(payment: LedgerPayment, booking: BookingEvidence | None) -> str | None:
    if booking is None:
        return f"{payment.intent_id} was captured for no booking of ours"
    if payment.captures > 1:
        return f"{booking.booking_id}: captured {payment.captures} times"
    confirming = booking.status == "PENDING_APPROVAL" and booking.pending_decision == "approve"
    if not (booking.has_been("CONFIRMED") or confirming):
        returned = any(step.event in _GIVEN_BACK for step in booking.timeline)
        explained = returned or booking.needs_attention
        return None if explained else f"{booking.booking_id}: captured, and never confirmed"
    is_own = payment.intent_id == booking.payment_intent_id
    if is_own and payment.received_minor != booking.amount_minor:
        return f"{booking.booking_id}: captured {payment.received_minor} instead of {booking.amount_minor}"
    return None


def confirmed_is_paid(index: EvidenceIndex) -> CheckItems:
    """M2, and the money movements of every booking."""
    for booking in index.bookings.values():
        amounts = (booking.captured_minor, booking.refunded_minor, booking.own_paid_elsewhere_minor)
        if booking.moved_minor not in {None, amounts}:
            yield f"{booking.booking_id}: movements of {booking.moved_minor} for amounts of {amounts}"
        if booking.status != "CONFIRMED":
            continue
        own = next((m for m in index.payments if m.intent_id == booking.payment_intent_id), None)
        name = booking.booking_id
        if own is None or own.status != "succeeded":
            yield f"{name}: CONFIRMED, but its payment is {own.status if own else 'unknown to Stripe'}"
        elif not own.received_minor == booking.captured_minor == booking.amount_minor:
            ours = f"{booking.captured_minor} of {booking.amount_minor}"
            yield f"{name}: Stripe has {own.received_minor}, we have {ours}"
        elif own.refunded_minor != booking.refunded_minor:
            yield f"{name}: Stripe refunded {own.refunded_minor}, we say {booking.refunded_minor}"
        else:
            yield None


def nothing_left_behind(index: EvidenceIndex) -> CheckItems:
    """M3: no hold or money beyond what the booking's status entitles us to."""
    for booking in index.bookings.values():
        payments = index.payments_of[booking.booking_id]
        yield from (_left_behind(payment, booking) for payment in payments)
        owed = owed_minor(payments, booking)
        # M5 checks that people were notified about money that is owed.
        problem = f"{booking.booking_id} ({booking.status}): {owed} kept too much, and nobody is called"
        yield problem if owed > 0 and not _is_flagged(payments, booking) else None


def _is_flagged(payments: Sequence[LedgerPayment], booking: BookingEvidence) -> bool:
    """Whether an open reason concerns a payment that is kept: a reason about a mail, say, does not count."""
    if booking.attention_subjects is None:
        return booking.needs_attention
    kept = {payment.intent_id for payment in payments if payment.kept_minor > 0}
    # A checkout session stands for its payment, and an empty subject for the row.
    return any(
        subject in kept or subject == "" or subject.startswith("cs_")
        for subject in booking.attention_subjects
    )


def _left_behind(payment: LedgerPayment, booking: BookingEvidence) -> str | None:
    is_own = payment.intent_id == booking.payment_intent_id
    name = f"{booking.booking_id} ({booking.status})"
    # Without a room its own hold is given up before it ends, for as long as Stripe refuses.
    is_given_up = booking.status == "PENDING_PAYMENT" and booking.needs_attention
    if payment.is_held and not (is_own and (is_given_up or booking.status == "PENDING_APPROVAL")):
        return f"{name}: {payment.intent_id} still holds the card"
    if booking.status == "CANCELLED" and is_own and payment.refunded_minor != booking.refunded_minor:
        return f"{name}: Stripe refunded {payment.refunded_minor}, we say {booking.refunded_minor}"
    return None


def owed_minor(payments: Sequence[LedgerPayment], booking: BookingEvidence) -> int:
    """Captured money beyond the fee that was due, neither refunded nor paid elsewhere."""
    kept = 0
    for payment in payments:
        is_own = payment.intent_id == booking.payment_intent_id
        if is_own and booking.status in {"CONFIRMED", "PENDING_APPROVAL"}:
            continue
        # A refund someone made before the cancellation may have been larger than the policy's.
        kept += max(payment.kept_minor - (_fee(payment, booking) if is_own else 0), 0)
    return max(kept - booking.paid_elsewhere_minor, 0)


def _fee(payment: LedgerPayment, booking: BookingEvidence) -> int:
    if booking.status != "CANCELLED" or not booking.has_been("CONFIRMED"):
        return 0
    if booking.policy is None:
        return payment.kept_minor
    if booking.guest_cancelled_in in OPEN:
        # A guest who asks before the hotel has confirmed is shown that it costs nothing.
        return 0
    cancelled = next(step for step in booking.timeline if step.to == "CANCELLED")
    # The fee is the one of the moment in which it was asked for, which may have had to wait for a worker.
    issued_at = min(booking.cancel_asked_at or cancelled.at, cancelled.at)
    fee = booking.policy.fee_minor(booking.amount_minor, booking.check_in, issued_at)
    if booking.chosen_refund_minor is None:
        return fee
    return min(fee, booking.amount_minor - booking.chosen_refund_minor)
