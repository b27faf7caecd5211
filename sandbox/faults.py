"""Injected faults: one format for all stand-ins.

A fault names what it applies to by a pattern (`match`), in which `*` stands for any text, slashes included:

    POST /v1/payment_intents/*/capture      a request, by method and path
    WEBHOOK checkout.session.completed      an outgoing webhook, by event type
    SMTP RCPT                               other kinds are in each stand-in's own documentation

    The oldest fault that matches is used first. Faults are kept in memory only.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Collection
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Annotated, Any, Final

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CANARY: Final = "canary@example.com"
"""An address that stands in every error text of a stand-in, as real services quote their callers' words. Nothing of it
may be found where a guest's may not: `sandbox/invariants.py` looks for it."""


class FaultKind(StrEnum):
    """The kind of a fault."""

    ERROR_BEFORE = "error_before"
    """The answer is an error, and nothing was done."""
    ERROR_AFTER = "error_after"
    """The answer is an error, although the effect took place."""
    DELAY = "delay"
    """The answer, or the webhook, comes late by `delay_s`."""
    HANG = "hang"
    """The request is accepted and never answered; nothing is done."""
    HANG_AFTER = "hang_after"
    """The effect takes place, and the request is never answered."""
    DROP_BEFORE = "drop_before"
    """The connection is cut without an answer; nothing is done."""
    DROP_AFTER = "drop_after"
    """The connection is cut without an answer, after the effect."""
    DROP = "drop"
    """Webhooks: lost for good, never tried again."""
    DUPLICATE = "duplicate"
    """Webhooks: delivered `copies` times more, all at once."""
    DUPLICATE_EVENT = "duplicate_event"
    """Webhooks: followed by another event, with an id of its own, that tells of the same change."""
    REORDER = "reorder"
    """Webhooks: held back until the next one has been delivered, for at most `delay_s` (5 s by default)."""


REQUEST_FAULTS = frozenset(
    {
        FaultKind.ERROR_BEFORE,
        FaultKind.ERROR_AFTER,
        FaultKind.DELAY,
        FaultKind.HANG,
        FaultKind.HANG_AFTER,
        FaultKind.DROP_BEFORE,
        FaultKind.DROP_AFTER,
    }
)
ON_THE_WIRE = REQUEST_FAULTS - {FaultKind.ERROR_BEFORE, FaultKind.ERROR_AFTER}
"""Request faults that the server itself does not notice: they may strike an answer that is only repeated, too."""
WEBHOOK_FAULTS = frozenset(
    {
        FaultKind.DELAY,
        FaultKind.DROP,
        FaultKind.DUPLICATE,
        FaultKind.DUPLICATE_EVENT,
        FaultKind.REORDER,
    }
)


class Fault(BaseModel):
    """One injected fault.

    Args:
        match: the pattern of the requests it applies to.
        key: a pattern that the request's idempotency key must match too.
        kind: the kind of fault.
        status: the answer's HTTP status, for errors. (SMTP: the reply code.)
        code: the error's code, if the protocol has one.
        type: the error's type, if the protocol has one.
        message: the error's text.
        delay_s: seconds by which `delay` and `reorder` delay; other kinds wait as long before they act.
        times: how often the fault acts; null for no limit.
        probability: of acting, for each match.
        copies: further deliveries of one webhook, for `duplicate`.
        id: a name to find and remove it by; generated if absent.
    """

    model_config = ConfigDict(extra="forbid")

    match: Annotated[str, Field(min_length=1)]
    key: Annotated[str, Field(min_length=1)] | None = None
    kind: FaultKind
    status: Annotated[int, Field(ge=400, le=599)] = 500
    code: str | None = None
    type: str = "api_error"
    message: str | None = None
    delay_s: Annotated[float, Field(ge=0, le=3600)] | None = None
    times: Annotated[int, Field(ge=1)] | None = 1
    probability: Annotated[float, Field(ge=0, le=1)] = 1.0
    copies: Annotated[int, Field(ge=1, le=1000)] = 1
    id: str | None = None

    def applies_to(self, subject: str, key: str | None) -> bool:
        """Whether the fault matches a request."""
        return fnmatchcase(subject, self.match) and (self.key is None or fnmatchcase(key or "", self.key))

    def wait_s(self) -> float:
        """Seconds to delay: the fault's own, or the kind's default."""
        if self.delay_s is not None:
            return self.delay_s
        return {FaultKind.DELAY: 0.3, FaultKind.REORDER: 5.0}.get(self.kind, 0.0)


