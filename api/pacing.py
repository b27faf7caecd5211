"""Clients whose requests are refused again and again: theirs are served at a pace, so that others do not wait."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import Answer, too_many
from api.limits import client_network

_REFUSED: Final = frozenset(
    {HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS}
)
_WINDOW_S: Final = 10.0
_REFUSALS: Final = 100
"""So many in a window come from no browser and no program that heeds its answers."""
_PACE_S: Final = 0.05
_PATIENCE_S: Final = 2.0


@dataclass
class RefusedClients:
    """The clients with many refusals in this window or the one before, and the time of each one's next request."""

    _window: int = 0
    _refusals: Counter[str] = field(default_factory=Counter)
    _paced: set[str] = field(default_factory=set)
    _next_at: dict[str, float] = field(default_factory=dict)

    def count(self, client: str, now: float) -> None:
        """Count a refusal."""
        self._turn_window(now)
        self._refusals[client] += 1

    def wait_s(self, client: str, now: float) -> float:
        """Take the client's next place; returns the seconds until then, more than `_PATIENCE_S` if there is none."""
        self._turn_window(now)
        if client not in self._paced and self._refusals[client] < _REFUSALS:
            return 0.0
        at = max(now, self._next_at.get(client, 0.0))
        if at - now <= _PATIENCE_S:
            self._next_at[client] = at + _PACE_S
        return at - now

    def _turn_window(self, now: float) -> None:
        window = int(now / _WINDOW_S)
        if window == self._window:
            return
        self._paced = {client for client, number in self._refusals.items() if number >= _REFUSALS}
        self._next_at = {client: at for client, at in self._next_at.items() if client in self._paced}
        self._refusals.clear()
        self._window = window


class Pacing:
    """Serves a client with many refusals twenty requests a second, before anything of a request is read.

    Its further requests wait two seconds and are refused: a flood over many connections waits for itself.
    """

    def __init__(self, app: ASGIApp, answer: Answer) -> None:
        self._app = app
        self._answer = answer
        self._clients = RefusedClients()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        client = client_network(scope["client"][0] if scope.get("client") else "")
        wait_s = self._clients.wait_s(client, time.monotonic())
        if wait_s:
            await asyncio.sleep(min(wait_s, _PATIENCE_S))
        if wait_s > _PATIENCE_S:
            problem = too_many(
                int(_WINDOW_S), "Too many of your network's requests were refused; wait a little."
            )
            return await self._answer(Request(scope), problem)(scope, receive, send)

        async def send_and_count(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] in _REFUSED:
                self._clients.count(client, time.monotonic())
            await send(message)

        return await self._app(scope, receive, send_and_count)
