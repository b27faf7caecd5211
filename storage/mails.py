"""Sent mails: one row each, marked before and after the hand-over to SMTP."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from domain.roles import DECIDING_ROLES
from models import SentMail, Staff, utc_now


async def begin_mail(db: AsyncSession, mail: SentMail) -> str | None:
    """Mark a mail as being sent.

    Returns:
        The Message-ID of the first attempt, even if the sender's address has changed since. None if the mail was
        sent before and must not be sent again.
    """
    await db.execute(insert(SentMail).values(**mail.model_dump()).on_conflict_do_nothing())
    query = select(SentMail).where(
        col(SentMail.booking_id) == mail.booking_id,
        col(SentMail.kind) == mail.kind,
        col(SentMail.version) == mail.version,
        col(SentMail.recipient) == mail.recipient,
    )
    begun = (await db.scalars(query)).one()
    return begun.message_id if begun.sent_at is None else None


async def finish_mail(db: AsyncSession, message_id: str) -> None:
    """Mark a mail as accepted by the mail server."""
    await db.execute(update(SentMail).where(col(SentMail.message_id) == message_id).values(sent_at=utc_now()))


async def deciding_staff(db: AsyncSession, hotel_id: int) -> Sequence[str]:
    """Addresses of a hotel's approvers and managers."""
    query = select(col(Staff.email)).where(
        col(Staff.hotel_id) == hotel_id, col(Staff.active), col(Staff.role).in_(list(DECIDING_ROLES))
    )
    return (await db.scalars(query.order_by(col(Staff.email)))).all()


async def mails_of(db: AsyncSession, booking_id: str) -> Sequence[SentMail]:
    """Every mail sent about a booking, oldest first."""
    query = select(SentMail).where(col(SentMail.booking_id) == booking_id)
    return (await db.scalars(query.order_by(col(SentMail.sending_at)))).all()
