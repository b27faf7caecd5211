"""Rooms that cannot be claimed: blocks, and how many there are.

All of these are called with the hotel's row locked (`catalogue.hotel_by_slug`): no booking begins a night meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from sqlalchemy import and_, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from models import RoomType
from storage.rooms import FREE, lock_nights, nights_between
from storage.tables import RoomBlock, RoomClaim, RoomNight

LONGEST_BLOCK: Final = 366
"""The most nights of one block."""
_NAMED: Final = 20
_TOLD: Final = 10


class RoomsTakenError(Exception):
    """Bookings claim the rooms that were to be taken out of service.

    Args:
        room_type: whose rooms they are.
        nights: on which there would be too few.
        booking_ids: bookings with rooms on these nights; the first ones, if they are many.
        bookings: the number of all of them.
    """

    def __init__(
        self, room_type: RoomType, nights: Sequence[date], booking_ids: Sequence[str], bookings: int
    ) -> None:
        told = f": bookings {_some(booking_ids, bookings)}" if booking_ids else ""
        days = _some([f"{night}" for night in nights], len(nights))
        super().__init__(f"too few rooms would be left on {days}{told}")
        # Read now: the session that fails with this error forgets its rows.
        self.code, self.name = room_type.code, room_type.name
        self.nights = nights
        self.booking_ids = booking_ids
        self.unnamed = bookings - len(booking_ids)


def _some(names: Sequence[str], count: int) -> str:
    more = f" and {count - _TOLD} more" if count > _TOLD else ""
    return ", ".join(names[:_TOLD]) + more


@dataclass(frozen=True)
class BlockedStretch:
    """The nights of a block: from the first one to the day after the last."""

    first_night: date
    end_day: date

    @property
    def days(self) -> tuple[date, date]:
        """Both."""
        return self.first_night, self.end_day


async def block_rooms(
    db: AsyncSession, room_type: RoomType, stretch: BlockedStretch, rooms: int, note: str | None
) -> RoomBlock | None:
    """Take rooms out of service, unless these nights have a block already.

    Returns:
        The block that was there before; None where this one was written.

    Raises:
        RoomsTakenError: bookings have them.
    """
    present = await find_block(db, room_type, stretch)
    if present is not None:
        return present
    type_id = _id(room_type)
    nights = await lock_nights(db, type_id, stretch.days)
    await _refuse(db, room_type, [night.night for night in nights if night.free < rooms])
    within = nights_between(type_id, stretch.days)
    await db.execute(update(RoomNight).where(within).values(blocked=col(RoomNight.blocked) + rooms))
    first_night, end_day = stretch.days
    db.add(RoomBlock(room_type_id=type_id, first_night=first_night, end_day=end_day, rooms=rooms, note=note))
    return None


async def unblock_rooms(db: AsyncSession, room_type: RoomType, block: RoomBlock) -> None:
    """Put rooms back into service."""
    type_id, days = _id(room_type), (block.first_night, block.end_day)
    await lock_nights(db, type_id, days)
    values = {
        "blocked": col(RoomNight.blocked) - block.rooms,
        "beyond": func.greatest(0, func.least(col(RoomNight.beyond), -block.rooms - FREE)),
    }
    await db.execute(update(RoomNight).where(nights_between(type_id, days)).values(values))
    await db.delete(block)


async def find_block(db: AsyncSession, room_type: RoomType, stretch: BlockedStretch) -> RoomBlock | None:
    """The block of exactly these nights."""
    query = select(RoomBlock).where(
        col(RoomBlock.room_type_id) == room_type.id,
        col(RoomBlock.first_night) == stretch.first_night,
        col(RoomBlock.end_day) == stretch.end_day,
    )
    return (await db.scalars(query)).one_or_none()


async def overlapping_blocks(
    db: AsyncSession, room_type: RoomType, stretch: BlockedStretch
) -> Sequence[RoomBlock]:
    """Blocks that share a night with a stretch, earliest first."""
    query = select(RoomBlock).where(
        col(RoomBlock.room_type_id) == room_type.id,
        col(RoomBlock.first_night) < stretch.end_day,
        col(RoomBlock.end_day) > stretch.first_night,
    )
    return (await db.scalars(query.order_by(col(RoomBlock.first_night)))).all()


async def set_capacity(db: AsyncSession, room_type: RoomType, capacity: int, today: date) -> None:
    """Let every night from `today` on have this many rooms to claim or block.

    Raises:
        RoomsTakenError: bookings have more, or blocks and bookings together.
    """
    coming = and_(col(RoomNight.room_type_id) == room_type.id, col(RoomNight.night) >= today)
    over: Any = col(RoomNight.claimed) + col(RoomNight.blocked) - capacity
    query = select(col(RoomNight.night), over > col(RoomNight.beyond)).where(coming)
    rows = await db.execute(query.order_by(col(RoomNight.night)).with_for_update())
    await _refuse(db, room_type, [night for night, is_short in rows if is_short])
    await db.execute(update(RoomNight).where(coming).values(capacity=capacity, beyond=func.greatest(0, over)))


async def _refuse(db: AsyncSession, room_type: RoomType, nights: Sequence[date]) -> None:
    if not nights:
        return
    claims = (col(RoomClaim.room_type_id) == room_type.id, col(RoomClaim.night).in_(nights))
    query = select(col(RoomClaim.booking_id)).where(*claims).distinct()
    ids = (await db.scalars(query.order_by(col(RoomClaim.booking_id)))).all()
    raise RoomsTakenError(room_type, nights, ids[:_NAMED], len(ids))


def _id(room_type: RoomType) -> int:
    assert room_type.id is not None
    return room_type.id
