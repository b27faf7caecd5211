"""Routers of pages, and the pages of errors."""

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
from domain.identifiers import is_booking_id

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

_TITLES: Final = {
    401: "This link does not open a booking",
    403: "That did not work",
    404: "There is no such page",
    409: "The booking has changed",
    422: "This address is not valid",
    429: "Too many requests",
    500: "Something went wrong",
    503: "We will be right back",
}
# A visitor who only reads needs no detail of an outage; a person who decided needs to know the decision's outcome.
_AWAY: Final = "This page cannot be shown at the moment. This rarely takes longer than a minute."
_UNREADABLE: Final = ProblemError(422, "invalid_request", "The page cannot read this request.")
_NOTHING_THERE: Final = ProblemError(
    404, "not_found", "Please check the address, or start from the front page."
)


class PageRoute(APIRoute):
    """A route whose errors are pages, not JSON."""

    def get_route_handler(self) -> Handler:
        """The handler, which turns its errors into pages."""
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
    """Show an error as a page. A 503 page reloads itself until the product works again.

    Args:
        back: the address of the page's link; None for no link.
    """
    # A form is not sent again by a reload: its sender reads the page again, and decides again.
    again = back or (page.path if page.request.method == "GET" else None)
    away = problem.status == 503 and page.request.method == "GET"
    if problem.status == 401:
        return _show_unknown_link(page, problem)
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


def _show_unknown_link(page: Page, problem: ProblemError) -> Response:
    """Offer to send the link again, to the guest of the booking in the address where it names one."""
    booking_id = page.request.path_params.get("booking_id", "")
    return page.show(
        "guest/unknown_link.html",
        problem.status,
        problem.headers,
        title=_TITLES[401],
        detail=problem.detail,
        booking_id=booking_id if is_booking_id(booking_id) else "",
        email="",
        error=None,
    )


def answer(request: Request, problem: ProblemError) -> Response:
    """Answer a problem: with a page for a person, with JSON for a program."""
    route = request.scope.get("route")
    if not isinstance(route, PageRoute) and (route is not None or not _is_person(request)):
        return problem.response()
    page = Page(request)
    if problem.status == 405 and request.method == "GET":
        # The address of a form's target was opened as a page: its subject is one level up.
        return page.redirect(page.path.rstrip("/").rpartition("/")[0] + "/")
    if problem.status == 404:
        return show_problem(page, _NOTHING_THERE, back="/")
    return show_problem(page, problem)


def _is_person(request: Request) -> bool:
    """Whether a browser requested an unknown address."""
    return "text/html" in request.headers.get("accept", "") and not request.scope["path"].startswith("/api/")
