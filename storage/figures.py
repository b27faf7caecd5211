"""Counts of all hotels' bookings, for Prometheus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import SQLColumnExpression, and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from domain.booking import UNPAID_MAILS, Status
from models import Booking, Hotel, SentMail

_TRIED_FOR: Final = timedelta(hours=24)
"""After that an e-mail is given up, and its booking needs attention."""


@dataclass(frozen=True)
class BookingFigures:
    """The counts at one moment.

    Args:
        by_status: bookings whose stay is not over, by status; every status has an entry.
        held_minor: the total of open holds by currency, in its smallest unit, also after their stay.
        next_decision_deadline: the earliest decision deadline, also after the stay; None without holds.
        needing_attention: bookings that need attention, also after their stay.
        unsent_mails: e-mails that were begun within 24 hours and that no mail server has accepted yet. Those to guests
            who have not paid are left out: nobody has checked their addresses, and they may be dropped.
    """

    by_status: Mapping[str, int]
    held_minor: Mapping[str, int]
    next_decision_deadline: datetime | None
    needing_attention: int
    unsent_mails: int


async def read_figures(db: AsyncSession, now: datetime) -> BookingFigures:
    """Count; a stay whose check-out is before the day of `now` is over."""
    current = await db.execute(
        select(col(Booking.status), func.count())
        .where(col(Booking.check_out) >= now.date())
        .group_by(col(Booking.status))
    )
    # By way of the hotels, because the queue's index begins with them.
    holds = await db.execute(
        select(
            col(Booking.currency),
            func.sum(col(Booking.amount_minor)),
            func.min(col(Booking.decision_deadline)),
        )
        .join(Hotel, col(Hotel.id) == col(Booking.hotel_id))
        .where(col(Booking.status) == Status.PENDING_APPROVAL)
        .group_by(col(Booking.currency))
    )
    held = {currency: (int(amount_minor), deadline) for currency, amount_minor, deadline in holds}
    return BookingFigures(
        by_status=dict.fromkeys(map(str, Status), 0) | dict(current.all()),
        held_minor={currency: amount_minor for currency, (amount_minor, _) in held.items()},
        next_decision_deadline=min((at for _, at in held.values() if at), default=None),
        needing_attention=await _count(db, Booking, col(Booking.needs_attention)),
        unsent_mails=await _count(db, SentMail, _is_unsent(now)),
    )


def _is_unsent(now: datetime) -> SQLColumnExpression[bool]:
    return and_(
        col(SentMail.sent_at).is_(None),
        col(SentMail.sending_at) > now - _TRIED_FOR,
        col(SentMail.kind).not_in(UNPAID_MAILS),
    )


async def _count(
    db: AsyncSession, table: type[Booking | SentMail], condition: SQLColumnExpression[bool]
) -> int:
    return (await db.scalar(select(func.count()).select_from(table).where(condition))) or 0
