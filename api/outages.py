"""Outages of dependencies, as 503 problems."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Final

from sqlalchemy import exc
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from api.errors import DATABASE_UNAVAILABLE, TEMPORAL_UNAVAILABLE, ProblemError, unavailable
from dispatch.errors import TemporalAwayError
from storage.database import DATABASE_ERRORS, Database, Opened
from storage.schema import MIGRATE, is_outdated

log = logging.getLogger("api.outages")

# A statement that PostgreSQL rejects is a defect of the product; every other error of its driver is an outage.
_DEFECTS: Final = (exc.IntegrityError, exc.DataError, exc.ProgrammingError)


def temporal_away() -> ProblemError:
    """503: Temporal cannot be reached."""
    return unavailable(TEMPORAL_UNAVAILABLE, "The booking engine cannot be reached. Try again.")


@contextmanager
def mapped_outages() -> Iterator[None]:
    """Turn a dependency's outage into a 503. A `WorkflowGoneError` passes: it is an answer.

    Raises:
        ProblemError: 503.
    """
    try:
        yield
    except TemporalAwayError as error:
        raise temporal_away() from error
    except _DEFECTS as error:
        if not is_outdated(error):
            raise
        log.error(MIGRATE)  # noqa: TRY400  the error's text may quote the row
        raise _database_away() from error
    except DATABASE_ERRORS as error:
        raise _database_away() from error


def _database_away() -> ProblemError:
    return unavailable(DATABASE_UNAVAILABLE, "The database cannot be reached. Try again.")


def reading(database: Database) -> AbstractAsyncContextManager[AsyncSession]:
    """Open a session to read with; see `Database.reading`.

    Raises:
        ProblemError: 503, the database is away.
    """
    return _with_problems(database.reading())


def transaction(database: Database) -> AbstractAsyncContextManager[AsyncSession]:
    """Open a transaction; see `Database.transaction`.

    Raises:
        ProblemError: 503, the database is away.
    """
    return _with_problems(database.transaction())


def single_statement(database: Database) -> AbstractAsyncContextManager[AsyncConnection]:
    """Open a connection for one statement; see `Database.single_statement`.

    Raises:
        ProblemError: 503, the database is away.
    """
    return _with_problems(database.single_statement())


@asynccontextmanager
async def _with_problems(opening: AbstractAsyncContextManager[Opened]) -> AsyncIterator[Opened]:
    with mapped_outages():
        async with opening as db:
            yield db
