"""Staff, as the API knows them."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from models import Hotel, Staff


async def active_staff(db: AsyncSession, staff_id: int) -> tuple[Staff, Hotel] | None:
    """Find a member of staff who may still log in, and the hotel they work for."""
    query = select(Staff, Hotel).join(Hotel, col(Hotel.id) == col(Staff.hotel_id))
    found = (await db.execute(query.where(col(Staff.id) == staff_id, col(Staff.active)))).one_or_none()
    return (found[0], found[1]) if found else None
