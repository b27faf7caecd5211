"""The steps of every API request: API key, parameters, idempotency, faults, and the log."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import re
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

import stripe
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from sandbox.faults import ON_THE_WIRE, REQUEST_FAULTS, Fault, FaultKind, cut, gone
from sandbox.stripe import idempotency
from sandbox.stripe.answers import ApiAnswer, answer_of
from sandbox.stripe.errors import ApiError, invalid, unsupported
from sandbox.stripe.events import Origin
from sandbox.stripe.expand import expanded
from sandbox.stripe.form import parsed
from sandbox.stripe.ids import new_id
from sandbox.stripe.lapses import sweep
from sandbox.stripe.params import checked
from sandbox.stripe.requests import LoggedRequest
from sandbox.stripe.shapes import Obj, shaped
from sandbox.stripe.state import Sandbox, StripeChange

_SERVER_ERROR: Final = 500
_CARD_REFUSED: Final = 402


@dataclass(frozen=True)
class Call:
    """A request as its handler sees it.

    Args:
        change: the change it is part of.
        id: the object named in the path; empty if there is none.
        params: checked, with their types.
        base_url: the beginning of the stand-in's links.
    """

    change: StripeChange
    id: str
    params: dict[str, Any]
    base_url: str


@dataclass(frozen=True)
class Route:
    """An endpoint.

    Args:
        method: `GET` or `POST`.
        path: may hold `{id}`.
        params: the SDK's type of its parameters.
        handler: carries the request out.
        understood: names of the parameters that the handler supports, beside `expand`; None if the handler checks
        them itself. Other parameters of Stripe's are refused instead of being ignored silently.
    """

    method: str
    path: str
    params: type
    handler: Callable[[Call], Obj]
    understood: frozenset[str] | None = frozenset()

    def refuse_unsupported(self, params: dict[str, Any]) -> None:
        """Refuse parameters that Stripe has and the handler does not support.

        Raises:
            ApiError: there is such a parameter.
        """
        names = params.keys() - (self.understood or frozenset()) - {"expand"}
        if names and self.understood is not None:
            raise unsupported(sorted(names))


@dataclass(frozen=True)
class _PendingRequest:
    """A request that is about to be carried out."""

    request: Request
    route: Route
    id: str
    raw: dict[str, Any]
    origin: Origin
    digest: str
    entry: LoggedRequest


class Api:
    """Answers API requests; an ASGI application."""

    def __init__(self, sandbox: Sandbox, routes: Sequence[Route]) -> None:
        self._sandbox = sandbox
        self._in_flight: dict[str, str] = {}
        self._routes = [(re.compile(route.path.replace("{id}", "([^/]+)")), route) for route in routes]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        route, object_id = self._routed(request)
        started = time.perf_counter()
        key = request.headers.get("idempotency-key") if request.method == "POST" else None
        shown = route.path if route else "unrecognized"
        entry = LoggedRequest(time.time(), new_id("req"), request.method, scope["path"], shown, key or None)
        self._sandbox.requests.add(entry)
        try:
            answer = await self._answer(request, route, object_id, entry)
        except ApiError as error:
            answer = answer_of(error.status, error.body())
        entry.status = answer.status
        entry.replayed = "Idempotent-Replayed" in answer.headers
        entry.duration_ms = round((time.perf_counter() - started) * 1000, 1)
        headers = {
            "Request-Id": entry.request_id,
            "Stripe-Version": str(stripe.api_version),
            "Cache-Control": "no-cache, no-store",
            **({"Idempotency-Key": key} if key else {}),
            **answer.headers,
        }
        response = Response(answer.body, answer.status, headers, media_type="application/json")
        await response(scope, receive, send)

    def _routed(self, request: Request) -> tuple[Route | None, str]:
        path: str = request.scope["path"]
        for pattern, route in self._routes:
            if route.method == request.method and (match := pattern.fullmatch(path)):
                return route, match[1] if pattern.groups else ""
        return None, ""

    async def _answer(
        self, request: Request, route: Route | None, object_id: str, entry: LoggedRequest
    ) -> ApiAnswer:
        body = await request.body()
        self._authenticate(request)
        _check_version(request)
        if route is None:
            message = (
                f"Unrecognized request URL ({entry.method}: {entry.path}): the stand-in does not have it."
            )
            raise ApiError(404, message)
        raw = parsed(_text(body) if route.method == "POST" else request.url.query)
        origin = Origin(entry.request_id, entry.idempotency_key)
        digest = idempotency.fingerprint(entry.path, raw)
        asked = _PendingRequest(request, route, object_id, raw, origin, digest, entry)
        return await (self._once(asked, entry.idempotency_key) if entry.idempotency_key else self._run(asked))

    async def _once(self, asked: _PendingRequest, key: str) -> ApiAnswer:
        """Run a request under its key, or replay the first answer."""
        idempotency.check_length(key)
        kept = idempotency.replay(self._sandbox.store, key, asked.digest, self._sandbox.clock.now_s())
        if kept is not None:
            return await self._on_the_way(asked, ON_THE_WIRE, lambda _: kept)
        if key in self._in_flight:
            idempotency.check_same(key, self._in_flight[key], asked.digest)
            raise idempotency.in_flight(key)
        self._in_flight[key] = asked.digest
        try:
            return await self._run(asked)
        finally:
            del self._in_flight[key]

    async def _run(self, asked: _PendingRequest) -> ApiAnswer:
        return await self._on_the_way(asked, REQUEST_FAULTS, lambda error: self._carry_out(asked, error))

    async def _on_the_way(
        self,
        asked: _PendingRequest,
        kinds: Collection[FaultKind],
        effect: Callable[[Fault | None], ApiAnswer],
    ) -> ApiAnswer:
        """Carry a request out and return the answer, unless a fault intervenes.

        Args:
            asked: the request.
            kinds: the faults that may act.
            effect: carries it out, then stores and returns the answer; it gets the fault that becomes the answer
            although the effect takes place.
        """
        entry = asked.entry
        fault = self._sandbox.faults.take(f"{entry.method} {entry.path}", kinds, entry.idempotency_key)
        await asyncio.sleep(self._sandbox.latency_s + (fault.wait_s() if fault else 0.0))
        if fault is None:
            return effect(None)
        entry.fault = fault.kind.value
        if fault.kind is FaultKind.ERROR_BEFORE:
            answer = _ordered_error(fault)
            if _was_under_way(answer.status):
                self._keep(asked, answer)
            return answer
        if fault.kind in {FaultKind.HANG, FaultKind.DROP_BEFORE}:
            return await _leave_unanswered(asked.request, fault.kind)
        answer = effect(fault if fault.kind is FaultKind.ERROR_AFTER else None)
        if fault.kind in {FaultKind.HANG_AFTER, FaultKind.DROP_AFTER}:
            return await _leave_unanswered(asked.request, fault.kind)
        return answer

    def _carry_out(self, asked: _PendingRequest, error: Fault | None) -> ApiAnswer:
        """Run the handler and store the answer under the key, in one transaction."""
        sandbox, route = self._sandbox, asked.route
        sweep(sandbox)
        try:
            params = checked(route.params, asked.raw)
            route.refuse_unsupported(params)
            with sandbox.change(asked.origin) as change:
                result = route.handler(Call(change, asked.id, params, self._base_url(asked.request)))
                body = shaped(expanded(sandbox.store, result, params.get("expand", [])))
                answer = _ordered_error(error) if error else answer_of(200, body)
                self._keep(asked, answer)
        except ApiError as problem:
            answer = _ordered_error(error) if error else answer_of(problem.status, problem.body())
            if problem.stored:
                self._keep(asked, answer)
        return answer

    def _keep(self, asked: _PendingRequest, answer: ApiAnswer) -> None:
        key = asked.origin.idempotency_key
        if key is not None:
            now_s = self._sandbox.clock.now_s()
            idempotency.keep(self._sandbox.store, key, asked.digest, answer, asked.entry.request_id, now_s)

    def _authenticate(self, request: Request) -> None:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            given = _user_of(given)
        if not given:
            message = (
                "You did not provide an API key. Provide it in the Authorization header, as a bearer token."
            )
            raise ApiError(401, message, stored=False)
        if not hmac.compare_digest(given.encode(), self._sandbox.config.secret_key.encode()):
            raise ApiError(401, f"Invalid API Key provided: {_masked(given)}", stored=False)

    def _base_url(self, request: Request) -> str:
        """The beginning of links to the stand-in: as configured, or the request's own host."""
        return self._sandbox.config.public_url or f"{request.url.scheme}://{request.url.netloc}"


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise invalid("Invalid request body: it is not UTF-8.") from None


