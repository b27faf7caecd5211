"""Staff accounts: log-in, and the changes that a hotel's managers make."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from models import Hotel, Staff


async def staff_of(db: AsyncSession, hotel_id: int) -> Sequence[Staff]:
    """All accounts of a hotel: active ones first, then by e-mail address."""
    query = select(Staff).where(col(Staff.hotel_id) == hotel_id)
    return (await db.scalars(query.order_by(col(Staff.active).desc(), col(Staff.email)))).all()


async def lock_accounts(db: AsyncSession, hotel_id: int) -> Hotel | None:
    """Lock the hotel and its accounts until the transaction ends.

    Without the lock, two managers who demote each other at once would leave the hotel without a manager.
    """
    query = select(Hotel).where(col(Hotel.id) == hotel_id).with_for_update()
    return (await db.scalars(query)).one_or_none()


async def one_of(db: AsyncSession, hotel_id: int, staff_id: int) -> Staff | None:
    """One account of a hotel; another hotel's account is not found."""
    staff = await db.get(Staff, staff_id, populate_existing=True)
    return staff if staff and staff.hotel_id == hotel_id else None


async def active_staff(db: AsyncSession, staff_id: int) -> tuple[Staff, Hotel] | None:
    """Find a member of staff who may still log in, and the hotel they work for."""
    query = select(Staff, Hotel).join(Hotel, col(Hotel.id) == col(Staff.hotel_id))
    found = (await db.execute(query.where(col(Staff.id) == staff_id, col(Staff.active)))).one_or_none()
    return (found[0], found[1]) if found else None
