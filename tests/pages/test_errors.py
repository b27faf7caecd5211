"""People get an error as a page, programs as JSON."""

from __future__ import annotations

import asyncio

import pytest

from api.auth import staff_token
from models import utc_now
from tests.api.hotels import SOMEBODY, HotelDriver
from tests.api.problems import assert_problem
from tests.api.rows import edit
from tests.api.stack import AUTH_SECRET, FlakyApi
from tests.pages.guests import at, opened
from tests.pages.page_client import PageClient, PageClients, PageContent

ACCEPT = "text/html,application/xhtml+xml,*/*;q=0.8"
"""What browsers ask for."""


def assert_page(page: PageContent, status: int) -> None:
    """Check that it came as a page, under the pages' own policy."""
    headers = page.response.headers
    assert page.status == status, page.html
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "</html>" in page.html


async def test_a_defect_is_told_by_a_page_that_says_how_to_report_it(
    page_clients: PageClients, viewer: PageClient, hotel: HotelDriver
) -> None:
    """A row no code of ours could have written: guest, staff and API each get the 500 they can read."""
    guest = await hotel.submitted()
    page_client = await opened(page_clients, guest)
    await edit(hotel, guest, currency="ZZZ")
    for somebody, path in ((page_client, at(guest)), (viewer, f"/staff/bookings/{guest.booking_id}/")):
        page = await somebody.open(path)
        assert_page(page, 500)
        assert "Something went wrong" in page.words
        assert page.response.headers["x-request-id"] in page.words
        assert "ZZZ" not in page.html
    answer = await guest.ask("GET", "")
    assert assert_problem(answer, 500, "internal_error")["request_id"] == answer.headers["x-request-id"]


async def test_while_the_database_is_away_pages_say_so_and_look_again(
    hotel: HotelDriver, flaky: FlakyApi
) -> None:
    """Guests and staff alike: no word of databases, and the page goes on by itself."""
    await flaky.postgres.shut()
    page_client = PageClient(flaky.url)
    page_client.http.cookies.set("__Secure-staff", staff_token(AUTH_SECRET, SOMEBODY, "0" * 32, utc_now()))
    # Each waits until its connection is given up: all at once, they take no longer than one.
    paths = ("/", f"/hotels/{hotel.slug}/", "/staff/")
    pages = [
        PageContent(each) for each in await asyncio.gather(*(page_client.http.get(path) for path in paths))
    ]
    await page_client.http.aclose()
    for path, page in zip(paths, pages, strict=True):
        assert_page(page, 503)
        assert "We will be right back" in page.words
        assert "database" not in page.words
        assert f'data-retry="{path}"' in page.html
        assert int(page.response.headers["retry-after"]) > 0


@pytest.mark.parametrize(
    "path", ["/nothing/", "/staff/nothing/", "/bookings/", "//evil.example", "/static/x.css"]
)
async def test_where_nothing_is_people_read_a_page_and_programs_a_problem(
    page_clients: PageClients, path: str
) -> None:
    page_client = page_clients.stranger()
    url = str(page_client.http.base_url).rstrip("/") + path
    page = await page_client.open(url, accept=ACCEPT)
    assert_page(page, 404)
    assert "There is no such page" in page.words
    assert "/" in page.links
    assert_problem(await page_client.http.get(url), 404, "not_found")


async def test_a_form_over_1_mib_is_told_so_by_a_page(page_clients: PageClients) -> None:
    response = await page_clients.stranger().http.post(
        "/staff/log-in/", content=b"x" * ((1 << 20) + 1), headers={"Accept": ACCEPT}
    )
    assert_page(PageContent(response), 413)
    assert "1 MiB" in PageContent(response).words


async def test_below_api_nothing_is_a_page(page_clients: PageClients) -> None:
    response = await page_clients.stranger().http.get("/api/nothing/", headers={"Accept": ACCEPT})
    assert_problem(response, 404, "not_found")


@pytest.mark.parametrize(
    ("path", "leads_to"),
    [
        ("/bookings/BK-1/pay/", "/bookings/BK-1/"),
        ("/staff/log-out/", "/staff/"),
        ("/staff/bookings/BK-1/help/", "/staff/bookings/BK-1/"),
        ("/staff/bookings/BK-1/decline/preview/", "/staff/bookings/BK-1/decline/"),
        ("/staff", "/staff/"),
    ],
)
async def test_an_address_of_a_form_opened_as_a_page_leads_to_what_it_is_about(
    page_clients: PageClients, path: str, leads_to: str
) -> None:
    """Loaded again, or come back to after a log-in."""
    page = await page_clients.stranger().open(path)
    assert (page.status, page.location) == (303, leads_to)
