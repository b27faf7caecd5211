"""A booking's values for its e-mail templates."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from domain.booking import ReasonCode, Status
from domain.deadlines import last_answer_at, nights, payment_window_end
from models import Booking, Hotel, RoomType
from storage.owed import owed_minor, own_paid_elsewhere_minor
from wording.guest import REASONS, cancelling_notice
from wording.values import count_in_words, day_in_words, instant_in_words, money_in_words, people_in_words


def words_for(
    booking: Booking, hotel: Hotel, room_type: RoomType, now: datetime, *, for_staff: bool
) -> dict[str, Any]:
    """All values the templates may use for a booking at `now`."""
    words = _stay(booking, hotel, room_type) | _requester(booking) | _money(booking)
    words |= _decision(booking) | _cancelling(booking, now)
    words["held_until"] = _held_until(booking, hotel, now)
    return words | {"facts": _facts(words, for_staff=for_staff)}


def _facts(words: dict[str, Any], *, for_staff: bool) -> list[tuple[str, str]]:
    """The booking as a table of labels and values."""
    facts = [
        ("Booking", words["booking_id"]),
        ("Room", words["room_name"]),
        ("Check-in", f"{words['check_in']}, from {words['check_in_hour']}"),
        ("Check-out", f"{words['check_out']}, by {words['check_out_hour']}"),
        ("Stay", f"{words['nights']}, {words['guests']}"),
        ("Total", words["total"]),
    ]
    if for_staff and words["guest_name"]:
        facts.insert(1, ("Guest", words["guest_name"]))
    if for_staff and words["special_requests"]:
        facts.append(("Special requests", words["special_requests"]))
    if not for_staff and words["is_confirmed"]:
        facts += [(label, words[name]) for label, name in _ARRIVAL if words[name]]
    return facts


_ARRIVAL: Final = (("Address", "address"), ("Directions", "directions"))


def _stay(booking: Booking, hotel: Hotel, room_type: RoomType) -> dict[str, Any]:
    count = nights(booking.check_in, booking.check_out)
    return {
        "booking_id": booking.booking_id,
        "hotel_name": hotel.name,
        "contact_email": hotel.contact_email,
        "contact_phone": hotel.contact_phone,
        "address": hotel.address,
        "directions": hotel.directions,
        "is_confirmed": booking.status == Status.CONFIRMED,
        "room_name": room_type.name,
        "rooms": room_type.rooms,
        "check_in": day_in_words(booking.check_in),
        "check_in_hour": f"{booking.check_in_hour:02}:00",
        "check_out_hour": f"{booking.check_out_hour:02}:00",
        "check_out": day_in_words(booking.check_out),
        "nights": count_in_words(count, "night"),
        "guests": people_in_words(booking.adults, booking.children),
    }


def _requester(booking: Booking) -> dict[str, str]:
    """The requester's own input. It is left out before a hold: until then the requester may be anyone."""
    if not _was_held(booking):
        return dict.fromkeys(("first_name", "guest_name", "special_requests"), "")
    return {
        "first_name": booking.guest_first_name,
        "guest_name": f"{booking.guest_first_name} {booking.guest_last_name}",
        "special_requests": booking.special_requests or "",
    }


def _was_held(booking: Booking) -> bool:
    return booking.payment_intent_id is not None


def _money(booking: Booking) -> dict[str, Any]:
    captured, refunded = booking.amount_captured_minor, booking.amount_refunded_minor
    elsewhere, owed = booking.amount_paid_elsewhere_minor, owed_minor(booking)
    kept = max(captured - refunded - own_paid_elsewhere_minor(booking) - owed, 0)
    return {
        "total": money_in_words(booking.amount_minor, booking.currency),
        "captured": money_in_words(captured, booking.currency),
        "refunded": money_in_words(refunded, booking.currency),
        "kept": money_in_words(kept, booking.currency),
        "paid_elsewhere": money_in_words(elsewhere, booking.currency),
        "owed": money_in_words(owed, booking.currency),
        "is_owed": owed > 0,
        "is_kept": kept > 0,
        "was_paid_elsewhere": elsewhere > 0,
        "was_charged": captured > 0,
        "was_refunded": refunded > 0,
        "was_refunded_in_full": captured > 0 and refunded == captured,
        "was_held": _was_held(booking),
    }


def _decision(booking: Booking) -> dict[str, Any]:
    return {
        "waits": booking.status == Status.PENDING_APPROVAL,
        "pay_by": instant_in_words(booking.payment_deadline, booking.timezone),
        "decide_by": instant_in_words(booking.decision_deadline, booking.timezone),
        "reason": REASONS[booking.told_reason or ReasonCode.OTHER],
        "note": booking.reason_note,
        "was_withdrawn": booking.cancellation_counts_from is not None,
    }


def _cancelling(booking: Booking, now: datetime) -> dict[str, Any]:
    policy, terms = booking.cancellation_policy, booking.cancellation_terms
    return {
        "policy": policy.in_words(),
        "has_fee": policy.has_fee,
        "is_free": now < terms.free_until,
        "has_started": now >= booking.check_in_at,
        "cancelling_notice": _cancelling_notice(booking, now),
        "free_until": instant_in_words(terms.free_until, booking.timezone),
        "late_fee": money_in_words(terms.late_fee(booking.total).minor, booking.currency),
    }


def _cancelling_notice(booking: Booking, now: datetime) -> str | None:
    return cancelling_notice(booking.check_in_at, _answer_by(booking, now), now)


def _answer_by(booking: Booking, now: datetime) -> datetime:
    pays_by = booking.payment_deadline or payment_window_end(now, booking.payment_window_s, booking.cutoff_at)
    answer_by = last_answer_at(pays_by, booking.approval_sla_s, booking.cutoff_at)
    return booking.decision_deadline or answer_by


def _held_until(booking: Booking, hotel: Hotel, now: datetime) -> str | None:
    """When the hold ends at the latest; before one is placed, only for a hotel that asks for long ones."""
    if _was_held(booking):
        return instant_in_words(booking.capture_before, booking.timezone)
    return instant_in_words(_answer_by(booking, now), booking.timezone) if hotel.long_holds else None
