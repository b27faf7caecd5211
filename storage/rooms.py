"""Rooms claimed by bookings, night by night.

Everybody who writes nights locks the booking first, then the hotel, then the nights in ascending order: so no two of
them wait for each other.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from sqlalchemy import ColumnElement, and_, delete, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from domain.booking import CLAIMS_ROOM, Status
from models import Booking, Hotel, RoomType
from storage.tables import RoomClaim, RoomNight

FREE: Final = col(RoomNight.capacity) - col(RoomNight.claimed) - col(RoomNight.blocked)
"""Rooms of a night that could be claimed or blocked."""

_KEEP_NIGHTS: Final = text(
    "INSERT INTO room_night (room_type_id, night, capacity, claimed, blocked, beyond) "
    "SELECT t.id, CAST(days AS date), t.rooms + :overbooking, 0, 0, 0 FROM room_type t, "
    "generate_series(CAST(:first AS date), CAST(:last AS date), interval '1 day') days "
    "WHERE t.id = :room_type_id ORDER BY days ON CONFLICT DO NOTHING"
)
_RECOUNT: Final = text(
    "UPDATE room_night n SET claimed = c.claimed, beyond = greatest(0, c.claimed + n.blocked - n.capacity) "
    "FROM (SELECT n.room_type_id, n.night, count(c.booking_id) AS claimed FROM room_night n "
    "LEFT JOIN room_claim c USING (room_type_id, night) GROUP BY 1, 2) c "
    "WHERE c.room_type_id = n.room_type_id AND c.night = n.night AND c.claimed <> n.claimed "
    "RETURNING n.room_type_id, n.night"
)


@dataclass(frozen=True)
class LockedNight:
    """A night nobody else can change until the transaction ends.

    Args:
        free: rooms that could be claimed or blocked; below 0 where captured money stands beyond the limit.
        is_own: the booking it was locked for has a room already.
    """

    night: date
    free: int
    is_own: bool


async def lock_nights(
    db: AsyncSession, hotel_id: int, room_type_id: int, days: tuple[date, date], booking_id: str = ""
) -> list[LockedNight]:
    """Keep the nights of a room type from everybody else, in ascending order.

    Args:
        days: the first night, and the day after the last one.
    """
    # Whoever changes how many rooms there are locks the hotel for itself: no night is begun with the former number.
    hotel = select(col(Hotel.overbooking)).where(col(Hotel.id) == hotel_id)
    overbooking = await db.scalar(hotel.with_for_update(read=True, key_share=True))
    nights = {"first": days[0], "last": days[1] - timedelta(days=1)}
    await db.execute(_KEEP_NIGHTS, {"room_type_id": room_type_id, "overbooking": overbooking, **nights})
    own = select(RoomClaim).where(
        col(RoomClaim.booking_id) == booking_id, col(RoomClaim.night) == col(RoomNight.night)
    )
    query = select(col(RoomNight.night), FREE, own.exists()).where(nights_between(room_type_id, days))
    rows = await db.execute(query.order_by(col(RoomNight.night)).with_for_update(of=RoomNight))
    return [LockedNight(night, free, is_own) for night, free, is_own in rows]


async def claim_rooms(db: AsyncSession, booking: Booking, *, beyond: bool = False) -> bool:
    """Claim a room for each night of a booking, in the caller's transaction; nights it has stay as they are.

    Args:
        beyond: claim also where no room is left. Only for captured money of a confirmed booking.

    Returns:
        False where a night has no room left: nothing is claimed then.
    """
    stay = (booking.check_in, booking.check_out)
    nights = await lock_nights(db, booking.hotel_id, booking.room_type_id, stay, booking.booking_id)
    wanted = [night for night in nights if not night.is_own]
    if not beyond and any(night.free <= 0 for night in wanted):
        return False
    if not wanted:
        return True
    within = _of(booking.room_type_id, [night.night for night in wanted])
    counts = {"claimed": col(RoomNight.claimed) + 1}
    if beyond:
        counts["beyond"] = func.greatest(col(RoomNight.beyond), 1 - FREE)
    await db.execute(update(RoomNight).where(within).values(counts))
    claims = [
        RoomClaim(
            booking_id=booking.booking_id,
            night=night.night,
            room_type_id=booking.room_type_id,
            is_beyond=night.free <= 0,
        )
        for night in wanted
    ]
    await db.execute(insert(RoomClaim), [claim.model_dump() for claim in claims])
    return True


async def free_rooms(db: AsyncSession, booking: Booking) -> None:
    """Give up every room a booking has claimed, in the caller's transaction."""
    mine = col(RoomClaim.booking_id) == booking.booking_id
    same_night = and_(
        col(RoomClaim.room_type_id) == col(RoomNight.room_type_id),
        col(RoomClaim.night) == col(RoomNight.night),
    )
    query = select(col(RoomNight.night)).join(RoomClaim, same_night).where(mine)
    nights = (await db.scalars(query.order_by(col(RoomNight.night)).with_for_update(of=RoomNight))).all()
    if not nights:
        return
    await db.execute(delete(RoomClaim).where(mine))
    # What stood beyond the limit takes the place that became free.
    counts = {
        "claimed": col(RoomNight.claimed) - 1,
        "beyond": func.greatest(0, func.least(col(RoomNight.beyond), -1 - FREE)),
    }
    await db.execute(update(RoomNight).where(_of(booking.room_type_id, nights)).values(counts))


