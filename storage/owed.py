"""The amounts that a booking's guest gets back, by its row."""

from __future__ import annotations

from datetime import datetime

from domain.booking import ENDED
from domain.money import Money
from models import Booking


def own_paid_elsewhere_minor(booking: Booking) -> int:
    """Money paid elsewhere instead of a refund of the own payment, in the currency's smallest unit."""
    return booking.paid_elsewhere.get(booking.payment_intent_id or "", 0)


def owed_minor(booking: Booking) -> int:
    """Captured money still owed to the guest of an ended booking, in the currency's smallest unit."""
    if booking.status not in ENDED:
        return 0
    due_minor = booking.refund_due_minor
    if due_minor is None:
        due_minor = booking.amount_captured_minor
    return max(due_minor - booking.amount_refunded_minor - own_paid_elsewhere_minor(booking), 0)


def refund_for_cancelling(booking: Booking, now: datetime) -> Money:
    """The refund if the guest cancels now. After a withdrawn cancellation, the terms of its time still apply."""
    as_of = min(now, booking.cancellation_counts_from or now)
    return booking.cancellation_terms.refund(booking.total, as_of)
