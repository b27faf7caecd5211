"""The engine and the one way to open a transaction."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final

import asyncpg
from sqlalchemy import event, exc
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session

from storage.database_url import CONNECT_TIMEOUT_S, parse_address

STATEMENT_TIMEOUT_S = 10
RECYCLE_AFTER_S = 300

DATABASE_ERRORS: Final = (
    exc.DBAPIError,
    exc.TimeoutError,
    # Errors while connecting come from asyncpg as they are.
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    OSError,
)
"""What PostgreSQL, its driver or the way to it fails with; a TimeoutError is an OSError, too."""


class Database:
    """A pool of connections to one PostgreSQL database.

    Args:
        database_url: `postgresql://user:password@host:port/name`, with libpq's usual options.
        pool_size: connections at most. All are kept: opening one costs more than a transaction.
        patience_s: seconds a session may take in all; None for no limit beside those of its statements.
    """

    def __init__(self, database_url: str, *, pool_size: int = 20, patience_s: float | None = None) -> None:
        self._patience_s = patience_s
        address = parse_address(database_url)
        self._engine: AsyncEngine = create_async_engine(
            address.url,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=CONNECT_TIMEOUT_S,
            # Firewalls forget connections that were silent for long, and tell nobody.
            pool_recycle=RECYCLE_AFTER_S,
            # An error's text is for logs and histories: what was written or asked for is not.
            hide_parameters=True,
            connect_args={"timeout": address.connect_timeout_s, "command_timeout": STATEMENT_TIMEOUT_S},
        )
        event.listen(self._engine.sync_engine, "checkout", _refuse_closed)
        self._sessions = async_sessionmaker(self._engine, expire_on_commit=False)
        each_by_itself = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        self._readers = async_sessionmaker(each_by_itself, expire_on_commit=False, sync_session_class=_Reader)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A transaction that commits when the block ends well and rolls back when it raises.

        Nothing in the block may wait for another service: locks would be held for as long as it answers.

        Raises:
            TimeoutError: it took longer than this database's patience.
        """
        async with self._in_time(self._sessions.begin()) as session:
            yield session

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """A session that only reads: each statement sees what is committed by then.

        In a transaction it would see the same, as PostgreSQL isolates them by default, for two round trips more.

        Raises:
            TimeoutError: as `transaction`.
        """
        async with self._in_time(self._readers()) as session:
            yield session

    @asynccontextmanager
    async def _in_time(
        self, session: AbstractAsyncContextManager[AsyncSession]
    ) -> AsyncIterator[AsyncSession]:
        async with asyncio.timeout(self._patience_s), session as opened:
            yield opened

    async def close(self) -> None:
        """Close every pooled connection."""
        await self._engine.dispose()


class _Reader(Session):
    """Writes nothing: what it was given to write would not be undone by an error later on."""

    def flush(self, objects: Any = None) -> None:  # noqa: ARG002  the signature is SQLAlchemy's
        if self.new or self.dirty or self.deleted:
            raise RuntimeError("this session is for reading")


def _refuse_closed(dbapi_connection: Any, _record: object, _proxy: object) -> None:
    """Let the pool make new connections once the server has closed one, as when it was restarted.

    The driver has heard of that, so this costs nothing; a ping before each transaction cost a round trip.
    """
    if dbapi_connection.driver_connection.is_closed():
        raise exc.InvalidatePoolError
