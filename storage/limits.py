"""Rate limits, counted per subject and minute by the database's clock, so that all API processes agree."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import extract, func, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from models import RateLimit

_MINUTE_S = 60


@dataclass(frozen=True)
class Attempts:
    """How often something was tried.

    Args:
        count: in this minute, the present one included.
        minute: when the minute began.
        left_s: whole seconds until the next one, at least 1.
    """

    count: int
    minute: datetime
    left_s: int


async def count_attempt(db: AsyncSession, subject: str) -> Attempts:
    """Count one more attempt of `subject` (at most 400 characters), before it is made.

    Counting first lets no number of attempts at once slip through.
    """
    minute = func.date_trunc("minute", func.now())
    query = (
        insert(RateLimit)
        .values(subject=subject, minute=minute, attempts=1)
        .on_conflict_do_update(
            index_elements=[col(RateLimit.subject), col(RateLimit.minute)],
            set_={"attempts": col(RateLimit.attempts) + 1},
        )
        .returning(col(RateLimit.attempts), col(RateLimit.minute), extract("second", func.now()))
    )
    count, began, second = (await db.execute(query)).one()
    return Attempts(count, began, max(1, _MINUTE_S - int(second)))


async def take_back_attempt(db: AsyncSession, subject: str, minute: datetime) -> None:
    """Uncount an attempt that turned out not to count."""
    await db.execute(
        update(RateLimit)
        .where(col(RateLimit.subject) == subject, col(RateLimit.minute) == minute)
        .values(attempts=col(RateLimit.attempts) - 1)
    )
