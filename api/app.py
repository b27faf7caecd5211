"""Puts the API together: settings, then clients, then routes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

import pusher
from fastapi import FastAPI

from api import guest, health, log_ins, realtime, staff, webhooks
from api.accounts import Passwords
from api.errors import install_error_handlers
from api.metrics import Metrics
from api.middleware import BodyLimit, RequestLog
from api.openapi import document, operation_id
from api.pacing import Pacing
from api.pages import assets, front
from api.pages.guest import booking as guest_booking
from api.pages.guest import hotel as guest_hotel
from api.pages.guest import link as guest_link
from api.pages.policy import RealtimeSource
from api.pages.routing import answer
from api.pages.site import Site, page_templates
from api.pages.staff import routes as staff_pages
from api.services import Services
from dispatch.client import connect
from settings import Settings
from storage.database import Database

_DESCRIPTION = """\
A guest's card is **held** until the hotel has reviewed the booking: staff approve and the hold is captured, or
decline and it is released. Amounts are decimal strings, times RFC 3339 in UTC, errors `application/problem+json`
with a stable `code`."""

_API_ROUTERS: Final = (
    webhooks.router,
    guest.router,
    log_ins.router,
    staff.router,
    realtime.router,
    health.router,
)
_PAGE_ROUTERS: Final = (
    assets.router,
    front.router,
    guest_hotel.router,
    guest_booking.router,
    guest_link.router,
    *staff_pages.ROUTERS,
)

# Closing a connection that hangs may take SQLAlchemy two seconds more: a request then ends after five.
_DATABASE_PATIENCE_S: Final = 3


def create_app(settings: Settings) -> FastAPI:
    """Build the application. Clients are created when it starts; it also starts while their services are away."""
    metrics = Metrics()
    app = FastAPI(
        title="Hotel holds",
        version="0.1.0",
        description=_DESCRIPTION,
        lifespan=_lifespan(settings, metrics),
        redirect_slashes=False,
        # The page at /docs loads nothing from another origin; see api/pages/front.py.
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=operation_id,
    )
    app.state.site = _site(settings)
    for router in (*_API_ROUTERS, *_PAGE_ROUTERS):
        app.include_router(router)
    install_error_handlers(app, answer)
    app.add_middleware(BodyLimit, answer=answer)
    app.add_middleware(Pacing, answer=answer)
    app.add_middleware(RequestLog, metrics=metrics, answer=answer)
    app.openapi = lambda: document(app)  # type: ignore[method-assign]
    return app


def _lifespan(settings: Settings, metrics: Metrics) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.services = services = await _services(settings, metrics)
        yield
        await services.database.close()

    return lifespan


async def _services(settings: Settings, metrics: Metrics) -> Services:
    return Services(
        database=Database(settings.database_url, patience_s=_DATABASE_PATIENCE_S),
        temporal=await connect(**settings.temporal_arguments, lazy=True),
        temporal_ui_url=settings.temporal_ui_url,
        task_queue=settings.temporal_task_queue,
        pusher=pusher.Pusher(**settings.pusher_arguments),
        passwords=Passwords(),
        metrics=metrics,
        auth_secret=settings.auth_secret.get_secret_value(),
        public_base_url=settings.public_base_url,
        stripe_webhook_secrets=settings.stripe_webhook_secrets,
        stripe_livemode=settings.stripe_livemode,
        authorization_margin_s=settings.authorization_margin_s,
        payment_poll_s=settings.payment_poll_s,
        login_failures_per_min=settings.rate_limit_login_per_min,
        sessions_per_min=settings.rate_limit_session_per_min,
        verifications_per_min=settings.rate_limit_verify_per_min,
        bookings_per_hour=settings.rate_limit_booking_per_hour,
        resets_per_hour=settings.rate_limit_reset_per_hour,
        links_per_hour=settings.rate_limit_link_per_hour,
    )


def _site(settings: Settings) -> Site:
    files = assets.Assets()
    return Site(
        assets=files,
        realtime=RealtimeSource(
            key=settings.pusher_key,
            cluster=settings.pusher_cluster or "",
            host=settings.pusher_host or "",
            port=settings.pusher_port,
            tls=settings.pusher_ssl,
        ),
        auth_secret=settings.auth_secret.get_secret_value(),
        public_base_url=settings.public_base_url,
        templates=page_templates(files),
    )
