"""`migrate`: PostgreSQL's schema, Temporal's search attributes and schedules."""

from __future__ import annotations

import asyncio
import time
from typing import Final

import typer
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from dispatch.errors import TemporalAwayError
from dispatch.names import SEARCH_ATTRIBUTES
from dispatch.schedules import ensure_schedules
from management.tools import Tools, fail, say, tools_of
from storage.schema import upgrade

_TEMPORAL_PATIENCE_S: Final = 30
_ASK_AGAIN_AFTER_S: Final = 1

# Temporal Cloud's answer: its search attributes are managed by `tcld` or its UI.
_REFUSALS: Final = frozenset({RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNIMPLEMENTED})


def migrate(context: typer.Context) -> None:
    """Bring PostgreSQL's schema and Temporal's search attributes and schedules up to date."""
    tools = tools_of(context)
    with tools.in_plain_words():
        upgrade(tools.settings.database_url)
    say("PostgreSQL: the schema is up to date.")
    tools.run(_prepare_temporal(tools))


async def _prepare_temporal(tools: Tools) -> None:
    client = await _connect(tools)
    try:
        await register_search_attributes(client)
        say("Temporal: the search attributes are registered.")
    except RPCError as error:
        if error.status not in _REFUSALS:
            raise
        say(_by_hand(client.namespace))
    await ensure_schedules(client, tools.settings.temporal_task_queue)
    say("Temporal: the schedules are there.")


async def _connect(tools: Tools) -> Client:
    deadline = time.monotonic() + _TEMPORAL_PATIENCE_S
    while True:
        try:
            return await tools.temporal()
        except TemporalAwayError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(_ASK_AGAIN_AFTER_S)


async def register_search_attributes(client: Client) -> None:
    """Register the search attributes by which operators filter bookings; existing ones stay.

    Raises:
        RPCError: Temporal is away, or refuses (Temporal Cloud does).
    """
    wanted = {key.name: key.indexed_value_type for key in SEARCH_ATTRIBUTES}
    service = client.operator_service
    known = await service.list_search_attributes(ListSearchAttributesRequest(namespace=client.namespace))
    for name, kind in wanted.items():
        if known.custom_attributes.get(name, kind) != kind:
            fail(f"Temporal: the search attribute {name} exists with another type. Remove it, then repeat.")
    missing = {name: kind for name, kind in wanted.items() if name not in known.custom_attributes}
    if missing:
        await service.add_search_attributes(
            AddSearchAttributesRequest(namespace=client.namespace, search_attributes=missing)  # type: ignore[arg-type]
        )


def _by_hand(namespace: str) -> str:
    attributes = " ".join(
        f'--search-attribute "{key.name}={key.indexed_value_type.name.title()}"' for key in SEARCH_ATTRIBUTES
    )
    return (
        "Temporal: this server does not allow this command to register search attributes. On Temporal Cloud, "
        "do so once, in its UI or with: "
        f"tcld namespace search-attributes add --namespace {namespace} {attributes}"
    )
