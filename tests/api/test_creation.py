"""Making bookings: prices, what is refused and why, drafts."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from domain.identifiers import access_token
from tests.api.hotels import PERSON, HotelDriver, Json, midday_zone, open_hotel
from tests.api.problems import assert_problem
from tests.api.rows import count_bookings, edit, row_of
from tests.api.stack import AUTH_SECRET, ApiStack

_AHEAD, _BEHIND = "Pacific/Kiritimati", "Pacific/Pago_Pago"


def differing(body: Json, path: str, value: Any) -> Json:
    """A copy of a body with one member changed, or one of `guest`."""
    changed: Json = json.loads(json.dumps(body))
    *parents, name = path.split(".")
    target = changed
    for parent in parents:
        target = target[parent]
    target[name] = value
    return changed


# --- what is made -----------------------------------------------------------------------------------------


async def test_a_submitted_booking(hotel: HotelDriver) -> None:
    """201 with the whole booking at the hotel's price, waiting for payment, and its token."""
    wish = hotel.wish(nights=3, children=0, special_requests=" A cot, please.\nThank you. ")
    response = await hotel.ask_for(wish)
    assert response.status_code == 201
    booking = response.json()
    assert booking.pop("access_token") == access_token(AUTH_SECRET, booking["booking_id"])
    created_at, updated_at = booking.pop("created_at"), booking.pop("updated_at")
    for moment in (created_at, updated_at):
        assert abs(datetime.now(UTC) - datetime.fromisoformat(moment)) < timedelta(minutes=1)
        assert moment.endswith("Z")
    timeline = booking.pop("timeline")
    assert [(row["from"], row["to"], row["event"], row["actor"], row["version"]) for row in timeline] == [
        (None, "DRAFT", "created", "guest", 1),
        ("DRAFT", "PENDING_PAYMENT", "submitted", "guest", 2),
    ]
    assert all(row["at"].endswith("Z") for row in timeline)
    nothing_yet = (
        "reason_code reason_note decision_deadline pending_decision payment_provider payment_reference "
        "payment_intent_id payment_authorized_at paid_at decision_made_at decision_made_by"
    )
    assert booking == {
        "booking_id": booking["booking_id"],
        "hotel": hotel.slug,
        "room_type": "double",
        "check_in": wish["check_in"],
        "check_out": wish["check_out"],
        "adults": 2,
        "children": 0,
        "guest": PERSON,
        "special_requests": "A cot, please.\nThank you.",
        "amount": "225.00",
        "amount_captured": "0.00",
        "amount_refunded": "0.00",
        "amount_paid_elsewhere": "0.00",
        "currency": "EUR",
        "status": "PENDING_PAYMENT",
        "needs_attention": False,
        "version": 2,
        **dict.fromkeys(nothing_yet.split()),
    }


async def test_prices_in_yen(stack: ApiStack) -> None:
    """A currency without decimals is counted and written without them."""
    inn = await open_hotel(stack, currency="JPY", price_minor=15000, timezone="Asia/Tokyo")
    response = await inn.ask_for(inn.wish(nights=2, room_type="suite", adults=3, children=1))
    booking = response.json()
    assert (booking["amount"], booking["amount_captured"], booking["currency"]) == ("60000", "0", "JPY")


async def test_names_and_addresses_are_kept_as_they_are_written(hotel: HotelDriver) -> None:
    """Letters of any language pass; white space round them goes, and what is left blank counts as absent."""
    guest = {"first_name": "  Siân-Åse ", "last_name": "O’Brien 李", "email": "A.B@Exämple.IE", "phone": " "}
    response = await hotel.ask_for(hotel.wish(guest=guest, special_requests="  "))
    booking = response.json()
    assert booking["guest"] == {
        "first_name": "Siân-Åse",
        "last_name": "O’Brien 李",
        "email": "A.B@xn--exmple-cua.ie",
        "phone": None,
    }
    assert booking["special_requests"] is None


async def test_names_of_many_scripts_pass(hotel: HotelDriver) -> None:
    """With the joiners that some need, and in one form, however they were typed."""
    for typed, kept in (
        ("Garci\u0301a", "Garc\u00eda"),
        ("\u0646\u0627\u0645\u200c\u062e\u0627\u0646\u0648\u0627\u062f\u06af\u06cc", None),
        ("\u0d28\u0d4d\u200d", None),
        ("Jr. (3rd), O\u2019Neil-Smith & Co / Fils", None),
        ("7", None),
    ):
        guest = PERSON | {"last_name": typed}
        response = await hotel.ask_for(
            hotel.wish(guest=guest, submit=False, special_requests=f"For {typed}, https://ok.test")
        )
        assert response.status_code == 201, response.text
        booking = response.json()
        assert booking["guest"]["last_name"] == (kept or typed)
        assert booking["special_requests"] == f"For {kept or typed}, https://ok.test"


