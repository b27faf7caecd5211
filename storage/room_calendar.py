"""A hotel's rooms night by night, as staff see them in the calendar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from domain.booking import Status
from models import Booking, RoomType
from storage.tables import RoomBlock, RoomClaim, RoomNight


@dataclass(frozen=True)
class NightOccupancy:
    """The rooms of one type on one night.

    Args:
        capacity: rooms that may be claimed or blocked, the overbooking allowance counted.
        claimed: by bookings that are confirmed or wait for a decision.
        waiting: the claims of bookings that wait for a decision.
    """

    capacity: int
    claimed: int = 0
    waiting: int = 0
    blocked: int = 0


async def occupancy(
    db: AsyncSession, hotel_id: int, days: tuple[date, date]
) -> Mapping[tuple[int, date], NightOccupancy]:
    """The nights on which rooms were ever claimed or blocked, by room type and night; on all others every room is free.

    Args:
        days: the first night, and the day after the last one.
    """
    waiting = await _waiting(db, hotel_id, days)
    query = (
        select(RoomNight)
        .join(RoomType, col(RoomType.id) == col(RoomNight.room_type_id))
        .where(
            col(RoomType.hotel_id) == hotel_id,
            col(RoomNight.night) >= days[0],
            col(RoomNight.night) < days[1],
        )
    )
    return {
        (row.room_type_id, row.night): NightOccupancy(
            row.capacity, row.claimed, waiting.get((row.room_type_id, row.night), 0), row.blocked
        )
        for row in await db.scalars(query)
    }


async def _waiting(
    db: AsyncSession, hotel_id: int, days: tuple[date, date]
) -> Mapping[tuple[int, date], int]:
    query = (
        select(col(RoomClaim.room_type_id), col(RoomClaim.night), func.count())
        .join(Booking, col(Booking.booking_id) == col(RoomClaim.booking_id))
        .where(
            col(Booking.hotel_id) == hotel_id,
            col(Booking.status) == Status.PENDING_APPROVAL,
            col(RoomClaim.night) >= days[0],
            col(RoomClaim.night) < days[1],
        )
        .group_by(col(RoomClaim.room_type_id), col(RoomClaim.night))
    )
    return {(type_id, night): count for type_id, night, count in await db.execute(query)}


async def blocks_between(
    db: AsyncSession, hotel_id: int, days: tuple[date, date]
) -> Sequence[tuple[RoomBlock, RoomType]]:
    """A hotel's blocks that share a night with these days, earliest first."""
    query = (
        select(RoomBlock, RoomType)
        .join(RoomType, col(RoomType.id) == col(RoomBlock.room_type_id))
        .where(
            col(RoomType.hotel_id) == hotel_id,
            col(RoomBlock.first_night) < days[1],
            col(RoomBlock.end_day) > days[0],
        )
        .order_by(col(RoomBlock.first_night), col(RoomBlock.id))
    )
    return [(row[0], row[1]) for row in await db.execute(query)]


async def block_of_hotel(db: AsyncSession, hotel_id: int, block_id: int) -> tuple[RoomBlock, RoomType] | None:
    """A block and its room type; None if the hotel has no such block."""
    query = (
        select(RoomBlock, RoomType)
        .join(RoomType, col(RoomType.id) == col(RoomBlock.room_type_id))
        .where(col(RoomType.hotel_id) == hotel_id, col(RoomBlock.id) == block_id)
    )
    row = (await db.execute(query)).one_or_none()
    return (row[0], row[1]) if row else None
