"""Room availability: checked before a guest fills in a form, submits it, or pays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from api.errors import ProblemError, conflict
from api.views import BookingDetails, show

SOLD_OUT: Final = "The hotel has no rooms of this type left for your dates."


def require_room(found: BookingDetails) -> None:
    """Refuse a step that could only lead to a hold without a room.

    Args:
        found: the booking, read just now.

    Raises:
        ProblemError: 409 `sold_out`, with the booking.
    """
    assert found.rooms_left is not None
    if found.booking.sold_out_at is not None or found.rooms_left <= 0:
        raise sold_out(show(found).model_dump(mode="json"))


def sold_out(booking: Mapping[str, Any] | None = None) -> ProblemError:
    """409: no room of this type is left."""
    if booking is None:
        return ProblemError(409, "sold_out", SOLD_OUT)
    return conflict("sold_out", SOLD_OUT, booking)