def _masked(key: str) -> str:
    hidden = len(key) - 12
    return f"{key[:8]}{'*' * hidden}{key[-4:]}" if hidden > 0 else "*" * len(key)


def _user_of(credentials: str) -> str:
    try:
        return base64.b64decode(credentials).decode(errors="replace").partition(":")[0]
    except binascii.Error:
        return ""


async def _leave_unanswered(request: Request, kind: FaultKind) -> ApiAnswer:
    if kind in {FaultKind.DROP_BEFORE, FaultKind.DROP_AFTER}:
        await cut(request.scope, request.receive)
    else:
        await gone(request.receive)
    return ApiAnswer(499, b"")


def _check_version(request: Request) -> None:
    version = request.headers.get("stripe-version", stripe.api_version)
    if version != stripe.api_version:
        raise invalid(f"This stand-in speaks API version {stripe.api_version} only, not {version}.")


def _was_under_way(status: int) -> bool:
    """Whether an error occurs after the request began to run, and is therefore stored under its key."""
    return status >= _SERVER_ERROR or status == _CARD_REFUSED


def _ordered_error(fault: Fault) -> ApiAnswer:
    message = fault.message or "An error ordered through /_sandbox/faults."
    return answer_of(fault.status, ApiError(fault.status, message, code=fault.code, type_=fault.type).body())
