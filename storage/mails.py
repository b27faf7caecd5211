"""Sent mails: one row each, marked before and after the hand-over to SMTP; and which mail is to be sent."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Final, cast

from sqlalchemy import Select, SQLColumnExpression, Table, and_, bindparam, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from domain.booking import STAFF_MAILS, MailKind, Status
from domain.mailbox import mailbox_of
from domain.messages.notifications import Mailing
from domain.roles import DECIDING_ROLES
from models import Booking, SentMail, Staff, utc_now
from storage.database import Connection
from storage.search import exactly, matches
from storage.tables import BookingSearch, DailyMail

_DAY: Final = timedelta(hours=24)

_TABLE: Final = cast("Table", SentMail.__table__)  # type: ignore[attr-defined]
_CLAIMED: Final = {
    "booking_id": "text",
    "kind": "text",
    "version": "int",
    "recipient": "text",
    "message_id": "text",
    "subject": "text",
    "sending_at": "timestamptz",
}
# The lock waits for an erasure under way: otherwise the guest would get the mail, and the address would be stored
# behind its back. A row that is there is "updated" to what it is, so that the statement returns it; an accepted
# mail's is not.
_CLAIM: Final = text(
    f"INSERT INTO sent_mail ({', '.join(_CLAIMED)})"  # noqa: S608  names of columns only
    f" SELECT {', '.join(f'given.{name}' for name in _CLAIMED)}"
    f" FROM unnest({', '.join(f'CAST(:{name} AS {type_}[])' for name, type_ in _CLAIMED.items())})"
    f" WITH ORDINALITY AS given ({', '.join(_CLAIMED)}, place) JOIN booking USING (booking_id)"
    " WHERE given.kind = ANY(CAST(:staff_mails AS text[])) OR booking.guest_erased_at IS NULL"
    " ORDER BY given.place FOR SHARE OF booking"
    " ON CONFLICT (booking_id, kind, version, recipient) DO UPDATE SET kind = excluded.kind"
    " WHERE sent_mail.sent_at IS NULL RETURNING kind, recipient, message_id"
)
_FINISH: Final = (
    update(_TABLE)
    .where(_TABLE.c.message_id.in_(bindparam("message_ids", expanding=True)))
    .values(sent_at=bindparam("at"))
)

_DAILY: Final = cast("Table", DailyMail.__table__)  # type: ignore[attr-defined]
_INSERT_DAY: Final = insert(_DAILY)
_CLAIM_DAY: Final = _INSERT_DAY.on_conflict_do_update(
    index_elements=["mailbox_hash"],
    set_={"booking_id": _INSERT_DAY.excluded.booking_id, "sent_at": _INSERT_DAY.excluded.sent_at},
    where=or_(
        _DAILY.c.sent_at <= _INSERT_DAY.excluded.sent_at - _DAY,
        _DAILY.c.booking_id == _INSERT_DAY.excluded.booking_id,
    ),
).returning(_DAILY.c.booking_id)


def deciding_staff_of(hotel_id: SQLColumnExpression[int]) -> Select[str]:
    """The statement for the addresses of a hotel's approvers and managers."""
    email = col(Staff.email)
    decides = and_(col(Staff.active), col(Staff.role).in_(list(DECIDING_ROLES)))
    return select(email).where(col(Staff.hotel_id) == hotel_id, decides).order_by(email)


_DECIDING_STAFF: Final = deciding_staff_of(bindparam("hotel_id"))


async def claim_mails(db: Connection, mails: Sequence[SentMail]) -> Mapping[tuple[str, str], str]:
    """Mark the mails of one change as being sent.

    Args:
        mails: one for each kind and recipient; in the same order each time, so that two workers do not wait for each
            other's rows.

    Returns:
        By kind and recipient, the Message-ID of the mail's first attempt, even if the sender's address has changed
        since. Left out are mails that were sent before, and those to a guest who was erased in the meantime: they
        must not be sent.
    """
    if not mails:
        return {}
    columns = {name: [getattr(mail, name) for mail in mails] for name in _CLAIMED}
    claimed = await db.execute(_CLAIM, {**columns, "staff_mails": list(STAFF_MAILS)})
    return {(row.kind, row.recipient): row.message_id for row in claimed}


async def finish_mails(db: Connection, message_ids: Sequence[str]) -> None:
    """Mark mails as accepted by the mail server."""
    await db.execute(_FINISH, {"message_ids": list(message_ids), "at": utc_now()})


async def claim_daily_mail(db: Connection, recipient: str, booking_id: str, now: datetime) -> bool:
    """Claim the one mail a day that a mailbox may receive about a request without a hold.

    Returns:
        False if another booking's was sent within the last 24 hours; a booking may repeat its own.
    """
    mailbox_hash = hashlib.sha256(mailbox_of(recipient).encode()).hexdigest()
    claim = {"mailbox_hash": mailbox_hash, "booking_id": booking_id, "sent_at": now}
    return (await db.execute(_CLAIM_DAY, claim)).first() is not None


async def link_mailing(db: AsyncSession, email: str, booking_id: str, since: date) -> Mailing:
    """Choose the booking of an address whose link is sent again.

    Args:
        email: the address, in any case.
        booking_id: the booking that is meant, if its id is known; a booking of another address is not found.
        since: where the id is unknown, only bookings with a check-out from this day on count. One whose card was held
            comes first, because anyone can type an address; then the newest.

    Returns:
        The mail to send; one without a booking id if the address has no such booking.
    """
    sent = (
        select(func.count())
        .where(
            col(SentMail.booking_id) == col(Booking.booking_id), col(SentMail.kind) == MailKind.BOOKING_LINK
        )
        .scalar_subquery()
    )
    is_meant = col(Booking.booking_id) == booking_id
    query = (
        select(col(Booking.booking_id), sent)
        .join(BookingSearch, col(BookingSearch.row_id) == col(Booking.id))
        .where(
            matches(exactly(email)),  # for its index
            func.lower(col(Booking.guest_email)) == email.lower(),
            col(Booking.status) != Status.DRAFT,
            or_(is_meant, col(Booking.check_out) >= since),
        )
        .order_by(is_meant.desc(), col(Booking.payment_intent_id).is_(None), col(Booking.id).desc())
    )
    found = (await db.execute(query.limit(1))).first()
    return Mailing(found[0], (MailKind.BOOKING_LINK,), found[1] + 1) if found else Mailing()


async def deciding_staff(db: AsyncSession, hotel_id: int) -> Sequence[str]:
    """Addresses of a hotel's approvers and managers."""
    return (await db.scalars(_DECIDING_STAFF, {"hotel_id": hotel_id})).all()


async def mails_of(db: AsyncSession, booking_id: str) -> Sequence[SentMail]:
    """Every mail sent about a booking, oldest first."""
    query = select(SentMail).where(col(SentMail.booking_id) == booking_id)
    return (await db.scalars(query.order_by(col(SentMail.sending_at)))).all()