@pytest.mark.parametrize("timezone", [_AHEAD, _BEHIND])
async def test_today_is_the_hotels(stack: ApiStack, timezone: str) -> None:
    """A stay may begin today, by the calendar that hangs in the hotel, and not the day before."""
    inn = await open_hotel(stack, timezone=timezone, cutoff_hour=24)
    today = await inn.ask_for(inn.wish(days_ahead=0))
    # In the day's last hour it is too late to pay.
    assert today.status_code == 201 or today.json()["code"] == "too_late"
    assert_problem(await inn.ask_for(inn.wish(days_ahead=-1)), 422, "invalid_request", "check_in")


async def test_a_stay_in_the_far_future(hotel: HotelDriver) -> None:
    """Nothing overflows at the end of the calendar."""
    wish = hotel.wish(check_in="9999-12-01", check_out="9999-12-31")
    assert (await hotel.ask_for(wish)).json()["amount"] == "2250.00"


# --- what is refused --------------------------------------------------------------------------------------

_REFUSED: list[tuple[str, Any, str]] = [
    ("room_type", "penthouse", "room_type"),
    ("room_type", "", "room_type"),
    ("room_type", "dou\x00ble", "room_type"),
    ("room_type", None, "room_type"),
    ("check_in", "2027-02-30", "check_in"),
    ("check_in", "01/06/2027", "check_in"),
    ("check_in", "2027-06-01T00:00:00", "check_in"),
    ("check_in", 1811808000, "check_in"),
    ("check_in", "\u0662\u0660\u0662\u0667-06-01", "check_in"),
    ("adults", 0, "adults"),
    ("adults", -1, "adults"),
    ("adults", 3, "adults"),
    ("adults", "2", "adults"),
    ("adults", 2.0, "adults"),
    ("adults", True, "adults"),
    ("adults", 10**30, "adults"),
    ("children", -1, "children"),
    ("children", 1, "adults"),
    ("submit", "yes", "submit"),
    ("submit", 0, "submit"),
    ("special_requests", "x" * 2001, "special_requests"),
    ("special_requests", "bell \x07", "special_requests"),
    ("special_requests", "nul \x00", "special_requests"),
    ("guest", None, "guest"),
    ("guest", [], "guest"),
    ("guest.first_name", " ", "guest.first_name"),
    ("guest.first_name", "x" * 101, "guest.first_name"),
    ("guest.last_name", "Line\nBreak", "guest.last_name"),
    ("guest.last_name", "Para\u2029graph", "guest.last_name"),
    ("guest.first_name", "your refund waits at https://evil.test", "guest.first_name"),
    ("guest.last_name", "see WWW.evil.test", "guest.last_name"),
    ("guest.last_name", "w\u200dww.evil.test", "guest.last_name"),
    ("guest.last_name", "\uff57\uff57\uff57\uff0eevil.test", "guest.last_name"),
    ("guest.first_name", "write to me@evil.test", "guest.first_name"),
    ("guest.first_name", "me\uff20evil.test", "guest.first_name"),
    ("guest.first_name", "\u202egnp.kcehc", "guest.first_name"),
    ("guest.first_name", "Ada\u200f", "guest.first_name"),
    ("guest.last_name", "Love\u2066lace", "guest.last_name"),
    ("guest.last_name", "Soft\u00adly", "guest.last_name"),
    ("guest.last_name", "\u200d\u200c", "guest.last_name"),
    ("guest.last_name", "\u3164", "guest.last_name"),
    ("guest.last_name", "\u0301", "guest.last_name"),
    ("guest.email", "nobody", "guest.email"),
    ("guest.email", "a@localhost", "guest.email"),
    ("guest.email", "a@b@example.com", "guest.email"),
    ("guest.email", "a@example.com\r\nBcc: b@example.com", "guest.email"),
    ("guest.email", "Nobody <a@example.com>", "guest.email"),
    ("guest.email", "a@" + "x" * 250 + ".com", "guest.email"),
    ("guest.phone", "call me", "guest.phone"),
    ("guest.phone", "+353\x001", "guest.phone"),
    ("guest.phone", "1" * 41, "guest.phone"),
    ("amount", "1.00", "amount"),
    ("guest.vip", True, "guest.vip"),
    ("\x00<script>", 1, "(unknown field)"),
]


@pytest.mark.parametrize(("path", "value", "field"), _REFUSED)
async def test_bad_members(hotel: HotelDriver, path: str, value: Any, field: str) -> None:
    """422 that names the one field to mend, and nothing is written; the value is not echoed."""
    body = differing(hotel.wish(), path, value)
    problem = assert_problem(await hotel.ask_for(body), 422, "invalid_request", field)
    if isinstance(value, str) and len(value) > 6:
        assert value not in json.dumps(problem)
    assert await count_bookings(hotel) == 0


