"""Creating bookings: the draft, the terms it is submitted with, and the keys that make a repeat harmless."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from domain.deadlines import cutoff_at
from domain.messages.starts import BookingTerms
from models import Booking, Hotel, RoomType
from storage.tables import IdempotentRequest

KEY_LIFETIME: Final = timedelta(hours=24)


async def room_type_by_code(db: AsyncSession, hotel_id: int, code: str) -> RoomType | None:
    """Find a hotel's room type."""
    query = select(RoomType).where(col(RoomType.hotel_id) == hotel_id, col(RoomType.code) == code)
    return (await db.scalars(query)).one_or_none()


def offered_terms(hotel: Hotel, check_in: date) -> dict[str, Any]:
    """The columns of a new booking that keep the hotel's present terms."""
    return {
        "timezone": hotel.timezone,
        "check_in_hour": hotel.check_in_hour,
        "check_out_hour": hotel.check_out_hour,
        "approval_sla_s": hotel.approval_sla_s,
        "payment_window_s": hotel.payment_window_s,
        "cutoff_at": cutoff_at(check_in, hotel.timezone, hotel.cutoff_days_before, hotel.cutoff_hour),
        "free_cancel_days": hotel.free_cancel_days,
        "late_cancel_fee_percent": hotel.late_cancel_fee_percent,
    }


def submission_terms(
    booking: Booking, hotel_slug: str, *, authorization_margin_s: int, payment_poll_s: int
) -> BookingTerms:
    """The terms of a booking's workflow: those of the hotel at the time of the booking."""
    cancellation = booking.cancellation_terms
    return BookingTerms(
        booking_id=booking.booking_id,
        hotel_slug=hotel_slug,
        amount_minor=booking.amount_minor,
        currency=booking.currency,
        payment_window_s=booking.payment_window_s,
        approval_sla_s=booking.approval_sla_s,
        cutoff_at=booking.cutoff_at,
        check_in_at=booking.check_in_at,
        check_out_at=booking.check_out_at,
        free_cancel_until=cancellation.free_until,
        late_cancel_fee_percent=cancellation.late_cancel_fee_percent,
        authorization_margin_s=authorization_margin_s,
        payment_poll_s=payment_poll_s,
        version=booking.version,
    )


# --- idempotency keys -----------------------------------------------------------------------------------


async def find_request(db: AsyncSession, hotel_id: int, key: str, now: datetime) -> IdempotentRequest | None:
    """Find the first request under a key; deletes the key if it is older than a day."""
    mine = (col(IdempotentRequest.hotel_id) == hotel_id, col(IdempotentRequest.key) == key)
    expired = col(IdempotentRequest.created_at) < now - KEY_LIFETIME
    await db.execute(delete(IdempotentRequest).where(*mine, expired))
    return (await db.scalars(select(IdempotentRequest).where(*mine))).one_or_none()


async def claim_key(db: AsyncSession, request: IdempotentRequest) -> bool:
    """Claim a key in the transaction that writes its booking.

    Returns:
        False if another request claimed the key first; the caller then rolls its booking back. Waits while the
        other request has not committed yet.
    """
    claimed = await db.execute(
        insert(IdempotentRequest)
        .values(**request.model_dump())
        .on_conflict_do_nothing()
        .returning(col(IdempotentRequest.key))
    )
    return claimed.first() is not None


async def take_over_key(
    db: AsyncSession, request: IdempotentRequest, now: datetime, locked_until: datetime
) -> bool:
    """Take over a request that was left unfinished.

    Returns:
        False if it has been finished since, or another caller is working on it.
    """
    locked = col(IdempotentRequest.locked_until)
    taken = await db.execute(
        update(IdempotentRequest)
        .where(*_same(request), col(IdempotentRequest.response).is_(None), locked.is_(None) | (locked <= now))
        .values(locked_until=locked_until)
        .returning(col(IdempotentRequest.key))
    )
    return taken.first() is not None


async def finish_key(db: AsyncSession, request: IdempotentRequest, response: dict[str, Any]) -> None:
    """Store the response of a request, for its repeats."""
    await db.execute(
        update(IdempotentRequest).where(*_same(request)).values(response=response, locked_until=None)
    )


async def release_key(db: AsyncSession, request: IdempotentRequest) -> None:
    """Release a key, so that a repeat can finish a request that could not be finished now."""
    await db.execute(update(IdempotentRequest).where(*_same(request)).values(locked_until=None))


def _same(request: IdempotentRequest) -> tuple[Any, ...]:
    # The booking is compared too: an expired key may have been claimed for another booking since.
    return (
        col(IdempotentRequest.hotel_id) == request.hotel_id,
        col(IdempotentRequest.key) == request.key,
        col(IdempotentRequest.booking_id) == request.booking_id,
    )
