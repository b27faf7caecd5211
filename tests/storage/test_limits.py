"""Rate limits: what many requests at once, in several processes, agree on."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text, update
from sqlmodel import col

from storage.database import Database
from storage.limits import Limit, ReachedLimit, Window, count_attempt, reached_limit
from storage.tables import RateLimit
from tests.storage.rows import HotelRows

_LENGTHS = {Window.MINUTE: 60, Window.HOUR: 3600}


async def count(database: Database, *limits: Limit) -> ReachedLimit | None:
    async with database.single_statement() as db:
        return await count_attempt(db, limits)


async def wait(database: Database, *limits: Limit) -> ReachedLimit | None:
    async with database.reading() as db:
        return await reached_limit(db, limits)


async def total(database: Database, subject: str) -> int:
    query = text("SELECT coalesce(sum(attempts), 0) FROM rate_limit WHERE subject = :subject")
    async with database.transaction() as db:
        return int(await db.scalar(query, {"subject": subject}) or 0)


@pytest.fixture
def subject(hotel_rows: HotelRows) -> str:
    """Any limited action, at this test's own hotel."""
    return f"login:{hotel_rows.hotel.slug}"


async def test_two_processes_count_together(database: Database, database_url: str, subject: str) -> None:
    """Two pools of connections, many attempts at once: as many as the limit get through, and they are counted."""
    other = Database(database_url, pool_size=2)
    limit = Limit(subject, 7, Window.HOUR)
    try:
        waits = await asyncio.gather(*(count(pool, limit) for pool in [database, other] * 10))
    finally:
        await other.close()
    assert Counter(found is None for found in waits) == {True: 7, False: 13}
    assert await total(database, subject) == 7, "a refused attempt does not count"


@pytest.mark.parametrize("window", list(Window))
async def test_it_says_how_long_to_wait(database: Database, subject: str, window: Window) -> None:
    """Until the window is over by the database's own clock."""
    limit = Limit(subject, 1, window)
    async with database.transaction() as db:
        assert await reached_limit(db, [limit]) is None
        assert await count_attempt(db, [limit]) is None
        reached = await count_attempt(db, [limit])
        now: datetime = (await db.execute(text("SELECT now()"))).scalar_one()
        assert reached == await reached_limit(db, [limit])
    assert reached is not None
    ends_at = now.replace(microsecond=0) + timedelta(seconds=reached.wait_s)
    assert 1 <= reached.wait_s <= _LENGTHS[window]
    assert ends_at.timestamp() % _LENGTHS[window] == 0


@pytest.mark.parametrize("window", list(Window))
async def test_another_window_starts_afresh(database: Database, subject: str, window: Window) -> None:
    """Counts of the previous window have no effect."""
    limit = Limit(subject, 1, window)
    await count(database, limit)
    assert await wait(database, limit)
    async with database.transaction() as db:
        earlier = update(RateLimit).where(col(RateLimit.subject) == subject)
        length = timedelta(seconds=_LENGTHS[window])
        await db.execute(earlier.values(began_at=RateLimit.began_at - length))
    assert await wait(database, limit) is None
    assert await count(database, limit) is None


async def test_a_limit_of_nothing_is_none(database: Database, subject: str) -> None:
    """0 switches a limit off; nothing is written for it."""
    limit = Limit(subject, 0)
    assert [await count(database, limit) for _ in range(3)] == [None] * 3
    assert await wait(database, limit) is None
    assert await total(database, subject) == 0


async def test_subjects_are_counted_apart(database: Database, subject: str) -> None:
    """Each subject's attempts count for itself."""
    await count(database, Limit(f"{subject}-other", 1))
    assert await count(database, Limit(subject, 1)) is None


async def test_the_longest_subject_fits(database: Database, subject: str) -> None:
    """400 characters, as promised."""
    assert await count(database, Limit(subject + "x" * (400 - len(subject)), 1)) is None


async def test_several_limits_are_counted_at_once(database: Database, subject: str) -> None:
    """Each by its own number and window; the first one that is reached is named, and one of nothing is none."""
    off, wide = Limit(f"{subject}-off", 0), Limit(f"{subject}-wide", 4, Window.HOUR)
    one, other = Limit(f"{subject}-one", 1), Limit(f"{subject}-other", 1)
    assert await count(database, off, wide, one) is None
    for reached in (one, other):
        found = await count(database, off, wide, other, one)
        assert found is not None
        assert found.subject == reached.subject
    assert await wait(database, off, wide, other, one) == found
    assert [await total(database, limit.subject) for limit in (off, wide, other, one)] == [0, 3, 1, 1]
