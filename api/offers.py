"""The rooms a hotel has left for a stay, and their prices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from api.quotes import Stay, quote
from api.views import AvailabilityView, AvailableRoomType
from domain.money import Money
from models import Hotel, RoomType
from storage.rooms import rooms_free

_TOLD_AT_MOST: Final = 5


@dataclass(frozen=True)
class Offer:
    """A room type that takes a party for its whole stay.

    Args:
        free: rooms left on the fullest night.
    """

    room_type: RoomType
    free: int
    total: Money


async def offers(
    db: AsyncSession, hotel: Hotel, rooms: Sequence[RoomType], stay: Stay, now: datetime
) -> list[Offer]:
    """List the room types that take so many guests, with the rooms left and the price of each.

    Raises:
        ProblemError: 422, with the field to correct: the hotel does not offer such a stay.
    """
    fitting = [room for room in rooms if stay.adults + stay.children <= room.max_guests]
    # If no room type fits, each is priced, so that its refusal names all problems of the stay.
    totals = [quote(hotel, room, stay, now) for room in fitting or rooms]
    free = await rooms_free(db, hotel, stay.check_in, stay.check_out)
    return [
        Offer(room, free.get(room.id or 0, 0), total) for room, total in zip(fitting, totals, strict=True)
    ]


def show_offers(stay: Stay, found: Sequence[Offer]) -> AvailabilityView:
    """Convert offers for callers."""
    return AvailabilityView(
        check_in=stay.check_in,
        check_out=stay.check_out,
        adults=stay.adults,
        children=stay.children,
        room_types=[
            AvailableRoomType(
                code=offer.room_type.code,
                name=offer.room_type.name,
                available=min(offer.free, _TOLD_AT_MOST),
                amount=str(offer.total),
                currency=offer.total.currency,
            )
            for offer in found
        ],
    )
