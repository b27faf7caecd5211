"""The stand-ins, served within this process; Stripe's client, Pusher's and the mailer's are the real ones."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from temporalio.client import Client
from temporalio.testing import ActivityEnvironment, WorkflowEnvironment

from activities.inbox import Inbox
from activities.payments import Payments
from activities.stripe_client import stripe_client
from sandbox.stripe.app import create_app
from sandbox.stripe.config import Config
from storage.database import Database
from tests.activities.counter import Counter, PromptConnections
from tests.activities.office import QUEUE, Office
from tests.activities.post import AUTH_SECRET, PUBLIC_BASE_URL, Post
from tests.conftest import NewDatabase
from tests.storage.rows import House, open_house
from tests.workflows.servers import STRIPE_KEY, StandIn, StandIns, stand_ins
from tests.workflows.servers import served as serving

TEMPORAL = Path(sys.executable).with_name("temporal")


@pytest.fixture(scope="session")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[StandIns]:
    """Stripe, Pusher and a mail server."""
    async with stand_ins(tmp_path_factory.mktemp("stripe")) as running:
        yield running


@pytest.fixture(scope="session")
def ordered(served: StandIns) -> list[str]:
    """Where faults have been ordered since it was last cleared."""
    addresses: list[str] = []

    async def note(request: httpx.Request) -> None:
        if request.method == "POST" and request.url.path == "/_sandbox/faults":
            addresses.append(str(request.url))

    served.stripe.http.event_hooks["request"].append(note)
    return addresses


@pytest.fixture(autouse=True)
async def no_faults_left(served: StandIns, ordered: list[str]) -> AsyncIterator[None]:
    """A fault that a test ordered and that did not strike must not strike in the next one."""
    yield
    if ordered:
        await served.heal()
        ordered.clear()


@pytest.fixture
def env() -> ActivityEnvironment:
    """What an activity is run in where no server is needed."""
    return ActivityEnvironment()


@pytest.fixture
async def house(database: Database) -> House:
    """A hotel in Dublin that charges euros."""
    return await open_house(database)


@pytest.fixture(scope="session")
async def payments(database: Database, served: StandIns) -> AsyncIterator[Payments]:
    """The activities under test, with the product's own client but for its pause between two attempts."""
    connections = PromptConnections(timeout=6)
    stripe = stripe_client(STRIPE_KEY, served.stripe.url, connections=connections)
    yield Payments(stripe, database, public_base_url=PUBLIC_BASE_URL, auth_secret=AUTH_SECRET)
    await connections.close_async()  # type: ignore[no-untyped-call]


@pytest.fixture(scope="session")
async def hasty_payments(database: Database, served: StandIns) -> AsyncIterator[Payments]:
    """The same, with a client that soon gives up waiting for an answer."""
    connections = PromptConnections(timeout=1)
    stripe = stripe_client(STRIPE_KEY, served.stripe.url, connections=connections)
    yield Payments(stripe, database, public_base_url=PUBLIC_BASE_URL, auth_secret=AUTH_SECRET)
    await connections.close_async()  # type: ignore[no-untyped-call]


@pytest.fixture
async def counter(
    database: Database, served: StandIns, payments: Payments, env: ActivityEnvironment
) -> Counter:
    """Where bookings are paid; Stripe's log of requests begins with the test."""
    await served.stripe.ask("DELETE", "/_sandbox/requests")
    return Counter(database, served.stripe, payments, env)


@pytest.fixture(scope="session")
def post(database: Database, served: StandIns) -> Post:
    """Where mails are sent and arrive."""
    return Post(database, served.mail, served.smtp_port)


# --- what is handed on: by a Stripe whose events are no other test's, from a database of its own ---


@pytest.fixture(scope="session")
async def temporal() -> AsyncIterator[Client]:
    """A Temporal server on which nobody works."""
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(TEMPORAL), dev_server_log_level="error"
    ) as env:
        yield env.client


@pytest.fixture(scope="session")
async def whole_office(
    new_database: NewDatabase,
    migrated_template: str,
    temporal: Client,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Office]:
    """The servers behind `office`."""
    database = Database(await new_database(template=migrated_template))
    connections = PromptConnections(timeout=6)
    app = create_app(Config(data=tmp_path_factory.mktemp("stripe"), secret_key=STRIPE_KEY))
    async with serving(app) as url, httpx.AsyncClient(timeout=30, trust_env=False) as http:
        inbox = Inbox(database, stripe_client(STRIPE_KEY, url, connections=connections), temporal, QUEUE)
        house = await open_house(database)
        yield Office(database, StandIn(http, url), temporal, inbox, ActivityEnvironment(), house)
    await connections.close_async()  # type: ignore[no-untyped-call]
    await database.close()


@pytest.fixture
async def office(whole_office: Office) -> AsyncIterator[Office]:
    """Inbox, Temporal and Stripe."""
    yield whole_office
    await whole_office.stripe.heal()
    await whole_office.stripe.ask("POST", "/_sandbox/clock", json={"offset_s": 0})
    await whole_office.clear()
