"""The texts of a guest's booking page. The e-mails' sentences about money are used here as well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from api.views import UNDER_WAY_FOR, BookingDetails, BookingView, TimelineEntry, payment_state
from domain.booking import ActorKind, Decision, Event, Status
from domain.decisions import cancellable_until, immediate_outcome
from emails.format import words_for
from models import Booking, BookingCommand
from storage.owed import owed_minor, own_paid_elsewhere_minor, refund_for_cancelling
from wording.guest import EVENTS
from wording.values import moment_in_words, money_in_words


@dataclass(frozen=True)
class StatusDisplay:
    """The display of a status.

    Args:
        word: the guest's word for it.
        kind: its colour and sign, by the names of `static/pages.css`.
        template: the text, in `templates/pages/guest/`.
    """

    word: str
    kind: str
    template: str


STATUS_DISPLAYS: Final = {
    Status.DRAFT: StatusDisplay("Not sent yet", "calm", "draft"),
    Status.PENDING_PAYMENT: StatusDisplay("Waiting for your card", "wait", "to_pay"),
    Status.PENDING_APPROVAL: StatusDisplay("Waiting for the hotel", "wait", "waiting"),
    Status.CONFIRMED: StatusDisplay("Confirmed", "good", "confirmed"),
    Status.DECLINED: StatusDisplay("Declined", "bad", "declined"),
    Status.EXPIRED: StatusDisplay("Expired", "bad", "expired"),
    Status.CANCELLED: StatusDisplay("Cancelled", "calm", "cancelled"),
}

_GIVING_UP: Final = StatusDisplay("No room left", "bad", "sold_out")
"""A hold that found no room is being released: only the time of the release is open."""


@dataclass(frozen=True)
class Cost:
    """The cost of cancelling now, in words.

    Args:
        refund_minor: the total refund; None if no money was captured.
        price: the amount that the hotel keeps, as on the button.
    """

    sentence: str
    refund_minor: int | None = None
    price: str = "nothing"


def page_context(
    found: BookingDetails, view: BookingView, open_request: BookingCommand | None, now: datetime
) -> dict[str, Any]:
    """Collect all values that the templates show to a booking's guest at `now`.

    Args:
        open_request: the decision without an outcome, if any.
    """
    row, hotel = found.booking, found.hotel
    display = (
        _GIVING_UP
        if row.sold_out_at and view.status is Status.PENDING_PAYMENT
        else STATUS_DISPLAYS[view.status]
    )
    return words_for(row, hotel, found.room_type, now, for_staff=False) | {
        "display": display,
        "hotel": hotel,
        # An e-mail leaves these out, as they may be a stranger's words. Here their author reads them.
        "requests": row.special_requests,
        "home": f"/bookings/{row.booking_id}/",
        "money": _money(row),
        "timezone": row.timezone,
        "timeline": _timeline(view.timeline, row.timezone),
        "sold_out": row.sold_out_at is not None,
        "by_staff": any(step.event == Event.CANCELLED_BY_STAFF for step in view.timeline),
        "cancelling": _cancelling(view, open_request, now),
        "looked_into": view.needs_attention,
        "may_cancel": may_cancel(found, now),
    }


def _cancelling(view: BookingView, open_request: BookingCommand | None, now: datetime) -> str:
    """The author of a pending cancellation: `guest` or `hotel`; `late` if it has had no outcome for a while."""
    if (
        open_request is None
        or view.pending_decision != Decision.CANCEL
        or open_request.kind != Decision.CANCEL
    ):
        return ""
    if now - open_request.created_at >= UNDER_WAY_FOR:
        return "late"
    return "guest" if open_request.actor == ActorKind.GUEST else "hotel"


def may_cancel(found: BookingDetails, now: datetime) -> bool:
    """Whether the guest could cancel now."""
    row = found.booking
    if row.sold_out_at is not None:
        return False
    too_late = now >= cancellable_until(ActorKind.GUEST, row.check_in_at, row.check_out_at)
    outcome = immediate_outcome(
        Decision.CANCEL, ActorKind.GUEST, Status(row.status), row.reason_code, too_late=too_late
    )
    return outcome is None


def cost_of_cancelling(found: BookingDetails, now: datetime) -> Cost:
    """The refund and cost of cancelling at `now`."""
    row = found.booking
    total = money_in_words(row.amount_minor, row.currency)
    if row.amount_captured_minor == 0:
        if row.payment_intent_id is None:
            return Cost("Cancelling costs nothing: nothing was charged, and nothing is held on your card.")
        return Cost(f"Cancelling costs nothing: the hold of {total} on your card is released.")
    elsewhere = own_paid_elsewhere_minor(row)
    due = refund_for_cancelling(row, now).minor
    refund = max(due - elsewhere, row.amount_refunded_minor)
    kept = max(row.amount_captured_minor - refund - elsewhere, 0)
    price = money_in_words(kept, row.currency) if kept else "nothing"
    return Cost(_cost_in_words(row, refund, kept), refund, price)


def _cost_in_words(row: Booking, refund: int, kept: int) -> str:
    def say(minor: int) -> str:
        return money_in_words(minor, row.currency)

    elsewhere = own_paid_elsewhere_minor(row)
    if elsewhere:
        cost = f"costs {say(kept)}: the hotel keeps it" if kept else "costs nothing"
        return (
            f"Cancelling {cost}. The hotel has paid you {say(elsewhere)} by other means than your card; "
            f"{say(refund) if refund else 'nothing'} goes back to your card."
        )
    if kept == 0:
        return f"Cancelling costs nothing: the full {say(refund)} goes back to your card."
    if refund == 0:
        return f"Nothing is refunded: the hotel keeps the {say(kept)} you paid."
    return f"Cancelling costs {say(kept)}: the hotel keeps it, and {say(refund)} goes back to your card."


def _money(row: Booking) -> list[tuple[str, str]]:
    def say(minor: int) -> str:
        return money_in_words(minor, row.currency)

    lines = [("Total", say(row.amount_minor))]
    if payment_state(row) == "authorized":
        lines.append(("Held on your card", say(row.amount_minor)))
    lines.append(("Charged", say(row.amount_captured_minor)))
    if row.amount_refunded_minor:
        lines.append(("Refunded", say(row.amount_refunded_minor)))
    if row.amount_paid_elsewhere_minor:
        lines.append(("Paid to you by other means", say(row.amount_paid_elsewhere_minor)))
    if owed_minor(row):
        lines.append(("Still owed to you", say(owed_minor(row))))
    return lines


def _timeline(steps: Sequence[TimelineEntry], timezone: str) -> list[dict[str, str]]:
    return [
        {
            "what": EVENTS[Event(step.event)],
            "at": step.at.isoformat(),
            "local": moment_in_words(step.at, timezone),
        }
        for step in steps
        if step.event in EVENTS
    ]
