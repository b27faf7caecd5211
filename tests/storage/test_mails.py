"""Mails on record, and who gets them."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from domain.booking import MailKind, Status
from domain.erasure import RECIPIENT
from domain.messages.notifications import Mailing
from domain.roles import Role
from models import SentMail, Staff
from storage.database import Database
from storage.erasure import booking_to_erase, erase_guest
from storage.mails import (
    claim_daily_mail,
    claim_mails,
    deciding_staff,
    finish_mails,
    link_mailing,
    mails_of,
)
from tests.storage.rows import CHECK_IN, T0, HotelRows, book, create_hotel, held


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


async def erase(db: AsyncSession, booking_id: str) -> None:
    booking = await booking_to_erase(db, booking_id)
    assert booking is not None
    await erase_guest(db, booking, T0)


@pytest.mark.parametrize("attempts_before", [0, 1])
async def test_a_guest_who_was_erased_gets_no_mail(
    database: Database, hotel_rows: HotelRows, attempts_before: int
) -> None:
    """Though it was written before, or begun already; staff get theirs, and another erasure finds one row each."""
    booking_id = (await held(database, hotel_rows)).booking_id
    staff = mail_of(booking_id, kind="staff_request", recipient="approver@hotel.test", message_id="<staff>")
    mails = mail_of(booking_id), staff
    for _ in range(attempts_before):
        assert len(await begin(database, *mails)) == 2
    for _ in range(2):
        async with database.transaction() as db:
            await erase(db, booking_id)
        assert await begin(database, *mails) == ["<staff>"]
    async with database.transaction() as db:
        recipients = [row.recipient for row in await mails_of(db, booking_id)]
    assert sorted(recipients) == ["approver@hotel.test", *[RECIPIENT] * attempts_before]


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


# --- one a day for a mailbox ---


async def claim(database: Database, recipient: str, booking_id: str, at: datetime = T0) -> bool:
    async with database.transaction() as db:
        return await claim_daily_mail(db, recipient, booking_id, at)


async def test_of_many_bookings_one_gets_the_days_mail(database: Database, hotel_rows: HotelRows) -> None:
    """Also where all ask at once, and however the address is written; it may repeat its own."""
    name = hotel_rows.hotel.slug
    spellings = [f"{name}@example.com", f"{name.upper()}@example.com", f"{name}+x+y@Example.com"] * 4
    claims = await asyncio.gather(*(claim(database, each, f"BK-{n}") for n, each in enumerate(spellings)))
    assert sum(claims) == 1
    winner = claims.index(True)
    assert await claim(database, spellings[0], f"BK-{winner}", T0 + timedelta(hours=1))
    assert await claim(database, f"another-{spellings[0]}", "BK-other")


async def test_the_next_days_mail_is_another_bookings(database: Database, hotel_rows: HotelRows) -> None:
    """24 hours after the last one, not at midnight."""
    address = f"{hotel_rows.hotel.slug}@example.com"
    assert await claim(database, address, "BK-1")
    assert not await claim(database, address, "BK-2", T0 + timedelta(hours=24, seconds=-1))
    assert await claim(database, address, "BK-2", T0 + timedelta(hours=24))
    assert not await claim(database, address, "BK-1", T0 + timedelta(hours=25))


# --- a link that is sent again ---


async def link(database: Database, email: str, booking_id: str = "", days_later: int = 0) -> Mailing:
    """Ask for it on the day of check-in, or later."""
    async with database.reading() as db:
        return await link_mailing(db, email, booking_id, CHECK_IN + timedelta(days=days_later))


async def test_the_link_is_that_of_the_booking_that_is_meant(
    database: Database, hotel_rows: HotelRows
) -> None:
    """Without its id the newest whose card was held counts, else the newest; drafts and past stays do not."""
    address = f"{hotel_rows.hotel.slug}@example.com"
    typed = {"guest_email": address, "status": Status.PENDING_PAYMENT}
    unpaid = [await book(database, hotel_rows, **typed) for _ in range(2)]
    await book(database, hotel_rows, guest_email=address)
    assert (await link(database, address.upper())).booking_id == unpaid[1].booking_id
    paid = await held(database, hotel_rows, guest_email=address)
    await book(database, hotel_rows, **typed)
    assert (await link(database, address)).booking_id == paid.booking_id
    assert (await link(database, address, "BK-00000-00000-00000")).booking_id == paid.booking_id
    assert await link(database, address, days_later=3) == Mailing()
    for booking in (paid, *unpaid):
        assert (await link(database, address, booking.booking_id, 400)).booking_id == booking.booking_id


async def test_nobody_gets_the_link_of_another_address(database: Database, hotel_rows: HotelRows) -> None:
    """Not by the booking's id either; and a draft has none that was sent."""
    address = f"{hotel_rows.hotel.slug}@example.com"
    theirs = await held(database, hotel_rows, guest_email=f"other-{address}")
    draft = await book(database, hotel_rows, guest_email=address)
    for booking_id in (theirs.booking_id, draft.booking_id, ""):
        assert await link(database, address, booking_id) == Mailing()


async def test_each_link_is_a_mail_of_its_own(database: Database, hotel_rows: HotelRows) -> None:
    """Numbered by those begun before; two who ask at once share one."""
    address = f"{hotel_rows.hotel.slug}@example.com"
    booking = await held(database, hotel_rows, guest_email=address)
    for number in (1, 2):
        assert [await link(database, address) for _ in range(2)] == [
            Mailing(booking.booking_id, (MailKind.BOOKING_LINK,), number)
        ] * 2
        message_id = f"<{booking.booking_id}.link.{number}>"
        await begin(
            database,
            mail_of(booking.booking_id, kind="booking_link", version=number, message_id=message_id),
        )
