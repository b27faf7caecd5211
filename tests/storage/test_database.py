"""The pool of connections."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from models import utc_now
from sandbox.drivers import wait_until
from storage.database import Database
from storage.tables import RateLimit
from tests.storage.rows import HotelRows, book

AT_ONCE = 3


async def test_connections_the_server_has_closed_are_replaced_unnoticed(
    database_url: str,
) -> None:
    database = Database(database_url, pool_size=AT_ONCE)
    all_in = asyncio.Barrier(AT_ONCE)

    async def connect() -> tuple[Any, int]:
        async with database.transaction() as db:
            connection = (await (await db.connection()).get_raw_connection()).driver_connection
            pid = await db.scalar(text("SELECT pg_backend_pid()"))
            await all_in.wait()
        assert isinstance(pid, int)
        return connection, pid

    try:
        before = await asyncio.gather(*(connect() for _ in range(AT_ONCE)))
        server = await asyncpg.connect(database_url)
        await server.execute(
            "SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) AS pid", [pid for _, pid in before]
        )
        await server.close()

        async def all_closed() -> bool:
            return all(connection.is_closed() for connection, _ in before)

        await wait_until(all_closed, bool)

        after = await asyncio.gather(*(connect() for _ in range(AT_ONCE)))
        assert {pid for _, pid in before}.isdisjoint(pid for _, pid in after)
    finally:
        await database.close()


async def test_a_single_statement_is_a_transaction_of_its_own(database: Database) -> None:
    """What it writes is committed at once; if one of its parts fails, none is written."""
    write = text("INSERT INTO rate_limit (subject, began_at, attempts) VALUES (:subject, now(), 1)")
    count = text("SELECT count(*) FROM rate_limit WHERE subject LIKE 'single-%'")
    halves = text(
        "WITH first AS (INSERT INTO rate_limit (subject, began_at, attempts) VALUES ('single-2', now(), 1))"
        " INSERT INTO rate_limit (subject, began_at, attempts) VALUES ('single-1', now(), 1 / CAST(:zero AS int))"
    )
    async with database.single_statement() as db:
        await db.execute(write, {"subject": "single-1"})
        async with database.reading() as other:
            assert await other.scalar(count) == 1
    with pytest.raises(SQLAlchemyError):
        async with database.single_statement() as db:
            await db.execute(halves, {"zero": 0})
    async with database.reading() as other:
        assert await other.scalar(count) == 1


async def test_each_statement_of_a_reader_sees_what_is_committed_by_then(database: Database) -> None:
    """PostgreSQL's `now()` is when the transaction began: each statement is one of its own."""
    async with database.reading() as db:
        first, second = [await db.scalar(text("SELECT now()")) for _ in range(2)]
    assert first < second


async def test_a_reader_refuses_to_write(database: Database) -> None:
    async with database.reading() as db:
        db.add(RateLimit(subject="anybody", began_at=utc_now(), attempts=1))
        with pytest.raises(RuntimeError, match="for reading"):
            await db.flush()


async def test_a_database_that_is_away(database_url: str) -> None:
    """Says so within its own time, with the errors that callers know."""
    database = Database(database_url.rpartition("=")[0] + "=/nowhere/at/all")
    with pytest.raises((SQLAlchemyError, OSError, TimeoutError)):
        async with database.reading() as db:
            await db.execute(text("SELECT 1"))
    await database.close()


async def test_an_error_does_not_quote_what_was_written(database: Database, hotel_rows: HotelRows) -> None:
    """M9: its text may end up in a log."""
    with pytest.raises(SQLAlchemyError) as failure:
        await book(database, hotel_rows, guest_last_name="Quarshie" * 20)
    assert "too long" in str(failure.value)
    assert "quarshie" not in str(failure.value).lower()


async def test_a_session_takes_no_longer_than_its_callers_wait(database_url: str) -> None:
    database = Database(database_url, patience_s=0.2)
    for session in (database.reading, database.transaction):
        with pytest.raises(TimeoutError):
            async with session() as db:
                await db.execute(text("SELECT pg_sleep(5)"))
    await database.close()
