"""What a booking's e-mails tell, read in one statement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import and_, bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from domain.payment_card import PaymentCard
from models import Booking, BookingTimeline, Hotel, RoomType
from storage.card_details import OF_COUNTED_HOLD, as_card
from storage.mails import deciding_staff_of
from storage.rooms import ROOMS_TAKEN
from storage.tables import CardDetails

_OF_VERSION: Final = and_(
    col(BookingTimeline.booking_id) == col(Booking.booking_id),
    col(BookingTimeline.version) == bindparam("version"),
)
_STAFF: Final = deciding_staff_of(col(Booking.hotel_id)).correlate(Booking).scalar_subquery()
_FACTS: Final = (
    select(Booking, Hotel, RoomType, BookingTimeline, CardDetails, ROOMS_TAKEN, func.array(_STAFF))
    .join(Hotel, col(Hotel.id) == col(Booking.hotel_id))
    .join(RoomType, col(RoomType.id) == col(Booking.room_type_id))
    .outerjoin(BookingTimeline, _OF_VERSION)
    .outerjoin(CardDetails, OF_COUNTED_HOLD)
    .where(col(Booking.booking_id) == bindparam("booking_id"))
)


@dataclass(frozen=True)
class MailFacts:
    """A booking with what the e-mails about one of its versions tell.

    Args:
        step: the change of that version; None if it is not known.
        card: the held card; None if it is not known.
        rooms_taken: rooms of the type that are claimed or blocked on the fullest night.
        staff: addresses of the people who decide.
    """

    booking: Booking
    hotel: Hotel
    room_type: RoomType
    step: BookingTimeline | None
    card: PaymentCard | None
    rooms_taken: int
    staff: Sequence[str]


async def mail_facts(db: AsyncSession, booking_id: str, version: int) -> MailFacts | None:
    """Find a booking with what the e-mails about one of its versions tell."""
    found = (await db.execute(_FACTS, {"booking_id": booking_id, "version": version})).one_or_none()
    if found is None:
        return None
    booking, hotel, room_type, step, card, rooms_taken, staff = found
    return MailFacts(booking, hotel, room_type, step, as_card(card) if card else None, rooms_taken, staff)
