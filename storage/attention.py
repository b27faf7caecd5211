"""The open reasons why bookings need attention."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import delete, func, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from domain.attention import OUTLIVES_STATUS_CHANGE, Attention, AttentionCode
from domain.messages.changes import Change
from models import Booking, BookingAttention


async def attention_of(db: AsyncSession, booking: Booking) -> Sequence[BookingAttention]:
    """One booking's open reasons, oldest first."""
    return (await attention_of_all(db, [booking]))[booking.booking_id]


async def attention_of_all(
    db: AsyncSession, bookings: Sequence[Booking]
) -> dict[str, list[BookingAttention]]:
    """The open reasons of several bookings by their ids, each oldest first. Makes no query if none needs attention."""
    found: dict[str, list[BookingAttention]] = defaultdict(list)
    ids = [booking.booking_id for booking in bookings if booking.needs_attention]
    if not ids:
        return found
    query = select(BookingAttention).where(col(BookingAttention.booking_id).in_(ids))
    order = (col(BookingAttention.since), col(BookingAttention.code), col(BookingAttention.subject))
    for row in await db.scalars(query.order_by(*order)):
        found[row.booking_id].append(row)
    return found


def as_attention(row: BookingAttention) -> Attention:
    """A reason as messages carry it."""
    return Attention(AttentionCode(row.code), row.subject, row.detail)


async def apply_attention(db: AsyncSession, booking: Booking, change: Change, *, moved: bool) -> bool:
    """Open and clear the reasons that a change names, in the caller's transaction.

    Args:
        booking: its row, locked.
        moved: the change moves the booking's status, which clears most reasons.

    Returns:
        Whether the booking needs attention after that.
    """
    if not booking.needs_attention and not change.attention_opened:
        return False
    own = col(BookingAttention.booking_id) == booking.booking_id
    if moved:
        outlives = col(BookingAttention.code).in_(list(OUTLIVES_STATUS_CHANGE))
        await db.execute(delete(BookingAttention).where(own, ~outlives))
    if change.attention_cleared:
        key = tuple_(col(BookingAttention.code), col(BookingAttention.subject))
        cleared = [reason.key for reason in change.attention_cleared]
        await db.execute(delete(BookingAttention).where(own, key.in_(cleared)))
    for reason in change.attention_opened:
        row = BookingAttention(
            booking_id=booking.booking_id,
            code=reason.code,
            subject=reason.subject,
            detail=reason.detail[:500],
            since=change.at,
        )
        await db.execute(insert(BookingAttention).values(**row.model_dump()).on_conflict_do_nothing())
    count = select(func.count()).select_from(BookingAttention).where(own)
    return (await db.scalar(count)) != 0
