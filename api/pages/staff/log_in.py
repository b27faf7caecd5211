"""Logging in and out, and subscribing to channels as a logged-in person."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import Query
from fastapi.responses import JSONResponse, Response

from api.auth import colleague_of, second_step_token, staff_of_second_step
from api.errors import ProblemError
from api.limits import ClientAddress
from api.log_ins import authenticate, check_second_factor, has_second_factor, start_log_in
from api.outages import transaction
from api.pages.site import Page, ThisPage
from api.pages.staff.console import (
    HOME,
    LOG_IN,
    SESSION_COOKIE,
    AtConsole,
    log_in_address,
    own_address,
    staff_router,
)
from api.realtime import may_listen
from api.schemas import ChannelIn
from api.services import Api
from models import utc_now
from storage.log_ins import LOG_IN_S, end_log_in

router = staff_router()

_TOLD_FOR_S: Final = 16 * 3600
"""The seconds a cookie is kept after its session's end, so that the log-in can report that end."""
SHOWN: Final = frozenset({401, 429})
"""Statuses of a refused log-in that are shown beside the form."""


@router.get("/log-in/")
async def log_in_page(
    page: ThisPage,
    services: Api,
    after: Annotated[str, Query(alias="next")] = HOME,
    ended: str = "",
    was_set: Annotated[str, Query(alias="set")] = "",
) -> Response:
    """Show the log-in; a logged-in person goes straight on."""
    token = page.cookie(SESSION_COOKIE)
    if token and await colleague_of(services, token):
        return page.redirect(own_address(after))
    return _ask(page, after, ended=bool(ended), was_set=bool(was_set))


@router.post("/log-in/")
async def log_in(page: ThisPage, services: Api, address: ClientAddress) -> Response:
    """Begin a session."""
    form = await page.form()
    email, after = form.get("email", ""), form.get("next", HOME)
    try:
        staff = await authenticate(services, email, form.get("password", ""), address)
    except ProblemError as problem:
        if problem.status not in SHOWN:
            raise
        return _ask(page, after, email=email, problem=problem, ended=bool(form.get("ended")))
    if await has_second_factor(services, staff):
        return _ask_code(page, second_step_token(services.auth_secret, staff, utc_now()), after)
    return let_in(page, await start_log_in(services, staff, address), after)


@router.post("/log-in/code/")
async def log_in_with_code(page: ThisPage, services: Api, address: ClientAddress) -> Response:
    """Begin a session of someone whose password was right, with a code of their second factor."""
    form = await page.form()
    token, after = form.get("step", ""), form.get("next", HOME)
    staff = await staff_of_second_step(services, token)
    if staff is None:
        return page.redirect(log_in_address(after))
    otp = form.get("otp", "")
    try:
        await check_second_factor(services, staff, otp, address)
    except ProblemError as problem:
        if problem.status not in SHOWN:
            raise
        return _ask_code(page, token, after, problem if otp else None)
    return let_in(page, await start_log_in(services, staff, address), after)


def _ask_code(page: Page, token: str, after: str, problem: ProblemError | None = None) -> Response:
    status, headers = (problem.status, problem.headers) if problem else (200, {})
    detail = problem.detail if problem else None
    return page.show(
        "staff/log_in_code.html", status, headers, step=token, after=own_address(after), error=detail
    )


def _ask(
    page: Page,
    after: str,
    *,
    email: str = "",
    problem: ProblemError | None = None,
    ended: bool,
    was_set: bool = False,
) -> Response:
    status, headers = (problem.status, problem.headers) if problem else (200, {})
    detail = problem.detail if problem else None
    return page.show(
        "staff/log_in.html",
        status,
        headers,
        email=email[:320],
        after=own_address(after),
        error=detail,
        ended=ended,
        was_set=was_set,
    )


def let_in(page: Page, token: str, after: str) -> Response:
    """Give the browser a log-in's token and go on to `after`."""
    return keep_token(page, page.redirect(own_address(after)), token)


def keep_token(page: Page, response: Response, token: str) -> Response:
    """Give the browser a log-in's token, with any page."""
    page.set_cookie(response, SESSION_COOKIE, token, path=HOME, max_age_s=LOG_IN_S + _TOLD_FOR_S)
    return response


@router.post("/log-out/")
async def log_out(page: ThisPage, services: Api) -> Response:
    """End this log-in: a copy of the cookie is useless afterwards."""
    page.session = page.cookie(SESSION_COOKIE)
    await page.form()
    colleague = await colleague_of(services, page.session)
    if colleague is not None:
        async with transaction(services.database) as db:
            await end_log_in(db, colleague.staff_id, colleague.log_in_id)
    return _let_out(page)


def _let_out(page: Page) -> Response:
    """End the session."""
    response = page.redirect(LOG_IN)
    page.forget_cookie(response, SESSION_COOKIE, path=HOME)
    return response


@router.post("/realtime/")
async def listen(console: AtConsole) -> Response:
    """Sign a browser's subscription to a private channel: of the hotel's staff, or of one of its bookings."""
    form = await console.page.form()
    try:
        wanted = ChannelIn.model_validate(dict(form))
    except ValueError:
        raise ProblemError(422, "invalid_request", "This is not a subscription.") from None
    services = console.services
    if not await may_listen(services, console.page.session, wanted.channel_name):
        raise ProblemError(403, "forbidden", "This channel is not open to you.")
    answer: dict[str, Any] = services.pusher.authenticate(wanted.channel_name, wanted.socket_id)
    return JSONResponse(answer)
