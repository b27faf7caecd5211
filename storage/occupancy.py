"""A hotel's occupancy, night by night."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import cache

from sqlalchemy import Date, Select, bindparam, cast, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col

from domain.booking import Status
from domain.deadlines import NIGHTS_LONGEST
from models import Booking

Night = tuple[int, date]
"""A room type's id and the day on which the night begins."""


async def rooms_taken_by_night(db: AsyncSession, booking_ids: Sequence[str]) -> dict[Night, int]:
    """Count confirmed bookings per room type, for each night that one of `booking_ids` asks for.

    A night without a confirmed booking counts 0. A booking of `booking_ids` that is confirmed is counted too.
    """
    rows = await db.execute(_query(), {"booking_ids": booking_ids})
    return {(room_type_id, night): taken for room_type_id, night, taken in rows}


@cache
def _query() -> Select[int, date, int]:
    # Built once: aliasing a table costs more than the query itself.
    days = func.generate_series(col(Booking.check_in), col(Booking.check_out) - 1, timedelta(days=1))
    wanted_nights = (
        select(col(Booking.room_type_id).label("room_type_id"), cast(days, Date).label("night"))
        .where(col(Booking.booking_id).in_(bindparam("booking_ids", expanding=True)))
        .distinct()
        .subquery()
    )
    other = aliased(Booking)
    taken = (
        select(func.count())
        .select_from(other)
        .where(
            col(other.room_type_id) == wanted_nights.c.room_type_id,
            col(other.status) == Status.CONFIRMED,
            # The longest stay bounds the range, so the index scan is short.
            col(other.check_in) > wanted_nights.c.night - NIGHTS_LONGEST,
            col(other.check_in) <= wanted_nights.c.night,
            col(other.check_out) > wanted_nights.c.night,
        )
        .scalar_subquery()
    )
    return select(wanted_nights.c.room_type_id, wanted_nights.c.night, taken)


def busiest_night(booking: Booking, taken: Mapping[Night, int]) -> int:
    """Rooms taken on the fullest night of a stay."""
    count = (booking.check_out - booking.check_in).days
    nights = (booking.check_in + timedelta(days=day) for day in range(count))
    return max(taken.get((booking.room_type_id, night), 0) for night in nights)
