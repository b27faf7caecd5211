"""The .ics file attached to a confirmation."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from icalendar import Calendar
from icalendar import Event as CalendarEvent

from domain.location import read_location
from models import Booking, Hotel, RoomType

_BEGIN: Final = b"""BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//hotel-holds//bookings//EN
METHOD:PUBLISH
""".replace(b"\n", b"\r\n")
_END: Final = b"END:VCALENDAR\r\n"


def calendar_file(booking: Booking, hotel: Hotel, room_type: RoomType, domain: str) -> bytes:
    """A stay from the check-in hour to the check-out hour; the same booking always gives the same bytes.

    RFC 5545: an entry in local time names its time zone, and the file describes that zone.

    Args:
        domain: of the sender's address; makes the entry's id globally unique.
    """
    entry = CalendarEvent()
    entry.add("uid", f"{booking.booking_id}@{domain}")
    entry.add("dtstamp", booking.paid_at or booking.updated_at)
    entry.add("dtstart", _at(booking.check_in, booking.check_in_hour, booking))
    entry.add("dtend", _at(booking.check_out, booking.check_out_hour, booking))
    entry.add("summary", f"Stay at {hotel.name}")
    entry.add("location", ", ".join((hotel.name, *(hotel.address or "").splitlines())))
    if hotel.location:
        place = read_location(hotel.location)
        entry.add("geo", (place.latitude, place.longitude))
    entry.add("description", "\n".join(_description(booking, hotel, room_type)))
    entry.add("status", "CONFIRMED")
    entry.add("transp", "TRANSPARENT")
    zone = _zone(booking.timezone, booking.check_in.year, booking.check_out.year)
    return b"".join((_BEGIN, zone, entry.to_ical(), _END))


def _description(booking: Booking, hotel: Hotel, room_type: RoomType) -> Iterator[str]:
    yield f"{room_type.name}, booking {booking.booking_id}"
    if hotel.contact_phone:
        yield f"Telephone: {hotel.contact_phone}"
    if hotel.directions:
        yield f"Directions: {hotel.directions}"


@lru_cache(maxsize=1000)
def _zone(timezone: str, first_year: int, last_year: int) -> bytes:
    """Describe a time zone. It is the larger half of a file, and the same for all stays of a year."""
    # From before the last change of the clocks: readers take the offset from it.
    first = date(first_year - 1, 1, 1)
    last = date(last_year, 12, 31)
    entry, calendar = CalendarEvent(), Calendar()
    entry.add("dtstart", datetime.combine(first, time(0), ZoneInfo(timezone)))
    calendar.add_component(entry)
    calendar.add_missing_timezones(first_date=first, last_date=last)
    return b"".join(each.to_ical() for each in calendar.timezones)


def _at(day: date, hour: int, booking: Booking) -> datetime:
    return datetime.combine(day, time(hour), ZoneInfo(booking.timezone))
