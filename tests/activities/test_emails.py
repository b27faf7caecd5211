"""Each kind of mail arrives in its mailboxes: in both currencies, through a real SMTP server."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from zoneinfo import ZoneInfo

import pytest
from icalendar import Calendar

from domain.booking import MailKind
from domain.identifiers import access_token
from models import Booking, SentMail
from storage.database import Database
from tests.activities.mail_harness import (
    AUTH_SECRET,
    PUBLIC_BASE_URL,
    SENDER,
    SUBJECTS,
    MailHarness,
    both_parts,
    recipients,
    standing,
)
from tests.storage.rows import T0, HotelRows, create_hotel
from tests.workflows.servers import Json

MONEY = {"EUR": ("€150.00", "€75.00"), "JPY": ("¥15,000", "¥7,500")}


@dataclass(frozen=True)
class MailCase:
    """Mails of one kind about one booking, version 3, and what the database has about them."""

    kind: MailKind
    hotel_rows: HotelRows
    booking: Booking
    mails: list[Json]
    rows: list[SentMail]

    @property
    def for_staff(self) -> bool:
        """Whether they go to staff."""
        return self.kind.startswith("staff_")

    @property
    def recipients(self) -> set[str]:
        """The recipients."""
        return recipients(self.hotel_rows, self.kind)


@pytest.fixture(
    scope="module", params=[(kind, currency) for kind in MailKind for currency in MONEY], ids="-".join
)
async def sent(request: pytest.FixtureRequest, mail_harness: MailHarness, database: Database) -> MailCase:
    """Every kind of mail, in both currencies: sent once, looked at by several tests."""
    kind, currency = request.param
    timezone = {"EUR": "Europe/Dublin", "JPY": "Asia/Tokyo"}[currency]
    hotel_rows = await create_hotel(database, currency=currency, timezone=timezone)
    booking = await standing(database, hotel_rows, kind)
    await mail_harness.send(booking, kind, version=3)
    return MailCase(
        kind, hotel_rows, booking, await mail_harness.arrived(booking), await mail_harness.books(booking)
    )


# --- every kind ---


def test_who_gets_what(sent: MailCase) -> None:
    """Subject as in the contract, to the guest or to everyone who decides, each by a mail of their own."""
    assert [mail["to"] for mail in sent.mails if len(mail["to"]) != 1] == []
    assert sorted(mail["to"][0] for mail in sent.mails) == sorted(sent.recipients)
    for mail in sent.mails:
        assert mail["subject"] == SUBJECTS[sent.kind].format(id=sent.booking.booking_id)
        assert (mail["from"], mail["headers"]["To"]) == (SENDER, mail["to"][0])
        assert mail["headers"]["From"] == f"{sent.hotel_rows.hotel.name} <{SENDER}>"
        assert mail["headers"]["Auto-Submitted"] == "auto-generated"
        date_sent = parsedate_to_datetime(mail["headers"]["Date"])
        assert abs(datetime.now(UTC) - date_sent) < timedelta(minutes=10)
        assert {"Bcc", "Cc"}.isdisjoint(mail["headers"])


def test_text_and_html(sent: MailCase) -> None:
    """Both parts name booking, hotel, room, stay, and amounts as the currency writes them."""
    whole, half = MONEY[sent.booking.currency]
    for mail in sent.mails:
        for part in both_parts(mail):
            assert sent.booking.booking_id in part
            assert sent.hotel_rows.hotel.name in part
            assert "Double room" in part
            assert "Thursday 24 December 2026" in part
            assert whole in part
            assert (half in part) is (sent.kind == "cancelled")
            assert "{" not in part
            assert "None" not in part


def test_html_stands_by_itself(sent: MailCase) -> None:
    """Styles are inlined by a library, and nothing is loaded from anywhere."""
    for mail in sent.mails:
        html = mail["html"]
        assert len(re.findall(r"<(?:p|a|table|td|th)\b[^>]*\bstyle=", html)) > 5
        assert (
            re.findall(r"<(?:link|script|img|iframe|object|form)\b|\bsrc=|url\(", html, re.IGNORECASE) == []
        )


def test_links(sent: MailCase) -> None:
    """A guest's link carries their token; staff's opens a page that asks, and carries nothing."""
    booking_id = sent.booking.booking_id
    token = access_token(AUTH_SECRET, booking_id)
    link = (
        f"{PUBLIC_BASE_URL}/staff/bookings/{booking_id}/"
        if sent.for_staff
        else f"{PUBLIC_BASE_URL}/bookings/{booking_id}/?token={token}"
    )
    for mail in sent.mails:
        assert link in mail["text"].splitlines()
        assert f'href="{link}"' in mail["html"]
        assert (token in mail["text"] + mail["html"]) is not sent.for_staff


def test_message_ids(sent: MailCase) -> None:
    """One for each booking, kind, version and recipient; the recipient cannot be read from it."""
    ids = [mail["message_id"] for mail in sent.mails]
    shape = rf"<{sent.booking.booking_id}\.{sent.kind}\.3\.[0-9a-f]{{12}}@hotels\.test>"
    assert all(re.fullmatch(shape, id_) for id_ in ids)
    assert len(set(ids)) == len(sent.recipients)


def test_the_books_tell_of_each_mail(sent: MailCase) -> None:
    """Each mail's recipient, and the times at which it was handed over and accepted."""
    arrived = {mail["to"][0]: (mail["message_id"], mail["subject"]) for mail in sent.mails}
    assert {row.recipient: (row.message_id, row.subject) for row in sent.rows} == arrived
    for row in sent.rows:
        assert (row.kind, row.version) == (sent.kind, 3)
        assert row.sent_at is not None
        assert row.sending_at <= row.sent_at <= datetime.now(UTC)


