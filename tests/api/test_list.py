"""The staff's list of bookings: filters, orders, pages."""

from __future__ import annotations

import base64
import itertools
import json
import secrets
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlmodel import col

from models import Booking, RoomType
from sandbox.drivers import StaffDriver
from storage.creation import insert_draft
from tests.api.hotels import HotelDriver, open_hotel
from tests.api.problems import assert_problem
from tests.api.stack import ApiStack
from tests.workflows.servers import Json

_MORNING = datetime(2027, 5, 1, 8, 0, tzinfo=UTC)


async def fill(hotel: HotelDriver, rows: Sequence[dict[str, Any]]) -> list[str]:
    """Write bookings as they are given, in this order; returns their ids."""
    query = select(RoomType).where(col(RoomType.hotel_id) == hotel.id, col(RoomType.code) == "double")
    async with hotel.stack.database.transaction() as db:
        room = (await db.scalars(query)).one()
        bookings = [_booking(hotel, room, row) for row in rows]
        for booking in bookings:
            await insert_draft(db, booking)
    return [booking.booking_id for booking in bookings]


def _booking(hotel: HotelDriver, room: RoomType, values: dict[str, Any]) -> Booking:
    common = {
        "booking_id": f"BK-{secrets.token_hex(8).upper()}",
        "hotel_id": hotel.id,
        "room_type_id": room.id,
        "check_in": date(2027, 6, 1),
        "check_out": date(2027, 6, 3),
        "adults": 2,
        "guest_first_name": "Philippa",
        "guest_last_name": "Quarshie",
        "guest_email": "philippa@example.com",
        "amount_minor": 15000,
        "currency": "EUR",
        "timezone": "Europe/Dublin",
        "check_in_hour": 15,
        "check_out_hour": 11,
        "cutoff_at": _MORNING,
        "approval_sla_s": 86400,
        "payment_window_s": 86400,
        "free_cancel_days": 2,
        "late_cancel_fee_percent": 100,
        "created_at": _MORNING,
        "updated_at": _MORNING,
    }
    return Booking(**{**common, **values})


async def ids(staff: StaffDriver, **params: Any) -> list[str]:
    """The ids on one page, in its order."""
    page = await staff.ask("GET", "", params=params)
    assert page.status_code == 200, page.text
    return [item["booking_id"] for item in page.json()["items"]]


async def all_pages(staff: StaffDriver, **params: Any) -> list[list[str]]:
    """Every page's ids, each found by the cursor of the one before."""
    pages: list[list[str]] = []
    cursor: dict[str, str] = {}
    while True:
        page: Json = (await staff.ask("GET", "", params=params | cursor)).json()
        pages.append([item["booking_id"] for item in page["items"]])
        if page["next_cursor"] is None:
            return pages
        cursor = {"cursor": page["next_cursor"]}
        assert len(pages) < 100, "the pages do not end"


# --- contents ---------------------------------------------------------------------------------------------


async def test_a_hotel_sees_its_own_bookings(hotel: HotelDriver, stack: ApiStack) -> None:
    """Each as it is seen by itself; others' are not there."""
    guest, staff, other = await hotel.submitted(), await hotel.staff(), await open_hotel(stack)
    await other.draft()
    page = (await staff.ask("GET", "")).json()
    own = await guest.read_booking()
    assert page == {"items": [own | {"attention": []}], "next_cursor": None}
    assert page["items"][0] == await staff.read_booking(guest.booking_id)


async def test_nothing_to_see(hotel: HotelDriver) -> None:
    """An empty list is a list."""
    assert (await (await hotel.staff()).ask("GET", "")).json() == {"items": [], "next_cursor": None}


# --- filters ----------------------------------------------------------------------------------------------


async def test_by_status(hotel: HotelDriver) -> None:
    """One status, several, or, left blank, all."""
    names = ("DRAFT", "PENDING_PAYMENT", "PENDING_APPROVAL", "CONFIRMED", "DECLINED", "EXPIRED", "CANCELLED")
    made = dict(zip(names, await fill(hotel, [{"status": name} for name in names]), strict=True))
    staff = await hotel.staff()
    for name in names:
        assert await ids(staff, status=name) == [made[name]]
    assert await ids(staff, status=["CONFIRMED", "DRAFT"]) == [made["DRAFT"], made["CONFIRMED"]]
    assert await ids(staff, status=["CONFIRMED", "CONFIRMED"]) == [made["CONFIRMED"]]
    assert await ids(staff, status="") == list(made.values())
    assert await ids(staff, status=["", "EXPIRED"]) == [made["EXPIRED"]]
    for bad in ("confirmed", "PAID", "%", "\x00"):
        response = await staff.ask("GET", "", params={"status": bad})
        assert_problem(response, 422, "invalid_request")


