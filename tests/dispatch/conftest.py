"""A Stripe whose events are no other test's, a database of its own, and a Temporal server on which nobody works."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from temporalio.client import Client
from temporalio.testing import ActivityEnvironment, WorkflowEnvironment

from activities.inbox import Inbox
from gateway.client import stripe_client
from sandbox.stripe.app import create_app
from sandbox.stripe.config import Config
from storage.database import Database
from tests.activities.payment_driver import PromptConnections
from tests.conftest import NewDatabase
from tests.dispatch.inbox_harness import QUEUE, InboxHarness
from tests.storage.rows import create_hotel
from tests.workflows.servers import STRIPE_KEY, StandInClient
from tests.workflows.servers import served as serving

TEMPORAL = Path(sys.executable).with_name("temporal")


@pytest.fixture(scope="session")
async def temporal() -> AsyncIterator[Client]:
    """A Temporal server on which nobody works."""
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(TEMPORAL), dev_server_log_level="error"
    ) as env:
        yield env.client


@pytest.fixture(scope="session")
async def shared_harness(
    new_database: NewDatabase,
    migrated_template: str,
    temporal: Client,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[InboxHarness]:
    """The servers behind `harness`."""
    database = Database(await new_database(template=migrated_template))
    connections = PromptConnections(timeout=6)
    app = create_app(Config(data=tmp_path_factory.mktemp("stripe"), secret_key=STRIPE_KEY))
    async with serving(app) as url, httpx.AsyncClient(timeout=30, trust_env=False) as http:
        inbox = Inbox(database, stripe_client(STRIPE_KEY, url, connections=connections), temporal, QUEUE)
        hotel_rows = await create_hotel(database)
        yield InboxHarness(
            database, StandInClient(http, url), temporal, inbox, ActivityEnvironment(), hotel_rows
        )
    await connections.close_async()  # type: ignore[no-untyped-call]
    await database.close()


@pytest.fixture
async def harness(shared_harness: InboxHarness) -> AsyncIterator[InboxHarness]:
    """Inbox, Temporal and Stripe."""
    yield shared_harness
    await shared_harness.stripe.clear_faults()
    await shared_harness.stripe.ask("POST", "/_sandbox/clock", json={"offset_s": 0})
    await shared_harness.clear()
