"""The staff's list: both orders, page by page, with ties; filters; and search that takes signs for signs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from domain.booking import Event, Status
from domain.payment_card import NO_RISK_LEVEL, PaymentCard
from models import Booking
from storage.booking_list import (
    BookingFilter,
    Position,
    Sort,
    list_bookings,
    pending_decisions,
    position,
    timelines,
)
from storage.bookings import apply_change, close_command
from storage.card_details import keep_card
from storage.console import open_decision
from storage.database import Database
from storage.erasure import booking_to_erase, erase_guest
from tests.storage.rows import T0, HotelRows, ask, book, change_of, create_hotel, held

MINUTE = timedelta(minutes=1)


async def listed(database: Database, hotel_rows: HotelRows, wanted: BookingFilter) -> list[Booking]:
    async with database.transaction() as db:
        return [booking for booking, _ in await list_bookings(db, hotel_rows.id, wanted)]


async def all_pages(database: Database, hotel_rows: HotelRows, sort: Sort, limit: int) -> list[list[str]]:
    """Page after page, each from where the one before ended."""
    pages: list[list[str]] = []
    after: Position | None = None
    while True:
        page = await listed(database, hotel_rows, BookingFilter(sort=sort, after=after, limit=limit))
        if not page:
            return pages
        pages.append([booking.booking_id for booking in page])
        after = position(page[-1], sort)


async def five_with_deadlines(database: Database, hotel_rows: HotelRows) -> list[str]:
    """Five bookings; their order by deadline is 3, 1 and 2 (a tie), then 0 and 4, which have none."""
    deadlines: list[datetime | None] = [None, T0 + 2 * MINUTE, T0 + 2 * MINUTE, T0 + MINUTE, None]
    made = [
        await book(database, hotel_rows, decision_deadline=deadline, created_at=T0 - number * MINUTE)
        for number, deadline in enumerate(deadlines)
    ]
    return [made[number].booking_id for number in (3, 1, 2, 0, 4)]


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 50])
async def test_pages_by_deadline(database: Database, hotel_rows: HotelRows, limit: int) -> None:
    """The earliest deadline comes first, ties by age, bookings without a deadline last. Each appears exactly once."""
    expected = await five_with_deadlines(database, hotel_rows)
    pages = await all_pages(database, hotel_rows, Sort.DEADLINE, limit)
    assert pages == [expected[i : i + limit] for i in range(0, 5, limit)]


@pytest.mark.parametrize("limit", [1, 2, 3, 50])
async def test_pages_by_age(database: Database, hotel_rows: HotelRows, limit: int) -> None:
    """The newest first; of those made at one moment, the row written last."""
    ages = [3, 1, 1, 2, 1]
    made = [await book(database, hotel_rows, created_at=T0 - age * MINUTE) for age in ages]
    expected = [made[number].booking_id for number in (4, 2, 1, 3, 0)]
    pages = await all_pages(database, hotel_rows, Sort.CREATED, limit)
    assert pages == [expected[i : i + limit] for i in range(0, 5, limit)]


@pytest.mark.parametrize("limit", [1, 2, 50])
async def test_pages_by_check_in(database: Database, hotel_rows: HotelRows, limit: int) -> None:
    """The earliest stay comes first, of those that begin on one day the row written first."""
    days = [T0.date() + timedelta(days=number) for number in (32, 30, 31, 30)]
    made = [await book(database, hotel_rows, check_in=day, check_out=day + timedelta(days=2)) for day in days]
    expected = [made[number].booking_id for number in (1, 3, 2, 0)]
    pages = await all_pages(database, hotel_rows, Sort.CHECK_IN, limit)
    assert pages == [expected[i : i + limit] for i in range(0, 4, limit)]


LEVELS = ["normal", None, "highest", "not_assessed", "elevated", "unknown", "of next year", "highest"]
BY_RISK = [2, 7, 4, 0, 3, 5, 6, 1]


@pytest.mark.parametrize("limit", [1, 3, 50])
async def test_pages_by_risk(database: Database, hotel_rows: HotelRows, limit: int) -> None:
    """Requests that wait come by Stripe's level, the oldest first; a hold without one, or none known, comes last."""
    made = [await with_risk(database, hotel_rows, level, day) for day, level in enumerate(LEVELS)]
    await book(database, hotel_rows, status=Status.CONFIRMED, risk_rank=0)
    expected = [made[number] for number in BY_RISK]
    pages = await all_pages(database, hotel_rows, Sort.RISK, limit)
    assert pages == [expected[i : i + limit] for i in range(0, len(expected), limit)]
    found = BookingFilter(text="quarshie", sort=Sort.RISK, limit=limit)
    assert [row.booking_id for row in await listed(database, hotel_rows, found)] == pages[0]


