"""Assembles the stand-in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.stripe.api import Api
from sandbox.stripe.config import Config
from sandbox.stripe.control import control_routers
from sandbox.stripe.errors import ApiError
from sandbox.stripe.lapses import sweep_for_ever
from sandbox.stripe.pages import Pages
from sandbox.stripe.resources import ROUTES
from sandbox.stripe.state import Sandbox

_API: Final = "/v1/"
_PAGES: Final = "/c/"


class StripeStandIn:
    """The stand-in as an ASGI application, to be run by `sandbox.serving`.

    Its state is opened when the application starts, and closed when it ends. The API and the payment page, which load
    tests use, are served without a framework, whose cost would distort the measurement.

    Args:
        config: its configuration.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._by_prefix: dict[str, ASGIApp] = {}
        self._rest = FastAPI(
            title="A stand-in for Stripe",
            lifespan=self._lifespan,
            docs_url="/_sandbox/docs",
            redoc_url=None,
        )
        self._rest.add_exception_handler(ApiError, _api_error)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the application's start and end, or one request."""
        app: ASGIApp = self._rest
        if scope["type"] == "http":
            for prefix, served in self._by_prefix.items():
                if scope["path"].startswith(prefix):
                    app = served
        await app(scope, receive, send)

    @asynccontextmanager
    async def _lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        sandbox = Sandbox(self._config)
        pages = Pages(sandbox)
        self._by_prefix = {_API: Api(sandbox, ROUTES), _PAGES: pages}
        self._rest.add_api_route("/", pages.overview, methods=["GET"], include_in_schema=False)
        for router in control_routers(sandbox):
            self._rest.include_router(router)
        sandbox.deliverer.resume()
        sweeper = asyncio.create_task(sweep_for_ever(sandbox))
        try:
            yield
        finally:
            sweeper.cancel()
            with suppress(asyncio.CancelledError):
                await sweeper
            await sandbox.close()


def create_app(config: Config) -> StripeStandIn:
    """Return the stand-in."""
    return StripeStandIn(config)


async def _api_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return JSONResponse(error.body(), error.status)
