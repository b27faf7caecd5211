"""Mails on record, and who gets them."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from domain.roles import Role
from models import SentMail, Staff
from storage.database import Database
from storage.mails import claim_mails, deciding_staff, finish_mails, mails_of
from tests.storage.rows import T0, HotelRows, book, create_hotel


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


async def begin(database: Database, *mails: SentMail) -> list[str]:
    """The Message-IDs of the mails to send."""
    async with database.transaction() as db:
        claimed = await claim_mails(db, mails)
    assert set(claimed) <= {(mail.kind, mail.recipient) for mail in mails}
    return list(claimed.values())


async def test_a_mail_is_sent_until_it_was_taken(database: Database, hotel_rows: HotelRows) -> None:
    """Marked before it is handed over and after it was taken; in between a crash leads to a repeat."""
    booking = await book(database, hotel_rows)
    mail = mail_of(booking.booking_id)
    assert await begin(database, mail)
    assert await begin(database, mail_of(booking.booking_id, sending_at=T0 + timedelta(hours=1)))
    async with database.transaction() as db:
        [row] = await mails_of(db, booking.booking_id)
        assert (row.sending_at, row.sent_at) == (T0, None)
        await finish_mails(db, [mail.message_id])
    assert not await begin(database, mail)
    async with database.transaction() as db:
        [row] = await mails_of(db, booking.booking_id)
    assert row.sent_at is not None


async def test_mails_of_one_change(database: Database, hotel_rows: HotelRows) -> None:
    """One statement marks all of them; a repeat returns those that no server has accepted, under their first ids."""
    booking_id = (await book(database, hotel_rows)).booking_id
    names = [f"{number}@hotel.test" for number in range(3)]
    first, again = (
        [mail_of(booking_id, recipient=name, message_id=f"<{name}.{domain}>") for name in names]
        for domain in ("one", "two")
    )
    assert await begin(database, *first) == [mail.message_id for mail in first]
    async with database.transaction() as db:
        await finish_mails(db, [first[0].message_id, first[2].message_id])
    assert await begin(database, *again) == [first[1].message_id]
    assert await begin(database) == []


async def test_two_workers_begin_one_mail(database: Database, hotel_rows: HotelRows) -> None:
    """Neither fails; one row is kept."""
    booking = await book(database, hotel_rows)
    begun = await asyncio.gather(*(begin(database, mail_of(booking.booking_id)) for _ in range(6)))
    assert begun == [[mail_of(booking.booking_id).message_id]] * 6
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
