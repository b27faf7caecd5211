"""The smaller books: payment pages, where they lead, mails, hotels and their people."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from domain.roles import Role
from models import Hotel, PaymentSession, ReturnAddresses, RoomType, SentMail, Staff
from storage.bookings import (
    booking_in_hotel,
    booking_with_hotel,
    keep_return_addresses,
    newest_session,
    owns_session,
    record_session,
    return_addresses,
    session_url,
    timeline_step,
)
from storage.catalogue import add_unless_there, hotel_by_slug, room_types, set_password, staff_with_hotel
from storage.database import Database
from storage.mails import begin_mail, deciding_staff, finish_mail, mails_of
from storage.staff_accounts import active_staff
from tests.storage.rows import T0, HotelRows, book, create_hotel, held, row_of

# --- payment pages ---


def session_of(booking_id: str, session_id: str, **values: Any) -> PaymentSession:
    return PaymentSession(
        **{
            "session_id": session_id,
            "booking_id": booking_id,
            "url": f"https://pay.test/{session_id}",
            "expires_at": T0 + timedelta(hours=1),
            "created_at": T0,
            **values,
        }
    )


async def record(database: Database, session: PaymentSession) -> None:
    async with database.transaction() as db:
        await record_session(db, session)


async def test_a_session_is_the_bookings_reference(database: Database, hotel_rows: HotelRows) -> None:
    """As in the seed: provider and reference, until the PaymentIntent takes its place."""
    booking = await book(database, hotel_rows)
    await record(database, session_of(booking.booking_id, f"cs_a_{booking.booking_id}"))
    row = await row_of(database, booking.booking_id)
    assert (row.payment_provider, row.payment_reference) == ("stripe", f"cs_a_{booking.booking_id}")
    assert (row.version, row.updated_at) == (1, T0), "the workflow's change, not this, moves a version"


async def test_a_late_session_does_not_hide_the_hold(database: Database, hotel_rows: HotelRows) -> None:
    """A repeat that arrives after the guest has paid."""
    booking = await held(database, hotel_rows, payment_reference="pi_held")
    await record(database, session_of(booking.booking_id, f"cs_a_{booking.booking_id}"))
    assert (await row_of(database, booking.booking_id)).payment_reference == "pi_held"


async def test_a_session_is_recorded_once(database: Database, hotel_rows: HotelRows) -> None:
    """What was noted first stays, the address included."""
    booking = await book(database, hotel_rows)
    session_id = f"cs_a_{booking.booking_id}"
    await record(database, session_of(booking.booking_id, session_id))
    await record(database, session_of(booking.booking_id, session_id, url="https://elsewhere.test"))
    async with database.transaction() as db:
        assert await session_url(db, session_id) == f"https://pay.test/{session_id}"
        assert await session_url(db, "cs_nobody") is None


async def test_whose_session_it_is(database: Database, hotel_rows: HotelRows) -> None:
    """Another booking's session is not found under this one."""
    mine, other = await book(database, hotel_rows), await book(database, hotel_rows)
    await record(database, session_of(mine.booking_id, f"cs_a_{mine.booking_id}"))
    newer = session_of(mine.booking_id, f"cs_b_{mine.booking_id}", created_at=T0 + timedelta(seconds=1))
    await record(database, newer)
    async with database.transaction() as db:
        assert await owns_session(db, mine.booking_id, f"cs_a_{mine.booking_id}")
        assert not await owns_session(db, other.booking_id, f"cs_a_{mine.booking_id}")
        assert not await owns_session(db, mine.booking_id, "cs_nobody")
        found = await newest_session(db, mine.booking_id)
        assert found is not None
        assert found.session_id == newer.session_id
        assert await newest_session(db, other.booking_id) is None


async def test_return_addresses(database: Database, hotel_rows: HotelRows) -> None:
    """Kept under an id; without one, and under one nobody knows, there are none."""
    booking = await book(database, hotel_rows)
    async with database.transaction() as db:
        addresses = ReturnAddresses(
            booking_id=booking.booking_id, success_url="https://a.test", cancel_url=None
        )
        id_ = await keep_return_addresses(db, addresses)
    async with database.transaction() as db:
        found = await return_addresses(db, id_)
        assert (found.success_url, found.cancel_url) == ("https://a.test", None)
        for nothing in (None, 2**62):
            none = await return_addresses(db, nothing)
            assert (none.success_url, none.cancel_url) == (None, None)


async def test_bookings_are_found_within_their_hotel(database: Database, hotel_rows: HotelRows) -> None:
    """Another hotel's booking is not found there, whoever asks."""
    other = await create_hotel(database)
    booking = await held(database, hotel_rows)
    async with database.transaction() as db:
        found = await booking_in_hotel(db, hotel_rows.hotel.slug, booking.booking_id)
        assert found is not None
        assert [row.id for row in found] == [booking.id, hotel_rows.id, hotel_rows.room_type.id]
        assert await booking_in_hotel(db, other.hotel.slug, booking.booking_id) is None
        assert await booking_with_hotel(db, "BK-NOBODY") is None
        assert await timeline_step(db, booking.booking_id, 99) is None


# --- mails ---


def mail_of(booking_id: str, **values: Any) -> SentMail:
    return SentMail(
        **{
            "message_id": f"<{booking_id}.confirmed.4@hotel.test>",
            "booking_id": booking_id,
            "kind": "confirmed",
            "version": 4,
            "recipient": "philippa.quarshie@example.com",
            "subject": "Booking Confirmed",
            "sending_at": T0,
            **values,
        }
    )


