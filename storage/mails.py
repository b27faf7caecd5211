"""Sent mails: one row each, marked before and after the hand-over to SMTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, cast

from sqlalchemy import Table, bindparam, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from domain.roles import DECIDING_ROLES
from models import SentMail, Staff, utc_now

_TABLE: Final = cast("Table", SentMail.__table__)  # type: ignore[attr-defined]
_INSERT: Final = insert(_TABLE)
# A row that is there is "updated" to what it is, so that the statement returns it; an accepted mail's is not.
_CLAIM: Final = _INSERT.on_conflict_do_update(
    index_elements=["booking_id", "kind", "version", "recipient"],
    set_={"kind": _INSERT.excluded.kind},
    where=_TABLE.c.sent_at.is_(None),
).returning(_TABLE.c.kind, _TABLE.c.recipient, _TABLE.c.message_id)
_FINISH: Final = (
    update(_TABLE)
    .where(_TABLE.c.message_id.in_(bindparam("message_ids", expanding=True)))
    .values(sent_at=bindparam("at"))
)


async def claim_mails(db: AsyncSession, mails: Sequence[SentMail]) -> Mapping[tuple[str, str], str]:
    """Mark the mails of one change as being sent.

    Args:
        mails: one for each kind and recipient; in the same order each time, so that two workers do not wait for each
            other's rows.

    Returns:
        By kind and recipient, the Message-ID of the mail's first attempt, even if the sender's address has changed
        since. Mails that were sent before are left out: they must not be sent again.
    """
    if not mails:
        return {}
    claimed = await db.execute(_CLAIM, [mail.model_dump() for mail in mails])
    return {(row.kind, row.recipient): row.message_id for row in claimed}


async def finish_mails(db: AsyncSession, message_ids: Sequence[str]) -> None:
    """Mark mails as accepted by the mail server."""
    await db.execute(_FINISH, {"message_ids": list(message_ids), "at": utc_now()})


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
