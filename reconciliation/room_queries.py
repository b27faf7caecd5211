"""Reconciliation: what the database has about the rooms of bookings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import String, bindparam, text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.booking import CLAIMS_ROOM
from models import Booking
from reconciliation.findings import RoomsSnapshot

_ROOMS: Final = text(
    # A night whose count was too low is beyond the limit by no booking's claim: each of its bookings is named.
    "SELECT b.booking_id, count(c.night) AS claimed, "
    "coalesce(bool_or(c.night IS NOT NULL AND n.beyond > 0 AND (c.is_beyond OR NOT EXISTS (SELECT FROM room_claim o"
    " WHERE o.room_type_id = n.room_type_id AND o.night = n.night AND o.is_beyond))), false) AS is_beyond, "
    "coalesce(bool_and(c.night IS NOT NULL OR n.claimed + n.blocked < n.capacity), true) AS fits, "
    "(SELECT count(*) FROM room_claim m WHERE m.booking_id = b.booking_id AND NOT"
    " (m.room_type_id = b.room_type_id AND m.night >= b.check_in AND m.night < b.check_out)) AS misplaced "
    "FROM booking b LEFT JOIN room_night n "
    "ON n.room_type_id = b.room_type_id AND n.night >= b.check_in AND n.night < b.check_out "
    "LEFT JOIN room_claim c ON c.booking_id = b.booking_id "
    "AND c.room_type_id = n.room_type_id AND c.night = n.night "
    "WHERE b.booking_id IN :ids GROUP BY b.id"
).bindparams(bindparam("ids", expanding=True, type_=String))


async def rooms_of(db: AsyncSession, bookings: Sequence[Booking]) -> Mapping[str, RoomsSnapshot]:
    """The rooms that bookings have, and should have, by the booking's id."""
    found = {
        row.booking_id: row for row in await db.execute(_ROOMS, {"ids": [b.booking_id for b in bookings]})
    }
    snapshots: dict[str, RoomsSnapshot] = {}
    for booking in bookings:
        wanted = (booking.check_out - booking.check_in).days if booking.status in CLAIMS_ROOM else 0
        row = found.get(booking.booking_id)
        snapshots[booking.booking_id] = (
            RoomsSnapshot(wanted=wanted)
            if row is None
            else RoomsSnapshot(
                row.claimed,
                wanted,
                misplaced=row.misplaced,
                fits=wanted == 0 or row.fits,
                is_beyond=row.is_beyond,
            )
        )
    return snapshots
