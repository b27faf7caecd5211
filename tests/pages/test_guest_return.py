"""Coming back from the payment page: by a code, which is good once, for an hour, and for pages only."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import httpx
from sqlalchemy import update
from sqlmodel import col

from models import PaymentSession, utc_now
from sandbox.drivers import GOOD_CARD, GuestDriver
from tests.api.hotels import HotelDriver
from tests.api.problems import assert_problem
from tests.api.stack import ApiStack
from tests.api.test_payment import at_stripe
from tests.pages.guests import at, opened
from tests.pages.page_client import PageClients


async def way_back(stack: ApiStack, guest: GuestDriver) -> str:
    """The address the payment page sends its guest to after paying."""
    await guest.open_page()
    assert (await guest.pay(GOOD_CARD)).status_code == 303
    session = await at_stripe(stack, guest.session_id or "")
    url = httpx.URL(session["success_url"].replace("{CHECKOUT_SESSION_ID}", session["id"]))
    return f"{url.path}?{url.query.decode()}"


async def test_a_browser_without_the_booking_comes_back_by_a_code_once(
    page_clients: PageClients, hotel: HotelDriver, stack: ApiStack
) -> None:
    """Of ten who send it at once one gets in, with a cookie that opens this booking's pages and not the API."""
    guest = await hotel.submitted()
    back = await way_back(stack, guest)
    visitors = [page_clients.stranger() for _ in range(10)]
    pages = await asyncio.gather(*(visitor.open(back) for visitor in visitors))
    assert sorted(page.status for page in pages) == [303] + [401] * 9
    for page in pages:
        if page.status == 401:
            assert "open it with the link in the e-mail" in page.words
    first = [page.status for page in pages].index(303)
    visitor = visitors[first]
    assert "Waiting for the hotel" in (await visitor.follow(pages[first].location)).words
    assert (await visitor.follow(back)).status == 200, "an open browser needs no code"
    cookie = visitor.http.cookies.get("guest", path=at(guest))
    url = f"{hotel.bookings_url}{guest.booking_id}/"
    answer = await stack.http.get(url, headers={"Authorization": f"Bearer {cookie}"})
    assert_problem(answer, 401, "invalid_token")


async def test_an_open_browser_uses_no_code_up(
    page_clients: PageClients, hotel: HotelDriver, stack: ApiStack
) -> None:
    """A guest who pays on another device can still use it there."""
    guest = await hotel.submitted()
    back = await way_back(stack, guest)
    assert (await (await opened(page_clients, guest)).open(back)).status == 303
    assert (await page_clients.stranger().follow(back)).status == 200


async def test_codes_that_are_too_old_or_of_another_booking_open_nothing(
    page_clients: PageClients, hotel: HotelDriver, stack: ApiStack
) -> None:
    """A page that says how to get back in."""
    guest, other = await hotel.submitted(), await hotel.submitted()
    back = await way_back(stack, guest)
    of_another = back.replace(guest.booking_id, other.booking_id)
    made_up = f"{at(guest)}?code={'x' * 43}"
    change = update(PaymentSession).where(col(PaymentSession.session_id) == guest.session_id)
    async with stack.database.transaction() as db:
        await db.execute(change.values(created_at=utc_now() - timedelta(minutes=61)))
    for path in (back, of_another, made_up, f"{at(guest)}?code=%00%ff"):
        page = await page_clients.stranger().open(path)
        assert page.status == 401, path
        assert "open it with the link in the e-mail" in page.words
