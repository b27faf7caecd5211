"""The stand-ins, served within the test's own process, each on a port the system chooses."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import httpx
import uvicorn
from starlette.types import ASGIApp

from sandbox.mail.app import create_app as mail_app
from sandbox.mail.inbox import MailInbox
from sandbox.pusher.app import create_app as pusher_app
from sandbox.pusher.record import MessageRecord
from sandbox.pusher.signature import Credentials
from sandbox.serving import HOST, KEEP_ALIVE_S, CuttableProtocol, listener
from sandbox.stripe.app import create_app as stripe_app
from sandbox.stripe.config import Config as StripeConfig

Json = dict[str, Any]

STRIPE_KEY = "sk_test_of_the_workflow_tests"
PUSHER = Credentials("100000", "pusher-key", "pusher-secret")


class _StandInServer(uvicorn.Server):
    """Leaves signals to pytest."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class StandInClient:
    """A stand-in and its control paths."""

    def __init__(self, http: httpx.AsyncClient, url: str) -> None:
        self.http = http
        self.url = url

    async def order(self, match: str, kind: str, **fault: Any) -> str:
        """Make it misbehave, in the format of `sandbox.faults`; returns the fault's id."""
        body = {"match": match, "kind": kind, **fault}
        return str((await self.ask("POST", "/_sandbox/faults", json=body))["id"])

    async def hits(self, fault_id: str) -> int:
        """How often a fault has struck."""
        faults = (await self.ask("GET", "/_sandbox/faults"))["faults"]
        return int(next(fault["hits"] for fault in faults if fault["id"] == fault_id))

    async def clear_faults(self) -> None:
        """Withdraw every fault."""
        await self.ask("DELETE", "/_sandbox/faults")

    async def ask(self, method: str, path: str, **options: Any) -> Any:
        """Send a request that must succeed, and return the JSON of its answer."""
        response = await self.http.request(method, self.url + path, **options)
        assert response.is_success, f"{method} {path}: {response.status_code} {response.text}"
        return response.json() if response.content else None


@asynccontextmanager
async def served(app: ASGIApp) -> AsyncIterator[str]:
    """Serve an app until the block ends; yields its address."""
    listening = listener()
    config = uvicorn.Config(
        app,
        http=cast("type[asyncio.Protocol]", CuttableProtocol),
        log_level="warning",
        access_log=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=1,
    )
    server = _StandInServer(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield f"http://{HOST}:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


class StandInClients:
    """All of them, and where mail is taken."""

    def __init__(
        self, stripe: StandInClient, pusher: StandInClient, mail: StandInClient, smtp_port: int
    ) -> None:
        self.stripe = stripe
        self.pusher = pusher
        self.mail = mail
        self.smtp_port = smtp_port

    async def clear_faults(self) -> None:
        """Withdraw every fault everywhere."""
        for stand_in in (self.stripe, self.pusher, self.mail):
            await stand_in.clear_faults()

    async def forget(self) -> None:
        """Forget faults, messages and mails; Stripe's books stay."""
        await self.clear_faults()
        for stand_in in (self.pusher, self.mail):
            await stand_in.ask("DELETE", "/_sandbox/messages")


@asynccontextmanager
async def stand_ins(folder: Path) -> AsyncIterator[StandInClients]:
    """Run all stand-ins until the block ends.

    Args:
        folder: keeps Stripe's books.
    """
    smtp = listener()
    async with (
        served(stripe_app(StripeConfig(data=folder, secret_key=STRIPE_KEY))) as stripe,
        served(pusher_app(PUSHER, MessageRecord(None), activity_timeout_s=120)) as pusher,
        served(mail_app(smtp, MailInbox(None), None)) as mail,
        httpx.AsyncClient(timeout=30, trust_env=False) as http,
    ):
        yield StandInClients(
            StandInClient(http, stripe),
            StandInClient(http, pusher),
            StandInClient(http, mail),
            smtp.getsockname()[1],
        )
