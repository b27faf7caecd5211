"""Whether this process lives, whether it can work, and its figures."""

from __future__ import annotations

import asyncio
import math
from typing import Any

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from api.errors import ProblemError, problems
from api.outages import reading
from api.services import Api, Services
from api.workflow_calls import worker_polls
from reconciliation.run_queries import count_left
from storage.inbox import inbox_backlog

router = APIRouter(tags=["operations"])


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz")
async def alive() -> dict[str, str]:
    """The process lives; says nothing about what it depends on."""
    return {"status": "ok"}


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz", responses=problems())
async def ready(services: Api) -> dict[str, Any]:
    """The database and Temporal answer. Whether a worker is there is told, too: without one requests are kept."""
    _, worker = await asyncio.gather(_database_answers(services), worker_polls(services))
    return {"status": "ok", "database": "ok", "temporal": "ok", "worker": "ok" if worker else "away"}


async def _database_answers(services: Services) -> None:
    async with reading(services.database) as db:
        await inbox_backlog(db)


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(services: Api) -> Response:
    """Figures for Prometheus."""
    try:
        async with reading(services.database) as db:
            backlog: float = await inbox_backlog(db)
            left: float = await count_left(db)
    except ProblemError:
        backlog = left = math.nan
    return Response(services.metrics.page(backlog, left), media_type=CONTENT_TYPE_LATEST)