async def test_by_text(hotel: HotelDriver) -> None:
    """Words of an id, a name, an address, in any order, case and spelling; SQL's own signs have no meaning."""
    rows = [
        {"booking_id": "BK-7Q2M9-AAAAA-" + secrets.token_hex(4).upper(), "guest_first_name": "Aoife"},
        {"guest_first_name": "100%", "guest_last_name": "Sure"},
        {"guest_first_name": "Under_score", "guest_last_name": "O'Brien"},
        {"guest_first_name": "Back\\slash", "guest_last_name": "For/ward"},
        {"guest_email": "odd+tag@example.org", "guest_last_name": "\u00dcnal"},
    ]
    aoife, percent, underscore, slashes, tagged = await fill(hotel, rows)
    staff = await hotel.staff()
    found = {
        "7q2m9": [aoife],
        "aoif": [aoife],
        "AOIFE QUARSHIE": [aoife],
        "quarshie aoife": [aoife],
        "%": [],
        "100% s": [percent],
        "_": [],
        "under_s": [underscore],
        "o'brien": [underscore],
        "obrien": [underscore],
        "back\\s": [slashes],
        "\\": [],
        "for/w": [slashes],
        "tag@": [tagged],
        "unal": [tagged],
        "ünal": [tagged],
        "ÜNAL": [tagged],
        "U\u0308nal": [tagged],
        "example.org": [tagged],
        "nobody": [],
        "': drop table booking; --": [],
        "": [aoife, percent, underscore, slashes, tagged],
    }
    for text, expected in found.items():
        assert await ids(staff, q=text) == expected, text
    assert await ids(staff, q="under_score", status="CONFIRMED") == []
    for bad in ("\x00", "x" * 101, "line\nbreak"):
        assert_problem(await staff.ask("GET", "", params={"q": bad}), 422, "invalid_request", "q")


async def test_by_day_of_check_in(hotel: HotelDriver) -> None:
    """Both days are among those asked for; each may be left out, and other filters go with them."""
    days = [date(2027, 6, 1), date(2027, 6, 2), date(2027, 6, 2), date(2027, 6, 4)]
    rows: list[dict[str, Any]] = [{"check_in": day, "check_out": day + timedelta(days=1)} for day in days]
    rows[2]["status"] = "CONFIRMED"
    first, second, confirmed, last = await fill(hotel, rows)
    staff = await hotel.staff()
    found = {
        ("2027-06-02", ""): [second, confirmed, last],
        ("", "2027-06-02"): [first, second, confirmed],
        ("2027-06-02", "2027-06-02"): [second, confirmed],
        ("2027-06-03", "2027-06-03"): [],
        ("2027-06-04", "2027-06-01"): [],
    }
    for (since, until), expected in found.items():
        assert await ids(staff, check_in_from=since, check_in_to=until, sort="check_in") == expected
    assert await ids(staff, check_in_from="2027-06-02", status="CONFIRMED") == [confirmed]
    for name, bad in itertools.product(("check_in_from", "check_in_to"), ("tomorrow", "2027-06-31", "-1")):
        assert_problem(await staff.ask("GET", "", params={name: bad}), 422, "invalid_request", name)


async def test_blanks_are_absent(hotel: HotelDriver) -> None:
    """A form that was sent with nothing filled in lists everything."""
    made = await fill(hotel, [{}])
    staff = await hotel.staff()
    blank = dict.fromkeys(("status", "q", "check_in_from", "check_in_to", "sort", "cursor", "limit"), "")
    assert await ids(staff, **blank) == made
    assert await ids(staff, q="  ") == made


# --- orders and pages -------------------------------------------------------------------------------------


def with_ties() -> list[dict[str, Any]]:
    """Bookings many of which share a deadline, or have none, or were made at the same instant."""
    later = _MORNING + timedelta(microseconds=1)
    deadlines = itertools.cycle([_MORNING, _MORNING, None, later, later, _MORNING, None, None])
    moments = itertools.cycle([_MORNING, _MORNING, _MORNING + timedelta(microseconds=1), _MORNING])
    days = itertools.cycle([date(2027, 6, 2), date(2027, 6, 1), date(2027, 6, 2)])
    return [
        {"decision_deadline": next(deadlines), "created_at": next(moments), "check_in": next(days)}
        for _ in range(23)
    ]


