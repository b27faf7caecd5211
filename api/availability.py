"""Room availability: checked before a guest fills in a form, submits it, or pays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from api.errors import ProblemError, conflict
from api.outages import reading
from api.services import Services
from api.views import BookingDetails, show
from storage.rooms import rooms_free

SOLD_OUT: Final = "The hotel has no rooms of this type left for your dates."


async def has_room_left(db: AsyncSession, found: BookingDetails) -> bool:
    """Whether a hold for this booking would find a room on each of its nights."""
    row = found.booking
    if row.sold_out_at is not None:
        return False
    return (await rooms_free(db, found.hotel, row.check_in, row.check_out)).get(row.room_type_id, 0) > 0


async def require_room(services: Services, found: BookingDetails) -> None:
    """Refuse a step that could only lead to a hold without a room.

    Raises:
        ProblemError: 409 `sold_out`, with the booking.
    """
    async with reading(services.database) as db:
        if await has_room_left(db, found):
            return
    raise sold_out(show(found).model_dump(mode="json"))


def sold_out(booking: Mapping[str, Any] | None = None) -> ProblemError:
    """409: no room of this type is left."""
    if booking is None:
        return ProblemError(409, "sold_out", SOLD_OUT)
    return conflict("sold_out", SOLD_OUT, booking)
