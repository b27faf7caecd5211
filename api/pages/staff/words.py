"""What staff read: statuses, events and deadlines in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from domain.booking import ActorKind, Decision, Event, MailKind, ReasonCode, Status
from domain.roles import Role

_WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sept", "Oct", "Nov", "Dec")
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_URGENT_S: Final = 2 * _HOUR
_SOON_S: Final = 8 * _HOUR

STATUS: Final = {
    Status.DRAFT: "Draft",
    Status.PENDING_PAYMENT: "Awaiting payment",
    Status.PENDING_APPROVAL: "To decide",
    Status.CONFIRMED: "Confirmed",
    Status.DECLINED: "Declined",
    Status.EXPIRED: "Expired, never paid",
    Status.CANCELLED: "Cancelled",
}

EVENTS: Final = {
    Event.CREATED: "Booking made",
    Event.SUBMITTED: "Request submitted",
    Event.AUTHORIZED: "Card held",
    Event.PAYMENT_WINDOW_CLOSED: "Not paid in time",
    Event.APPROVED: "Approved, the hold was captured",
    Event.DECLINED: "Declined, the hold was released",
    Event.APPROVAL_TIMED_OUT: "Nobody decided in time, the hold was released",
    Event.AUTHORIZATION_LOST: "The hold ended before a decision",
    Event.CAPTURED_OUTSIDE: "Captured in the Stripe Dashboard",
    Event.CAPTURE_MISMATCHED: "Captured with another amount, and refunded",
    Event.CANCELLED_BY_GUEST: "Cancelled by the guest",
    Event.CANCELLED_BY_STAFF: "Cancelled by the hotel",
    Event.REFUND_RECORDED: "A refund was recorded",
    Event.DISPUTE_RECORDED: "The guest's bank disputes the payment",
    Event.UNMATCHED_PAYMENT_RETURNED: "A payment that belonged nowhere was returned",
    Event.ATTENTION_NEEDED: "Needs a person",
    Event.ATTENTION_CLEARED: "Needs nobody any more",
}

REASONS: Final = {
    ReasonCode.NO_AVAILABILITY: "No room available",
    ReasonCode.RATE_ERROR: "The price was wrong",
    ReasonCode.GUEST_REQUIREMENTS: "The guest's requirements cannot be met",
    ReasonCode.SUSPECTED_FRAUD: "Fraud suspected",
    ReasonCode.OTHER: "Another reason",
    ReasonCode.APPROVAL_TIMEOUT: "Nobody decided in time",
    ReasonCode.AUTHORIZATION_EXPIRED: "The hold ended",
    ReasonCode.PAYMENT_MISMATCH: "The amount did not match",
}

MAILS: Final = {
    MailKind.AUTHORIZED: "Payment authorized",
    MailKind.CONFIRMED: "Confirmation",
    MailKind.DECLINED: "Decline",
    MailKind.EXPIRED: "Expiry",
    MailKind.CANCELLED: "Cancellation",
    MailKind.STAFF_REQUEST: "New request",
    MailKind.STAFF_REMINDER: "Decision due",
    MailKind.STAFF_PAYMENT_NOTICE: "Payment notice",
    MailKind.STAFF_ATTENTION: "Needs attention",
}

_TONES: Final = {
    Status.CONFIRMED: "good",
    Status.DECLINED: "bad",
    Status.CANCELLED: "bad",
    Status.EXPIRED: "bad",
}

UNDER_WAY: Final = {
    Decision.APPROVE: "Capturing…",
    Decision.DECLINE: "Releasing the hold…",
    Decision.CANCEL: "Cancelling…",
}
"""A decision that was taken and has not come out yet."""

ROLES: Final = {
    Role.VIEWER: "Viewer: reads",
    Role.APPROVER: "Approver: also decides",
    Role.MANAGER: "Manager: also cancels and configures",
}

_ACTORS: Final = {
    ActorKind.GUEST: "the guest",
    ActorKind.STAFF: "staff",
    ActorKind.STRIPE: "Stripe",
    ActorKind.SYSTEM: "the system",
    ActorKind.OPERATOR: "an operator",
}


@dataclass(frozen=True)
class Urgency:
    """How much time is left to answer.

    Args:
        level: `overdue`, `urgent`, `soon` or `calm`: chooses how it is shown.
        words: says the same in words.
    """

    level: str
    words: str


def urgency(deadline: datetime | None, now: datetime) -> Urgency:
    """How urgently a request wants an answer."""
    if deadline is None:
        return Urgency("calm", "no deadline")
    left_s = (deadline - now).total_seconds()
    if left_s <= 0:
        return Urgency("overdue", f"overdue by {duration(-left_s)}")
    left = f"answer within {duration(left_s)}"
    if left_s < _URGENT_S:
        return Urgency("urgent", f"urgent: {left}")
    return Urgency("soon", f"soon: {left}") if left_s < _SOON_S else Urgency("calm", left)


def duration(seconds: float) -> str:
    """A stretch of time in its two largest units, rounded down: `2 h 10 min`, `3 days 4 h`."""
    whole = int(seconds)
    if whole < _MINUTE:
        return "less than a minute"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min"
    if whole < _DAY:
        minutes = whole % _HOUR // _MINUTE
        return f"{whole // _HOUR} h" + (f" {minutes} min" if minutes else "")
    days, hours = whole // _DAY, whole % _DAY // _HOUR
    return f"{days} {'day' if days == 1 else 'days'}" + (f" {hours} h" if hours else "")


def local(instant: datetime, timezone: str, now: datetime) -> str:
    """A moment by the hotel's clock; the year is named only where it is another one."""
    zone = ZoneInfo(timezone)
    there, here = instant.astimezone(zone), now.astimezone(zone)
    return f"{_date(there, year=there.year != here.year)}, {there:%H:%M}"


def clock(instant: datetime, timezone: str, now: datetime) -> str:
    """The same, but only the time of day where it was today."""
    there = instant.astimezone(ZoneInfo(timezone))
    if there.date() == now.astimezone(ZoneInfo(timezone)).date():
        return f"{there:%H:%M}"
    return local(instant, timezone, now)


def day(of: date) -> str:
    """A day of a stay: `Thu 31 Dec 2026`."""
    return _date(of, year=True)


def stay(check_in: date, check_out: date) -> str:
    """A stay in as few words as tell it: `Thu 31 Dec 2026 – Sat 2 Jan 2027`."""
    return f"{_date(check_in, year=check_in.year != check_out.year)} – {day(check_out)}"


def _date(of: date, *, year: bool) -> str:
    # By hand: a list formats a hundred of them, and Babel takes a quarter of a millisecond for each.
    text = f"{_WEEKDAYS[of.weekday()]} {of.day} {_MONTHS[of.month - 1]}"
    return f"{text} {of.year}" if year else text


def counted(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def tone(status: Status) -> str:
    """The style a status is shown in; what it says is always written out."""
    return _TONES.get(status, "wait")


def sentence(text: str) -> str:
    """The same with a capital letter."""
    return text[:1].upper() + text[1:]


def actor(name: str) -> str:
    """Who did something: staff by their address, everybody else by what they are."""
    return _ACTORS[ActorKind(name)] if name in set(ActorKind) else name
