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
from models import Booking, SentMail

_TRIED_FOR: Final = timedelta(hours=24)
"""After that an e-mail is given up, and its booking needs attention."""


@dataclass(frozen=True)
class BookingFigures:
    """The counts at one moment.

    Args:
        by_status: bookings whose stay is not over, by status; every status has an entry.
        held_minor: the total of open holds by currency, in its smallest unit.
        next_decision_deadline: the earliest decision deadline; None without holds.
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
    rows = await db.execute(
        select(
            col(Booking.status),
            col(Booking.currency),
            func.count(),
            func.sum(col(Booking.amount_minor)),
            func.min(col(Booking.decision_deadline)),
        )
        .where(col(Booking.check_out) >= now.date())
        .group_by(col(Booking.status), col(Booking.currency))
    )
    by_status = dict.fromkeys(map(str, Status), 0)
    held: dict[str, int] = {}
    deadlines: list[datetime] = []
    for status, currency, count, amount_minor, deadline in rows:
        by_status[status] += count
        if status == Status.PENDING_APPROVAL:
            held[currency] = int(amount_minor)
            deadlines += [deadline] if deadline else []
    return BookingFigures(
        by_status=by_status,
        held_minor=held,
        next_decision_deadline=min(deadlines, default=None),
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
