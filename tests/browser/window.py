"""A browser window that notices what must not happen: errors, and requests to elsewhere than the product."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
    Page,
    Request,
    ViewportSize,
    expect,
)

from sandbox.drivers import GOOD_CARD

ROOT: Final = Path(__file__).parents[2]
PATIENCE_MS: Final = 30_000
AXE: Final = ROOT / "node_modules" / "axe-core" / "axe.min.js"
# The impacts that fail a test; the lesser impacts are `minor` and `moderate`.
_GRAVE: Final = frozenset({"serious", "critical"})
# Answers a test asks for: browser and htmx each report them. And a page that is left before it listens.
_EXPECTED: Final = re.compile(
    r"(Failed to load resource: the server responded with a status of|Response Status Error Code) (4\d\d|503)"
    r"|WebSocket connection to .* failed: WebSocket is closed before the connection is established"
)

PHONE: Final[ViewportSize] = {"width": 390, "height": 844}
NARROWEST: Final[ViewportSize] = {"width": 320, "height": 640}
DESKTOP: Final[ViewportSize] = {"width": 1280, "height": 900}


class Window:
    """One person's browser.

    Args:
        site: the product's address.
        elsewhere: addresses people are led to on purpose, such as the payment page's.
    """

    def __init__(self, context: BrowserContext, page: Page, site: str, elsewhere: Sequence[str]) -> None:
        self.page = page
        self.context = context
        self.site = site
        self.complaints: list[str] = []
        self._allowed = (site, *elsewhere)
        page.on("console", self._hear)
        page.on("pageerror", self._fail)
        page.on("request", self._watch)

    @classmethod
    async def open(cls, browser: Browser, site: str, elsewhere: Sequence[str] = (), **options: Any) -> Window:
        """A window of its own, with nobody's cookies."""
        context = await browser.new_context(
            viewport=DESKTOP, reduced_motion="reduce", locale="en-IE", **options
        )
        context.set_default_timeout(PATIENCE_MS)
        return cls(context, await context.new_page(), site, elsewhere)

    async def forget(self) -> None:
        """Be as one that has just been opened."""
        await self.page.unroute_all()
        if self.page.url.startswith(self.site):
            await self.page.evaluate("localStorage.clear(); sessionStorage.clear()")
        await self.page.goto("about:blank")
        await self.page.set_viewport_size(DESKTOP)
        await self.context.clear_cookies()
        self.complaints.clear()

    async def go(self, path: str) -> None:
        """Open a page of the product."""
        await self.page.goto(self.site + path)

    async def press(self, name: str, role: Any = "button") -> None:
        """Press a button, or follow a link with `role="link"`."""
        await self.page.get_by_role(role, name=name, exact=True).click()

    async def reads(self, text: str) -> None:
        """Wait until a text can be seen."""
        await expect(self.page.get_by_text(text).first).to_be_visible(timeout=PATIENCE_MS)

    async def headline(self, text: str) -> None:
        """Wait until the page is headed so."""
        await expect(self.page.get_by_role("heading", level=1)).to_have_text(text, timeout=PATIENCE_MS)

    async def listens(self) -> None:
        """Wait until the page hears realtime events."""
        # Not by `wait_for_function`: what it asks again by is forbidden by the pages' policy.
        body = self.page.locator("body")
        await expect(body).to_have_attribute("data-live-state", "connected", timeout=PATIENCE_MS)

    async def pay(self, card: str = GOOD_CARD) -> None:
        """Fill in the payment page, and come back from it."""
        await self.page.wait_for_url("**/c/pay/**")
        await self.page.fill("[name=card_number]", card)
        await self.page.locator("form button").first.click()
        await self.page.wait_for_url(f"{self.site}/**")

    async def is_accessible(self) -> None:
        """Let axe-core look at the page, wide and narrow, and see that nothing hangs out at 320 px."""
        await self._axe()
        await self.page.set_viewport_size(NARROWEST)
        width = await self.page.evaluate("document.documentElement.scrollWidth")
        assert width <= NARROWEST["width"], f"{self.page.url} is {width} px wide on a phone"
        await self._axe()
        await self.page.set_viewport_size(DESKTOP)

    async def _axe(self) -> None:
        if not await self.page.evaluate("'axe' in window"):
            await self.page.evaluate(AXE.read_text())
        found = await self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        grave = [_violation(item) for item in found["violations"] if item["impact"] in _GRAVE]
        assert grave == [], f"{self.page.url}: {json.dumps(grave, indent=1)}"

    # Faults that must not happen

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not _EXPECTED.match(message.text):
            self._complain(f"console: {message.text}")

    def _fail(self, error: Error) -> None:
        self._complain(f"script: {error}")

    def _watch(self, request: Request) -> None:
        if request.frame.url.startswith(self.site) and not request.url.startswith(self._allowed):
            self._complain(f"request to another origin: {request.url}")

    def _complain(self, what: str) -> None:
        if self.page.url.startswith((self.site, "about:")):
            self.complaints.append(f"{self.page.url}: {what}")


def _violation(item: dict[str, Any]) -> dict[str, Any]:
    return {"rule": item["id"], "help": item["help"], "where": [node["html"] for node in item["nodes"][:3]]}
