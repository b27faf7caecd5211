"""`check`: every part is asked, and the table says what is to be done about which."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration
from sqlalchemy import make_url, text
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest

from api.webhooks import WEBHOOK_PATH
from dispatch.names import SEARCH_ATTRIBUTES
from tests.api.tcp_proxy import proxy_to
from tests.conftest import NewDatabase
from tests.management.harness import ManagementHarness, eventually

EVENTS = ["checkout.session.completed", "payment_intent.succeeded"]


@pytest.fixture
async def ready(shared_harness: ManagementHarness) -> AsyncIterator[ManagementHarness]:
    """Everything is set up right, except that no worker polls the schedules' queue."""
    url = shared_harness.settings.public_base_url + WEBHOOK_PATH
    await _endpoint(shared_harness, url, ["*"])
    yield shared_harness
    await shared_harness.stand_ins.clear_faults()
    await _endpoint(shared_harness, None, ["*"])


async def _endpoint(harness: ManagementHarness, url: str | None, events: list[str]) -> None:
    body = {"url": url, "secret": "whsec_x", "enabled_events": events}
    await harness.stripe.ask("PUT", "/_sandbox/webhook_endpoint", json=body)


async def check(harness: ManagementHarness, **changes: str | None) -> tuple[int, dict[str, str]]:
    """Run it: the exit status, and each part's line but for its name."""
    result = await harness.run("check", **{"TEMPORAL_TASK_QUEUE": "nobody", **changes})
    assert result.stderr == ""
    rows = [line for line in result.stdout.splitlines()[2:] if line.strip()]
    found: dict[str, str] = {}
    for row in rows:
        name = row[:26].strip()
        if name:
            found[name] = row[26:].strip()
        else:
            found[next(reversed(found))] += f" {row.strip()}"
    return result.exit_code, found


async def test_all_is_well(ready: ManagementHarness) -> None:
    status, parts = await check(ready)
    assert status == 0, parts
    assert list(parts) == [
        "PostgreSQL version",
        "PostgreSQL schema",
        "PostgreSQL rights",
        "Temporal namespace",
        "Temporal search attributes",
        "Temporal schedules",
        "Stripe key",
        "Stripe permissions",
        "Stripe webhook endpoint",
        "Pusher",
        "SMTP",
    ]
    assert all(line.startswith("ok") for line in parts.values())
    assert "test mode" in parts["Stripe key"]


@pytest.mark.parametrize(
    ("changes", "part", "words"),
    [
        ({"STRIPE_SECRET_KEY": "sk_test_of_somebody_else"}, "Stripe key", "does not know this key"),
        ({"STRIPE_SECRET_KEY": "sk_live_real"}, "Stripe key", "Unset STRIPE_API_BASE"),
        ({"PUBLIC_BASE_URL": "https://elsewhere.test"}, "Stripe webhook endpoint", "no enabled endpoint"),
        ({"PUSHER_SECRET": "another"}, "Pusher", "refuses these credentials"),
        ({"PUSHER_APP_ID": "7"}, "Pusher", "PUSHER"),
        ({"SMTP_PORT": "9"}, "SMTP", "Check SMTP_HOST and SMTP_PORT"),
        ({"SMTP_USERNAME": "hotel", "SMTP_PASSWORD": "wrong"}, "SMTP", "SMTP"),
        ({"TEMPORAL_NAMESPACE": "nowhere"}, "Temporal namespace", "there is no namespace nowhere"),
        ({"TEMPORAL_TASK_QUEUE": "another"}, "Temporal schedules", "sweep is on task queue nobody"),
        ({"TEMPORAL_ADDRESS": "127.0.0.1:9"}, "Temporal namespace", "Check TEMPORAL_ADDRESS"),
        ({"DATABASE_URL": "postgresql://a@127.0.0.1:9/a"}, "PostgreSQL version", "Check DATABASE_URL"),
    ],
)
async def test_what_is_not_set_up_right(
    ready: ManagementHarness, changes: dict[str, str], part: str, words: str
) -> None:
    """Exit 1; the part is named, with an action. The others are reported all the same."""
    status, parts = await check(ready, **changes)
    assert status == 1
    assert parts[part].startswith("mend")
    assert words in parts[part]
    assert len(parts) == 11
    assert any(line.startswith("ok") for line in parts.values())


