"""What e-mails tell of a booking, as one statement reads it."""

from __future__ import annotations

from domain.payment_card import PaymentCard
from storage.card_details import keep_card
from storage.database import Database
from storage.mail_facts import MailFacts, mail_facts
from storage.rooms import claim_rooms
from tests.storage.rows import HotelRows, create_hotel, held


async def facts_of(database: Database, booking_id: str, version: int) -> MailFacts | None:
    async with database.reading() as db:
        return await mail_facts(db, booking_id, version)


async def test_facts_are_the_bookings_own(database: Database, hotel_rows: HotelRows) -> None:
    """The card is that of the hold it counts on; the people who decide are its hotel's."""
    await create_hotel(database)
    booking = await held(database, hotel_rows)
    async with database.transaction() as db:
        await claim_rooms(db, booking)
        await keep_card(db, booking.booking_id, "pi_another", PaymentCard("mastercard"))
        await keep_card(db, booking.booking_id, booking.payment_intent_id or "", PaymentCard("visa"))
    facts = await facts_of(database, booking.booking_id, 3)
    assert facts is not None
    assert (facts.booking.id, facts.hotel.id) == (booking.id, hotel_rows.id)
    assert facts.room_type.id == hotel_rows.room_type.id
    assert facts.step is not None
    assert (facts.step.booking_id, facts.step.version) == (booking.booking_id, 3)
    assert (facts.card, facts.rooms_taken) == (PaymentCard("visa"), 1)
    assert facts.staff == [f"{role}@{hotel_rows.hotel.slug}.test" for role in ("approver", "manager")]


async def test_facts_that_are_not_known(database: Database, hotel_rows: HotelRows) -> None:
    """A version that is not written yet, and a hold whose card is not stored."""
    booking = await held(database, hotel_rows)
    facts = await facts_of(database, booking.booking_id, 4)
    assert facts is not None
    assert (facts.step, facts.card, facts.rooms_taken) == (None, None, 0)
    assert await facts_of(database, "BK-NOBODY", 1) is None
