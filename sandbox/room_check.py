"""M10: whether any night was sold twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Final

from sandbox.evidence import BookingEvidence
from sandbox.evidence_index import CheckItems, EvidenceIndex
from sandbox.rooms import NightEvidence, Nights

_HAS_ROOM: Final = frozenset({"PENDING_APPROVAL", "CONFIRMED"})


def no_night_sold_twice(index: EvidenceIndex) -> CheckItems | None:
    """M10."""
    nights = index.evidence.nights
    return None if nights is None else _compare(nights, index.bookings.values())


def _compare(nights: Nights, bookings: Iterable[BookingEvidence]) -> CheckItems:
    stays: dict[tuple[int, date], set[str]] = defaultdict(set)
    for booking in bookings:
        if booking.status in _HAS_ROOM and booking.room_type_id is not None and booking.check_out is not None:
            for day in range((booking.check_out - booking.check_in).days):
                stays[booking.room_type_id, booking.check_in + timedelta(days=day)].add(booking.booking_id)
    for key in stays.keys() - nights.keys():
        yield f"{sorted(stays[key])} have no claim on the night of {key[1]}"
    for key, night in nights.items():
        yield _night_problem(f"{night.room_type}, night of {key[1]}", night, frozenset(stays[key]))


def _night_problem(name: str, night: NightEvidence, stays: frozenset[str]) -> str | None:
    if stays != night.claims:
        return f"{name}: claimed by {sorted(night.claims)}, taken by {sorted(stays)}"
    if (night.claimed, night.blocked) != (len(stays), night.out_of_service):
        counted = f"{night.claimed} claimed and {night.blocked} blocked"
        return f"{name}: counts {counted}, there are {len(stays)} and {night.out_of_service}"
    if len(stays) + night.out_of_service > night.capacity and not night.is_named:
        return f"{name}: {len(stays)} claimed and {night.out_of_service} blocked of {night.capacity}"
    return None
