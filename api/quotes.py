"""The price of a stay, and why a hotel does not offer it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from typing import Protocol

from api.errors import ProblemError, invalid, invalid_all
from domain.deadlines import cutoff_at, hotel_today, is_too_late, nights
from domain.errors import DomainError
from domain.money import Money, check_chargeable
from models import Hotel, RoomType


class Stay(Protocol):
    """The dates and numbers of guests, on which a price depends besides the room."""

    @property
    def check_in(self) -> date: ...
    @property
    def check_out(self) -> date: ...
    @property
    def adults(self) -> int: ...
    @property
    def children(self) -> int: ...


def quote(hotel: Hotel, room_type: RoomType, stay: Stay, now: datetime) -> Money:
    """Price a stay, if it is available.

    Raises:
        ProblemError: 422, with each field to correct.
    """
    refusals: list[ProblemError] = []
    with _collected(refusals):
        cutoff = cutoff_at(stay.check_in, hotel.timezone, hotel.cutoff_days_before, hotel.cutoff_hour)
        refuse_check_in(stay.check_in, hotel.timezone, cutoff, now)
    with _collected(refusals):
        total = _total(hotel, room_type, stay)
    with _collected(refusals):
        if stay.adults + stay.children > room_type.max_guests:
            raise invalid("adults", f"This room takes at most {room_type.max_guests} guests.")
    if refusals:
        raise invalid_all(refusals)
    return total


@contextmanager
def _collected(refusals: list[ProblemError]) -> Iterator[None]:
    try:
        yield
    except ProblemError as problem:
        refusals.append(problem)


def _total(hotel: Hotel, room_type: RoomType, stay: Stay) -> Money:
    try:
        count = nights(stay.check_in, stay.check_out)
        return check_chargeable(Money(room_type.price_per_night_minor, hotel.currency).times(count))
    except DomainError as error:
        raise invalid("check_out", f"{error}.") from None


def refuse_check_in(check_in: date, timezone: str, cutoff: datetime, now: datetime) -> None:
    """Refuse a stay that lies in the past, or that leaves no time to pay and to answer."""
    if check_in < hotel_today(now, timezone):
        raise invalid("check_in", "Check-in is in the past by the hotel's calendar.")
    if is_too_late(cutoff, now):
        raise invalid("check_in", "The hotel accepts no more requests for this check-in.", code="too_late")
