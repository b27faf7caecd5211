"""How a guest opens their booking: the link's token becomes a cookie that only this booking's pages see."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

from fastapi.responses import Response

from api.auth import is_plain
from api.errors import ProblemError, not_found
from api.outages import reading, transaction
from api.pages.site import Page
from api.services import Services
from api.views import BookingDetails
from domain.identifiers import is_access_token, is_page_token, page_token, return_code_hash
from models import utc_now
from storage.bookings import booking_with_hotel
from storage.return_codes import use_return_code

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
    page.set_cookie(response, _COOKIE, page_token(services.auth_secret, booking_id), path=path)
    return response


async def let_back_in(
    page: Page, services: Services, booking_id: str, code: str, session_id: str
) -> Response:
    """Let in whoever comes from the payment page, by the code in its address.

    A browser that has the booking open needs no code, and uses none up.

    Raises:
        ProblemError: 401, the code is unknown, was used, or is too old; 503.
    """
    if not _has_cookie(page, services, booking_id):
        if not is_plain(booking_id):
            raise locked()
        async with transaction(services.database) as db:
            if not await use_return_code(db, booking_id, return_code_hash(code), utc_now()):
                raise _used_up()
    return let_in(page, services, booking_id, session_id)


def opens(services: Services, booking_id: str, token: str) -> bool:
    """Whether a link's token opens the booking it names."""
    return is_plain(booking_id) and is_access_token(services.auth_secret, booking_id, token)


async def guests_booking(page: Page, services: Services, booking_id: str) -> BookingDetails:
    """The booking of the guest who asks; the page's forms are theirs from now on.

    Raises:
        ProblemError: 401, they have not come by their link; 404; 503.
    """
    if not _has_cookie(page, services, booking_id):
        raise locked()
    page.session = page.cookie(_COOKIE)
    async with reading(services.database) as db:
        found = await booking_with_hotel(db, booking_id)
    if found is None:
        raise not_found("booking")
    return BookingDetails(*found)


def _has_cookie(page: Page, services: Services, booking_id: str) -> bool:
    return is_plain(booking_id) and is_page_token(services.auth_secret, booking_id, page.cookie(_COOKIE))


def _used_up() -> ProblemError:
    detail = (
        "This link from the payment page has been used, or is older than an hour. If you have paid, your "
        "booking is safe: please open it by the link in the e-mail we have sent you. If you have not, go back "
        "to the page you booked on."
    )
    return ProblemError(401, "invalid_code", detail)


def locked() -> ProblemError:
    """401: no cookie, or a link that is not whole."""
    detail = (
        "Please open your booking by the link in one of its e-mails, and take care that the whole link is "
        "opened: some programs break long links in two."
    )
    return ProblemError(401, "invalid_token", detail)