async def follow_status(db: AsyncSession, booking: Booking, before: Status, after: Status) -> bool:
    """Claim or free a booking's rooms as its status moves.

    Returns:
        False where it needs rooms from now on, and there are none: its status must not move.
    """
    if after in CLAIMS_ROOM and before not in CLAIMS_ROOM:
        return booking.sold_out_at is None and await claim_rooms(db, booking)
    if before in CLAIMS_ROOM and after not in CLAIMS_ROOM:
        await free_rooms(db, booking)
    return True


async def rebuild_claims(db: AsyncSession, booking: Booking, *, beyond: bool) -> bool:
    """Give a booking the claims its status asks for, whatever it has.

    Args:
        beyond: as `claim_rooms`.

    Returns:
        False where no room is left for it.
    """
    if booking.status in CLAIMS_ROOM:
        return await claim_rooms(db, booking, beyond=beyond)
    await free_rooms(db, booking)
    return True


async def recount_claims(db: AsyncSession) -> list[str]:
    """Let each night count the claims there are; returns those that did not, by room type and day."""
    return [f"room type {id_}, {night}" for id_, night in await db.execute(_RECOUNT)]


async def rooms_free(db: AsyncSession, hotel: Hotel, check_in: date, check_out: date) -> Mapping[int, int]:
    """How many rooms of each type could be claimed on the fullest night of a stay, by the type's id."""
    taken = func.coalesce(func.max(col(RoomNight.claimed) + col(RoomNight.blocked)), 0)
    in_stay = and_(
        col(RoomNight.room_type_id) == col(RoomType.id),
        col(RoomNight.night) >= check_in,
        col(RoomNight.night) < check_out,
    )
    query = (
        select(col(RoomType.id), col(RoomType.rooms) + hotel.overbooking - taken)
        .outerjoin(RoomNight, in_stay)
        .where(col(RoomType.hotel_id) == hotel.id)
        .group_by(col(RoomType.id))
    )
    return {id_: max(0, free) for id_, free in await db.execute(query) if id_ is not None}


async def rooms_taken(db: AsyncSession, bookings: Collection[Booking]) -> Mapping[str, int]:
    """Rooms of a booking's type that are claimed or blocked on the fullest of its nights, by the booking's id."""
    in_stay = and_(
        col(RoomNight.room_type_id) == col(Booking.room_type_id),
        col(RoomNight.night) >= col(Booking.check_in),
        col(RoomNight.night) < col(Booking.check_out),
    )
    query = (
        select(col(Booking.booking_id), func.max(col(RoomNight.claimed) + col(RoomNight.blocked)))
        .join(RoomNight, in_stay)
        .where(col(Booking.booking_id).in_([booking.booking_id for booking in bookings]))
        .group_by(col(Booking.booking_id))
    )
    found = {row[0]: row[1] for row in await db.execute(query)}
    return {booking.booking_id: found.get(booking.booking_id, 0) for booking in bookings}


def nights_between(room_type_id: int, days: tuple[date, date]) -> ColumnElement[bool]:
    """A room type's nights from the first one to the day before the last."""
    night = col(RoomNight.night)
    return and_(col(RoomNight.room_type_id) == room_type_id, night >= days[0], night < days[1])


def _of(room_type_id: int, nights: Sequence[date]) -> ColumnElement[bool]:
    return and_(col(RoomNight.room_type_id) == room_type_id, col(RoomNight.night).in_(nights))
