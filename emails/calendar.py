"""The .ics file attached to a confirmation."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from icalendar import Calendar
from icalendar import Event as CalendarEvent

from domain.location import read_location
from models import Booking, Hotel, RoomType


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
    entry.add("description", f"{room_type.name}, booking {booking.booking_id}")
    entry.add("status", "CONFIRMED")
    entry.add("transp", "TRANSPARENT")
    calendar = Calendar()
    calendar.add("prodid", "-//hotel-holds//bookings//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add_component(entry)
    # From before the last change of the clocks: readers take the offset from it.
    calendar.add_missing_timezones(
        first_date=booking.check_in - timedelta(days=366), last_date=booking.check_out
    )
    content: bytes = calendar.to_ical()
    return content


def _at(day: date, hour: int, booking: Booking) -> datetime:
    return datetime.combine(day, time(hour), ZoneInfo(booking.timezone))