async def with_risk(database: Database, hotel_rows: HotelRows, level: str | None, day: int) -> str:
    """A request for a night of its own, whose hold has that risk level."""
    first = T0.date() + timedelta(days=30 + day)
    nights = {"check_in": first, "check_out": first + timedelta(days=1)}
    booking = await book(database, hotel_rows, status=Status.PENDING_PAYMENT, **nights)
    intent_id = f"pi_{booking.booking_id}"
    async with database.transaction() as db:
        await keep_card(db, booking.booking_id, intent_id, PaymentCard(risk_level=level))
        await apply_change(db, change_of(booking, Event.AUTHORIZED, payment_intent_id=intent_id))
    return booking.booking_id


async def test_a_page_begins_where_the_last_one_ended(database: Database, hotel_rows: HotelRows) -> None:
    """Though what stood there is gone, or others have come in before it."""
    expected = await five_with_deadlines(database, hotel_rows)
    [first, second] = await listed(database, hotel_rows, BookingFilter(limit=2))
    async with database.transaction() as db:
        row = await db.get_one(Booking, second.id)
        row.decision_deadline = T0 - MINUTE
    await book(database, hotel_rows, decision_deadline=T0 - 2 * MINUTE)
    rest = await listed(database, hotel_rows, BookingFilter(after=position(second, Sort.DEADLINE), limit=50))
    assert first.booking_id == expected[0]
    assert [booking.booking_id for booking in rest] == expected[2:]


async def test_after_the_last_one_comes_nothing(database: Database, hotel_rows: HotelRows) -> None:
    """In every order of all bookings, also where the last one has no deadline."""
    await five_with_deadlines(database, hotel_rows)
    for sort in (Sort.DEADLINE, Sort.CREATED, Sort.CHECK_IN):
        *_, last = await listed(database, hotel_rows, BookingFilter(sort=sort))
        assert await listed(database, hotel_rows, BookingFilter(sort=sort, after=position(last, sort))) == []


async def test_hotels_see_their_own(database: Database, hotel_rows: HotelRows) -> None:
    """And each booking comes with its room type."""
    other = await create_hotel(database)
    mine, _ = await book(database, hotel_rows), await book(database, other)
    async with database.transaction() as db:
        [(booking, room_type)] = await list_bookings(db, hotel_rows.id, BookingFilter())
    assert (booking.booking_id, room_type.id) == (mine.booking_id, hotel_rows.room_type.id)


async def test_statuses_are_filtered(database: Database, hotel_rows: HotelRows) -> None:
    """One, several, or all."""
    made = {status: await book(database, hotel_rows, status=status) for status in Status}

    async def statuses(*wanted: Status) -> set[str]:
        return {
            booking.status for booking in await listed(database, hotel_rows, BookingFilter(statuses=wanted))
        }

    assert await statuses() == set(made)
    assert await statuses(Status.CONFIRMED) == {"CONFIRMED"}
    assert await statuses(Status.DRAFT, Status.EXPIRED) == {"DRAFT", "EXPIRED"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("quarshie", ["philippa"]),
        ("PHILIPPA QUAR", ["philippa"]),
        ("philippa.quarshie@EXAMPLE", ["philippa"]),
        ("example.com", ["philippa", "percent", "under", "slash"]),
        ("straße", ["slash"]),
        ("sure 100%", ["percent"]),
        ("strasse", ["slash"]),
        ("150.00 24/12", ["philippa", "percent", "under", "slash"]),
        ("%", []),
        ("100%", ["percent"]),
        ("_", []),
        ("a_b", ["under"]),
        ("back\\", ["slash"]),
        ("\\", []),
        ("&", []),
        ("/", []),
        ("a%b", []),
        ("' OR 1=1 --", []),
        ("nobody", []),
    ],
)
async def test_search(database: Database, hotel_rows: HotelRows, text: str, found: Sequence[str]) -> None:
    """Words in any order and case, each from its beginning; signs of PostgreSQL's own have no meaning."""
    guests = {
        "philippa": ("Philippa", "Quarshie", "philippa.quarshie@example.com"),
        "percent": ("100%", "Sure", "percent@example.com"),
        "under": ("A_B", "Sure", "under@example.com"),
        "slash": ("Back\\slash", "Straße", "slash@example.com"),
    }
    made = {}
    for name, (first, last, email) in guests.items():
        booking = await book(
            database, hotel_rows, guest_first_name=first, guest_last_name=last, guest_email=email
        )
        made[booking.booking_id] = name
    results = await listed(database, hotel_rows, BookingFilter(text=text))
    assert sorted(made[booking.booking_id] for booking in results) == sorted(found)


