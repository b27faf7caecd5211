"""Rate limits, counted per subject and window by the database's clock, so that all API processes agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import DateTime, TextClause, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from storage.database import Connection


class Window(StrEnum):
    """The window in which attempts are counted, as PostgreSQL's `date_trunc` names it."""

    MINUTE = "minute"
    HOUR = "hour"


_LENGTH_S: Final = {Window.MINUTE: 60, Window.HOUR: 3600}
_NOW: Final = select(func.now(type_=DateTime(timezone=True)))
# UTC, because hours begin at other moments in some time zones.
_ASKED: Final = (
    "WITH asked AS (SELECT subject, most, place, date_trunc(length, now(), 'UTC') AS began_at"
    " FROM unnest(CAST(:subjects AS text[]), CAST(:lengths AS text[]), CAST(:mosts AS int[]))"
    " WITH ORDINALITY AS limits (subject, length, most, place))"
)
# The rows are locked in the order of the limits.
_COUNT: Final = text(
    f"{_ASKED}, counted AS ("  # noqa: S608  constants only
    " INSERT INTO rate_limit AS r (subject, began_at, attempts)"
    " SELECT subject, began_at, 1 FROM asked ORDER BY place"
    " ON CONFLICT (subject, began_at) DO UPDATE SET attempts = r.attempts + 1"
    " WHERE r.attempts < (SELECT most FROM asked WHERE asked.subject = r.subject) RETURNING subject"
    ") SELECT place, now() FROM asked WHERE subject NOT IN (SELECT subject FROM counted)"
    " ORDER BY place LIMIT 1"
)
_LOOK: Final = text(
    f"{_ASKED} SELECT place, now() FROM asked JOIN rate_limit r USING (subject, began_at)"  # noqa: S608  constants only
    " WHERE r.attempts >= most ORDER BY place LIMIT 1"
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


@dataclass(frozen=True)
class ReachedLimit:
    """A limit that allows no further attempt for the time being.

    Args:
        wait_s: whole seconds until the next window, at least 1.
    """

    subject: str
    wait_s: int


async def count_attempt(db: Connection, limits: Sequence[Limit]) -> ReachedLimit | None:
    """Count one attempt towards each limit.

    The rows stay locked until the transaction ends, so concurrent attempts cannot exceed a limit. If one of several
    limits has been reached, the caller rolls back, so that the attempt counts towards none.

    Args:
        limits: of different subjects. All callers name them in the same order.

    Returns:
        The first one that has been reached; the attempt did not count towards it.
    """
    return await _reached(db, _COUNT, limits)


async def reached_limit(db: AsyncSession, limits: Sequence[Limit]) -> ReachedLimit | None:
    """Return what `count_attempt` would return, without counting."""
    return await _reached(db, _LOOK, limits)


async def _reached(db: Connection, statement: TextClause, limits: Sequence[Limit]) -> ReachedLimit | None:
    asked = [limit for limit in limits if limit.most]
    if not asked:
        return None
    parameters = {
        "subjects": [limit.subject for limit in asked],
        "lengths": [limit.window for limit in asked],
        "mosts": [limit.most for limit in asked],
    }
    found = (await db.execute(statement, parameters)).one_or_none()
    if found is None:
        return None
    reached, now = asked[found[0] - 1], found[1]
    return ReachedLimit(reached.subject, _left_s(reached.window, now))


async def window_number(db: AsyncSession, length_s: int) -> int:
    """The number of the present window of `length_s` seconds, by the database's clock: all API processes agree."""
    now = (await db.scalars(_NOW)).one()
    return int(now.timestamp()) // length_s


def _left_s(window: Window, now: datetime) -> int:
    length_s = _LENGTH_S[window]
    return length_s - int(now.timestamp()) % length_s
