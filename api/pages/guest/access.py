"""How a guest opens their booking: the link's token becomes a cookie that only this booking's pages see."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

from fastapi.responses import Response

from api.auth import is_plain
from api.errors import ProblemError, not_found
from api.outages import reading
from api.pages.site import Page
from api.services import Services
from api.views import BookingDetails
from domain.identifiers import access_token, is_access_token
from storage.bookings import booking_with_hotel

_COOKIE: Final = "guest"


def booking_path(booking_id: str) -> str:
    """The address of a booking's page."""
    return f"/bookings/{booking_id}/"


def let_in(page: Page, services: Services, booking_id: str, session_id: str = "") -> Response:
    """Give the visitor the cookie that opens a booking, and send them to its page.

    The caller has made sure that the booking is theirs. The address they are sent to holds no token, so that
    none is left in the browser's history, and none reaches the payment page as the page they came from.
    """
    path = booking_path(booking_id)
    query = f"?{urlencode({'session_id': session_id})}" if session_id else ""
    response = page.redirect(path + query)
    page.set_cookie(response, _COOKIE, access_token(services.auth_secret, booking_id), path=path)
    return response


def opens(services: Services, booking_id: str, token: str) -> bool:
    """Whether a link's token opens the booking it names."""
    return is_plain(booking_id) and is_access_token(services.auth_secret, booking_id, token)


async def guests_booking(page: Page, services: Services, booking_id: str) -> BookingDetails:
    """The booking of the guest who asks; the page's forms are theirs from now on.

    Raises:
        ProblemError: 401, they have not come by their link; 404; 503.
    """
    token = page.cookie(_COOKIE)
    if not opens(services, booking_id, token):
        raise locked()
    page.session = token
    async with reading(services.database) as db:
        found = await booking_with_hotel(db, booking_id)
    if found is None:
        raise not_found("booking")
    return BookingDetails(*found)


def locked() -> ProblemError:
    """401: no cookie, or a link that is not whole."""
    detail = (
        "Please open your booking by the link in one of its e-mails, and take care that the whole link is "
        "opened: some programs break long links in two."
    )
    return ProblemError(401, "invalid_token", detail)
