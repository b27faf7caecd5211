"""The engine and the one way to open a transaction."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final, TypeAlias, TypeVar

import asyncpg
from sqlalchemy import event, exc
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import Session

from storage.database_url import CONNECT_TIMEOUT_S, parse_address

Opened = TypeVar("Opened")

Connection: TypeAlias = AsyncConnection | AsyncSession
"""Whatever runs a statement: an open transaction, or a connection for this one alone."""

STATEMENT_TIMEOUT_S = 10
RECYCLE_AFTER_S = 300

DATABASE_ERRORS: Final = (
    exc.DBAPIError,
    exc.TimeoutError,
    # asyncpg's errors while connecting are not wrapped by SQLAlchemy.
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    OSError,
)
"""What PostgreSQL, its driver or the way to it fails with; a TimeoutError is an OSError, too."""


class Database:
    """A pool of connections to one PostgreSQL database.

    Args:
        database_url: `postgresql://user:password@host:port/name`, with libpq's usual options.
        pool_size: the largest number of connections. All stay open: opening one costs more than a transaction.
        patience_s: seconds a session may take in total; None sets no limit beside those of its statements.
    """

    def __init__(self, database_url: str, *, pool_size: int = 20, patience_s: float | None = None) -> None:
        self._patience_s = patience_s
        address = parse_address(database_url)
        self._engine: AsyncEngine = create_async_engine(
            address.url,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=CONNECT_TIMEOUT_S,
            # Firewalls drop idle connections without notice.
            pool_recycle=RECYCLE_AFTER_S,
            # Most connections run one statement, which needs no transaction around it.
            isolation_level="AUTOCOMMIT",
            # Error texts reach logs and histories; statement parameters must not.
            hide_parameters=True,
            connect_args={"timeout": address.connect_timeout_s, "command_timeout": STATEMENT_TIMEOUT_S},
        )
        event.listen(self._engine.sync_engine, "checkout", _refuse_closed)
        transactional = self._engine.execution_options(isolation_level="READ COMMITTED")
        self._sessions = async_sessionmaker(transactional, expire_on_commit=False)
        self._readers = async_sessionmaker(self._engine, expire_on_commit=False, sync_session_class=_Reader)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A transaction that commits when the block ends well and rolls back when it raises.

        The block must not wait for another service: its locks would be held for that time.

        Raises:
            TimeoutError: the block took longer than `patience_s`.
        """
        async with self._in_time(self._sessions.begin()) as session:
            yield session

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """A session that only reads; each statement sees what has been committed when it starts.

        A transaction at PostgreSQL's default isolation level would see the same, at two more round trips.

        Raises:
            TimeoutError: as `transaction`.
        """
        async with self._in_time(self._readers()) as session:
            yield session

    @asynccontextmanager
    async def single_statement(self) -> AsyncIterator[AsyncConnection]:
        """A connection for one statement, which is a transaction of its own: one round trip instead of three.

        Raises:
            TimeoutError: as `transaction`.
        """
        async with self._in_time(self._engine.connect()) as connection:
            yield connection

    @asynccontextmanager
    async def _in_time(self, opening: AbstractAsyncContextManager[Opened]) -> AsyncIterator[Opened]:
        async with asyncio.timeout(self._patience_s), opening as opened:
            yield opened

    async def close(self) -> None:
        """Close every pooled connection."""
        await self._engine.dispose()


class _Reader(Session):
    """A session that refuses to write: without a transaction, a later error would not undo the write."""

    def flush(self, objects: Any = None) -> None:  # noqa: ARG002  the signature is SQLAlchemy's
        if self.new or self.dirty or self.deleted:
            raise RuntimeError("this session is for reading")


def _refuse_closed(dbapi_connection: Any, _record: object, _proxy: object) -> None:
    """Make the pool replace a connection that the server has closed, for example in a restart.

    The driver already knows, so the check costs nothing; a ping before each transaction would cost a round trip.
    """
    if dbapi_connection.driver_connection.is_closed():
        raise exc.InvalidatePoolError
