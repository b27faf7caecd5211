"""Migrations: from nothing to exactly the models' schema, harmless when repeated, one at a time."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlmodel import SQLModel

import models  # noqa: F401  fills the metadata
import storage.account_tables
import storage.tables  # noqa: F401  fills the rest of it
from storage.database import Database
from storage.database_url import async_url
from storage.schema import alembic_config, upgrade
from tests.conftest import NewDatabase

ROOT = Path(__file__).parents[2]

CONSTRAINTS = """
SELECT conrelid::regclass::text, contype::text, pg_get_constraintdef(oid) FROM pg_constraint
WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text <> 'alembic_version'
"""
INDEXES = """
SELECT tablename, replace(indexdef, indexname, '') FROM pg_indexes
WHERE schemaname = 'public' AND tablename <> 'alembic_version'
"""
COLUMNS = """
SELECT table_name, column_name, data_type, character_maximum_length, is_nullable
FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'alembic_version'
"""


async def migrated(new_database: NewDatabase) -> tuple[str, AsyncEngine]:
    url = await new_database()
    await asyncio.to_thread(upgrade, url)
    return url, create_async_engine(async_url(url))


async def facts(engine: AsyncEngine) -> set[tuple[object, ...]]:
    """Every column, constraint and index, by what it does rather than by its name."""
    async with engine.connect() as connection:
        return {
            tuple(row)
            for query in (COLUMNS, CONSTRAINTS, INDEXES)
            for row in await connection.execute(text(query))
        }


async def test_migrations_lead_to_the_models_schema(new_database: NewDatabase) -> None:
    """Nothing to add, to drop or to alter, as Alembic sees it."""

    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, SQLModel.metadata))

    _, engine = await migrated(new_database)
    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()


async def test_migrations_lead_to_the_models_constraints(new_database: NewDatabase) -> None:
    """Nor as PostgreSQL sees it: check constraints, partial indexes and what happens on deletion too."""
    _, by_migrations = await migrated(new_database)
    by_models = create_async_engine(async_url(await new_database()))
    async with by_models.begin() as connection:
        await connection.run_sync(SQLModel.metadata.create_all)
    assert await facts(by_migrations) == await facts(by_models)
    await by_migrations.dispose()
    await by_models.dispose()


async def test_an_upgrade_of_what_is_up_to_date_is_harmless(new_database: NewDatabase) -> None:
    """It changes nothing, and keeps what is in the tables."""
    url, engine = await migrated(new_database)
    async with engine.begin() as connection:
        await connection.execute(
            text("INSERT INTO rate_limit (subject, began_at, attempts) VALUES ('x', now(), 1)")
        )
    before = await facts(engine)
    await asyncio.to_thread(upgrade, url)
    assert await facts(engine) == before
    async with engine.connect() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM rate_limit"))).scalar_one() == 1
    await engine.dispose()


async def test_upgrades_at_once(new_database: NewDatabase) -> None:
    """Two processes of one deployment start together: one migrates, the other finds it done."""
    url = await new_database()
    program = "import sys; from storage.schema import upgrade; upgrade(sys.argv[1])"
    processes = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", program, url), cwd=ROOT, stderr=asyncio.subprocess.PIPE
        )
        for _ in range(2)
    ]
    ends = await asyncio.gather(*(process.communicate() for process in processes))
    assert [process.returncode for process in processes] == [0, 0], ends
    engine = create_async_engine(async_url(url))
    async with engine.connect() as connection:
        found = await connection.execute(text("SELECT version_num FROM alembic_version"))
        assert found.scalars().all() == ScriptDirectory.from_config(alembic_config(url)).get_heads()
    await engine.dispose()


async def test_migrations_can_be_taken_back(new_database: NewDatabase) -> None:
    """Down to nothing, and up again."""
    url, engine = await migrated(new_database)
    before = await facts(engine)
    await engine.dispose()
    await asyncio.to_thread(command.downgrade, alembic_config(url), "base")
    engine = create_async_engine(async_url(url))
    assert await facts(engine) == set()
    await engine.dispose()
    await asyncio.to_thread(upgrade, url)
    engine = create_async_engine(async_url(url))
    assert await facts(engine) == before
    await engine.dispose()


async def test_a_migration_that_must_wait_for_a_table_gives_up(new_database: NewDatabase) -> None:
    """Later statements would wait as long as it does; nothing has changed then."""
    url, engine = await migrated(new_database)
    before = await facts(engine)
    async with engine.connect() as reader:
        await reader.execute(text("SELECT count(*) FROM hotel"))
        async with asyncio.timeout(30):
            with pytest.raises(DBAPIError, match="lock timeout"):
                await asyncio.to_thread(command.downgrade, alembic_config(url), "base")
    assert await facts(engine) == before
    await engine.dispose()


async def test_migrations_are_one_line(database_url: str) -> None:
    """Two heads could not be upgraded to."""
    assert len(ScriptDirectory.from_config(alembic_config(database_url)).get_heads()) == 1


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+asyncpg"])
async def test_any_postgres_address_is_taken(database_url: str, scheme: str) -> None:
    """With any scheme that a platform uses."""
    database = Database(database_url.replace("postgresql", scheme, 1))
    async with database.reading() as db:
        assert (await db.execute(text("SELECT 1"))).scalar_one() == 1
    await database.close()
