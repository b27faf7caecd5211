"""Requests that wait for a decision, seen from one of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col

from domain.booking import Status
from models import Booking
from storage.booking_list import BookingFilter, list_bookings
from storage.tables import RoomClaim


async def others_waiting(db: AsyncSession, booking_ids: Collection[str]) -> Mapping[str, int]:
    """Count the other requests that wait for a room of the same type on at least one of the same nights.

    Returns:
        The counts by booking id, without those that are 0.
    """
    own, other = aliased(RoomClaim), aliased(RoomClaim)
    same_night = and_(
        col(other.room_type_id) == col(own.room_type_id),
        col(other.night) == col(own.night),
        col(other.booking_id) != col(own.booking_id),
    )
    waits = and_(
        col(Booking.booking_id) == col(other.booking_id), col(Booking.status) == Status.PENDING_APPROVAL
    )
    query = (
        select(col(own.booking_id), func.count(col(other.booking_id).distinct()))
        .join(other, same_night)
        .join(Booking, waits)
        .where(col(own.booking_id).in_(booking_ids))
        .group_by(col(own.booking_id))
    )
    return {row[0]: row[1] for row in await db.execute(query)}


async def next_request(db: AsyncSession, hotel_id: int, booking_id: str) -> Booking | None:
    """Find the most urgent request that waits for a decision, apart from one booking."""
    waiting = await list_bookings(db, hotel_id, BookingFilter((Status.PENDING_APPROVAL,), limit=2))
    return next((booking for booking, _ in waiting if booking.booking_id != booking_id), None)