async def test_all_that_is_wrong_is_said_at_once(hotel: HotelDriver) -> None:
    """The answer names every field that is wrong."""
    fields = ["room_type", "check_in", "check_out", "adults", "guest"]
    assert_problem(await hotel.ask_for({}), 422, "invalid_request", *fields)


@pytest.mark.parametrize("nights", [-1, 0, 31])
async def test_stays_have_1_to_30_nights(hotel: HotelDriver, nights: int) -> None:
    """Neither fewer nor more."""
    assert_problem(await hotel.ask_for(hotel.wish(nights=nights)), 422, "invalid_request", "check_out")


async def test_30_nights(hotel: HotelDriver) -> None:
    """The longest stay there is."""
    assert (await hotel.ask_for(hotel.wish(nights=30))).status_code == 201


async def test_below_the_smallest_charge(stack: ApiStack) -> None:
    """An amount below Stripe's minimum is refused here; two nights may reach it."""
    inn = await open_hotel(stack, price_minor=25)
    assert_problem(await inn.ask_for(inn.wish(nights=1)), 422, "invalid_request", "check_out")
    assert (await inn.ask_for(inn.wish(nights=2))).json()["amount"] == "0.50"


async def test_above_the_largest_charge(stack: ApiStack) -> None:
    """Stripe takes eight digits."""
    inn = await open_hotel(stack, price_minor=40_000_000)
    assert_problem(await inn.ask_for(inn.wish(nights=3)), 422, "invalid_request", "check_out")


async def test_past_the_hotels_cutoff(stack: ApiStack) -> None:
    """A hotel that would have no time to decide is not asked; a later stay is fine."""
    inn = await open_hotel(stack, timezone=midday_zone(), cutoff_days_before=2, cutoff_hour=13)
    problem = assert_problem(await inn.ask_for(inn.wish(days_ahead=2)), 422, "too_late")
    assert problem["errors"][0]["field"] == "check_in"
    assert (await inn.ask_for(inn.wish(days_ahead=3))).status_code == 201


async def test_submitting_too_close_to_the_cutoff(stack: ApiStack) -> None:
    """A draft keeps the cutoff its guest saw; less than 61 minutes before it, payment and answer do not fit."""
    inn = await open_hotel(stack, timezone=midday_zone())
    guest = await inn.draft(days_ahead=0)
    await edit(inn, guest, cutoff_at=datetime.now(UTC) + timedelta(minutes=60))
    assert_problem(await guest.ask("POST", "submit/"), 422, "too_late")
    assert (await row_of(inn, guest)).status == "DRAFT"


async def test_unknown_hotel(stack: ApiStack, hotel: HotelDriver) -> None:
    """404, whatever else is wrong with it."""
    for slug in ("nowhere", "%00"):
        url = f"{stack.api}/api/public/hotel/{slug}/room-bookings/"
        assert_problem(await stack.http.post(url, json=hotel.wish()), 404, "not_found")


# --- bodies that are none ---------------------------------------------------------------------------------


async def post(hotel: HotelDriver, content: bytes, content_type: str = "application/json") -> httpx.Response:
    """Send bytes where a booking request belongs."""
    headers = {"Content-Type": content_type}
    return await hotel.stack.http.post(hotel.bookings_url, content=content, headers=headers)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"\xff\xfe{}",
        b'{"a": "\xff"}',
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b'{"adults": ' + b"9" * 10_000 + b"}",
        b'{"adults": NaN}',
        b'{"guest": {"first_name": "\\ud800"}}',
        b'{"\\ud800": 1}',
    ],
    ids=lambda content: content[:16].decode("latin-1"),
)
async def test_not_a_booking_request(hotel: HotelDriver, content: bytes) -> None:
    """422, whatever the bytes are."""
    assert_problem(await post(hotel, content), 422, "invalid_request")
    assert await count_bookings(hotel) == 0


async def test_wrong_content_type(hotel: HotelDriver) -> None:
    """JSON that does not say so is none."""
    body = json.dumps(hotel.wish()).encode()
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "x"):
        assert_problem(await post(hotel, body, content_type), 422, "invalid_request")
    assert (await post(hotel, body, "application/json; charset=utf-8")).status_code == 201


async def test_bodies_over_1_mib(hotel: HotelDriver) -> None:
    """413, whether the length is announced or the bytes just keep coming."""
    body = json.dumps(hotel.wish()).encode()
    just_fits = body + b" " * ((1 << 20) - len(body))
    assert (await post(hotel, just_fits)).status_code == 201
    assert_problem(await post(hotel, just_fits + b" "), 413, "body_too_large")

    async def pieces() -> Any:
        for _ in range(33):
            yield b" " * (1 << 15)

    headers = {"Content-Type": "application/json"}
    response = await hotel.stack.http.post(hotel.bookings_url, content=pieces(), headers=headers)
    assert_problem(response, 413, "body_too_large")
