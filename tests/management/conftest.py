"""Servers once per process; for each test (or module) a database, a Stripe and a worker of its own."""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest
from temporalio.testing import WorkflowEnvironment
from typer.testing import CliRunner

from manage import build_app
from storage.database import Database
from tests.conftest import NewDatabase
from tests.management.harness import ManagementHarness
from tests.stripe_clients import close_stripe_clients
from tests.workflows.servers import PUSHER, STRIPE_KEY, StandInClients, stand_ins

TEMPORAL = Path(sys.executable).with_name("temporal")
TEMPLATE = "bookings_template"


def pytest_configure(config: pytest.Config) -> None:
    # Stripe's SDK hands httpx its bodies in a way that httpx no longer likes.
    config.addinivalue_line("filterwarnings", "ignore:Use 'content=:DeprecationWarning")
    # Stripe's client keeps its connections to the end of the process; here workers and commands come and go.
    config.addinivalue_line("filterwarnings", "ignore:unclosed:ResourceWarning")


@pytest.fixture(scope="session")
async def temporal() -> AsyncIterator[WorkflowEnvironment]:
    """A Temporal server that knows nothing of the product yet."""
    async with await WorkflowEnvironment.start_local(dev_server_existing_path=str(TEMPORAL)) as env:
        yield env
    await close_stripe_clients()


@pytest.fixture(scope="session")
def base(temporal: WorkflowEnvironment) -> dict[str, str]:
    """The part of the configuration that all tests share."""
    return {
        "TEMPORAL_ADDRESS": temporal.client.service_client.config.target_host,
        "STRIPE_SECRET_KEY": STRIPE_KEY,
        "STRIPE_WEBHOOK_SECRET": "whsec_of_the_management_tests",
        "PUSHER_APP_ID": PUSHER.app_id,
        "PUSHER_KEY": PUSHER.key,
        "PUSHER_SECRET": PUSHER.secret,
        "PUSHER_HOST": "127.0.0.1",
        "PUSHER_SSL": "false",
        "SMTP_HOST": "127.0.0.1",
        "EMAIL_FROM": "bookings@hotels.test",
        "PUBLIC_BASE_URL": "http://127.0.0.1:8000",
        "AUTH_SECRET": "an-auth-secret-for-management-tests-only",
    }


@pytest.fixture(scope="session")
async def migrated(new_database: NewDatabase, base: Mapping[str, str]) -> str:
    """The name of a database as `migrate` leaves it, to be copied; Temporal knows what it has to know as well."""
    # The schedules go to a queue of their own: no test's worker shall sweep for another test.
    variables = {**base, "DATABASE_URL": await new_database(name=TEMPLATE), "TEMPORAL_TASK_QUEUE": "nobody"}
    result = await asyncio.to_thread(lambda: CliRunner().invoke(build_app(), ["migrate"], env=variables))
    assert result.exit_code == 0, result.output
    return TEMPLATE


@asynccontextmanager
async def open_harness(
    database_url: str, base: Mapping[str, str], temporal: WorkflowEnvironment, folder: Path
) -> AsyncIterator[ManagementHarness]:
    """An office with a worker, until the block ends."""
    async with AsyncExitStack() as stack:
        running: StandInClients = await stack.enter_async_context(stand_ins(folder))
        environment = {
            **base,
            "DATABASE_URL": database_url,
            "TEMPORAL_TASK_QUEUE": f"bookings-{secrets.token_hex(4)}",
            "STRIPE_API_BASE": running.stripe.url,
            "PUSHER_PORT": str(httpx.URL(running.pusher.url).port),
            "SMTP_PORT": str(running.smtp_port),
        }
        database = Database(environment["DATABASE_URL"])
        stack.push_async_callback(database.close)
        harness = ManagementHarness(environment, running, temporal.client, database)
        harness.start_worker()
        stack.push_async_callback(harness.close)
        yield harness


@pytest.fixture
async def harness(
    new_database: NewDatabase,
    migrated: str,
    base: Mapping[str, str],
    temporal: WorkflowEnvironment,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[ManagementHarness]:
    """An office of the test's own."""
    folder = tmp_path_factory.mktemp("stripe")
    url = await new_database(template=migrated)
    async with open_harness(url, base, temporal, folder) as harness:
        yield harness


@pytest.fixture(scope="module")
async def shared_harness(
    new_database: NewDatabase,
    migrated: str,
    base: Mapping[str, str],
    temporal: WorkflowEnvironment,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[ManagementHarness]:
    """An office that the tests of one module share."""
    folder = tmp_path_factory.mktemp("stripe")
    url = await new_database(template=migrated)
    async with open_harness(url, base, temporal, folder) as harness:
        yield harness