async def test_permissions_a_restricted_key_lacks(ready: ManagementHarness) -> None:
    """Each by its name; that it may not read webhook endpoints is no fault."""
    for match in ("GET /v1/events", "POST /v1/refunds", "GET /v1/webhook_endpoints"):
        await ready.stripe.order(match, "error_before", status=403, times=None)
    status, parts = await check(ready)
    assert status == 1
    assert "the key may not read events, write refunds" in parts["Stripe permissions"]
    assert parts["Stripe webhook endpoint"].startswith("ok")


async def test_events_the_endpoint_is_not_sent(ready: ManagementHarness) -> None:
    await _endpoint(ready, ready.settings.public_base_url + WEBHOOK_PATH, EVENTS)
    status, parts = await check(ready)
    assert status == 1
    assert "payment_intent.amount_capturable_updated" in parts["Stripe webhook endpoint"]


async def test_an_unmigrated_database(ready: ManagementHarness, new_database: NewDatabase) -> None:
    status, parts = await check(ready, DATABASE_URL=await new_database())
    assert status == 1
    assert "Run `python manage.py migrate`." in parts["PostgreSQL schema"]


async def test_a_postgresql_that_is_too_old(ready: ManagementHarness) -> None:
    """Another version's number on the wire: one of PostgreSQL 13, as long as the server's own."""
    url = make_url(ready.environment["DATABASE_URL"])
    async with ready.database.reading() as db:
        number = str(await db.scalar(text("show server_version_num"))).encode()
    async with proxy_to(
        lambda: asyncio.open_unix_connection(Path(str(url.query["host"])) / ".s.PGSQL.5432"),
        lambda answer: answer.replace(number, b"130099"),
    ) as old:
        at = url.set(host="127.0.0.1", port=old.port, query={}).render_as_string(hide_password=False)
        status, parts = await check(ready, DATABASE_URL=at)
    assert status == 1
    assert parts["PostgreSQL version"].startswith("mend")
    assert "Upgrade it: 14 or newer is needed." in parts["PostgreSQL version"]
    assert parts["PostgreSQL schema"].startswith("ok")


async def test_search_attributes_that_are_missing(ready: ManagementHarness) -> None:
    """In a namespace that `migrate` has not seen."""
    service, month = ready.client.workflow_service, Duration(seconds=30 * 86400)
    await service.register_namespace(
        RegisterNamespaceRequest(namespace="unmigrated", workflow_execution_retention_period=month)
    )

    async def found() -> dict[str, str] | None:
        _, parts = await check(ready, TEMPORAL_NAMESPACE="unmigrated")
        # The server takes a moment to know a new namespace.
        return parts if parts["Temporal namespace"].startswith("ok") else None

    parts = await eventually("the namespace", found)
    line = parts["Temporal search attributes"]
    assert line.startswith("mend")
    assert all(key.name in line for key in SEARCH_ATTRIBUTES)
    assert "Run `python manage.py migrate`." in line


async def test_rights_that_are_lacking(ready: ManagementHarness) -> None:
    """A user who may read and not write."""
    url = make_url(ready.environment["DATABASE_URL"])
    async with ready.database.transaction() as db:
        await db.execute(text("create role reader login"))
        await db.execute(text("grant select on all tables in schema public to reader"))
    try:
        reader = url.set(username="reader").render_as_string(hide_password=False)
        status, parts = await check(ready, DATABASE_URL=reader)
    finally:
        async with ready.database.transaction() as db:
            await db.execute(text("drop owned by reader"))
            await db.execute(text("drop role reader"))
    assert status == 1
    assert "INSERT on account_link" in parts["PostgreSQL rights"]
    assert "grant select, insert, update" in parts["PostgreSQL rights"]
