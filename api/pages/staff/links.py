"""Pages without a log-in: a forgotten password, and the page to which a link in an e-mail leads."""

from __future__ import annotations

from fastapi.responses import Response

from api.account_links import choose_password, send_reset
from api.accounts import staff_address
from api.errors import ProblemError
from api.limits import ClientAddress
from api.outages import reading
from api.pages.site import Page, ThisPage
from api.pages.staff.console import LOG_IN, staff_router
from api.pages.staff.people import PASSWORD_HINT, read_password
from api.services import Api
from models import utc_now
from storage.account_links import link_of
from storage.account_tables import AccountLink

router = staff_router()


@router.get("/forgotten-password/")
async def forgotten_password(page: ThisPage) -> Response:
    """Ask for the address to which a link is sent."""
    return page.show("staff/forgotten_password.html", email="", error=None, sent=False)


@router.post("/forgotten-password/")
async def ask_for_reset(page: ThisPage, services: Api, address: ClientAddress) -> Response:
    """Send the link; the answer is the same for an address without an account."""
    given = (await page.form()).get("email", "").strip()
    try:
        email = staff_address(given)
    except ValueError:
        return _refused(page, given, 422, "Enter an e-mail address, such as ada@example.com.")
    try:
        await send_reset(services, email, address)
    except ProblemError as problem:
        if problem.status != 429:
            raise
        return _refused(page, given, 429, problem.detail, problem.headers)
    return page.show("staff/forgotten_password.html", email=email, error=None, sent=True)


def _refused(
    page: Page, email: str, status: int, error: str, headers: dict[str, str] | None = None
) -> Response:
    return page.show(
        "staff/forgotten_password.html", status, headers, email=email[:320], error=error, sent=False
    )


@router.get("/set-password/")
async def set_password_page(page: ThisPage, services: Api, code: str = "") -> Response:
    """Show the form. Opening it uses nothing up: programs that check e-mails open links, too."""
    link = await _find(services, code)
    return _over(page) if link is None else _ask(page, link, code)


@router.post("/set-password/")
async def set_password(page: ThisPage, services: Api) -> Response:
    """Set the password, once."""
    form = await page.form()
    code = form.get("code", "")
    link = await _find(services, code)
    if link is None:
        return _over(page)
    errors: dict[str, str] = {}
    password = read_password(form, errors, needed=True)
    if password is None:
        return _ask(page, link, code, errors["password"])
    if not await choose_password(services, code, password):
        return _over(page)
    return page.redirect(f"{LOG_IN}?set=yes")


async def _find(services: Api, code: str) -> AccountLink | None:
    async with reading(services.database) as db:
        return await link_of(db, code, utc_now())


def _ask(page: Page, link: AccountLink, code: str, error: str | None = None) -> Response:
    status = 422 if error else 200
    return page.show(
        "staff/set_password.html", status, link=link, code=code, error=error, password_hint=PASSWORD_HINT
    )


def _over(page: Page) -> Response:
    return page.show("staff/link_over.html", 404)
