"""Telling that a dependency is away from everything else that can go wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import asyncpg
from sqlalchemy import exc
from sqlalchemy.ext.asyncio import AsyncSession
from temporalio.api.errordetails.v1 import NamespaceNotFoundFailure
from temporalio.client import RPCTimeoutOrCancelledError
from temporalio.service import RPCError, RPCStatusCode

from api.errors import DATABASE_UNAVAILABLE, TEMPORAL_UNAVAILABLE, ProblemError, unavailable
from storage.database import Database

# Closing a connection that hangs may take SQLAlchemy two seconds more: a request then ends after five.
DATABASE_PATIENCE_S: Final = 3
TEMPORAL_PATIENCE_S: Final = 3

# Statements PostgreSQL refuses are defects of ours; everything else its driver raises is an outage.
_DEFECTS: Final = (exc.IntegrityError, exc.DataError, exc.ProgrammingError)
_DATABASE_ERRORS: Final = (
    exc.DBAPIError,
    exc.TimeoutError,
    # Errors while connecting come from asyncpg as they are.
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    OSError,
    TimeoutError,
)
_TEMPORAL_ERRORS: Final = (RPCError, RPCTimeoutOrCancelledError, RuntimeError, TimeoutError)


class WorkflowGoneError(Exception):
    """No workflow of this id is running: it has ended, or was never started."""


def temporal_away() -> ProblemError:
    """503: Temporal cannot be reached."""
    return unavailable(TEMPORAL_UNAVAILABLE, "The booking engine cannot be reached. Try again.")


def database_away() -> ProblemError:
    """503: PostgreSQL cannot be reached."""
    return unavailable(DATABASE_UNAVAILABLE, "The database cannot be reached. Try again.")


@contextmanager
def database_errors() -> Iterator[None]:
    """Turn the errors of a database that is away into a 503."""
    try:
        yield
    except _DEFECTS:
        raise
    except _DATABASE_ERRORS as error:
        raise database_away() from error


@contextmanager
def temporal_errors() -> Iterator[None]:
    """Turn the errors of a Temporal server that is away into a 503.

    Raises:
        WorkflowGoneError: the server answered that no such workflow is running.
    """
    try:
        yield
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND and not _namespace_missing(error):
            raise WorkflowGoneError from error
        raise temporal_away() from error
    except _TEMPORAL_ERRORS as error:
        raise temporal_away() from error


def _namespace_missing(error: RPCError) -> bool:
    # The same status as for a workflow that has ended, and a very different thing.
    return any(detail.Is(NamespaceNotFoundFailure.DESCRIPTOR) for detail in error.grpc_status.details)


@asynccontextmanager
async def reading(database: Database) -> AsyncIterator[AsyncSession]:
    """A session to read with that gives up in time; see `Database.reading`.

    Raises:
        ProblemError: 503, the database is away.
    """
    with database_errors():
        async with asyncio.timeout(DATABASE_PATIENCE_S), database.reading() as db:
            yield db


@asynccontextmanager
async def transaction(database: Database) -> AsyncIterator[AsyncSession]:
    """A transaction that gives up in time; see `Database.transaction`.

    Raises:
        ProblemError: 503, the database is away.
    """
    with database_errors():
        async with asyncio.timeout(DATABASE_PATIENCE_S), database.transaction() as db:
            yield db
