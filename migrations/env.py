"""Alembic's environment: run through `storage.schema`, or by the `alembic` command in development."""

from __future__ import annotations

import asyncio
import time

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool
from sqlmodel import SQLModel

import models  # noqa: F401  fills the metadata
import storage.account_tables
import storage.tables  # noqa: F401  fills the rest of it
from settings import load_settings
from storage.database_url import parse_address

_LOCK = 7_263_541_908
"""Key of the advisory lock that lets two migrations at once run one after the other."""
_TURN_EVERY_S = 0.5

_LOCK_TIMEOUT = "5s"
"""A migration that waits for a table's lock blocks all later queries on it: it gives up, and is run again."""


def _migrate(connection: Connection) -> None:
    _await_turn(connection)
    connection.execute(text(f"set lock_timeout = '{_LOCK_TIMEOUT}'"))
    connection.commit()
    context.configure(
        connection=connection, target_metadata=SQLModel.metadata, transaction_per_migration=True
    )
    with context.begin_transaction():
        context.run_migrations()


def _await_turn(connection: Connection) -> None:
    # Polled: `create index concurrently` waits for every open statement, and so for one that waits for this lock.
    while not connection.scalar(text("select pg_try_advisory_lock(:key)"), {"key": _LOCK}):
        connection.commit()
        time.sleep(_TURN_EVERY_S)
    connection.commit()


async def _connect_and_migrate(database_url: str) -> None:
    address = parse_address(database_url)
    engine = create_async_engine(
        address.url, poolclass=NullPool, connect_args={"timeout": address.connect_timeout_s}
    )
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_migrate)
    finally:
        await engine.dispose()


def _database_url() -> str:
    given = context.config.attributes.get("database_url")
    return str(given) if given else load_settings().database_url


if context.is_offline_mode():
    context.configure(url=_database_url(), target_metadata=SQLModel.metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
else:
    asyncio.run(_connect_and_migrate(_database_url()))
