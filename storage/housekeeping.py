"""Rows whose day is over."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import CursorResult, delete, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from domain.booking import Status
from models import Booking, BookingTimeline, IdempotentRequest, RateLimit

_RATE_LIMITS_KEPT = timedelta(hours=1)


async def delete_stale(db: AsyncSession, before: datetime) -> int:
    """Delete drafts, idempotency keys and rate counts older than `before`.

    Returns:
        How many drafts were deleted.
    """
    drafts = select(col(Booking.booking_id)).where(
        col(Booking.status) == Status.DRAFT, col(Booking.created_at) < before
    )
    ids = (await db.scalars(drafts.with_for_update(skip_locked=True))).all()
    await db.execute(delete(IdempotentRequest).where(col(IdempotentRequest.created_at) < before))
    await db.execute(delete(BookingTimeline).where(col(BookingTimeline.booking_id).in_(ids)))
    deleted = await db.execute(delete(Booking).where(col(Booking.booking_id).in_(ids)))
    await db.execute(delete(RateLimit).where(col(RateLimit.began_at) < before + _RATE_LIMITS_KEPT))
    assert isinstance(deleted, CursorResult)
    return deleted.rowcount
