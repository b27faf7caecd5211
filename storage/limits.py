"""Rate limits, counted per subject and window by the database's clock, so that all API processes agree."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import DateTime, Function, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from models import RateLimit


class Window(StrEnum):
    """How long attempts are counted together, as PostgreSQL calls it."""

    MINUTE = "minute"
    HOUR = "hour"


_LENGTH_S: Final = {Window.MINUTE: 60, Window.HOUR: 3600}
_NOW: Final = func.now(type_=DateTime(timezone=True))


@dataclass(frozen=True)
class Limit:
    """How often something may happen.

    Args:
        subject: what is limited, and for whom; at most 400 characters.
        most: attempts per window; 0 for as many as anybody likes.
    """

    subject: str
    most: int
    window: Window = Window.MINUTE


async def count_attempt(db: AsyncSession, limit: Limit) -> int | None:
    """Count one attempt, unless the limit has been reached: a refused attempt does not count.

    The row stays locked until the transaction ends, so that no number of attempts at once slips through.

    Returns:
        None where the attempt was within the limit, else whole seconds until the next window, at least 1.
    """
    if not limit.most:
        return None
    counted = await db.execute(
        insert(RateLimit)
        .values(subject=limit.subject, began_at=_began_at(limit.window), attempts=1)
        .on_conflict_do_update(
            index_elements=[col(RateLimit.subject), col(RateLimit.began_at)],
            set_={"attempts": col(RateLimit.attempts) + 1},
            where=col(RateLimit.attempts) < limit.most,
        )
        .returning(col(RateLimit.attempts))
    )
    if counted.first():
        return None
    return _left_s(limit.window, (await db.scalars(select(_NOW))).one())


async def wait_of(db: AsyncSession, limit: Limit) -> int | None:
    """What `count_attempt` would return, without counting."""
    if not limit.most:
        return None
    reached = select(_NOW).where(
        col(RateLimit.subject) == limit.subject,
        col(RateLimit.began_at) == _began_at(limit.window),
        col(RateLimit.attempts) >= limit.most,
    )
    now = (await db.scalars(reached)).one_or_none()
    return _left_s(limit.window, now) if now else None


async def window_number(db: AsyncSession, length_s: int) -> int:
    """Which window of so many seconds it is, by the database's clock: all API processes agree."""
    now = (await db.scalars(select(_NOW))).one()
    return int(now.timestamp()) // length_s


def _began_at(window: Window) -> Function[datetime]:
    # In UTC: some time zones, and so some servers' settings, turn their hours at other moments.
    return func.date_trunc(window.value, func.now(), "UTC", type_=DateTime(timezone=True))


def _left_s(window: Window, now: datetime) -> int:
    length_s = _LENGTH_S[window]
    return length_s - int(now.timestamp()) % length_s
