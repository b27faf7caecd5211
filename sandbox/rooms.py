"""M10: what can be known of rooms and nights from outside, and whether any was sold twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final, Protocol

_HAS_ROOM: Final = frozenset({"PENDING_APPROVAL", "CONFIRMED"})

NIGHTS_QUERY: Final = """
    SELECT n.room_type_id, h.slug || '/' || t.code AS room_type, n.night, n.capacity, n.claimed, n.blocked,
        ARRAY(SELECT c.booking_id FROM room_claim c
            WHERE c.room_type_id = n.room_type_id AND c.night = n.night) AS claims,
        (SELECT coalesce(sum(b.rooms), 0) FROM room_block b WHERE b.room_type_id = n.room_type_id
            AND n.night >= b.first_night AND n.night < b.end_day) AS out_of_service,
        EXISTS (SELECT 1 FROM room_claim c JOIN reconciliation_finding f ON f.booking_id = c.booking_id
            WHERE c.room_type_id = n.room_type_id AND c.night = n.night AND f.kind = 'overbooked') AS is_named
    FROM room_night n JOIN room_type t ON t.id = n.room_type_id JOIN hotel h ON h.id = t.hotel_id
"""


@dataclass(frozen=True)
class NightEvidence:
    """One night of a room type, as the product keeps it.

    Args:
        capacity: how many rooms may be claimed or blocked.
        claimed, blocked: how many are counted.
        claims: the bookings that have a room.
        out_of_service: how many are blocked by the blocks there are.
        is_named: whether a finding `overbooked` names one of the bookings.
    """

    room_type: str
    capacity: int
    claimed: int
    blocked: int
    claims: frozenset[str]
    out_of_service: int
    is_named: bool


Nights = Mapping[tuple[int, date], NightEvidence]


class Stay(Protocol):
    """As much of a booking as its room depends on."""

    @property
    def booking_id(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def room_type_id(self) -> int | None: ...
    @property
    def check_in(self) -> date: ...
    @property
    def check_out(self) -> date | None: ...


def nights_of(rows: Sequence[Mapping[Any, Any]]) -> Nights:
    """Read the answer to `NIGHTS_QUERY`."""
    return {
        (row["room_type_id"], row["night"]): NightEvidence(
            room_type=row["room_type"],
            capacity=row["capacity"],
            claimed=row["claimed"],
            blocked=row["blocked"],
            claims=frozenset(row["claims"]),
            out_of_service=row["out_of_service"],
            is_named=row["is_named"],
        )
        for row in rows
    }


def check_nights(nights: Nights, bookings: Sequence[Stay]) -> Iterator[str | None]:
    """Compare each night with the bookings that have to have a room: None where it is in order."""
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
