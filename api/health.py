"""Liveness, readiness and metrics of this process."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from api.errors import DATABASE_UNAVAILABLE, ProblemError, problems, unavailable
from api.metrics import DatabaseState
from api.outages import reading
from api.services import Api, Services
from api.workflow_calls import worker_polls
from domain.timestamps import rfc3339
from models import utc_now
from reconciliation.run_queries import count_left, last_complete_run
from storage.figures import BookingFigures, read_figures
from storage.housekeeping import SWEEP_JOB, last_complete
from storage.inbox import inbox_backlog
from storage.schema import MIGRATE, is_current

router = APIRouter(tags=["operations"])


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz")
async def alive() -> dict[str, str]:
    """The process is alive; its dependencies are not checked."""
    return {"status": "ok"}


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz", responses=problems())
async def ready(services: Api) -> dict[str, Any]:
    """The database and Temporal answer. The answer also says whether a worker runs: without one, requests are kept."""
    state, worker = await asyncio.gather(_read_state(services), worker_polls(services))
    return {
        "status": "ok",
        "database": "ok",
        "temporal": "ok",
        "worker": "ok" if worker else "away",
        "last_complete_sweep": _rfc3339(state.swept_at),
        "last_complete_reconciliation": _rfc3339(state.reconciled_at),
    }


def _rfc3339(at: datetime | None) -> str | None:
    return rfc3339(at) if at else None


async def _read_state(services: Services) -> DatabaseState:
    """Read the state of the product's upkeep from the database.

    Raises:
        ProblemError: 503, the database is away or its schema is not up to date.
    """
    async with reading(services.database) as db:
        if not await is_current(db):
            raise unavailable(DATABASE_UNAVAILABLE, MIGRATE[0].upper() + MIGRATE[1:] + ".")
        return DatabaseState(
            backlog=await inbox_backlog(db),
            findings_left=await count_left(db),
            swept_at=await last_complete(db, SWEEP_JOB),
            reconciled_at=await last_complete_run(db),
        )


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(services: Api) -> Response:
    """Figures for Prometheus."""
    state: DatabaseState | None = None
    figures: BookingFigures | None = None
    with contextlib.suppress(ProblemError):
        state = await _read_state(services)
        async with reading(services.database) as db:
            figures = await read_figures(db, utc_now())
    return Response(services.metrics.page(state, figures), media_type=CONTENT_TYPE_LATEST)
