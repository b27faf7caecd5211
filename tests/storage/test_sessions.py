"""Payment pages, and where they lead."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from models import PaymentSession, ReturnAddresses
from storage.bookings import (
    booking_in_hotel,
    booking_with_hotel,
    keep_return_addresses,
    newest_session,
    owns_session,
    record_session,
    return_addresses,
    session_url,
)
from storage.database import Database
from tests.storage.rows import T0, HotelRows, book, create_hotel, held, row_of


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
    """The first record stays, the address included."""
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
    """Kept under an id; there are none without one, or under an unknown one."""
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
    """Another hotel's booking is not found there."""
    other = await create_hotel(database)
    booking = await held(database, hotel_rows)
    async with database.transaction() as db:
        found = await booking_in_hotel(db, hotel_rows.hotel.slug, booking.booking_id)
        assert found is not None
        assert [row.id for row in found] == [booking.id, hotel_rows.id, hotel_rows.room_type.id]
        assert await booking_in_hotel(db, other.hotel.slug, booking.booking_id) is None
        assert await booking_with_hotel(db, "BK-NOBODY") is None
