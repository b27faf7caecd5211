"""Alembic's environment: run through `storage.schema`, or by the `alembic` command in development."""

from __future__ import annotations

import asyncio

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool
from sqlmodel import SQLModel

import models  # noqa: F401  fills the metadata
from settings import load_settings
from storage.database import CONNECT_TIMEOUT_S, async_url

_LOCK = 7_263_541_908
"""Key of the advisory lock that lets two migrations at once run one after the other."""


def _migrate(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=SQLModel.metadata)
    with context.begin_transaction():
        connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        context.run_migrations()


async def _connect_and_migrate(database_url: str) -> None:
    engine = create_async_engine(
        async_url(database_url), poolclass=NullPool, connect_args={"timeout": CONNECT_TIMEOUT_S}
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