async def test_search_by_booking_id(database: Database, hotel_rows: HotelRows) -> None:
    """As read out on the telephone: in small letters, a part of it."""
    booking = await book(database, hotel_rows)
    await book(database, hotel_rows)
    part = booking.booking_id[9:18].lower()
    assert [row.booking_id for row in await listed(database, hotel_rows, BookingFilter(text=part))] == [
        booking.booking_id
    ]


async def test_filters_and_pages_go_together(database: Database, hotel_rows: HotelRows) -> None:
    """A search's second page is still the search's."""
    for number in range(4):
        await held(database, hotel_rows, guest_last_name="Wanted" if number % 2 else "Other")
    wanted = BookingFilter(statuses=[Status.PENDING_APPROVAL], text="wanted", limit=1)
    [first] = await listed(database, hotel_rows, wanted)
    after = position(first, Sort.DEADLINE)
    rest = await listed(
        database, hotel_rows, BookingFilter(statuses=wanted.statuses, text="wanted", after=after)
    )
    assert [booking.guest_last_name for booking in [first, *rest]] == ["Wanted", "Wanted"]


async def test_timelines_of_several(database: Database, hotel_rows: HotelRows) -> None:
    """Each oldest first, none mixed with another."""
    one, other = await book(database, hotel_rows), await book(database, hotel_rows)
    async with database.transaction() as db:
        await apply_change(db, change_of(one, Event.SUBMITTED))
    async with database.transaction() as db:
        found = await timelines(db, [one.booking_id, other.booking_id, "BK-NOBODY"])
    steps = {id_: [step.event for step in rows] for id_, rows in found.items()}
    assert steps == {one.booking_id: ["created", "submitted"], other.booking_id: ["created"]}


async def test_pending_decisions(database: Database, hotel_rows: HotelRows) -> None:
    """The oldest that is open, of approve, decline and cancel only."""
    quiet, asked, settled = [await held(database, hotel_rows) for _ in range(3)]
    await ask(database, asked.booking_id, "retry", created_at=T0 - MINUTE)
    await ask(database, asked.booking_id, "decline", created_at=T0 + MINUTE)
    first = await ask(database, asked.booking_id, "approve", created_at=T0)
    closed = await ask(database, settled.booking_id, "cancel")
    async with database.transaction() as db:
        await close_command(db, closed.command_id, "settled", T0)
    ids = [quiet.booking_id, asked.booking_id, settled.booking_id]
    async with database.transaction() as db:
        assert await pending_decisions(db, ids) == {asked.booking_id: "approve"}
        found = [await open_decision(db, id_) for id_ in ids]
        assert [one and one.kind for one in found] == [None, "approve", None]
        await close_command(db, first.command_id, "already_decided", T0)
        left = await open_decision(db, asked.booking_id)
        assert left is not None
        assert left.kind == "decline"
        assert await pending_decisions(db, []) == {}


async def test_a_command_is_closed_once(database: Database, hotel_rows: HotelRows) -> None:
    """The outcome written first stays."""
    booking = await held(database, hotel_rows)
    command = await ask(database, booking.booking_id, "approve")
    async with database.transaction() as db:
        await close_command(db, command.command_id, "settled", T0)
        await close_command(db, command.command_id, "already_decided", T0 + MINUTE)
    async with database.transaction() as db:
        row = await db.get_one(type(command), command.command_id)
    assert (row.outcome, row.closed_at) == ("settled", T0)


async def test_an_erased_guest_is_found_no_more(database: Database, hotel_rows: HotelRows) -> None:
    """The booking itself still is, by its id."""
    booking = await book(database, hotel_rows, risk_rank=0)
    async with database.transaction() as db:
        found = await booking_to_erase(db, booking.booking_id)
        assert found is not None
        await erase_guest(db, found, T0)
    async with database.reading() as db:
        assert (await db.get_one(Booking, booking.id)).risk_rank == NO_RISK_LEVEL
    for text in ("quarshie", "philippa", "philippa.quarshie@example.com"):
        assert await listed(database, hotel_rows, BookingFilter(text=text)) == [], text
    found_again = await listed(database, hotel_rows, BookingFilter(text=booking.booking_id))
    assert [row.booking_id for row in found_again] == [booking.booking_id]
