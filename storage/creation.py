"""Creating bookings: the draft, the terms it is submitted with, and the keys that make a repeat harmless."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import and_, bindparam, select, text, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from domain.booking import ActorKind, Event, Status
from domain.deadlines import cutoff_at
from domain.messages.starts import BookingTerms
from models import Booking, Hotel, RoomType
from storage.database import Connection
from storage.rooms import FREE_IN_STAY
from storage.search import words_of
from storage.tables import IdempotentRequest

KEY_LIFETIME: Final = timedelta(hours=24)

_BASIS: Final = (
    select(Hotel, RoomType, FREE_IN_STAY, IdempotentRequest)
    .outerjoin(
        RoomType, and_(col(RoomType.hotel_id) == col(Hotel.id), col(RoomType.code) == bindparam("code"))
    )
    .outerjoin(
        IdempotentRequest,
        and_(
            col(IdempotentRequest.hotel_id) == col(Hotel.id),
            col(IdempotentRequest.key) == bindparam("key"),
            col(IdempotentRequest.created_at) >= bindparam("since"),
        ),
    )
    .where(col(Hotel.slug) == bindparam("slug"))
)
_COLUMNS: Final = tuple(name for name in Booking.model_fields if name != "id")


def _draft(source: str) -> str:
    """Write a booking, the first row of its timeline and its search words for each row of `source`."""
    return (
        f"draft AS (INSERT INTO booking ({', '.join(_COLUMNS)})"  # noqa: S608  names of columns only
        f" SELECT {', '.join(f':{name}' for name in _COLUMNS)} FROM {source} RETURNING id"
        "), line AS ("
        " INSERT INTO booking_timeline (booking_id, version, at, to_status, event, actor)"
        " SELECT :booking_id, :version, :created_at, :draft, :event, :actor FROM draft"
        ") INSERT INTO booking_search (row_id, words)"
        " SELECT id, array_to_tsvector(CAST(:words AS text[])) FROM draft RETURNING row_id"
    )


_DRAFT: Final = text(f"WITH {_draft('(VALUES (1)) AS one_row')}").bindparams(
    bindparam("paid_elsewhere", type_=JSONB)
)
_DRAFT_UNDER_KEY: Final = text(
    "WITH claimed AS ("  # noqa: S608  constants only
    " INSERT INTO idempotent_request AS earlier"
    "  (hotel_id, key, body_hash, booking_id, locked_until, created_at)"
    " VALUES (:hotel_id, :key, :body_hash, :booking_id, :locked_until, :claimed_at)"
    " ON CONFLICT (hotel_id, key) DO UPDATE SET body_hash = excluded.body_hash,"
    "  booking_id = excluded.booking_id, locked_until = excluded.locked_until, response = NULL,"
    "  created_at = excluded.created_at"
    " WHERE earlier.created_at < excluded.created_at - CAST(:lifetime AS interval) RETURNING key"
    f"), {_draft('claimed')}"
).bindparams(bindparam("paid_elsewhere", type_=JSONB))
# The booking is compared too: an expired key may have been claimed for another booking since.
_FINISH_KEY: Final = text(
    "UPDATE idempotent_request SET response = :response, locked_until = NULL"
    " WHERE hotel_id = :hotel_id AND key = :key AND booking_id = :booking_id"
).bindparams(bindparam("response", type_=JSONB))


@dataclass(frozen=True)
class CreationBasis:
    """The rows that a new booking is made from.

    Args:
        room_type: None if the hotel has none with that code.
        free: rooms of it that could be claimed on the fullest night.
        earlier: the first request under the same key, from the last 24 hours.
    """

    hotel: Hotel
    room_type: RoomType | None
    free: int
    earlier: IdempotentRequest | None


async def creation_basis(
    db: AsyncSession, slug: str, code: str, days: tuple[date, date], key: str | None, now: datetime
) -> CreationBasis | None:
    """Read a hotel, one of its room types, the rooms left for a stay, and the first request under a key.

    Args:
        code: the room type's.
        days: of check-in and check-out.

    Returns:
        None if there is no such hotel.
    """
    stay = {"check_in": days[0], "check_out": days[1]}
    asked = {"slug": slug, "code": code, "key": key, "since": now - KEY_LIFETIME}
    found = (await db.execute(_BASIS, stay | asked)).one_or_none()
    return CreationBasis(found[0], found[1], found[2] or 0, found[3]) if found else None


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


async def insert_draft(db: AsyncSession, booking: Booking, claim: IdempotentRequest | None = None) -> bool:
    """Write a new booking with the first row of its timeline and its search words; set its id.

    Args:
        claim: the key to claim for it; one that is older than a day is free.

    Returns:
        False if another request claimed the key first: nothing is written then. Waits while the other request has not
        committed yet.
    """
    values = {name: getattr(booking, name) for name in _COLUMNS}
    line = {"draft": Status.DRAFT, "event": Event.CREATED, "actor": ActorKind.GUEST}
    written = {**values, **line, "words": words_of(booking)}
    if claim is None:
        booking.id = await db.scalar(_DRAFT, written)
    else:
        asked = {name: getattr(claim, name) for name in ("key", "body_hash", "locked_until")}
        key = {**asked, "claimed_at": claim.created_at, "lifetime": KEY_LIFETIME}
        booking.id = await db.scalar(_DRAFT_UNDER_KEY, {**written, **key})
    return booking.id is not None


# --- idempotency keys -----------------------------------------------------------------------------------


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


async def finish_key(db: Connection, request: IdempotentRequest, response: dict[str, Any]) -> None:
    """Store the response of a request, for its repeats."""
    await db.execute(_FINISH_KEY, {**request.model_dump(), "response": response})


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
