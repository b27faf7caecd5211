"""The staff console: the session of a logged-in person, and the frame around every page."""

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
SECOND_FACTOR: Final = "/staff/account/second-factor/"

SESSION_COOKIE: Final = "staff"
_LONGEST_ADDRESS: Final = 500

_TONES: Final = {
    Status.CONFIRMED: "good",
    Status.DECLINED: "bad",
    Status.CANCELLED: "bad",
    Status.EXPIRED: "bad",
}


class LogInNeededError(Exception):
    """There is no valid session.

    Args:
        ended: the session's eight hours are over.
    """

    def __init__(self, *, ended: bool) -> None:
        super().__init__()
        self.ended = ended


class SecondFactorNeededError(Exception):
    """The hotel requires a second factor, and this manager has none yet."""


class StaffRoute(PageRoute):
    """A route that leads to the log-in without a session, and to the second factor if it is missing."""

    def get_route_handler(self) -> Handler:
        """The handler, which redirects to the log-in without a session."""
        handle = super().get_route_handler()

        async def handle_logged_in(request: Request) -> Response:
            try:
                return await handle(request)
            except LogInNeededError as error:
                return _lead_to(Page(request), log_in_address(_came_from(Page(request)), ended=error.ended))
            except SecondFactorNeededError:
                return _lead_to(Page(request), SECOND_FACTOR)

        return handle_logged_in


def staff_router() -> APIRouter:
    """A router for pages of the console."""
    return APIRouter(prefix="/staff", route_class=StaffRoute, include_in_schema=False)


def _lead_to(page: Page, address: str) -> Response:
    if page.is_fragment:
        # htmx would follow a redirect itself, and the other page would appear within this one.
        return Response(status_code=401, headers={"HX-Redirect": address})
    return page.redirect(address)


def _came_from(page: Page) -> str:
    """The requested page, or the page that the requested part belongs to."""
    if not page.is_fragment:
        # A link cannot send a form again: its sender comes back to the page that showed it.
        return page.address if page.request.method == "GET" else page.path
    parts = _split(page.request.headers.get("hx-current-url", ""))
    return parts.path + (f"?{parts.query}" if parts.query else "")


def _split(address: str) -> SplitResult:
    try:
        return urlsplit(address)
    except ValueError:
        return SplitResult("", "", "", "", "")


def log_in_address(after: str, *, ended: bool = False) -> str:
    """The address of the log-in that continues to `after`.

    Args:
        ended: the log-in says that the session's eight hours are over.
    """
    after = own_address(after)
    query = ({} if after == HOME else {"next": after}) | ({"ended": "yes"} if ended else {})
    return f"{LOG_IN}?{urlencode(query)}" if query else LOG_IN


def own_address(text: str) -> str:
    """An address of the console, or its first page if `text` is outside it."""
    is_plain = text.isascii() and text.isprintable() and len(text) <= _LONGEST_ADDRESS
    parts = _split(text if is_plain else "")
    ours = not parts.scheme and not parts.netloc and parts.path.startswith(HOME)
    # Browsers read a backslash as a slash, and two slashes as another host.
    if not ours or "\\" in text or "//" in text or text.startswith(LOG_IN):
        return HOME
    return text


@dataclass(frozen=True)
class Frame:
    """The counts around every page: requests that wait, and bookings that need attention."""

    waiting: int
    attention: int

    @property
    def waiting_words(self) -> str:
        """The first count, up to the counted limit."""
        return f"{self.waiting}+" if self.waiting >= COUNTED_AT_MOST else str(self.waiting)


@dataclass(frozen=True)
class Console:
    """A logged-in person, and the page they request."""

    page: Page
    services: Services
    colleague: Colleague

    @property
    def hotel(self) -> Hotel:
        """The person's hotel."""
        return self.colleague.hotel

    @property
    def hotel_id(self) -> int:
        """The hotel's id."""
        assert self.hotel.id is not None
        return self.hotel.id

    @property
    def me(self) -> Staff:
        """The person's account."""
        return self.colleague.staff

    async def find(self, booking_id: str) -> BookingDetails:
        """A booking of their hotel.

        Raises:
            ProblemError: 404, also for another hotel's; 503.
        """
        return await find(self.services, self.hotel.slug, booking_id)

    async def frame(self, db: AsyncSession) -> Frame:
        """Read the frame's counts."""
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
    """The style of a status; its word is always written out."""
    return _TONES.get(status, "wait")


async def _person(page: ThisPage, services: Api) -> Console:
    token = page.cookie(SESSION_COOKIE)
    colleague = await colleague_of(services, token) if token else None
    if colleague is None:
        raise LogInNeededError(ended=has_run_out(services.auth_secret, token))
    page.session = token
    return Console(page, services, colleague)


LoggedInPerson = Annotated[Console, Depends(_person)]
"""Any logged-in member of staff, also one who has to set up a second factor first."""


async def _console(person: LoggedInPerson) -> Console:
    if person.colleague.needs_second_factor:
        raise SecondFactorNeededError
    return person


AtConsole = Annotated[Console, Depends(_console)]
"""Any logged-in member of staff who may go on."""


async def _decides(console: AtConsole) -> Console:
    if not may_decide(console.colleague.role):
        raise ProblemError(403, "forbidden", "This needs an approver or manager.")
    return console


async def _manages(console: AtConsole) -> Console:
    if not may_manage(console.colleague.role):
        raise ProblemError(403, "forbidden", "This needs a manager.")
    return console


DecidingConsole = Annotated[Console, Depends(_decides)]
ManagingConsole = Annotated[Console, Depends(_manages)]
