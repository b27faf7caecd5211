"""Rooms and nights as the product's database shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

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
