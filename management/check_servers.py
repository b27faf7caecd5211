"""Checks the configuration of PostgreSQL and Temporal."""

from __future__ import annotations

from typing import Final

from sqlalchemy import text
from sqlmodel import SQLModel
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client, ScheduleActionStartWorkflow
from temporalio.service import RPCError, RPCStatusCode

import models  # noqa: F401  fills the metadata
from dispatch.names import SEARCH_ATTRIBUTES
from dispatch.schedules import wanted_schedules
from management.check_results import CheckFailedError, PartCheck
from management.tools import Tools
from storage.database import Database
from storage.schema import is_current

POSTGRES_OLDEST: Final = 14
_MIGRATE: Final = "Run `python manage.py migrate`."
_RIGHTS: Final = ("SELECT", "INSERT", "UPDATE", "DELETE")
_ADVICE_POSTGRES: Final = "DATABASE_URL"
_ADVICE_TEMPORAL: Final = "TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE and TEMPORAL_API_KEY"

# Temporal Cloud's answer: its search attributes are managed by `tcld` or its UI.
_NOT_TOLD: Final = frozenset({RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNIMPLEMENTED})


def postgres_checks(database: Database) -> list[PartCheck]:
    """The checks of PostgreSQL."""
    return [
        PartCheck("PostgreSQL version", lambda: _version(database), _ADVICE_POSTGRES),
        PartCheck("PostgreSQL schema", lambda: _schema(database), _ADVICE_POSTGRES),
        PartCheck("PostgreSQL rights", lambda: _rights(database), _ADVICE_POSTGRES),
    ]


async def _version(database: Database) -> str:
    async with database.reading() as db:
        number = int(str(await db.scalar(text("show server_version_num"))))
        found = str(await db.scalar(text("show server_version")))
    if number < POSTGRES_OLDEST * 10_000:
        raise CheckFailedError(found, f"Upgrade it: {POSTGRES_OLDEST} or newer is needed.")
    return found


async def _schema(database: Database) -> str:
    async with database.reading() as db:
        if not await is_current(db):
            raise CheckFailedError("not up to date", _MIGRATE)
    return "up to date"


async def _rights(database: Database) -> str:
    async with database.reading() as db:
        user = await db.scalar(text("select current_user"))
        query = text("select has_table_privilege(to_regclass(:table)::oid, :right)")
        lacking = [
            f"{right} on {table}"
            for table in sorted(SQLModel.metadata.tables)
            for right in _RIGHTS
            # None: the table is missing, which the schema's check reports.
            if await db.scalar(query, {"table": table, "right": right}) is False
        ]
    if lacking:
        raise CheckFailedError(
            f"{user} lacks {len(lacking)}: {', '.join(lacking[:3])}",
            f"As the tables' owner: grant select, insert, update, delete on all tables in schema public to {user}.",
        )
    return f"{user} may read and write every table"


def temporal_checks(tools: Tools) -> list[PartCheck]:
    """The checks of Temporal."""
    return [
        PartCheck("Temporal namespace", lambda: _namespace(tools), _ADVICE_TEMPORAL),
        PartCheck("Temporal search attributes", lambda: _search_attributes(tools), _ADVICE_TEMPORAL),
        PartCheck("Temporal schedules", lambda: _schedules(tools), _ADVICE_TEMPORAL),
    ]


async def _namespace(tools: Tools) -> str:
    client = await tools.temporal()
    try:
        await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=client.namespace))
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            advice = "Create it, or correct TEMPORAL_NAMESPACE."
            raise CheckFailedError(f"there is no namespace {client.namespace}", advice) from None
        if error.status not in _NOT_TOLD:
            raise
    return client.namespace


async def _search_attributes(tools: Tools) -> str:
    client = await tools.temporal()
    try:
        known = await client.operator_service.list_search_attributes(
            ListSearchAttributesRequest(namespace=client.namespace)
        )
    except RPCError as error:
        if error.status not in _NOT_TOLD:
            raise
        return "not told by this server"
    wanted = {key.name: int(key.indexed_value_type) for key in SEARCH_ATTRIBUTES}
    wrong = sorted(name for name, kind in wanted.items() if known.custom_attributes.get(name) != kind)
    if wrong:
        raise CheckFailedError(f"missing or of another type: {', '.join(wrong)}", _MIGRATE)
    return ", ".join(wanted)


async def _schedules(tools: Tools) -> str:
    client = await tools.temporal()
    queue = tools.settings.temporal_task_queue
    told = [await _schedule(client, id_, queue) for id_ in wanted_schedules(queue)]
    return ", ".join(told)


async def _schedule(client: Client, id_: str, queue: str) -> str:
    try:
        found = (await client.get_schedule_handle(id_).describe()).schedule
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise CheckFailedError(f"there is no schedule {id_}", _MIGRATE) from None
        raise
    assert isinstance(found.action, ScheduleActionStartWorkflow)
    if found.action.task_queue != queue:
        raise CheckFailedError(f"{id_} is on task queue {found.action.task_queue}, not {queue}", _MIGRATE)
    if found.state.paused:
        raise CheckFailedError(f"{id_} is paused", f"Unpause it: temporal schedule toggle --unpause -s {id_}")
    return f"{id_} on {queue}"
