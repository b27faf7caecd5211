"""Who sits at the console: their session, and the frame around every page they see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final
from urllib.parse import SplitResult, urlencode, urlsplit

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncSession

from api.auth import Colleague, colleague_of, find, has_run_out
from api.errors import ProblemError
from api.outages import reading
from api.pages.routing import Handler, PageRoute
from api.pages.site import Page, ThisPage
from api.services import Api, Services
from api.views import BookingDetails
from domain.booking import Status
from domain.identifiers import hotel_channel, staff_channel
from domain.roles import may_decide, may_manage
from models import Hotel, Staff
from storage.console import COUNTED_AT_MOST, count_attention, count_waiting
from wording.values import sentence

HOME: Final = "/staff/"
LOG_IN: Final = "/staff/log-in/"

SESSION_COOKIE: Final = "staff"
_LONGEST_ADDRESS: Final = 500

_TONES: Final = {
    Status.CONFIRMED: "good",
    Status.DECLINED: "bad",
    Status.CANCELLED: "bad",
    Status.EXPIRED: "bad",
}


class LogInNeededError(Exception):
    """Nobody is logged in, or not any more.

    Args:
        ended: the session's eight hours are over.
    """

    def __init__(self, *, ended: bool) -> None:
        super().__init__()
        self.ended = ended


class StaffRoute(PageRoute):
    """A route that leads to the log-in where there is none, and back afterwards."""

    def get_route_handler(self) -> Handler:
        """The handler, sending whoever is not logged in to where they can."""
        handle = super().get_route_handler()

        async def handle_logged_in(request: Request) -> Response:
            try:
                return await handle(request)
            except LogInNeededError as error:
                return _to_log_in(Page(request), ended=error.ended)

        return handle_logged_in


def staff_router() -> APIRouter:
    """A router for pages of the console."""
    return APIRouter(prefix="/staff", route_class=StaffRoute, include_in_schema=False)


def _to_log_in(page: Page, *, ended: bool) -> Response:
    address = log_in_address(_came_from(page), ended=ended)
    if page.is_fragment:
        # A redirect would be followed by htmx itself, and the log-in would appear within the page.
        return Response(status_code=401, headers={"HX-Redirect": address})
    return page.redirect(address)


def _came_from(page: Page) -> str:
    """The page somebody wanted to see, or the one that the part they wanted is on."""
    if not page.is_fragment:
        # A form cannot be sent again by a link: its sender comes back to the page that showed it.
        return page.address if page.request.method == "GET" else page.path
    parts = _split(page.request.headers.get("hx-current-url", ""))
    return parts.path + (f"?{parts.query}" if parts.query else "")


def _split(address: str) -> SplitResult:
    try:
        return urlsplit(address)
    except ValueError:
        return SplitResult("", "", "", "", "")


def log_in_address(after: str, *, ended: bool = False) -> str:
    """The log-in that leads to `after`.

    Args:
        ended: it tells that the session's eight hours are over.
    """
    after = own_address(after)
    query = ({} if after == HOME else {"next": after}) | ({"ended": "yes"} if ended else {})
    return f"{LOG_IN}?{urlencode(query)}" if query else LOG_IN


def own_address(text: str) -> str:
    """An address of the console, or its first page where `text` leads elsewhere."""
    is_plain = text.isascii() and text.isprintable() and len(text) <= _LONGEST_ADDRESS
    parts = _split(text if is_plain else "")
    ours = not parts.scheme and not parts.netloc and parts.path.startswith(HOME)
    # Browsers take a backslash for a slash, and two slashes for another host.
    if not ours or "\\" in text or "//" in text or text.startswith(LOG_IN):
        return HOME
    return text


@dataclass(frozen=True)
class Frame:
    """What stands around every page: how many requests wait, and how many bookings need a person."""

    waiting: int
    attention: int

    @property
    def waiting_words(self) -> str:
        """The first number, as far as it was counted."""
        return f"{self.waiting}+" if self.waiting >= COUNTED_AT_MOST else str(self.waiting)


@dataclass(frozen=True)
class Console:
    """Somebody who is logged in, and the page they ask for."""

    page: Page
    services: Services
    colleague: Colleague

    @property
    def hotel(self) -> Hotel:
        """Where they work."""
        return self.colleague.hotel

    @property
    def hotel_id(self) -> int:
        """Its number."""
        assert self.hotel.id is not None
        return self.hotel.id

    @property
    def me(self) -> Staff:
        """Their account."""
        return self.colleague.staff

    async def find(self, booking_id: str) -> BookingDetails:
        """A booking of their hotel.

        Raises:
            ProblemError: 404, also for another hotel's; 503.
        """
        return await find(self.services, self.hotel.slug, booking_id)

    async def frame(self, db: AsyncSession) -> Frame:
        """Count what the frame shows."""
        return Frame(await count_waiting(db, self.hotel_id), await count_attention(db, self.hotel_id))

    async def show(
        self,
        template: str,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        frame: Frame | None = None,
        **context: Any,
    ) -> Response:
        """Render a page within the console's frame."""
        if frame is None:
            async with reading(self.services.database) as db:
                frame = await self.frame(db)
        around = {
            "frame": frame,
            "hotel": self.hotel,
            "me": self.me,
            "manages": may_manage(self.colleague.role),
            "here": self.page.address,
            "tone": _tone,
            "sentence": sentence,
            "channels": f"{hotel_channel(self.hotel.slug)} {staff_channel(self.hotel.slug)}",
        }
        return self.page.show(f"staff/{template}", status, headers, **(around | context))


def _tone(status: Status) -> str:
    """The style a status is shown in; what it says is always written out."""
    return _TONES.get(status, "wait")


async def _console(page: ThisPage, services: Api) -> Console:
    token = page.cookie(SESSION_COOKIE)
    colleague = await colleague_of(services, token) if token else None
    if colleague is None:
        raise LogInNeededError(ended=has_run_out(services.auth_secret, token))
    page.session = token
    return Console(page, services, colleague)


AtConsole = Annotated[Console, Depends(_console)]
"""Anybody on the staff."""


def _decides(console: AtConsole) -> Console:
    if not may_decide(console.colleague.role):
        raise ProblemError(403, "forbidden", "An approver or manager has to do this.")
    return console


def _manages(console: AtConsole) -> Console:
    if not may_manage(console.colleague.role):
        raise ProblemError(403, "forbidden", "A manager has to do this.")
    return console


DecidingConsole = Annotated[Console, Depends(_decides)]
ManagingConsole = Annotated[Console, Depends(_manages)]
