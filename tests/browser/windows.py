"""The browsers of guests and staff. Opening one costs a second of a core, so tests use earlier ones again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import Browser, StorageState

from sandbox.stack.stack import Stack
from tests.browser.staff_console import log_in
from tests.browser.window import Window
from tests.whole_stack import HOTEL


@dataclass
class Windows:
    """Opens windows; after a test their complaints are read, and what they know of it is forgotten."""

    browser: Browser
    stack: Stack
    _in_use: list[Window] = field(default_factory=list)
    _idle: list[Window] = field(default_factory=list)
    _own: list[Window] = field(default_factory=list)
    # Checking a password is slow on purpose: everyone logs in once.
    _sessions: dict[tuple[str, str], StorageState] = field(default_factory=dict)

    async def open(self) -> Window:
        """One more person's browser, with nobody's cookies."""
        window = self._idle.pop() if self._idle else await self._new()
        self._in_use.append(window)
        return window

    async def of_its_own(self, **options: Any) -> Window:
        """One that no other test gets; `options` are Playwright's for a context."""
        window = await self._new(**options)
        self._own.append(window)
        return window

    async def staff(self, role: str, slug: str = HOTEL) -> Window:
        """The browser of a hotel's member of staff, logged in."""
        window = await self.open()
        session = self._sessions.get((role, slug))
        if session is None:
            await log_in(window, role, slug)
            self._sessions[role, slug] = await window.context.storage_state()
        else:
            await window.context.add_cookies(session["cookies"])  # type: ignore[arg-type]
        return window

    async def tidy(self) -> None:
        """Fail where anything went wrong in a window; get them all ready for the next test."""
        complaints = [line for window in self._in_use + self._own for line in window.complaints]
        for window in self._own:
            await window.context.close()
        for window in self._in_use:
            await window.forget()
        self._idle += self._in_use
        self._in_use, self._own = [], []
        assert complaints == [], "\n".join(complaints)

    async def _new(self, **options: Any) -> Window:
        url = self.stack.url
        return await Window.open(self.browser, url["api"], (url["stripe"],), **options)
