"""The .ics file attached to a confirmation."""

from __future__ import annotations

from icalendar import Calendar
from icalendar import Event as CalendarEvent

from domain.location import read_location
from models import Booking, Hotel, RoomType


def calendar_file(booking: Booking, hotel: Hotel, room_type: RoomType, domain: str) -> bytes:
    """A stay as an all-day entry; the same booking always gives the same bytes.

    RFC 5545: an all-day entry ends on the first day that is not part of it. For a stay that is check-out.

    Args:
        domain: of the sender's address; makes the entry's id globally unique.
    """
    entry = CalendarEvent()
    entry.add("uid", f"{booking.booking_id}@{domain}")
    entry.add("dtstamp", booking.paid_at or booking.updated_at)
    entry.add("dtstart", booking.check_in)
    entry.add("dtend", booking.check_out)
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
    content: bytes = calendar.to_ical()
    return content
