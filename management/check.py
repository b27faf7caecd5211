"""`check`: test the configuration of every part."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import typer

from management.check_providers import ask_pusher, ask_smtp, stripe_checks
from management.check_results import CheckFailedError, CheckResult, PartCheck
from management.check_servers import postgres_checks, temporal_checks
from management.showing import console, table
from management.tools import FAILED, Tools, first_line, tools_of

_PATIENCE_S: Final = 15


def check(context: typer.Context) -> None:
    """Test the configuration of PostgreSQL, Temporal, Stripe, Pusher and the mail server.

    Changes nothing and sends no mail. Run it after `migrate`, and after each change of the configuration.

    Exit status: 0 all is well; 1 something has to be fixed, and the table says how.
    """
    tools = tools_of(context)
    results = tools.run(_check_all(tools))
    rows = [
        (result.part, "mend" if result.advice else "ok", result.found, result.advice) for result in results
    ]
    console().print(table("Parts", ("part", "", "found", "what to do"), rows))
    if any(result.advice for result in results):
        raise typer.Exit(FAILED)


async def _check_all(tools: Tools) -> list[CheckResult]:
    async with _checks(tools) as checks:
        return list(await asyncio.gather(*(_carry_out(each) for each in checks)))


@asynccontextmanager
async def _checks(tools: Tools) -> AsyncIterator[list[PartCheck]]:
    async with tools.database() as database, tools.stripe() as stripe:
        yield [
            *postgres_checks(database),
            *temporal_checks(tools),
            *stripe_checks(stripe, tools),
            PartCheck("Pusher", lambda: ask_pusher(tools), "PUSHER_HOST or PUSHER_CLUSTER"),
            PartCheck("SMTP", lambda: ask_smtp(tools), "SMTP_HOST and SMTP_PORT"),
        ]


async def _carry_out(check: PartCheck) -> CheckResult:
    try:
        async with asyncio.timeout(_PATIENCE_S):
            return CheckResult(check.part, await check.ask())
    except CheckFailedError as error:
        return CheckResult(check.part, error.found, error.advice)
    except TimeoutError:
        found = f"no answer within {_PATIENCE_S} s"
    except Exception as error:
        # Any error of a client: this command is how people find out why a part is away.
        found = first_line(error)
    return CheckResult(check.part, found, f"Check {check.settings}, and that this machine can reach it.")
