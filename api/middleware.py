"""The handling around every request: its id, its log line, its metrics, and the limit on its body."""

from __future__ import annotations

import logging
import re
import secrets
import time
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import Answer, body_too_large, internal
from api.metrics import Metrics

log = logging.getLogger("api.access")

BODY_LIMIT_BYTES: Final = 1 << 20
_CLIENT_GONE: Final = 499
_LONGEST_LENGTH: Final = 18
# The ids that proxies and tracers make: UUIDs, hexadecimal, base 64, `Root=1-…`, `name:number`.
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:=+/-]{1,128}")
_KNOWN_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_HEADERS: Final = {
    # Answers contain guests' data, and addresses contain ids: caches and other sites must not see either.
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class RequestLog:
    """Gives each request an id, logs one line for it, counts it, and answers uncaught errors with 500.

    The line names the route, never the address: query strings and ids in paths do not belong in a log.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, answer: Answer) -> None:
        self._app = app
        self._metrics = metrics
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        request_id = _request_id(scope)
        begun, status = time.perf_counter(), 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except ClientDisconnect:
            # The client left before its body had arrived: there is nothing to answer and nothing to undo.
            status = _CLIENT_GONE
        except Exception as error:
            _log_defect(error, request_id)
            if status:
                raise
            await self._answer(Request(scope), internal(request_id))(scope, receive, send_with_headers)
        finally:
            self._record(scope, status, time.perf_counter() - begun, request_id)

    def _record(self, scope: Scope, status: int, seconds: float, request_id: str) -> None:
        # A method that the caller made up must not become a label of its own.
        method = scope["method"] if scope["method"] in _KNOWN_METHODS else "other"
        route = getattr(scope.get("route"), "path", "unmatched")
        self._metrics.answered(method, route, status, seconds)
        line = {
            "method": method,
            "route": route,
            "status": status,
            "ms": round(seconds * 1000, 1),
            "request_id": request_id,
        }
        log.info("request answered", extra={"fields": line})


def _request_id(scope: Scope) -> str:
    given = Headers(scope=scope).get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else f"req_{secrets.token_hex(8)}"


def _log_defect(error: BaseException, request_id: str) -> None:
    log.error("request failed", exc_info=error, extra={"fields": {"request_id": request_id}})


class BodyLimit:
    """Refuses bodies over 1 MiB, declared or not, before they are read to the end."""

    def __init__(self, app: ASGIApp, answer: Answer) -> None:
        self._app = app
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        if _announces_too_much(Headers(scope=scope).get("content-length", "")):
            return await self._answer(Request(scope), body_too_large())(scope, receive, send)
        left = BODY_LIMIT_BYTES

        async def receive_within_limit() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                # FastAPI lets this error pass when it is raised while reading a body, and answers it as usual.
                raise HTTPException(413)
            return message

        return await self._app(scope, receive_within_limit, send)


def _announces_too_much(content_length: str) -> bool:
    return content_length.isdecimal() and (
        len(content_length) > _LONGEST_LENGTH or int(content_length) > BODY_LIMIT_BYTES
    )
