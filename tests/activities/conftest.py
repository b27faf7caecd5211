"""The stand-ins, served within this process; Stripe's client, Pusher's and the mailer's are the real ones."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from temporalio.testing import ActivityEnvironment

from activities.payments import Payments
from activities.realtime import Realtime
from gateway.client import stripe_client
from storage.database import Database
from tests.activities.mail_harness import AUTH_SECRET, PUBLIC_BASE_URL, MailHarness
from tests.activities.payment_driver import PaymentDriver, PromptConnections
from tests.activities.pusher_client import client
from tests.storage.rows import HotelRows, create_hotel
from tests.workflows.servers import STRIPE_KEY, StandInClients, stand_ins

TEMPORAL = Path(sys.executable).with_name("temporal")


@pytest.fixture(scope="session")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[StandInClients]:
    """Stripe, Pusher and a mail server."""
    async with stand_ins(tmp_path_factory.mktemp("stripe")) as running:
        yield running


@pytest.fixture(scope="session")
def ordered(served: StandInClients) -> list[str]:
    """The places of the faults ordered since it was last cleared."""
    addresses: list[str] = []

    async def note(request: httpx.Request) -> None:
        if request.method == "POST" and request.url.path == "/_sandbox/faults":
            addresses.append(str(request.url))

    served.stripe.http.event_hooks["request"].append(note)
    return addresses


@pytest.fixture(autouse=True)
async def no_faults_left(served: StandInClients, ordered: list[str]) -> AsyncIterator[None]:
    """A fault that a test ordered and that did not strike must not strike in the next one."""
    yield
    if ordered:
        await served.clear_faults()
        ordered.clear()


@pytest.fixture
def env() -> ActivityEnvironment:
    """The environment of an activity that needs no server."""
    return ActivityEnvironment()


@pytest.fixture
def realtime(served: StandInClients) -> Realtime:
    """The activity, with Pusher's own library."""
    return Realtime(client(served))


@pytest.fixture
async def hotel_rows(database: Database) -> HotelRows:
    """A hotel in Dublin that charges euros."""
    return await create_hotel(database)


@pytest.fixture(scope="session")
async def payments(database: Database, served: StandInClients) -> AsyncIterator[Payments]:
    """The activities under test, with the product's own client but for its pause between two attempts."""
    connections = PromptConnections(timeout=6)
    stripe = stripe_client(STRIPE_KEY, served.stripe.url, connections=connections)
    yield Payments(stripe, database, public_base_url=PUBLIC_BASE_URL, auth_secret=AUTH_SECRET)
    await connections.close_async()  # type: ignore[no-untyped-call]


@pytest.fixture(scope="session")
async def hasty_payments(database: Database, served: StandInClients) -> AsyncIterator[Payments]:
    """The same, with a client that soon gives up waiting for an answer."""
    connections = PromptConnections(timeout=1)
    stripe = stripe_client(STRIPE_KEY, served.stripe.url, connections=connections)
    yield Payments(stripe, database, public_base_url=PUBLIC_BASE_URL, auth_secret=AUTH_SECRET)
    await connections.close_async()  # type: ignore[no-untyped-call]


@pytest.fixture
async def driver(
    database: Database, served: StandInClients, payments: Payments, env: ActivityEnvironment
) -> PaymentDriver:
    """A driver of payments; Stripe's log of requests begins with the test."""
    await served.stripe.ask("DELETE", "/_sandbox/requests")
    return PaymentDriver(database, served.stripe, payments, env)


@pytest.fixture(scope="session")
def mail_harness(database: Database, served: StandInClients) -> MailHarness:
    """The harness that sends mails and receives them."""
    return MailHarness(database, served.mail, served.smtp_port)
