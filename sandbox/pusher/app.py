"""The HTTP side: Pusher's API for publishing, the control paths, and a page that shows the messages."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response, WebSocket
from fastapi.responses import HTMLResponse, PlainTextResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from sandbox.faults import CANARY, FaultMiddleware, Faults, faults_router
from sandbox.pusher.errors import RefusedRequestError
from sandbox.pusher.events import EventBatch, EventTrigger, PusherEvent, channel_problem, check_sizes, parse
from sandbox.pusher.hub import Hub
from sandbox.pusher.record import MessageRecord
from sandbox.pusher.signature import Credentials, SignedRequest, check_request
from sandbox.pusher.sockets import SocketServer

SHOWN_MESSAGES = 200
TEMPLATES = Path(__file__).parent / "templates"


def create_app(credentials: Credentials, record: MessageRecord, activity_timeout_s: float) -> FastAPI:
    """Assemble the stand-in.

    Args:
        credentials: the one app that it serves.
        record: the store of messages; closed when the app shuts down.
        activity_timeout_s: how long a WebSocket may be silent before it is pinged.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        record.close()

    app = FastAPI(title="Pusher stand-in", lifespan=lifespan, docs_url=None, redoc_url=None)
    hub, faults = Hub(), Faults()
    sockets = SocketServer(credentials, hub, activity_timeout_s)
    app.include_router(_api_router(credentials, hub, record))
    app.include_router(_control_router(record))
    app.include_router(faults_router(faults))
    app.add_api_websocket_route("/app/{key}", _socket_route(sockets))
    app.add_exception_handler(RefusedRequestError, _refused)
    app.add_middleware(FaultMiddleware, faults=faults)
    return app


def _socket_route(sockets: SocketServer) -> Any:
    async def socket(websocket: WebSocket, key: str) -> None:
        await sockets.serve(websocket, key)

    return socket


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedRequestError)
    return PlainTextResponse(f"{error.reason} ({CANARY})\n", error.status)


def _api_router(credentials: Credentials, hub: Hub, record: MessageRecord) -> APIRouter:
    router = APIRouter(prefix="/apps/{app_id}")

    async def signed_body(request: Request, app_id: str) -> bytes:
        if app_id != credentials.app_id:
            raise RefusedRequestError(404, f"Unknown app_id {app_id}")
        body = await request.body()
        query = request.query_params.multi_items()
        check_request(
            credentials, SignedRequest(request.method, request.url.path, query, body), now_s=time.time()
        )
        return body

    def publish(events: list[PusherEvent]) -> None:
        check_sizes(events)
        # Recorded first, so that the evidence contains every message a client received.
        record.add(events)
        for event in events:
            hub.publish(event)

    @router.post("/events")
    async def trigger(request: Request, app_id: str) -> dict[str, Any]:
        publish(parse(EventTrigger, await signed_body(request, app_id)).events())
        return {}

    @router.post("/batch_events")
    async def batch_events(request: Request, app_id: str) -> dict[str, Any]:
        publish(parse(EventBatch, await signed_body(request, app_id)).events())
        return {}

    @router.get("/channels")
    async def channels(request: Request, app_id: str) -> dict[str, Any]:
        await signed_body(request, app_id)
        query = request.query_params
        prefix, with_count = query.get("filter_by_prefix", ""), _wants_count(query)
        return {
            "channels": {
                name: {"subscription_count": count} if with_count else {}
                for name, count in sorted(hub.subscription_counts().items())
                if name.startswith(prefix)
            }
        }

    @router.get("/channels/{name}")
    async def channel(request: Request, app_id: str, name: str) -> dict[str, Any]:
        await signed_body(request, app_id)
        if problem := channel_problem(name):
            raise RefusedRequestError(400, problem)
        count = hub.subscription_counts()[name]
        shown = {"subscription_count": count} if _wants_count(request.query_params) else {}
        return {"occupied": count > 0, **shown}

    return router


def _wants_count(query: Mapping[str, str]) -> bool:
    wanted = {part for part in query.get("info", "").split(",") if part}
    if unknown := wanted - {"subscription_count"}:
        raise RefusedRequestError(400, f"info: not available here: {', '.join(sorted(unknown))}")
    return bool(wanted)


def _control_router(record: MessageRecord) -> APIRouter:
    router = APIRouter()
    page = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined
    ).get_template("messages.html")

    @router.get("/_sandbox/messages")
    async def messages(
        channel: str | None = None, event: str | None = None, booking_id: str | None = None
    ) -> list[dict[str, Any]]:
        found = record.find(channel=channel, event=event, booking_id=booking_id)
        return [message.as_json() for message in found]

    @router.delete("/_sandbox/messages", status_code=204)
    async def clear() -> None:
        record.clear()

    @router.get("/", response_class=HTMLResponse)
    async def index() -> str:
        return page.render(messages=record.newest(SHOWN_MESSAGES), count=record.count())

    return router
