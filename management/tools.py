"""Clients for commands, built at first use, and one-line errors for services that are away."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import cached_property
from typing import Any, Final, NoReturn, TypeVar

import typer
from sqlalchemy.exc import DBAPIError
from stripe import StripeClient
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from dispatch.client import connect
from dispatch.errors import TemporalAwayError
from gateway.client import stripe_client, stripe_connections
from settings import Settings
from storage.database import DATABASE_ERRORS, Database
from storage.schema import MIGRATE, is_outdated

Answer = TypeVar("Answer")

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
"""Typer's own, for a command that was not understood."""
UNAVAILABLE: Final = 3
"""A service that the command needs is away."""
UNDER_WAY: Final = 4
"""The command is safe, and its outcome is not known yet."""


class Tools:
    """The configuration and the clients built from it. `--help` works without either.

    Args:
        load: reads the configuration, or ends the process with a line that says what to fix.
    """

    def __init__(self, load: Callable[[], Settings]) -> None:
        self._load = load

    @cached_property
    def settings(self) -> Settings:
        """The configuration."""
        return self._load()

    @asynccontextmanager
    async def database(self) -> AsyncIterator[Database]:
        """The product's database, for as long as the block lasts."""
        database = Database(self.settings.database_url, pool_size=2)
        try:
            yield database
        finally:
            await database.close()

    async def temporal(self) -> Client:
        """A client connected to Temporal.

        Raises:
            TemporalAwayError: Temporal is away.
        """
        return await connect(**self.settings.temporal_arguments)

    @asynccontextmanager
    async def stripe(self) -> AsyncIterator[StripeClient]:
        """A client for Stripe, for as long as the block lasts; it connects at first use."""
        connections = stripe_connections()
        key = self.settings.stripe_secret_key.get_secret_value()
        try:
            yield stripe_client(key, self.settings.stripe_api_base, connections=connections)
        finally:
            await connections.close_async()  # type: ignore[no-untyped-call]

    def run(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        """Run a command; a service that is away ends it with one line and status 3."""
        with self.in_plain_words():
            return asyncio.run(work)

    @contextmanager
    def in_plain_words(self) -> Iterator[None]:
        """End the command with one line and status 3 if a service is away."""
        try:
            yield
        except DATABASE_ERRORS as error:
            if is_outdated(error):
                fail(f"PostgreSQL: {MIGRATE}")
            fail(f"PostgreSQL does not answer as it should: {first_line(error)}", UNAVAILABLE)
        except (RPCError, TemporalAwayError) as error:
            fail(self.temporal_is_away(error), UNAVAILABLE)
        except ApplicationError as error:
            if not (error.type or "").startswith("stripe_"):
                fail(error.message)
            # These texts contain a code and a request id, and no guest data.
            where = self.settings.stripe_api_base or "api.stripe.com"
            fail(f"Stripe at {where} does not answer as it should: {error.message}", UNAVAILABLE)

    def temporal_is_away(self, error: BaseException) -> str:
        """One line that says so."""
        return (
            f"Temporal at {self.settings.temporal_address} does not answer as it should: {first_line(error)}"
        )


def tools_of(context: typer.Context) -> Tools:
    """The tools that `manage.py` put into the context."""
    tools = context.obj
    assert isinstance(tools, Tools)
    return tools


def fail(message: str, status: int = FAILED) -> NoReturn:
    """End the command with a message for the operator and an exit status."""
    print(message, file=sys.stderr)  # noqa: T201  a command line's voice
    raise typer.Exit(status)


def say(message: str) -> None:
    """Print a line for the operator."""
    print(message)  # noqa: T201  a command line's voice


def refuse_other_values(what: str, kept: object, wanted: Mapping[str, Any], how: str) -> None:
    """End a repeated `add` with status 1 if values differ from the stored ones, naming each.

    Args:
        wanted: the values given, by column.
        how: a sentence that names the command that changes them.
    """
    differing = {name: value for name, value in wanted.items() if getattr(kept, name) != value}
    if differing:
        told = ", ".join(f"{name} is {getattr(kept, name)}, not {value}" for name, value in differing.items())
        fail(f"{what} is there already with other values: {told}. Nothing changed; {how}")


def first_line(error: BaseException) -> str:
    """An error in one line, without guest data."""
    # SQLAlchemy appends the statement and its parameters, which may be guest data.
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    text = str(cause).strip().splitlines()
    return text[0] if text else type(cause).__name__