async def test_a_repeat_sends_nothing_again(mail_harness: MailHarness, sent: MailCase) -> None:
    """The activity may run twice; each recipient gets one mail."""
    await mail_harness.send(sent.booking, sent.kind, version=3)
    assert await mail_harness.arrived(sent.booking) == sent.mails


async def test_another_version_is_another_mail(
    mail_harness: MailHarness, database: Database, hotel_rows: HotelRows
) -> None:
    """A booking may need attention twice."""
    booking = await standing(database, hotel_rows, MailKind.STAFF_ATTENTION)
    for version in (3, 5):
        await mail_harness.send(booking, MailKind.STAFF_ATTENTION, version=version)
    assert len({mail["message_id"] for mail in await mail_harness.arrived(booking)}) == 4


# --- the confirmation's calendar file ---


async def test_the_stay_as_a_calendar_entry(
    mail_harness: MailHarness, database: Database, hotel_rows: HotelRows
) -> None:
    """An entry from the check-in hour to the check-out hour on the hotel's clock, under an id that stays the same."""
    booking = await standing(database, hotel_rows, MailKind.CONFIRMED)
    await mail_harness.send(booking, MailKind.CONFIRMED, version=4)
    [mail] = await mail_harness.arrived(booking)
    [attachment] = mail["attachments"]
    assert (attachment["filename"], attachment["content_type"]) == (
        f"{booking.booking_id}.ics",
        "text/calendar",
    )
    calendar = Calendar.from_ical(attachment["text"])
    assert (calendar["VERSION"], calendar["METHOD"]) == ("2.0", "PUBLISH")
    [entry] = calendar.walk("VEVENT")
    assert entry["UID"] == f"{booking.booking_id}@hotels.test"
    zone = booking.timezone
    [described] = calendar.walk("VTIMEZONE")
    assert described["TZID"] == entry["DTSTART"].params["TZID"] == entry["DTEND"].params["TZID"] == zone
    assert entry.decoded("DTSTART") == datetime(2026, 12, 24, 15, tzinfo=ZoneInfo(zone))
    assert entry.decoded("DTEND") == datetime(2026, 12, 26, 11, tzinfo=ZoneInfo(zone))
    assert entry["SUMMARY"] == f"Stay at {hotel_rows.hotel.name}"
    assert entry["STATUS"] == "CONFIRMED"
    assert entry.decoded("DTSTAMP") == T0.replace(microsecond=0)
    assert "Double room" in str(entry["DESCRIPTION"])
    assert "philippa" not in attachment["text"].lower()


def test_only_a_confirmation_has_one(sent: MailCase) -> None:
    """No other mail carries a file."""
    for mail in sent.mails:
        assert len(mail["attachments"]) == (1 if sent.kind == "confirmed" else 0)


