"""Cursors: a position in a list, opaque to the client that sends it for the next page."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, date, datetime
from typing import Any, Final

from api.errors import ProblemError, invalid
from domain.payment_card import NO_RISK_LEVEL
from storage.booking_list import Position, Sort

_LONGEST: Final = 200
_LARGEST_ID: Final = 2**63 - 1


def encode(position: Position, sort: Sort) -> str:
    """Encode a position."""
    at = position.at.isoformat() if isinstance(position.at, date) else position.at
    return urlsafe_b64encode(json.dumps([sort, at, position.row_id]).encode()).decode()


def decode(cursor: str, sort: Sort) -> Position:
    """Decode a position in the list of that order.

    Raises:
        ProblemError: 422, the cursor is invalid, or of another order.
    """
    try:
        if len(cursor) > _LONGEST:
            raise _not_ours()
        order, at, row_id = json.loads(urlsafe_b64decode(cursor.encode("ascii")))
        place = _place(at, sort) if at is not None else None
        # Exactly an integer: True is one by inheritance only.
        if order != sort or type(row_id) is not int or not 0 <= row_id <= _LARGEST_ID:
            raise _not_ours()
    except (ValueError, TypeError, OverflowError):
        raise _not_ours() from None
    if place is None and sort is not Sort.DEADLINE:
        raise _not_ours()
    return Position(place, row_id)


def _place(text: Any, sort: Sort) -> datetime | date | int:
    if sort is Sort.RISK:
        if type(text) is not int or not 0 <= text <= NO_RISK_LEVEL:
            raise _not_ours()
        return text
    if sort is Sort.CHECK_IN:
        return date.fromisoformat(text)
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise _not_ours()
    # In UTC, because the ends of the calendar fit into no database in every time zone.
    return moment.astimezone(UTC)


def _not_ours() -> ProblemError:
    return invalid("cursor", "Send the `next_cursor` of a page in the same order, or none.")
