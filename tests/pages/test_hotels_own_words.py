"""The hotel's address and directions: set in the console, shown to guests and in their calendars."""

from __future__ import annotations

from datetime import date
from email.message import EmailMessage

import pytest
from icalendar import Calendar

from domain.booking import MailKind, Status
from storage.catalogue import hotel_by_slug
from tests.api.hotels import HotelDriver
from tests.api.stack import ApiStack
from tests.pages.guests import link
from tests.pages.page_client import PageClient, PageClients
from tests.pages.test_guest_emails import composed, letter
from tests.pages.test_staff_manage import TERMS, row_of

WORDS = {
    "address": "1 Lake Road\r\nKillarney",
    "directions": "Past the church.\r\nRing the bell after 22:00.",
    "location": "52.0599, -9.5044",
}


def _mail(kind: MailKind, **changes: object) -> EmailMessage:
    written = letter(kind, **changes)  # type: ignore[arg-type]
    written.hotel.address = "1 Lake Road\nKillarney"
    written.hotel.directions = "Past the church."
    written.hotel.location = "52.059900,-9.504400"
    return composed(written, "Booking Desk <bookings@hotels.test>")


def _text(message: EmailMessage) -> str:
    body = message.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def test_the_confirmation_leads_the_guest_there() -> None:
    message = _mail(MailKind.CONFIRMED, status=Status.CONFIRMED, amount_captured_minor=30000)
    assert "Address: 1 Lake Road\nKillarney\n" in _text(message)
    assert "Directions: Past the church.\n" in _text(message)
    [attached] = message.iter_attachments()
    [entry] = Calendar.from_ical(attached.get_content()).walk("VEVENT")
    assert entry["location"] == "Hotel Killarney & Sons, 1 Lake Road, Killarney"
    assert entry["geo"].to_ical() == "52.0599;-9.5044"
    _, *more = str(entry["description"]).split("\n")
    assert more == ["Telephone: +353 64 555 0100", "Directions: Past the church."]


@pytest.mark.parametrize(
    ("timezone", "starts", "ends"),
    [
        ("Europe/Dublin", "20270327T1600+0000", "20270328T1000+0100"),
        ("Pacific/Kiritimati", "20270327T1600+1400", "20270328T1000+1400"),
        ("Pacific/Pago_Pago", "20270327T1600-1100", "20270328T1000-1100"),
    ],
)
def test_the_calendar_file_has_the_hours_of_the_bookings_clock(timezone: str, starts: str, ends: str) -> None:
    """Also where the clocks change during the stay. Without an address the place is the hotel's name."""
    written = letter(
        MailKind.CONFIRMED,
        status=Status.CONFIRMED,
        amount_captured_minor=30000,
        timezone=timezone,
        check_in=date(2027, 3, 27),
        check_out=date(2027, 3, 28),
        check_in_hour=16,
        check_out_hour=10,
    )
    [attached] = composed(written).iter_attachments()
    [entry] = Calendar.from_ical(attached.get_content()).walk("VEVENT")
    times = [entry.decoded(name).strftime("%Y%m%dT%H%M%z") for name in ("dtstart", "dtend")]
    assert times == [starts, ends]
    assert entry["dtstart"].params["TZID"] == timezone
    assert entry["location"] == "Hotel Killarney & Sons"
    assert "geo" not in entry


@pytest.mark.parametrize("kind", [MailKind.AUTHORIZED, MailKind.STAFF_REQUEST])
def test_other_mails_do_without(kind: MailKind) -> None:
    assert "Lake Road" not in _text(_mail(kind))


def test_guests_read_their_hotels_name_as_the_senders() -> None:
    """The name in `EMAIL_FROM` speaks to staff only."""
    names = {
        kind: _mail(kind)["From"].addresses[0].display_name
        for kind in (MailKind.AUTHORIZED, MailKind.STAFF_REQUEST)
    }
    assert names == {
        MailKind.AUTHORIZED: "Hotel Killarney & Sons",
        MailKind.STAFF_REQUEST: "Booking Desk",
    }


async def test_guests_read_what_a_manager_has_set(
    manager: PageClient, page_clients: PageClients, hotel: HotelDriver, stack: ApiStack
) -> None:
    assert "Saved." in (await manager.submit("/staff/policy/", **(TERMS | WORDS))).words
    row = await row_of(stack, hotel)
    assert (row.address, row.location) == ("1 Lake Road\nKillarney", "52.059900,-9.504400")
    guest = page_clients.stranger()
    assert "1 Lake Road Killarney" in (await guest.open(f"/hotels/{hotel.slug}/")).words
    waiting = await guest.follow(link(await hotel.held()))
    assert "Past the church." not in waiting.words, "nobody sets off before the hotel has confirmed"
    page = await guest.follow(link(await hotel.confirmed()))
    assert "Directions Past the church. Ring the bell after 22:00." in page.words
    await manager.submit("/staff/policy/", **TERMS)
    async with stack.database.reading() as db:
        cleared = await hotel_by_slug(db, hotel.slug)
    assert cleared is not None
    assert (cleared.address, cleared.directions, cleared.location) == (None, None, None)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("address", "x" * 501, "is too long"),
        ("directions", "x" * 1001, "is too long"),
        ("directions", "\x07", "must not contain control characters"),
        ("location", "Killarney", "is no place on earth: write latitude and longitude like 52.0599, -9.5044"),
        ("location", "91, 0", "a latitude lies between -90 and 90"),
        ("location", "0, -181", "a longitude between -180 and 180"),
    ],
)
async def test_words_that_cannot_be_are_refused(
    manager: PageClient, hotel: HotelDriver, stack: ApiStack, field: str, value: str, words: str
) -> None:
    page = await manager.submit("/staff/policy/", **(TERMS | WORDS | {field: value}))
    assert page.status == 422
    assert words in page.words
    assert (await row_of(stack, hotel)).address is None