async def test_a_hotel_whose_name_needs_care(
    mail_harness: MailHarness, database: Database, hotel_rows: HotelRows
) -> None:
    """Commas, semicolons, quotes and line breaks mean something to calendars and headers."""
    name = 'Fish, "Chips"; Sons\\Co\nÜber <b>'
    async with database.transaction() as db:
        hotel = await db.get_one(type(hotel_rows.hotel), hotel_rows.id)
        hotel.name = name
    booking = await standing(database, hotel_rows, MailKind.CONFIRMED)
    await mail_harness.send(booking, MailKind.CONFIRMED, version=4)
    [mail] = await mail_harness.arrived(booking)
    [entry] = Calendar.from_ical(mail["attachments"][0]["text"]).walk("VEVENT")
    assert entry["SUMMARY"] == f"Stay at {name}"
    assert "Über <b>" in mail["headers"]["From"]
    assert "\n" not in mail["headers"]["From"]
    assert "&lt;b&gt;" in mail["html"]


# --- what guests write ---

EVIL = {
    "guest_first_name": "Eve\r\nBcc: everybody@evil.test\r\n\r\n<script>alert(1)</script>",
    "guest_last_name": "O'Neil\" <x@evil.test>, \x0bthe 2nd",
    "special_requests": "{{ link }}\n<img src=x>\r\n.\r\nQUIT\r\n",
}


@pytest.mark.parametrize("kind", MailKind)
async def test_a_guest_writes_no_headers(
    mail_harness: MailHarness, database: Database, hotel_rows: HotelRows, kind: MailKind
) -> None:
    """A guest's input is text, in the body only: no header, no recipient, no markup, no template, no command."""
    booking = await standing(database, hotel_rows, kind, **EVIL)
    await mail_harness.send(booking, kind, version=3)
    mails = await mail_harness.arrived(booking)
    assert {tuple(mail["to"]) for mail in mails} == {(to,) for to in recipients(hotel_rows, kind)}
    for mail in mails:
        assert mail["subject"] == SUBJECTS[kind].format(id=booking.booking_id)
        assert not any("evil" in value for value in mail["headers"].values())
        assert "Bcc" not in mail["headers"]
        assert "<script" not in mail["html"]
        assert "<img" not in mail["html"]
        typed = kind.startswith("staff_")
        assert ("{{ link }}" in mail["text"]) is typed, "special requests stand in staff's mails only"
    messages = await mail_harness.mail.ask("GET", "/_sandbox/messages", params={"to": "everybody@evil.test"})
    assert messages == []


@pytest.mark.parametrize("kind", MailKind)
async def test_before_a_hold_no_mail_says_what_a_stranger_typed(
    mail_harness: MailHarness, database: Database, hotel_rows: HotelRows, kind: MailKind
) -> None:
    """A guest without a hold may have typed a stranger's address."""
    typed = {
        "guest_first_name": "Collect",
        "guest_last_name": "Yourprize",
        "special_requests": "at evil.test",
        "guest_phone": "+353 1 999 9999",
        "payment_intent_id": None,
    }
    booking = await standing(database, hotel_rows, kind, **typed)
    await mail_harness.send(booking, kind, version=3)
    mails = await mail_harness.arrived(booking)
    assert mails
    for mail in mails:
        whole = mail["subject"] + mail["text"] + mail["html"] + str(mail["headers"])
        assert [text for text in typed.values() if text and text in whole] == []
        assert "Hello," in mail["text"]


async def test_a_note_is_text(mail_harness: MailHarness, database: Database, hotel_rows: HotelRows) -> None:
    """The guest reads a note by staff exactly as they wrote it."""
    booking = await standing(database, hotel_rows, MailKind.DECLINED)
    await mail_harness.send(booking, MailKind.DECLINED, version=4)
    [mail] = await mail_harness.arrived(booking)
    assert "Painting <that> floor" in mail["text"]
    assert "Painting &lt;that&gt; floor" in mail["html"]


async def test_an_address_beyond_ascii(
    mail_harness: MailHarness, database: Database, hotel_rows: HotelRows
) -> None:
    """RFC 6531: such a guest gets mail, too."""
    address = "philippä@bücher.example"
    booking = await standing(database, hotel_rows, MailKind.AUTHORIZED, guest_email=address)
    await mail_harness.send(booking, MailKind.AUTHORIZED, version=3)
    assert [mail["to"] for mail in await mail_harness.arrived(booking)] == [[address]]
