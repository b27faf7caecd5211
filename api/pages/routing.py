"""Routers of pages, and how errors look to people."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from api.errors import ProblemError
from api.pages.site import Page

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

_TITLES: Final = {
    401: "This link does not open a booking",
    403: "That did not work",
    404: "There is no such page",
    409: "The booking has moved on",
    422: "Something in this address is not right",
    429: "A little too fast",
    500: "Something went wrong",
    503: "We will be right back",
}
# Which part of ours is away says nothing to who only wants to look; what became of a decision does.
_AWAY: Final = "This page cannot be shown at the moment. That seldom takes longer than a minute."
_UNREADABLE: Final = ProblemError(422, "invalid_request", "The page was asked for in a way it does not know.")
_NOTHING_THERE: Final = ProblemError(
    404, "not_found", "Please look at the address again, or start from the front page."
)


class PageRoute(APIRoute):
    """A route whose errors are pages, not JSON."""

    def get_route_handler(self) -> Handler:
        """The handler, with its errors turned into pages."""
        handle = super().get_route_handler()

        async def handle_with_pages(request: Request) -> Response:
            try:
                return await handle(request)
            except ProblemError as problem:
                return show_problem(Page(request), problem)
            except RequestValidationError:
                return show_problem(Page(request), _UNREADABLE)
            except HTTPException as error:
                return show_problem(Page(request), ProblemError(error.status_code, "http", str(error.detail)))

        return handle_with_pages


def page_router() -> APIRouter:
    """A router for pages: errors are HTML, and the API's documentation does not list it."""
    return APIRouter(route_class=PageRoute, include_in_schema=False)


def show_problem(
    page: Page, problem: ProblemError, title: str | None = None, back: str | None = None
) -> Response:
    """An error as a page. A 503 looks by itself whether things work again.

    Args:
        back: where to go on; None for no link.
    """
    # What was sent by a form is not sent again: one looks again at the page, and decides again.
    again = back or (page.path if page.request.method == "GET" else None)
    away = problem.status == 503 and page.request.method == "GET"
    return page.show(
        "problem.html",
        problem.status,
        problem.headers,
        title=title or _TITLES.get(problem.status, "That did not work"),
        detail=_AWAY if away else problem.detail,
        retry=again if problem.status == 503 else None,
        again=again if problem.status == 500 else None,
        back=back,
    )


def answer(request: Request, problem: ProblemError) -> Response:
    """What is wrong: as a page where a person reads it, as JSON where a program does."""
    route = request.scope.get("route")
    if not isinstance(route, PageRoute) and (route is not None or not _is_person(request)):
        return problem.response()
    page = Page(request)
    if problem.status == 405 and request.method == "GET":
        # An address that forms are sent to, loaded again or come back to: what it is about is one level up.
        return page.redirect(page.path.rstrip("/").rpartition("/")[0] + "/")
    if problem.status == 404:
        return show_problem(page, _NOTHING_THERE, back="/")
    return show_problem(page, problem)


def _is_person(request: Request) -> bool:
    """Whether an address at which nothing is was asked for by a browser."""
    return "text/html" in request.headers.get("accept", "") and not request.scope["path"].startswith("/api/")
