"""Rooms claimed by bookings, night by night.

Each writer locks the booking first, then the hotel, its room type, and the nights in ascending order: so no two
writers wait for each other.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Select,
    SQLColumnExpression,
    and_,
    bindparam,
    delete,
    func,
    not_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from domain.booking import CLAIMS_ROOM, Status
from models import Booking, Hotel, RoomType
from storage.database import Connection
from storage.tables import RoomClaim, RoomNight

FREE: Final = col(RoomNight.capacity) - col(RoomNight.claimed) - col(RoomNight.blocked)
"""Rooms of a night that could be claimed or blocked."""
_NIGHT: Final = (col(RoomNight.room_type_id), col(RoomNight.night))


def _taken_in_stay(
    room_type_id: SQLColumnExpression[Any],
    check_in: SQLColumnExpression[Any],
    check_out: SQLColumnExpression[Any],
) -> Select[int]:
    """The statement for the rooms that are claimed or blocked on the fullest night of a stay."""
    return select(func.coalesce(func.max(col(RoomNight.claimed) + col(RoomNight.blocked)), 0)).where(
        col(RoomNight.room_type_id) == room_type_id,
        col(RoomNight.night) >= check_in,
        col(RoomNight.night) < check_out,
    )


FREE_IN_STAY: Final[ColumnElement[int]] = (
    col(RoomType.rooms)
    + col(Hotel.overbooking)
    - _taken_in_stay(col(RoomType.id), bindparam("check_in"), bindparam("check_out"))
    .correlate(RoomType)
    .scalar_subquery()
)
"""Rooms of a type that could be claimed on the fullest night from `check_in` to `check_out`."""

ROOMS_TAKEN: Final[ColumnElement[int]] = (
    _taken_in_stay(col(Booking.room_type_id), col(Booking.check_in), col(Booking.check_out))
    .correlate(Booking)
    .scalar_subquery()
)
"""Rooms of a booking's type that are claimed or blocked on the fullest of its nights."""
_ROOMS_TAKEN: Final = select(col(Booking.booking_id), ROOMS_TAKEN).where(
    col(Booking.booking_id).in_(bindparam("booking_ids", expanding=True))
)
_ROOMS_FREE: Final = (
    select(col(RoomType.id), FREE_IN_STAY)
    .join(Hotel, col(Hotel.id) == col(RoomType.hotel_id))
    .where(col(Hotel.id) == bindparam("hotel_id"))
)
_LOCK_HOTEL: Final = text("SELECT FROM hotel WHERE id = :hotel_id FOR SHARE")
_KEEP_NIGHTS: Final = text(
    "INSERT INTO room_night (room_type_id, night, capacity, claimed, blocked, beyond) "
    "SELECT t.id, CAST(days AS date), t.rooms + h.overbooking, 0, 0, 0 "
    "FROM room_type t JOIN hotel h ON h.id = t.hotel_id, "
    "generate_series(CAST(:first AS date), CAST(:last AS date), interval '1 day') days "
    "WHERE t.id = :room_type_id ORDER BY days ON CONFLICT DO NOTHING"
)
# A change of the number of rooms locks the hotel exclusively: no night is written with the former number. A lock that
# had to wait shows the row as it is then: https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-ROWS
# The weaker FOR KEY SHARE would show the former row. The locked hotel finds the room type, and so is locked before it.
# Nights are locked in ascending order as they are written. The counts of a night that another booking has just changed
# are its latest: `ON CONFLICT` waits for that booking's transaction.
_CLAIM: Final = text(
    "WITH locked AS (SELECT id, overbooking FROM hotel WHERE id = :hotel_id FOR SHARE"
    "), offered AS ("
    " SELECT t.id AS type_id, t.rooms + h.overbooking AS capacity"
    " FROM locked h JOIN room_type t ON t.hotel_id = h.id WHERE t.id = :room_type_id FOR SHARE OF t"
    "), wanted AS ("
    " SELECT CAST(days AS date) AS night, type_id, capacity"
    " FROM offered, generate_series(CAST(:first AS date), CAST(:last AS date), interval '1 day') days"
    " WHERE NOT EXISTS (SELECT FROM room_claim c"
    "  WHERE c.booking_id = :booking_id AND c.night = CAST(days AS date))"
    "), taken AS ("
    " INSERT INTO room_night AS n (room_type_id, night, capacity, claimed, blocked, beyond)"
    " SELECT type_id, night, capacity, 1, 0, greatest(0, 1 - capacity) FROM wanted"
    " WHERE capacity > 0 OR :beyond ORDER BY night"
    " ON CONFLICT (room_type_id, night) DO UPDATE SET claimed = n.claimed + 1,"
    "  beyond = greatest(n.beyond, n.claimed + n.blocked + 1 - n.capacity)"
    " WHERE n.claimed + n.blocked < n.capacity OR :beyond"
    " RETURNING n.night, n.room_type_id, n.claimed + n.blocked > n.capacity AS is_beyond"
    "), kept AS ("
    " INSERT INTO room_claim (booking_id, night, room_type_id, is_beyond)"
    " SELECT :booking_id, night, room_type_id, is_beyond FROM taken"
    ") SELECT (SELECT count(*) FROM wanted), array(SELECT night FROM taken)"
)
_COUNTED: Final = (
    "(SELECT n.room_type_id, n.night, count(c.booking_id) AS claimed FROM room_night n "
    "LEFT JOIN room_claim c USING (room_type_id, night) GROUP BY 1, 2) c "
    "WHERE c.room_type_id = n.room_type_id AND c.night = n.night AND c.claimed <> n.claimed"
)
_MISCOUNTED: Final = text(f"SELECT n.room_type_id, n.night FROM room_night n, {_COUNTED}")  # noqa: S608  constants only
_RECOUNT: Final = text(
    "UPDATE room_night n SET claimed = c.claimed, "  # noqa: S608  constants only
    "beyond = greatest(0, c.claimed + n.blocked - n.capacity) "
    f"FROM {_COUNTED} RETURNING n.room_type_id, n.night"
)