@pytest.mark.parametrize("limit", [1, 2, 7, 22, 23, 24])
async def test_pages(hotel: HotelDriver, limit: int) -> None:
    """Each booking is on one page, in order, whatever they share; the last page has no cursor."""
    rows = with_ties()
    made = dict(zip(await fill(hotel, rows), rows, strict=True))
    age = {booking_id: number for number, booking_id in enumerate(made)}
    staff = await hotel.staff()

    def deadline(booking_id: str) -> tuple[bool, datetime, int]:
        at = made[booking_id]["decision_deadline"]
        return at is None, at or _MORNING, age[booking_id]

    def created(booking_id: str) -> tuple[datetime, int]:
        return made[booking_id]["created_at"], age[booking_id]

    def check_in(booking_id: str) -> tuple[date, int]:
        return made[booking_id]["check_in"], age[booking_id]

    orders = {
        "deadline": sorted(made, key=deadline),
        "created": sorted(made, key=created, reverse=True),
        "check_in": sorted(made, key=check_in),
    }
    for sort, expected in orders.items():
        pages = await all_pages(staff, sort=sort, limit=limit)
        assert list(itertools.chain(*pages)) == expected
        assert all(len(page) == limit for page in pages[:-1])
        assert len(pages) == -(-len(expected) // limit)
    assert await ids(staff, limit=24) == orders["deadline"], "the deadline is the order unless said otherwise"


async def test_pages_of_a_filtered_list(hotel: HotelDriver) -> None:
    """The cursor goes on within what is asked for."""
    rows = [{"status": ("CONFIRMED", "DRAFT")[number % 2]} for number in range(10)]
    made = await fill(hotel, rows)
    pages = await all_pages(await hotel.staff(), status="CONFIRMED", limit=2)
    assert pages == [made[0:4:2], made[4:8:2], made[8:10:2]]


async def test_bookings_that_come_between_two_pages(hotel: HotelDriver) -> None:
    """Nothing is shown twice or left out for it."""
    first = await fill(hotel, [{"created_at": _MORNING + timedelta(minutes=n)} for n in range(4)])
    staff = await hotel.staff()
    page = (await staff.ask("GET", "", params={"sort": "created", "limit": 2})).json()
    await fill(hotel, [{"created_at": _MORNING + timedelta(hours=1)}])
    rest = await ids(staff, sort="created", limit=2, cursor=page["next_cursor"])
    assert [item["booking_id"] for item in page["items"]] + rest == first[::-1]


async def test_limits(hotel: HotelDriver) -> None:
    """1 to 100; fifty unless said otherwise."""
    await fill(hotel, [{}] * 101)
    staff = await hotel.staff()
    assert len(await ids(staff)) == 50
    assert len(await ids(staff, limit=100)) == 100
    for bad in ("0", "-1", "101", "many", "1.5", "9" * 5000):
        assert_problem(await staff.ask("GET", "", params={"limit": bad}), 422, "invalid_request", "limit")
    assert_problem(await staff.ask("GET", "", params={"sort": "price"}), 422, "invalid_request", "sort")


def cursor(*parts: Any) -> str:
    """Parts written as a cursor is."""
    return base64.urlsafe_b64encode(json.dumps(list(parts)).encode()).decode()


@pytest.mark.parametrize(
    "bad",
    [
        "x",
        "é",
        "\x00",
        "A" * 201,
        cursor(),
        cursor("deadline", None),
        cursor("deadline", None, "1"),
        cursor("deadline", None, 1.5),
        cursor("deadline", None, True),
        cursor("deadline", None, -1),
        cursor("deadline", None, 2**63),
        cursor("deadline", 7, 1),
        cursor("deadline", "soon", 1),
        cursor("deadline", "2027-05-01T08:00:00", 1),
        cursor("deadline", "0001-01-01T00:00:00+23:59", 1),
        cursor("deadline", "9999-12-31T23:59:59-23:59", 1),
        cursor("created", _MORNING.isoformat(), 1),
        cursor("price", None, 1),
        base64.urlsafe_b64encode(b'{"a":1,"b":2,"c":3}').decode(),
        base64.urlsafe_b64encode(b"[" * 100).decode(),
        base64.urlsafe_b64encode(b"\xff").decode(),
    ],
)
async def test_cursors_that_are_none(hotel: HotelDriver, bad: str) -> None:
    """422 for what no page has given, or a page in another order."""
    response = await (await hotel.staff()).ask("GET", "", params={"cursor": bad, "sort": "deadline"})
    assert_problem(response, 422, "invalid_request", "cursor")


async def test_a_cursor_of_the_other_order(hotel: HotelDriver) -> None:
    """A place in one order is none in another."""
    await fill(hotel, [{"decision_deadline": _MORNING}] * 3)
    staff = await hotel.staff()
    for sort, other in itertools.permutations(("deadline", "created", "check_in"), 2):
        given = (await staff.ask("GET", "", params={"sort": sort, "limit": 1})).json()["next_cursor"]
        response = await staff.ask("GET", "", params={"sort": other, "cursor": given})
        assert_problem(response, 422, "invalid_request", "cursor")
    for bad in (
        cursor("created", None, 1),
        cursor("check_in", None, 1),
        cursor("check_in", "2027-06-31", 1),
        cursor("check_in", _MORNING.isoformat(), 1),
    ):
        sort = json.loads(base64.urlsafe_b64decode(bad))[0]
        response = await staff.ask("GET", "", params={"sort": sort, "cursor": bad})
        assert_problem(response, 422, "invalid_request", "cursor")
