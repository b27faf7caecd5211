"""Rate limits, counted per subject and window by the database's clock, so that all API processes agree."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import DateTime, Function, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from storage.database import Connection
from storage.tables import RateLimit


class Window(StrEnum):
    """The window in which attempts are counted, as PostgreSQL's `date_trunc` names it."""

    MINUTE = "minute"
    HOUR = "hour"


_LENGTH_S: Final = {Window.MINUTE: 60, Window.HOUR: 3600}
_NOW: Final = func.now(type_=DateTime(timezone=True))
# UTC, because hours begin at other moments in some time zones.
_COUNT: Final = text(
    "INSERT INTO rate_limit AS r (subject, began_at, attempts)"
    " VALUES (:subject, date_trunc(:window, now(), 'UTC'), 1)"
    " ON CONFLICT (subject, began_at) DO UPDATE SET attempts = r.attempts + 1 WHERE r.attempts < :most"
    " RETURNING attempts"
)


@dataclass(frozen=True)
class Limit:
    """The number of attempts allowed in a window.

    Args:
        subject: the kind of attempt and the caller it counts for; at most 400 characters.
        most: the largest number of attempts per window; 0 means no limit.
    """

    subject: str
    most: int
    window: Window = Window.MINUTE


async def count_attempt(db: Connection, limit: Limit) -> int | None:
    """Count one attempt unless the limit has been reached. A refused attempt does not count.

    The row stays locked until the transaction ends, so concurrent attempts cannot exceed the limit.

    Returns:
        None if the attempt was within the limit, else whole seconds until the next window, at least 1.
    """
    if not limit.most:
        return None
    counted = await db.execute(_COUNT, vars(limit))
    if counted.first():
        return None
    return _left_s(limit.window, (await db.execute(select(_NOW))).scalar_one())


async def wait_of(db: AsyncSession, limit: Limit) -> int | None:
    """Return what `count_attempt` would return, without counting."""
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
    """The number of the present window of `length_s` seconds, by the database's clock: all API processes agree."""
    now = (await db.scalars(select(_NOW))).one()
    return int(now.timestamp()) // length_s


def _began_at(window: Window) -> Function[datetime]:
    return func.date_trunc(window.value, func.now(), "UTC", type_=DateTime(timezone=True))


def _left_s(window: Window, now: datetime) -> int:
    length_s = _LENGTH_S[window]
    return length_s - int(now.timestamp()) % length_s