@dataclass(frozen=True)
class LockedNight:
    """A night that is locked until the transaction ends.

    Args:
        free: rooms that could be claimed or blocked; below 0 where captured money stands beyond the limit.
    """

    night: date
    free: int


async def lock_nights(db: AsyncSession, room_type_id: int, days: tuple[date, date]) -> list[LockedNight]:
    """Lock the nights of a room type, in ascending order. The caller has locked the hotel.

    Args:
        days: the first night, and the day after the last one.
    """
    nights = {"room_type_id": room_type_id, "first": days[0], "last": days[1] - timedelta(days=1)}
    await db.execute(_KEEP_NIGHTS, nights)
    query = select(col(RoomNight.night), FREE).where(nights_between(room_type_id, days))
    rows = await db.execute(query.order_by(col(RoomNight.night)).with_for_update())
    return [LockedNight(night, free) for night, free in rows]


async def claim_rooms(db: AsyncSession, booking: Booking, *, beyond: bool = False) -> bool:
    """Claim a room for each night of a booking, in the caller's transaction; nights it has stay as they are.

    Args:
        beyond: claim also where no room is left. Only for captured money of a confirmed booking.

    Returns:
        False where a night has no room left: nothing is claimed then.
    """
    stay = {
        "booking_id": booking.booking_id,
        "hotel_id": booking.hotel_id,
        "room_type_id": booking.room_type_id,
        "first": booking.check_in,
        "last": booking.check_out - timedelta(days=1),
        "beyond": beyond,
    }
    wanted, claimed = (await db.execute(_CLAIM, stay)).one()
    if len(claimed) == wanted:
        return True
    await _free_nights(db, booking, [(booking.room_type_id, night) for night in claimed])
    return False


async def free_rooms(db: AsyncSession, booking: Booking, *which: ColumnElement[bool]) -> None:
    """Give up rooms a booking has claimed, in the caller's transaction.

    Args:
        which: conditions of the claims to give up; without any, all of them.
    """
    same_night = and_(
        col(RoomClaim.room_type_id) == col(RoomNight.room_type_id),
        col(RoomClaim.night) == col(RoomNight.night),
    )
    mine = col(RoomClaim.booking_id) == booking.booking_id
    query = select(*_NIGHT).join(RoomClaim, same_night).where(mine, *which)
    rows = await db.execute(query.order_by(*_NIGHT).with_for_update(of=RoomNight))
    await _free_nights(db, booking, [(type_id, night) for type_id, night in rows])


async def _free_nights(db: AsyncSession, booking: Booking, nights: Sequence[tuple[int, date]]) -> None:
    """Give up a booking's rooms of nights that are locked: room type and day of each."""
    if not nights:
        return
    mine = col(RoomClaim.booking_id) == booking.booking_id
    days = col(RoomClaim.night).in_([night for _, night in nights])
    await db.execute(delete(RoomClaim).where(mine, days))
    # What stood beyond the limit takes the place that became free.
    counts = {
        "claimed": col(RoomNight.claimed) - 1,
        "beyond": func.greatest(0, func.least(col(RoomNight.beyond), -1 - FREE)),
    }
    await db.execute(update(RoomNight).where(tuple_(*_NIGHT).in_(nights)).values(counts))


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
    if booking.status not in CLAIMS_ROOM:
        await free_rooms(db, booking)
        return True
    # Before the nights, as every writer does.
    await db.execute(_LOCK_HOTEL, {"hotel_id": booking.hotel_id})
    in_stay = (col(RoomClaim.night) >= booking.check_in, col(RoomClaim.night) < booking.check_out)
    await free_rooms(db, booking, not_(and_(col(RoomClaim.room_type_id) == booking.room_type_id, *in_stay)))
    return await claim_rooms(db, booking, beyond=beyond)


async def recount_claims(db: AsyncSession, *, dry_run: bool = False) -> list[str]:
    """Let each night count the claims there are; returns those that did not, by room type and day.

    Args:
        dry_run: name these nights, and change nothing.
    """
    rows = await db.execute(_MISCOUNTED if dry_run else _RECOUNT)
    return [f"room type {id_}, {night}" for id_, night in rows]


async def rooms_free(db: Connection, hotel: Hotel, check_in: date, check_out: date) -> Mapping[int, int]:
    """How many rooms of each type could be claimed on the fullest night of a stay, by the type's id."""
    stay = {"hotel_id": hotel.id, "check_in": check_in, "check_out": check_out}
    return {id_: max(0, free) for id_, free in await db.execute(_ROOMS_FREE, stay) if id_ is not None}


async def rooms_taken(db: AsyncSession, bookings: Collection[Booking]) -> Mapping[str, int]:
    """`ROOMS_TAKEN` of several bookings, by their ids."""
    ids = [booking.booking_id for booking in bookings]
    return dict((await db.execute(_ROOMS_TAKEN, {"booking_ids": ids})).all())


def nights_between(room_type_id: int, days: tuple[date, date]) -> ColumnElement[bool]:
    """A room type's nights from the first one to the day before the last."""
    night = col(RoomNight.night)
    return and_(col(RoomNight.room_type_id) == room_type_id, night >= days[0], night < days[1])
