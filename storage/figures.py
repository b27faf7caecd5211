"""Counts of all hotels' bookings, for Prometheus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import SQLColumnExpression, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from domain.booking import Status
from models import Booking, SentMail


@dataclass(frozen=True)
class BookingFigures:
    """The counts at one moment.

    Args:
        by_status: bookings whose stay is not over, by status; every status has an entry.
        held_minor: the total of open holds by currency, in its smallest unit.
        next_decision_deadline: the earliest decision deadline; None without holds.
        needing_attention: bookings that need attention, also after their stay.
        unsent_mails: e-mails that were begun and that no mail server has accepted yet.
    """

    by_status: Mapping[str, int]
    held_minor: Mapping[str, int]
    next_decision_deadline: datetime | None
    needing_attention: int
    unsent_mails: int


async def read_figures(db: AsyncSession, today: date) -> BookingFigures:
    """Count; a stay whose check-out is before `today` is over."""
    rows = await db.execute(
        select(
            col(Booking.status),
            col(Booking.currency),
            func.count(),
            func.sum(col(Booking.amount_minor)),
            func.min(col(Booking.decision_deadline)),
        )
        .where(col(Booking.check_out) >= today)
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
        unsent_mails=await _count(db, SentMail, col(SentMail.sent_at).is_(None)),
    )


async def _count(
    db: AsyncSession, table: type[Booking | SentMail], condition: SQLColumnExpression[bool]
) -> int:
    return (await db.scalar(select(func.count()).select_from(table).where(condition))) or 0
