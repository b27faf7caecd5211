"""A guest's access to a booking: the link's token becomes a cookie that only this booking's pages receive."""

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
from storage.courses import booking_with_course
from storage.return_codes import use_return_code

_COOKIE: Final = "guest"


def booking_path(booking_id: str) -> str:
    """The address of a booking's page."""
    return f"/bookings/{booking_id}/"


def let_in(page: Page, services: Services, booking_id: str, session_id: str = "") -> Response:
    """Set the cookie that opens a booking, and redirect the visitor to its page.

    The caller has checked that the booking is theirs. The redirect's address contains no token, so that none remains in
    the browser's history, and none reaches the payment page as the referrer.
    """
    path = booking_path(booking_id)
    query = f"?{urlencode({'session_id': session_id})}" if session_id else ""
    response = page.redirect(path + query)
    page.set_cookie(response, _COOKIE, page_token(services.auth_secret, booking_id), path=path)
    return response


async def let_back_in(
    page: Page, services: Services, booking_id: str, code: str, session_id: str
) -> Response:
    """Let in a guest returning from the payment page, by the code in the address.

    A browser that already has access to the booking needs no code, and uses none up.

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
    """Whether a link's token opens the booking in its address."""
    return is_plain(booking_id) and is_access_token(services.auth_secret, booking_id, token)


async def guests_booking(page: Page, services: Services, booking_id: str) -> BookingDetails:
    """Return the requesting guest's booking, and bind the page's forms to this guest.

    Raises:
        ProblemError: 401, the visitor has no access; 404; 503.
    """
    if not _has_cookie(page, services, booking_id):
        raise locked()
    page.session = page.cookie(_COOKIE)
    async with reading(services.database) as db:
        found = await booking_with_course(db, booking_id)
    if found is None:
        raise not_found("booking")
    return BookingDetails(*found)


def _has_cookie(page: Page, services: Services, booking_id: str) -> bool:
    return is_plain(booking_id) and is_page_token(services.auth_secret, booking_id, page.cookie(_COOKIE))


def _used_up() -> ProblemError:
    detail = (
        "This link from the payment page has been used, or is older than an hour. If you have paid, your "
        "booking is safe: please open it with the link in the e-mail we have sent you. If you have not, go back "
        "to the page on which you booked."
    )
    return ProblemError(401, "invalid_code", detail)


def locked() -> ProblemError:
    """401: no cookie, or an incomplete link."""
    detail = (
        "Please open your booking with the link in one of its e-mails. Make sure to open the whole link: "
        "some programs break long links in two."
    )
    return ProblemError(401, "invalid_token", detail)
