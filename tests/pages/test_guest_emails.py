"""E-mails: text and HTML say the same, styles are inlined, and the hotel can be reached."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from html.parser import HTMLParser
from typing import Any

import pytest

from domain.attention import Attention, AttentionCode
from domain.booking import STAFF_MAILS, ActorKind, Event, MailKind, ReasonCode, Status
from emails.compose import BookingEmail, Composer
from models import Booking, BookingTimeline, Hotel, RoomType

TO = "somebody@example.com"
NOW = datetime(2027, 3, 1, 9, 30, tzinfo=UTC)
BASE = "https://hotels.test"
SECRET = "a-secret-for-the-tests-of-e-mails-alone"
GUEST_MAILS = [kind for kind in MailKind if kind not in STAFF_MAILS]
NOTE = "We are painting <that> floor.\nCome in May & bring friends."

UNPAID: dict[str, Any] = {
    "status": Status.PENDING_PAYMENT,
    "payment_intent_id": None,
    "decision_deadline": None,
    "payment_deadline": NOW + timedelta(days=1),
}


def letter(kind: MailKind, *, event: Event | None = None, **changes: Any) -> BookingEmail:
    hotel = Hotel(
        id=1,
        slug="hotel-killarney",
        name="Hotel Killarney & Sons",
        currency="EUR",
        timezone="Europe/Dublin",
        contact_email="reception@hotel-killarney.test",
        contact_phone="+353 64 555 0100",
    )
    room = RoomType(
        id=1,
        hotel_id=1,
        code="double",
        name="Double room",
        price_per_night_minor=15000,
        max_guests=2,
        rooms=3,
    )
    booking = Booking.model_validate(
        {
            "booking_id": "BK-7Q2M9-XKD4T-ZRW3H",
            "hotel_id": 1,
            "room_type_id": 1,
            "check_in": date(2027, 5, 29),
            "check_out": date(2027, 5, 31),
            "adults": 2,
            "guest_first_name": "Aoife",
            "guest_last_name": "O'Brien <b>",
            "guest_email": "aoife@example.com",
            "special_requests": "A quiet room.\nA cot, too.",
            "amount_minor": 30000,
            "currency": "EUR",
            "timezone": hotel.timezone,
            "check_in_hour": 15,
            "check_out_hour": 11,
            "cutoff_at": datetime(2027, 5, 29, 21, tzinfo=UTC),
            "approval_sla_s": 86400,
            "payment_window_s": 86400,
            "free_cancel_days": 2,
            "late_cancel_fee_percent": 30,
            "status": Status.PENDING_APPROVAL,
            "payment_intent_id": "pi_1",
            "decision_deadline": NOW + timedelta(days=1),
            **changes,
        }
    )
    step = None
    if event is not None:
        step = BookingTimeline(
            booking_id=booking.booking_id, version=4, at=NOW, to_status=booking.status, event=event, actor="x"
        )
    return BookingEmail(kind, 4, booking, hotel, room, step, rooms_taken=3)


def composed(written: BookingEmail, email_from: str = "bookings@hotels.test") -> EmailMessage:
    """An e-mail as its reader's program parses it."""
    mail = Composer(email_from, BASE, SECRET).compose(written, NOW)
    raw = mail.addressed_to(TO, mail.message_id(TO))
    return message_from_bytes(raw.replace(b"\r\n", b"\n"), policy=default)


CASES = {
    "authorized": letter(MailKind.AUTHORIZED),
    "confirmed": letter(MailKind.CONFIRMED, status=Status.CONFIRMED, amount_captured_minor=30000),
    "declined": letter(
        MailKind.DECLINED,
        status=Status.DECLINED,
        reason_code=ReasonCode.NO_AVAILABILITY,
        reason_note=NOTE,
    ),
    "timed out": letter(MailKind.DECLINED, status=Status.DECLINED, reason_code=ReasonCode.APPROVAL_TIMEOUT),
    "timed out before the hold's end": letter(
        MailKind.DECLINED,
        status=Status.DECLINED,
        reason_code=ReasonCode.AUTHORIZATION_EXPIRED,
        decision_made_by=ActorKind.SYSTEM,
    ),
    "expired": letter(MailKind.EXPIRED, status=Status.EXPIRED, payment_intent_id=None),
    "finish": letter(MailKind.FINISH_REQUEST, **UNPAID),
    "payment reminder": letter(MailKind.PAYMENT_REMINDER, **UNPAID),
    "link": letter(MailKind.BOOKING_LINK, status=Status.CONFIRMED, amount_captured_minor=30000),
    "cancelled, fee kept": letter(
        MailKind.CANCELLED,
        event=Event.CANCELLED_BY_GUEST,
        status=Status.CANCELLED,
        amount_captured_minor=30000,
        amount_refunded_minor=21000,
    ),
    "cancelled by staff": letter(
        MailKind.CANCELLED,
        event=Event.CANCELLED_BY_STAFF,
        status=Status.CANCELLED,
        amount_captured_minor=30000,
        amount_refunded_minor=30000,
    ),
    "request": letter(MailKind.STAFF_REQUEST),
    "reminder": letter(MailKind.STAFF_REMINDER),
    "refund seen": letter(
        MailKind.STAFF_PAYMENT_NOTICE,
        event=Event.REFUND_RECORDED,
        status=Status.CONFIRMED,
        amount_captured_minor=30000,
        amount_refunded_minor=1000,
    ),
    "attention": replace(
        letter(MailKind.STAFF_ATTENTION, needs_attention=True),
        attention=(
            Attention(AttentionCode.REFUND_NOT_DONE, "pi_1"),
            Attention(AttentionCode.EMAIL_FAILED, "confirmed", "SMTP 550"),
        ),
    ),
}