async def begin(database: Database, mail: SentMail) -> bool:
    async with database.transaction() as db:
        return await begin_mail(db, mail)


async def test_a_mail_is_sent_until_it_was_taken(database: Database, hotel_rows: HotelRows) -> None:
    """Marked before it is handed over and after it was taken; in between a crash leads to a repeat."""
    booking = await book(database, hotel_rows)
    mail = mail_of(booking.booking_id)
    assert await begin(database, mail)
    assert await begin(database, mail_of(booking.booking_id, sending_at=T0 + timedelta(hours=1)))
    async with database.transaction() as db:
        [row] = await mails_of(db, booking.booking_id)
        assert (row.sending_at, row.sent_at) == (T0, None)
        await finish_mail(db, mail.message_id)
    assert not await begin(database, mail)
    async with database.transaction() as db:
        [row] = await mails_of(db, booking.booking_id)
    assert row.sent_at is not None


async def test_two_workers_begin_one_mail(database: Database, hotel_rows: HotelRows) -> None:
    """Neither fails; one row is kept."""
    booking = await book(database, hotel_rows)
    begun = await asyncio.gather(*(begin(database, mail_of(booking.booking_id)) for _ in range(6)))
    assert begun == [True] * 6
    async with database.transaction() as db:
        assert len(await mails_of(db, booking.booking_id)) == 1


async def test_mails_are_listed_oldest_first(database: Database, hotel_rows: HotelRows) -> None:
    """Of one booking only."""
    booking, other = await book(database, hotel_rows), await book(database, hotel_rows)
    await begin(database, mail_of(other.booking_id))
    for number in (2, 1):
        at = T0 + timedelta(minutes=number)
        await begin(
            database,
            mail_of(
                booking.booking_id,
                message_id=f"<{booking.booking_id}.{number}>",
                version=number,
                sending_at=at,
            ),
        )
    async with database.transaction() as db:
        assert [mail.version for mail in await mails_of(db, booking.booking_id)] == [1, 2]


async def test_who_decides(database: Database, hotel_rows: HotelRows) -> None:
    """Approvers and managers who may still log in, of this hotel."""
    await create_hotel(database)
    async with database.transaction() as db:
        gone = Staff(
            hotel_id=hotel_rows.id,
            email=f"gone@{hotel_rows.hotel.slug}.test",
            role=Role.MANAGER,
            password_hash="-",
            active=False,
        )
        db.add(gone)
    async with database.transaction() as db:
        found = await deciding_staff(db, hotel_rows.id)
    assert found == [f"approver@{hotel_rows.hotel.slug}.test", f"manager@{hotel_rows.hotel.slug}.test"]


# --- hotels and their people ---


async def test_adding_what_is_there_changes_nothing(database: Database) -> None:
    """Of several operators at once, one hears that it was added."""
    slug = "hotel-added-once"
    rows = [Hotel(slug=slug, name=f"Name {i}", currency="EUR", timezone="Europe/Dublin") for i in range(4)]

    async def add(row: Hotel) -> bool:
        async with database.transaction() as db:
            return await add_unless_there(db, row)

    added = await asyncio.gather(*(add(row) for row in rows))
    assert sorted(added) == [False, False, False, True]
    async with database.transaction() as db:
        hotel = await hotel_by_slug(db, slug)
        assert hotel is not None
        assert hotel.name == rows[added.index(True)].name
        assert hotel.id is not None
        room = RoomType(hotel_id=hotel.id, code="b", name="B", price_per_night_minor=1, max_guests=1, rooms=1)
        assert await add_unless_there(db, room)
        assert await add_unless_there(db, RoomType(**{**room.model_dump(), "code": "a"}))
        assert not await add_unless_there(db, room)
        assert [found.code for found in await room_types(db, hotel.id)] == ["a", "b"]
        assert await hotel_by_slug(db, "hotel-nobody") is None


async def test_staff_are_found_with_their_hotel(database: Database, hotel_rows: HotelRows) -> None:
    """By address for the log-in, by id for every request after it; who left is not found by id."""
    email = hotel_rows.staff[Role.VIEWER].email
    async with database.transaction() as db:
        found = await staff_with_hotel(db, email)
        assert found is not None
        assert (found[0].email, found[1].slug) == (email, hotel_rows.hotel.slug)
        assert await staff_with_hotel(db, email.upper()) is None
        await set_password(db, email, "new hash")
    async with database.transaction() as db:
        assert found[0].id is not None
        known = await active_staff(db, found[0].id)
        assert known is not None
        assert (known[0].password_hash, known[1].id) == ("new hash", hotel_rows.id)
        known[0].active = False
    async with database.transaction() as db:
        assert await active_staff(db, found[0].id) is None


# --- the pool ---


async def test_a_database_that_is_away(database_url: str) -> None:
    """Says so within its own time, with the errors that callers know."""
    database = Database(database_url.rpartition("=")[0] + "=/nowhere/at/all")
    with pytest.raises((SQLAlchemyError, OSError, TimeoutError)):
        async with database.reading() as db:
            await db.execute(text("SELECT 1"))
    await database.close()


async def test_an_error_does_not_quote_what_was_written(database: Database, hotel_rows: HotelRows) -> None:
    """M9: its text may end up in a log."""
    with pytest.raises(SQLAlchemyError) as failure:
        await book(database, hotel_rows, guest_last_name="Quarshie" * 20)
    assert "too long" in str(failure.value)
    assert "quarshie" not in str(failure.value).lower()
