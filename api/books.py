"""A hotel's books of a period as CSV: one of bookings, one of money movements. Their totals are the figures page's."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from domain.deadlines import nights
from domain.period import Period
from models import Booking, Hotel
from storage.money_movements import BookingMoney, MovementKind, bookings_in
from storage.stripe_fees import BookedMovement, movements_in
from wording.values import plain_amount

_BOM: Final = "\ufeff"
"""Spreadsheets take a file without it for one in their own old encoding."""
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""Spreadsheets run such a cell: https://owasp.org/www-community/attacks/CSV_Injection"""

_BOOKING_COLUMNS: Final = (
    "booking_id", "status", "guest", "room_type", "check_in", "check_out", "nights", "held_at", "decided_at",
    "payment_intent_id", "currency", "total", "captured", "refunded", "paid_elsewhere", "net",
)  # fmt: skip
_MOVEMENT_COLUMNS: Final = (
    "at", "booking_id", "guest", "check_in", "check_out", "payment_intent_id", "kind", "currency", "amount",
    "net", "stripe_fee", "stripe_fee_currency",
)  # fmt: skip


class Book(StrEnum):
    """The two books."""

    BOOKINGS = "bookings"
    MONEY = "money"


def file_name(hotel: Hotel, book: Book, period: Period) -> str:
    """The name under which a book is saved."""
    return f"{hotel.slug}-{book}-{period.first}-{period.last}.csv"


async def write_book(db: AsyncSession, hotel: Hotel, book: Book, period: Period) -> bytes:
    """Write a book of a period: UTF-8 with a byte order mark, times in the hotel's time zone.

    Each amount is in the row's currency, with that currency's decimals. The amounts of the book of bookings but
    `total` are those that moved in the period. A fee is in its own currency, and empty where Stripe told none; `net` is
    before it. A booking is in it if its hold, its decision or its money is.
    """
    if book is Book.BOOKINGS:
        bookings = await bookings_in(db, hotel, period)
        return _csv(_BOOKING_COLUMNS, (_booking_cells(hotel, each) for each in bookings))
    movements = await movements_in(db, hotel, period)
    return _csv(_MOVEMENT_COLUMNS, (_movement_cells(hotel, each) for each in movements))


def safe_cell(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA_STARTS) else text


def _csv(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(columns)
    writer.writerows(rows)
    return (_BOM + file.getvalue()).encode()


def _booking_cells(hotel: Hotel, found: BookingMoney) -> list[str]:
    booking = found.booking
    amounts = (
        booking.amount_minor,
        found.captured_minor,
        found.refunded_minor,
        found.paid_elsewhere_minor,
        found.net_minor,
    )
    return [
        booking.booking_id,
        booking.status,
        _guest(booking),
        safe_cell(found.room_type),
        booking.check_in.isoformat(),
        booking.check_out.isoformat(),
        str(nights(booking.check_in, booking.check_out)),
        _local(booking.payment_authorized_at, hotel),
        _local(booking.decision_made_at, hotel),
        booking.payment_intent_id or "",
        booking.currency,
        *(plain_amount(minor, booking.currency) for minor in amounts),
    ]


def _movement_cells(hotel: Hotel, found: BookedMovement) -> list[str]:
    booking, movement = found.booking, found.movement
    minor, currency = movement.amount_minor, movement.currency
    net_minor = minor if movement.kind == MovementKind.CAPTURED else -minor
    return [
        _local(movement.at, hotel),
        booking.booking_id,
        _guest(booking),
        booking.check_in.isoformat(),
        booking.check_out.isoformat(),
        booking.payment_intent_id or "",
        movement.kind,
        currency,
        plain_amount(minor, currency),
        plain_amount(net_minor, currency),
        plain_amount(found.fee.minor, found.fee.currency) if found.fee else "",
        found.fee.currency if found.fee else "",
    ]


def _guest(booking: Booking) -> str:
    return safe_cell(f"{booking.guest_first_name} {booking.guest_last_name}".strip())


def _local(instant: datetime | None, hotel: Hotel) -> str:
    return instant.astimezone(ZoneInfo(hotel.timezone)).isoformat(" ", "seconds") if instant else ""
