"""The page on which a guest has the link to a booking sent again."""

from __future__ import annotations

from typing import Any, Final

from fastapi.responses import Response
from pydantic import TypeAdapter, ValidationError

from api.booking_links import send_booking_link
from api.errors import ProblemError
from api.limits import Client
from api.pages.routing import page_router
from api.pages.site import ThisPage
from api.schemas import EmailAddress
from api.services import Api
from domain.identifiers import is_booking_id

router = page_router()

_PATH: Final = "/booking-link/"
_TEMPLATE: Final = "guest/booking_link.html"
_NO_ADDRESS: Final = "Enter an e-mail address, such as ada@example.com."
_ADDRESS: TypeAdapter[str] = TypeAdapter(EmailAddress)


@router.get(_PATH)
async def booking_link(page: ThisPage, sent: str = "") -> Response:
    """Ask for the address with which the booking was made."""
    return page.show(_TEMPLATE, email="", booking_id="", error=None, sent=bool(sent))


@router.post(_PATH)
async def ask_for_link(page: ThisPage, services: Api, client: Client) -> Response:
    """Send the link; the answer is the same for an address without a booking."""
    form = await page.form()
    given, booking_id = form.get("email", "").strip(), form.get("booking_id", "")
    booking_id = booking_id if is_booking_id(booking_id) else ""
    asked: dict[str, Any] = {"email": given[:320], "booking_id": booking_id}
    try:
        email = _ADDRESS.validate_python(given)
    except ValidationError:
        return page.show(_TEMPLATE, 422, error=_NO_ADDRESS, sent=False, **asked)
    try:
        await send_booking_link(services, email, booking_id, client)
    except ProblemError as problem:
        if problem.status != 429:
            raise
        return page.show(_TEMPLATE, 429, problem.headers, error=problem.detail, sent=False, **asked)
    return page.redirect(f"{_PATH}?sent=yes")
