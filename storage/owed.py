"""What a booking's row says that its guest is to get back."""

from __future__ import annotations

from datetime import datetime

from domain.booking import ENDED
from domain.money import Money
from models import Booking


def owed_minor(booking: Booking) -> int:
    """What of the captured money the guest is still to get once the booking has ended, in the smallest unit."""
    if booking.status not in ENDED:
        return 0
    due_minor = booking.refund_due_minor
    if due_minor is None:
        due_minor = booking.amount_captured_minor
    return max(due_minor - booking.amount_refunded_minor - booking.amount_paid_elsewhere_minor, 0)


def refund_for_cancelling(booking: Booking, now: datetime) -> Money:
    """What goes back in all if the guest cancels now; a cancellation withdrawn earlier does not make it dearer."""
    as_of = min(now, booking.cancellation_counts_from or now)
    return booking.cancellation_terms.refund(booking.total, as_of)
