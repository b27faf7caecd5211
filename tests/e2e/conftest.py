"""The whole stack, and everyone logged in."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Final

import httpx
import pytest

from sandbox.drivers import Addresses, StackClient, StaffDriver, wait_until
from sandbox.evidence import DecisionReply, Evidence, delivered_events, read_database, read_sandbox
from sandbox.histories import TemporalCli
from sandbox.invariants import check, violations
from sandbox.stack import Stack
from tests.e2e.observations import HotelTeam
from tests.whole_stack import HOTEL, PASSWORD

_DECISION: Final = re.compile(
    r"/room-bookings/(?P<booking_id>BK-[^/]+)/(?P<decision>approve|decline|cancel)/$"
)


@pytest.fixture(scope="session")
def stack(whole_stack: Stack) -> Stack:
    """Everything, running."""
    return whole_stack


@pytest.fixture(scope="session")
async def client(stack: Stack) -> AsyncIterator[StackClient]:
    """The stack over HTTP. When its last test has passed, every promise is checked over all bookings."""
    at = Addresses(
        api=stack.url["api"],
        stripe=stack.url["stripe"],
        pusher=stack.url["pusher"],
        inbox=stack.url["inbox"],
    )
    async with httpx.AsyncClient(timeout=30, trust_env=False) as http:
        answers: list[DecisionReply] = []

        async def listen(response: httpx.Response) -> None:
            match = _DECISION.search(response.request.url.path)
            if match and response.status_code in {200, 202}:
                settled = bool(json.loads(await response.aread())["settled"])
                answers.append(DecisionReply(match["booking_id"], match["decision"], settled))

        http.event_hooks = {"response": [listen]}
        client = StackClient(http, at)
        yield client

        async def broken() -> list[str]:
            found = violations(check(await _evidence(stack, client, answers)))
            return found or violations(check(await _evidence(stack, client, answers, histories=True)))

        await wait_until(broken, lambda found: not found, timeout_s=20, what="every promise to hold")


async def _evidence(
    stack: Stack, client: StackClient, answers: list[DecisionReply], *, histories: bool = False
) -> Evidence:
    delivered = await delivered_events(client.http, client.at.stripe)
    rows, inbox, nights = await read_database(stack.database_url)
    temporal = TemporalCli(stack.temporal_address)
    workflows = await temporal.statuses()
    return Evidence(
        bookings=rows,
        inbox=inbox,
        nights=nights,
        answers=answers,
        ledger=await read_sandbox(client.http, client.at.stripe, "ledger"),
        messages=await read_sandbox(client.http, client.at.pusher, "messages"),
        mails=await read_sandbox(client.http, client.at.inbox, "messages"),
        workflows=workflows,
        histories=await temporal.histories(workflows) if histories else None,
        delivered=delivered,
    )


@pytest.fixture(autouse=True)
async def no_faults_left(client: StackClient) -> AsyncIterator[None]:
    """A fault that a test ordered and that did not strike must not strike in the next one."""
    yield
    for stand_in in (client.at.stripe, client.at.pusher, client.at.inbox):
        await client.http.delete(f"{stand_in}/_sandbox/faults")


@pytest.fixture(scope="session")
async def team(client: StackClient) -> HotelTeam:
    """The people of the hotel most tests are about."""
    viewer, approver, manager = [
        await StaffDriver.log_in(client, HOTEL, f"{role}@{HOTEL}.test", PASSWORD)
        for role in ("viewer", "approver", "manager")
    ]
    return HotelTeam(viewer, approver, manager)


@pytest.fixture(scope="session")
def pusher_key(stack: Stack) -> str:
    """The public key browsers connect to Pusher with."""
    return str(stack.environment["PUSHER_KEY"])