class Faults:
    """The active faults, and the number of times each has acted."""

    def __init__(self) -> None:
        self._faults: dict[str, Fault] = {}
        self._hits: dict[str, int] = {}

    def add(self, fault: Fault) -> str:
        """Activate a fault, replacing one with the same id, and return its id."""
        fault_id = fault.id or f"fault_{secrets.token_hex(6)}"
        self._faults[fault_id] = fault.model_copy(update={"id": fault_id})
        self._hits[fault_id] = 0
        return fault_id

    def take(self, subject: str, kinds: Collection[FaultKind], key: str | None = None) -> Fault | None:
        """Return the fault that acts now, and count it; None if there is none.

        Args:
            subject: the request, in the form that `Fault.match` describes.
            kinds: the kinds that the caller supports; others are skipped.
            key: the request's idempotency key, if it has one.
        """
        for fault_id, fault in self._faults.items():
            spent = fault.times is not None and self._hits[fault_id] >= fault.times
            if spent or fault.kind not in kinds or not fault.applies_to(subject, key):
                continue
            if random.random() < fault.probability:
                self._hits[fault_id] += 1
                return fault
        return None

    def listed(self) -> list[dict[str, Any]]:
        """All faults, also used-up ones, each with its `hits`."""
        return [
            {**fault.model_dump(mode="json"), "hits": self._hits[fault_id]}
            for fault_id, fault in self._faults.items()
        ]

    def remove(self, fault_id: str) -> bool:
        """Remove one fault; False if there is none with that id."""
        self._hits.pop(fault_id, None)
        return self._faults.pop(fault_id, None) is not None

    def clear(self) -> int:
        """Remove all faults and return their number."""
        count = len(self._faults)
        self._faults.clear()
        self._hits.clear()
        return count


def faults_router(faults: Faults) -> APIRouter:
    """The routes under `/_sandbox/faults` that add, list and remove faults."""
    router = APIRouter(prefix="/_sandbox/faults", tags=["faults"])

    @router.post("")
    async def order(fault: Fault) -> dict[str, str]:
        return {"id": faults.add(fault)}

    @router.get("")
    async def listed() -> dict[str, list[dict[str, Any]]]:
        return {"faults": faults.listed()}

    @router.delete("")
    async def clear() -> dict[str, int]:
        return {"removed": faults.clear()}

    @router.delete("/{fault_id}")
    async def remove(fault_id: str) -> dict[str, int]:
        if not faults.remove(fault_id):
            raise HTTPException(404, f"no fault {fault_id!r}")
        return {"removed": 1}

    return router


async def gone(receive: Receive) -> None:
    """Wait until the client has disconnected."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def cut(scope: Scope, receive: Receive) -> None:
    """Cut a request's connection before the response has started.

    The app must run under `sandbox.serving`, which gives a request access to its connection.
    """
    scope["state"]["transport"].abort()
    # Wait until the server has noticed, or it would try to answer.
    await gone(receive)


class FaultMiddleware:
    """Applies request faults to all paths but the control paths (`/_sandbox/...`)."""

    def __init__(self, app: ASGIApp, faults: Faults) -> None:
        self._app = app
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith("/_sandbox/"):
            return await self._app(scope, receive, send)
        fault = self._faults.take(f"{scope['method']} {scope['path']}", REQUEST_FAULTS)
        if fault is None:
            return await self._app(scope, receive, send)
        await asyncio.sleep(fault.wait_s())
        if fault.kind is FaultKind.DELAY:
            return await self._app(scope, receive, send)
        if fault.kind in _AFTER_THE_EFFECT:
            await self._app(scope, receive, _unsent)
        if fault.kind in {FaultKind.ERROR_BEFORE, FaultKind.ERROR_AFTER}:
            return await _error_response(fault)(scope, receive, send)
        if fault.kind in {FaultKind.DROP_BEFORE, FaultKind.DROP_AFTER}:
            return await cut(scope, receive)
        return await gone(receive)


_AFTER_THE_EFFECT = frozenset({FaultKind.ERROR_AFTER, FaultKind.HANG_AFTER, FaultKind.DROP_AFTER})


async def _unsent(_: Message) -> None:
    """Drop the response of a request that takes effect."""


def _error_response(fault: Fault) -> JSONResponse:
    message = f"{fault.message or 'An error ordered through /_sandbox/faults.'} ({CANARY})"
    return JSONResponse(
        {"error": {"type": fault.type, "code": fault.code, "message": message}}, status_code=fault.status
    )
