"""Everything the API speaks to, for real, once per pytest process; Stripe, Pusher and mail are stand-ins."""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import make_url
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from api.app import create_app
from dispatch.names import SEARCH_ATTRIBUTES
from sandbox.drivers import Addresses, StackClient
from sandbox.serving import listener
from settings import Settings
from storage.database import Database
from tests.api.serving import address, serving
from tests.api.tcp_proxy import TcpProxy, proxy_to
from tests.workflows.servers import PUSHER, STRIPE_KEY, StandInClients, stand_ins
from worker import build_worker

WEBHOOK_PATH = "/api/public/hotel/room-bookings/stripe-webhook/"
WEBHOOK_SECRETS = ("whsec_of_the_api_tests", "whsec_being_rolled")
AUTH_SECRET = "an-auth-secret-for-the-api-tests-alone"
PUBLIC_BASE_URL = "https://hotels.test"
PATIENCE_S = 30

_TEMPORAL = Path(sys.executable).with_name("temporal")


@dataclass(frozen=True)
class ApiStack:
    """The running parts.

    Args:
        settings: configuration of the API at `client.at.api` is configured with.
        temporal: a client of the server's own, not the API's.
        postgres_socket: where PostgreSQL listens.
    """

    settings: Settings
    database: Database
    temporal: Client
    stand_ins: StandInClients
    client: StackClient
    postgres_socket: Path

    @property
    def http(self) -> httpx.AsyncClient:
        """A client for any address; it follows no redirects."""
        return self.client.http

    @property
    def api(self) -> str:
        """The API's address."""
        return self.client.at.api

    def settings_with(self, **changes: Any) -> Settings:
        """The configuration of another API on the same servers."""
        return Settings.model_validate({**self.settings.model_dump(), **changes})


@asynccontextmanager
async def running(database_url: str, postgres_socket: Path, folder: Path) -> AsyncIterator[ApiStack]:
    """Run everything until the block ends.

    Args:
        database_url: a database with the product's schema.
        postgres_socket: where its server listens.
        folder: keeps Stripe's ledger.
    """
    listening = listener()
    database = Database(database_url)
    async with (
        await WorkflowEnvironment.start_local(
            dev_server_existing_path=str(_TEMPORAL),
            search_attributes=SEARCH_ATTRIBUTES,
            dev_server_log_level="error",
        ) as temporal,
        stand_ins(folder) as servers,
        httpx.AsyncClient(timeout=PATIENCE_S, trust_env=False) as http,
    ):
        settings = _settings(database_url, temporal.client.service_client.config.target_host, servers)
        at = Addresses(address(listening), servers.stripe.url, servers.pusher.url, servers.mail.url)
        endpoint = {"url": at.api + WEBHOOK_PATH, "secret": WEBHOOK_SECRETS[0]}
        await servers.stripe.ask("POST", "/_sandbox/webhook_endpoint", json=endpoint)
        stack = ApiStack(settings, database, temporal.client, servers, StackClient(http, at), postgres_socket)
        async with serving(create_app(settings), listening), working(stack, settings.temporal_task_queue):
            yield stack
    await database.close()


def _settings(database_url: str, temporal_address: str, servers: StandInClients) -> Settings:
    pusher = httpx.URL(servers.pusher.url)
    return Settings.model_validate(
        {
            "database_url": database_url,
            "temporal_address": temporal_address,
            "stripe_secret_key": STRIPE_KEY,
            "stripe_webhook_secret": ",".join(WEBHOOK_SECRETS),
            "stripe_api_base": servers.stripe.url,
            "pusher_app_id": PUSHER.app_id,
            "pusher_key": PUSHER.key,
            "pusher_secret": PUSHER.secret,
            "pusher_host": pusher.host,
            "pusher_port": pusher.port,
            "pusher_ssl": False,
            "smtp_host": "127.0.0.1",
            "smtp_port": servers.smtp_port,
            "email_from": "bookings@hotels.test",
            "public_base_url": PUBLIC_BASE_URL,
            "auth_secret": AUTH_SECRET,
            # All tests come from one address, and their guests share one.
            "rate_limit_booking_per_hour": 0,
            "rate_limit_verify_per_min": 0,
        }
    )


@asynccontextmanager
async def working(stack: ApiStack, task_queue: str) -> AsyncIterator[None]:
    """Run the product's worker on a task queue until the block ends."""
    worker = build_worker(stack.settings_with(temporal_task_queue=task_queue), stack.temporal, stack.database)
    task = asyncio.create_task(worker.run())
    try:
        yield
    finally:
        # A step at Stripe that a fault lets hang would be waited for.
        await stack.stand_ins.clear_faults()
        await worker.shutdown()
        await task


@asynccontextmanager
async def another_api(stack: ApiStack, **changes: Any) -> AsyncIterator[str]:
    """One more API, with some settings of its own, until the block ends; yields its address."""
    listening = listener()
    async with serving(create_app(stack.settings_with(**changes)), listening):
        yield address(listening)


@dataclass(frozen=True)
class FlakyApi:
    """An API whose way to PostgreSQL and to Temporal leads through gates, and which has no worker.

    Args:
        task_queue: of its own; no worker polls it until a test starts one.
    """

    url: str
    postgres: TcpProxy
    temporal: TcpProxy
    task_queue: str


@asynccontextmanager
async def flaky_api(stack: ApiStack, **changes: Any) -> AsyncIterator[FlakyApi]:
    """An API whose dependencies can be taken away, until the block ends."""
    host, port = stack.settings.temporal_address.split(":")
    task_queue = f"bookings-{secrets.token_hex(4)}"
    async with (
        proxy_to(lambda: asyncio.open_unix_connection(stack.postgres_socket)) as postgres,
        proxy_to(lambda: asyncio.open_connection(host, int(port))) as temporal,
    ):
        database = make_url(stack.settings.database_url).set(host="127.0.0.1", port=postgres.port, query={})
        ways = {
            "database_url": database.render_as_string(hide_password=False),
            "temporal_address": f"127.0.0.1:{temporal.port}",
            "temporal_task_queue": task_queue,
        }
        async with another_api(stack, **{**ways, **changes}) as url:
            yield FlakyApi(url, postgres, temporal, task_queue)