cases = pytest.mark.parametrize("written", CASES.values(), ids=CASES.keys())


class _Words(HTMLParser):
    """The words a reader of HTML sees, and every tag."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._text = ""
        self._hidden = 0

    @property
    def words(self) -> list[str]:
        return _plain(self._text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._hidden += tag in {"style", "title"}
        self._text += "" if tag == "a" else " "

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in {"style", "title"}
        self._text += "" if tag == "a" else " "

    def handle_data(self, data: str) -> None:
        self._text += "" if self._hidden else data


def _plain(text: str) -> list[str]:
    # A label's colon is drawn as a column in HTML.
    return re.sub(r":(\s|$)", r"\1", text).split()


def _part(message: EmailMessage, kind: str) -> str:
    body = message.get_body((kind,))
    assert body is not None
    text = body.get_content()
    assert isinstance(text, str)
    return text


def _html(written: BookingEmail) -> _Words:
    page = _Words()
    page.feed(_part(composed(written), "html"))
    return page


@cases
def test_text_and_html_say_the_same(written: BookingEmail) -> None:
    """The text part says the same as the HTML part."""
    assert _html(written).words == _plain(_part(composed(written), "plain"))


@cases
def test_styles_are_inlined_and_nothing_is_loaded(written: BookingEmail) -> None:
    """Mail programs that drop style sheets show the mail as it is meant; none asks another server."""
    page = _html(written)
    assert not [tag for tag, _ in page.tags if tag in {"link", "img", "script", "style"}]
    styled = {tag for tag, attributes in page.tags if attributes.get("style")}
    assert {"body", "p", "td", "a", "th"} <= styled
    button = next(attributes for tag, attributes in page.tags if tag == "a")
    assert "#ffffff" in (button["style"] or "")


@pytest.mark.parametrize(
    "written", [case for case in CASES.values() if case.kind in GUEST_MAILS], ids=lambda case: case.kind
)
def test_a_guest_can_reach_the_hotel_and_the_booking(written: BookingEmail) -> None:
    """Name, contact and the link to the status page; an answer goes to the hotel."""
    message = composed(written)
    text = _part(message, "plain")
    assert "Hotel Killarney & Sons" in text
    assert "reception@hotel-killarney.test" in text
    assert "+353 64 555 0100" in text
    assert f"{BASE}/bookings/BK-7Q2M9-XKD4T-ZRW3H/?token=" in text
    assert message["Reply-To"].addresses[0].addr_spec == "reception@hotel-killarney.test"


@pytest.mark.parametrize(
    "written", [case for case in CASES.values() if case.kind in STAFF_MAILS], ids=lambda case: case.kind
)
def test_a_link_for_staff_opens_a_page_and_decides_nothing(written: BookingEmail) -> None:
    """Mail scanners open every link: all lead to the booking in the console, and none holds a token."""
    links = {attributes["href"] for tag, attributes in _html(written).tags if tag == "a"}
    assert links == {f"{BASE}/staff/bookings/BK-7Q2M9-XKD4T-ZRW3H/"}
    assert composed(written)["Reply-To"] is None


def test_a_hotel_without_contact_names_none() -> None:
    """No half sentence is left where a hotel gives neither address nor number."""
    written = letter(MailKind.AUTHORIZED)
    written.hotel.contact_email = written.hotel.contact_phone = None
    message = composed(written)
    assert "Questions?" not in _part(message, "plain")
    assert message["Reply-To"] is None


def test_a_note_keeps_its_lines_and_stays_text() -> None:
    """A note by staff is shown as written: its lines are kept and its markup is escaped."""
    html = _part(composed(CASES["declined"]), "html")
    assert "We are painting &lt;that&gt; floor.<br>" in html
    assert "Come in May &amp; bring friends." in html


def test_only_the_confirmation_has_a_calendar_file() -> None:
    """The stay lands in the guest's calendar once it is certain."""
    with_file = {
        name
        for name, written in CASES.items()
        if any(part.get_content_type() == "text/calendar" for part in composed(written).iter_attachments())
    }
    assert with_file == {"confirmed"}


def test_a_release_without_a_decision_is_told_as_such() -> None:
    """For either limit; only for a hold that ended by itself does the mail say so."""
    by_system, by_stripe = (
        CASES["timed out before the hold's end"],
        letter(
            MailKind.DECLINED,
            status=Status.DECLINED,
            reason_code=ReasonCode.AUTHORIZATION_EXPIRED,
            decision_made_by=ActorKind.STRIPE,
        ),
    )
    assert "The hotel did not answer in time" in _part(composed(by_system), "plain")
    assert "The hold on your card ended before" in _part(composed(by_stripe), "plain")


@pytest.mark.parametrize(
    ("check_in", "words"),
    [
        (
            date(2027, 5, 29),
            "For this stay, cancelling is free until Thursday 27 May 2027, 00:00 (hotel time",
        ),
        (date(2027, 3, 2), "Free cancellation has ended for this stay: cancelling costs €90.00."),
    ],
)
def test_the_confirmation_tells_what_cancelling_costs_by_then(check_in: date, words: str) -> None:
    """A day of grace that lies in the past is not promised."""
    written = letter(
        MailKind.CONFIRMED,
        status=Status.CONFIRMED,
        amount_captured_minor=30000,
        check_in=check_in,
        check_out=check_in + timedelta(days=2),
    )
    assert words in _part(composed(written), "plain")
