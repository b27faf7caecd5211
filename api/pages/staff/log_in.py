"""Logging in and out, and listening in the name of who is logged in."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import Query
from fastapi.responses import JSONResponse, Response

from api.auth import colleague_of
from api.errors import ProblemError
from api.pages.site import Page, ThisPage
from api.pages.staff.console import (
    HOME,
    AtConsole,
    let_in,
    let_out,
    own_address,
    session_token,
    staff_router,
)
from api.realtime import may_listen
from api.schemas import ChannelIn
from api.services import Api
from api.staff import authenticate

router = staff_router()

_SHOWN: Final = frozenset({401, 429})


@router.get("/log-in/")
async def log_in_page(
    page: ThisPage, services: Api, after: Annotated[str, Query(alias="next")] = HOME
) -> Response:
    """Ask who it is; whoever is logged in goes straight on."""
    token = session_token(page)
    if token and await colleague_of(services, token):
        return page.redirect(own_address(after))
    return _ask(page, after)


@router.post("/log-in/")
async def log_in(page: ThisPage, services: Api) -> Response:
    """Begin a session."""
    form = await page.form()
    email, after = form.get("email", ""), form.get("next", HOME)
    address = page.request.client.host if page.request.client else "unknown"
    try:
        staff = await authenticate(services, email, form.get("password", ""), address)
    except ProblemError as problem:
        if problem.status not in _SHOWN:
            raise
        return _ask(page, after, email=email, problem=problem)
    return let_in(page, services, staff, after)


def _ask(page: Page, after: str, *, email: str = "", problem: ProblemError | None = None) -> Response:
    status, headers = (problem.status, problem.headers) if problem else (200, {})
    detail = problem.detail if problem else None
    return page.show(
        "staff/log_in.html", status, headers, email=email[:320], after=own_address(after), error=detail
    )


@router.post("/log-out/")
async def log_out(page: ThisPage) -> Response:
    """End the session."""
    page.session = session_token(page)
    await page.form()
    return let_out(page)


@router.post("/realtime/")
async def listen(console: AtConsole) -> Response:
    """Sign a browser's subscription to a private channel: of the hotel's staff, or of one of its bookings."""
    form = await console.page.form()
    try:
        wanted = ChannelIn.model_validate(dict(form))
    except ValueError:
        raise ProblemError(422, "invalid_request", "That is no subscription.") from None
    services = console.services
    if not await may_listen(services, console.page.session, wanted.channel_name):
        raise ProblemError(403, "forbidden", "This channel is not open to you.")
    answer: dict[str, Any] = services.pusher.authenticate(wanted.channel_name, wanted.socket_id)
    return JSONResponse(answer)
