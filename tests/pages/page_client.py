"""A browser without a screen: keeps cookies, follows links, fills in forms as their page gives them."""

from __future__ import annotations

import secrets
import ssl
from html.parser import HTMLParser

import httpx

from tests.api.hotels import PASSWORD, HotelDriver

# Nothing here is encrypted, and reading the certificates to trust takes longer than most pages.
_NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class _PageParser(HTMLParser):
    """Collects a page's words, its links, and the hidden fields of its forms."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.links: list[str] = []
        self.hidden: dict[str, str] = {}
        self.title = ""
        self._in: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag == "input" and given.get("type") == "hidden":
            self.hidden[given["name"]] = given.get("value", "")
        if tag in {"title", "script"}:
            self._in.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._in and self._in[-1] == tag:
            self._in.pop()

    def handle_data(self, data: str) -> None:
        if "title" in self._in:
            self.title += data
        elif not self._in:
            self.words.append(data)


class PageContent:
    """A page as someone reads it."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.status = response.status_code
        self.location = response.headers.get("location", "")
        self.html = response.text
        reader = _PageParser()
        reader.feed(response.text)
        self.words = " ".join(" ".join(reader.words).split())
        self.links = reader.links
        self.hidden = reader.hidden
        self.title = reader.title


class PageClient:
    """Someone with a browser."""

    def __init__(self, site: str) -> None:
        self.http = httpx.AsyncClient(base_url=site, timeout=30, trust_env=False, verify=_NOBODY)
        # Each visitor has a network of their own, as the proxy says: limits count them apart.
        network = ":".join(f"{0x1000 + secrets.randbelow(0xF000):x}" for _ in range(2))  # as servers write it
        self.http.headers["X-Forwarded-For"] = f"2001:db8:{network}::1"
        self.page: PageContent | None = None

    async def open(self, path: str, **headers: str) -> PageContent:
        """Open an address; redirects are not followed."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        self.page = PageContent(await self.http.get(path, headers=names))
        return self.page

    async def follow(self, path: str) -> PageContent:
        """Open an address and go where it leads."""
        page = await self.open(path)
        while page.status == 303:
            page = await self.open(page.location)
        return page

    async def send(self, path: str, **fields: str) -> PageContent:
        """Send a form with the hidden fields of the page that is open; redirects are not followed."""
        assert self.page is not None, "a form is on a page"
        return PageContent(await self.http.post(path, data=self.page.hidden | fields))

    async def submit(self, path: str, **fields: str) -> PageContent:
        """Open a form's page, send the form, and go where it leads."""
        await self.open(path)
        page = await self.send(path, **fields)
        return await self.follow(page.location) if page.status == 303 else page

    async def log_in(self, email: str, password: str = PASSWORD, path: str = "/staff/log-in/") -> PageContent:
        """Log in at the console."""
        await self.open(path)
        return await self.send("/staff/log-in/", email=email, password=password)


class PageClients:
    """Everyone who looks at the pages during one test."""

    def __init__(self, site: str) -> None:
        self._site = site
        self._all: list[PageClient] = []

    def stranger(self) -> PageClient:
        """A visitor without a cookie."""
        page_client = PageClient(self._site)
        self._all.append(page_client)
        return page_client

    async def staff(self, hotel: HotelDriver, role: str) -> PageClient:
        """A hotel's member of staff, logged in."""
        page_client = self.stranger()
        page = await page_client.log_in(f"{role}@{hotel.slug}.test")
        assert page.status == 303, page.words
        return page_client

    async def leave(self) -> None:
        """Close every browser."""
        for page_client in self._all:
            await page_client.http.aclose()
