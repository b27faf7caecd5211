"""A booking in the words of its e-mails: amounts as money is written, times as the hotel's clock has them."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from babel.dates import format_date
from babel.dates import format_datetime as format_local
from babel.numbers import format_currency

from domain.booking import ReasonCode, Status
from domain.cancellation import CancellationPolicy, refund_due
from domain.deadlines import nights
from domain.money import Money
from models import Booking, Hotel, RoomType

_LOCALE: Final = "en_IE"
_MONEY_LOCALE: Final = "en"  # Ireland's own writes JP¥ for the yen

REASONS: Final = {
    ReasonCode.NO_AVAILABILITY: "The hotel has no such room left for your dates.",
    ReasonCode.RATE_ERROR: "The price of this booking was not correct.",
    ReasonCode.GUEST_REQUIREMENTS: "The hotel cannot meet the requirements of this stay.",
    # A guest is not to be accused of what nobody has proved.
    ReasonCode.SUSPECTED_FRAUD: "The hotel could not verify the details of this booking.",
    ReasonCode.OTHER: "The hotel cannot take this booking.",
    ReasonCode.APPROVAL_TIMEOUT: "The hotel did not answer in the time it had, so your request has ended.",
    ReasonCode.AUTHORIZATION_EXPIRED: (
        "The hold on your card ended before the hotel had confirmed, and without it we cannot keep the room."
    ),
    ReasonCode.PAYMENT_MISMATCH: "The amount that was charged did not match this booking.",
}
"""Why a booking was declined, as its guest reads it."""


def money_in_words(minor: int, currency: str) -> str:
    """An amount with its currency, such as `€150.00` or `¥15,000`."""
    text = format_currency(Decimal(str(Money(minor, currency))), currency, locale=_MONEY_LOCALE)
    # A currency without a sign goes by its code, which Babel writes right up to the number.
    return text.replace(currency, f"{currency}\u00a0", 1) if text.startswith(currency) else text


def instant_in_words(instant: datetime | None, timezone: str) -> str | None:
    """A moment as the hotel's clock and calendar show it."""
    if instant is None:
        return None
    moment = format_local(instant, "EEEE d MMMM y, HH:mm", tzinfo=ZoneInfo(timezone), locale=_LOCALE)
    return f"{moment} (hotel time, {timezone})"


def day_in_words(day: date) -> str:
    """A day of somebody's stay."""
    return format_date(day, "EEEE d MMMM y", locale=_LOCALE)


def count_in_words(number: int, one: str, many: str) -> str:
    """A number with what it counts, such as `1 night` or `3 nights`."""
    return f"{number} {one if number == 1 else many}"


def words_for(
    booking: Booking, hotel: Hotel, room_type: RoomType, now: datetime, *, for_staff: bool
) -> dict[str, Any]:
    """Everything the templates may say of a booking at `now`."""
    words = _stay(booking, hotel, room_type) | _money(booking) | _decision(booking, hotel)
    words |= _cancelling(booking, hotel, now)
    return words | {"facts": _facts(words, for_staff=for_staff)}


def _facts(words: dict[str, Any], *, for_staff: bool) -> list[tuple[str, str]]:
    """The booking as a table of labels and values."""
    facts = [
        ("Booking", words["booking_id"]),
        ("Room", words["room_name"]),
        ("Check-in", words["check_in"]),
        ("Check-out", words["check_out"]),
        ("Stay", f"{words['nights']}, {words['guests']}"),
        ("Total", words["total"]),
    ]
    if for_staff:
        facts.insert(1, ("Guest", words["guest_name"]))
    if words["special_requests"]:
        facts.append(("Special requests", words["special_requests"]))
    return facts


def _stay(booking: Booking, hotel: Hotel, room_type: RoomType) -> dict[str, Any]:
    count = nights(booking.check_in, booking.check_out)
    children = f", {count_in_words(booking.children, 'child', 'children')}" if booking.children else ""
    return {
        "booking_id": booking.booking_id,
        "hotel_name": hotel.name,
        "contact_email": hotel.contact_email,
        "contact_phone": hotel.contact_phone,
        "room_name": room_type.name,
        "rooms": room_type.rooms,
        "check_in": day_in_words(booking.check_in),
        "check_out": day_in_words(booking.check_out),
        "nights": count_in_words(count, "night", "nights"),
        "guests": count_in_words(booking.adults, "adult", "adults") + children,
        "first_name": booking.guest_first_name,
        "guest_name": f"{booking.guest_first_name} {booking.guest_last_name}",
        "special_requests": booking.special_requests,
    }


def _money(booking: Booking) -> dict[str, Any]:
    captured, refunded = booking.amount_captured_minor, booking.amount_refunded_minor
    return {
        "total": money_in_words(booking.amount_minor, booking.currency),
        "captured": money_in_words(captured, booking.currency),
        "refunded": money_in_words(refunded, booking.currency),
        "kept": money_in_words(captured - refunded, booking.currency),
        "was_charged": captured > 0,
        "was_refunded": refunded > 0,
        "was_refunded_in_full": captured > 0 and refunded == captured,
        "was_held": booking.payment_intent_id is not None,
    }


def _decision(booking: Booking, hotel: Hotel) -> dict[str, Any]:
    return {
        "waits": booking.status == Status.PENDING_APPROVAL,
        "decide_by": instant_in_words(booking.decision_deadline, hotel.timezone),
        "reason": REASONS[ReasonCode(booking.reason_code or ReasonCode.OTHER)],
        "note": booking.reason_note,
        "attention": booking.needs_attention,
    }


def _cancelling(booking: Booking, hotel: Hotel, now: datetime) -> dict[str, Any]:
    policy = CancellationPolicy(booking.free_cancel_days, booking.late_cancel_fee_percent)
    free_until = policy.free_until(booking.check_in, hotel.timezone)
    total = Money(booking.amount_minor, booking.currency)
    fee = total.minus(refund_due(total, free_until, booking.late_cancel_fee_percent, free_until))
    return {
        "policy": policy.in_words(),
        # From check-in on nothing can be cancelled: a fee that begins there is none.
        "has_fee": fee.minor > 0 and booking.free_cancel_days > 0,
        "is_free": now < free_until,
        "free_until": instant_in_words(free_until, hotel.timezone),
        "late_fee": money_in_words(fee.minor, fee.currency),
    }
