"""Search for bookings by the beginnings of their words, in PostgreSQL's own text index."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Boolean, ColumnElement, Text, cast, func, select
from sqlalchemy.dialects.postgresql import ARRAY, TSQUERY, insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from domain.search_words import booking_words, fold, search_words
from models import Booking
from storage.tables import BookingSearch


async def keep_search_words(db: AsyncSession, booking: Booking) -> None:
    """Store the words by which a booking is found; earlier ones are replaced."""
    vector = func.array_to_tsvector(cast(words_of(booking), ARRAY(Text)))
    await db.execute(
        insert(BookingSearch)
        .values(row_id=booking.id, words=vector)
        .on_conflict_do_update(index_elements=[col(BookingSearch.row_id)], set_={"words": vector})
    )


def words_of(booking: Booking) -> list[str]:
    """The words by which a booking is found, for `array_to_tsvector`.

    Python has folded and split them: PostgreSQL's own parser would depend on its configuration.
    """
    return booking_words(
        booking_id=booking.booking_id,
        names=(booking.guest_first_name, booking.guest_last_name),
        email=booking.guest_email,
        days=(booking.check_in, booking.check_out),
        amount=str(booking.total),
    )


def wanted(text: str) -> ColumnElement[Any] | None:
    """The query for bookings that have each word of a search; None for a text without a word."""
    words = search_words(text)
    if not words:
        return None
    return cast(cast(" & ".join(f"{_quoted(word)}:*" for word in words), Text), TSQUERY)


def exactly(word: str) -> ColumnElement[Any]:
    """The query for bookings that have this word, such as an e-mail address, and not only one that begins with it."""
    return cast(cast(_quoted(fold(word)), Text), TSQUERY)


def matches(query: ColumnElement[Any]) -> ColumnElement[bool]:
    """The condition that a row of `BookingSearch` has the words of a query; the index of words serves it."""
    return col(BookingSearch.words).bool_op("@@")(query)


def has_words(row_id: ColumnElement[Any], query: ColumnElement[Any]) -> ColumnElement[bool]:
    """The condition that a booking has the words of a query, looked up row by row."""
    return cast(select(matches(query)).where(col(BookingSearch.row_id) == row_id).scalar_subquery(), Boolean)


def _quoted(word: str) -> str:
    """A word in PostgreSQL's notation of searches."""
    doubled = word.replace("\\", "\\\\").replace("'", "''")
    return f"'{doubled}'"
