"""Rules of every page: its policy, its assets, and forms that only our own pages can send."""

from __future__ import annotations

import logging
from pathlib import Path

import httpx
import pytest

from api.pages.assets import Assets
from tests.api.hotels import HotelDriver
from tests.api.stack import ApiStack
from tests.pages.page_client import PageClient, PageClients

ROOT = Path(__file__).parents[2]


@pytest.fixture
def page_client(page_clients: PageClients) -> PageClient:
    """A visitor without a cookie."""
    return page_clients.stranger()


def policy(response: httpx.Response) -> dict[str, str]:
    """The content-security policy, by directive."""
    parts = response.headers["content-security-policy"].split("; ")
    return {name: value for name, _, value in (part.partition(" ") for part in parts)}


async def test_pages_allow_nothing_but_what_they_need(
    page_client: PageClient, hotel: HotelDriver, stack: ApiStack
) -> None:
    """No inline script or style, no other origin but the realtime socket, no frames; kept by no cache."""
    for path in ("/", f"/hotels/{hotel.slug}/", "/hotels/nowhere/", "/bookings/BK-1/"):
        page = await page_client.open(path)
        host = f"{stack.settings.pusher_host}:{stack.settings.pusher_port}"
        assert policy(page.response) == {
            "default-src": "'none'",
            "script-src": "'self'",
            "style-src": "'self'",
            "img-src": "'self'",
            "connect-src": f"'self' ws://{host}",
            "form-action": "'self'",
            "frame-ancestors": "'none'",
            "base-uri": "'none'",
        }
        headers = page.response.headers
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["x-content-type-options"] == "nosniff"
        assert "<script>" not in page.html
        assert "style=" not in page.html
        assert " on" not in "".join(part for part in page.html.split("<") if part.startswith("button"))


async def test_the_front_page_leads_to_hotels_console_and_documentation(
    page_client: PageClient, hotel: HotelDriver
) -> None:
    """The front page links to everything else."""
    links = (await page_client.open("/")).links
    assert {f"/hotels/{hotel.slug}/", "/staff/", "/docs"} <= set(links)


async def test_documentation_loads_nothing_from_elsewhere(page_client: PageClient) -> None:
    """Its viewer is our own copy; where `npm` was not there to bring it, the page does without."""
    page = await page_client.open("/docs")
    assert ("swagger-ui.js" in page.html) == (ROOT / "node_modules/swagger-ui-dist").is_dir()
    assert "://" not in page.html.replace("http-equiv", "")
    assert policy(page.response)["connect-src"] == "'self'"


async def test_assets_are_kept_for_ever_under_a_hash_of_their_content(page_client: PageClient) -> None:
    """Another content has another address; nothing else is to be had."""
    page = await page_client.open("/")
    [address] = [part for part in page.html.split('"') if part.endswith("/pages.css")]
    response = await page_client.http.get(address)
    assert response.status_code == 200
    assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert response.headers["content-encoding"] == "gzip"
    assert response.content == (ROOT / "static/pages.css").read_bytes()
    plain = await page_client.http.get(address, headers={"Accept-Encoding": "identity"})
    assert plain.content == response.content
    digest = address.split("/")[2]
    for wrong in (
        f"/static/{'0' * 16}/pages.css",
        f"/static/{digest}/staff.css",
        f"/static/{digest}/../../settings.py",
        f"/static/{digest}/%2e%2e%2fpackage.json",
        "/node_modules/htmx.org/package.json",
        "/static/pages.css",
    ):
        assert (await page_client.http.get(wrong)).status_code == 404, wrong


def test_without_node_modules_pages_go_without_and_the_start_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One clear line; what is our own is there all the same."""
    (tmp_path / "static").symlink_to(ROOT / "static")
    with caplog.at_level(logging.WARNING):
        assets = Assets(tmp_path)
    [line] = caplog.messages
    assert "npm ci --ignore-scripts" in line
    assert assets.address("htmx.js") is None
    address = assets.address("pages.css")
    assert address is not None
    assert assets.at(address) is not None


# --- forms ------------------------------------------------------------------------------------------------


async def send(page_client: PageClient, hotel: HotelDriver, csrf: str | None = None, **headers: str) -> int:
    """Send the booking form with nothing but its token; 422 says that it was let in."""
    assert page_client.page is not None
    data = {"csrf": page_client.page.hidden["csrf"] if csrf is None else csrf, "do": "book"}
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    response = await page_client.http.post(f"/hotels/{hotel.slug}/", data=data, headers=names)
    if response.status_code == 403:
        assert "text/html" in response.headers["content-type"]
        assert "nothing has been saved" in response.text
    return response.status_code


async def test_forms_need_the_token_of_the_page_they_are_on(
    page_clients: PageClients, hotel: HotelDriver
) -> None:
    """None, a made-up one, another visitor's, or one without its cookie: refused."""
    page_client, other = page_clients.stranger(), page_clients.stranger()
    for somebody in (page_client, other):
        await somebody.open(f"/hotels/{hotel.slug}/")
    assert page_client.page is not None
    assert other.page is not None
    assert await send(page_client, hotel) == 422
    for wrong in ("", "0" * 64, "\u00e9", other.page.hidden["csrf"]):
        assert await send(page_client, hotel, wrong) == 403
    page_client.http.cookies.clear()
    assert await send(page_client, hotel) == 403


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec_fetch_site": "same-origin"}, 422),
        ({"sec_fetch_site": "cross-site"}, 403),
        ({"sec_fetch_site": "same-site"}, 403),
        ({"sec_fetch_site": "none"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec_fetch_site": "cross-site", "origin": "OWN"}, 403),
        ({"origin": "OWN"}, 422),
    ],
)
async def test_forms_from_other_sites_are_refused_whatever_they_carry(
    page_client: PageClient, hotel: HotelDriver, headers: dict[str, str], status: int
) -> None:
    """The browser's origin header counts, even beside a valid token."""
    await page_client.open(f"/hotels/{hotel.slug}/")
    own = str(page_client.http.base_url).rstrip("/")
    headers_sent = {name: own if value == "OWN" else value for name, value in headers.items()}
    assert await send(page_client, hotel, **headers_sent) == status
