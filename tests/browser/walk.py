"""A walk that a document describes: its steps, and the words on pages and in e-mails that it names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.async_api import Locator, expect

from sandbox.drivers import StackClient, wait_until
from sandbox.evidence import Json, read_sandbox
from tests.browser.window import PATIENCE_MS, Window


def read_steps(document: Path) -> dict[str, set[str]]:
    """The headings of the third level, each with the words in italics or quotes below it."""
    parts = re.split(r"^#{2,3} ", document.read_text(), flags=re.MULTILINE)
    headings = re.findall(r"^### (.+)$", document.read_text(), flags=re.MULTILINE)
    sections = {part.partition("\n")[0]: part.partition("\n")[2] for part in parts}
    return {heading: set(re.findall(r'[*"]([^*"\n]+)[*"]', sections[heading])) for heading in headings}


@dataclass
class Walk:
    """Takes the steps, and fails where the document names a word that the step did not meet."""

    client: StackClient
    steps: dict[str, set[str]]
    taken: list[str] = field(default_factory=list)
    _met: set[str] = field(default_factory=set)

    @contextmanager
    def step(self, heading: str) -> Iterator[None]:
        """Take one step."""
        self._met = set()
        yield
        assert self.steps[heading] - self._met == set(), f"{heading}: words that the step does not meet"
        self.taken.append(heading)

    async def follow(self, window: Window, name: str) -> None:
        """Follow a link."""
        self._met.add(name)
        await window.page.get_by_role(
            "link", name=re.compile(rf"^{re.escape(name)}( \d+ .*)?$")
        ).first.click()

    async def press(self, window: Window, name: str) -> None:
        """Press a button."""
        self._met.add(name)
        await window.page.get_by_role("button", name=re.compile(rf"^{re.escape(name)}")).first.click()

    async def fill(self, window: Window, values: Mapping[str, str]) -> None:
        """Fill in fields, by their labels."""
        for label, value in values.items():
            await self.field(window, label).fill(value)

    def field(self, window: Window, label: str) -> Locator:
        """The field with a label."""
        self._met.add(label)
        return window.page.get_by_label(re.compile(rf"^{re.escape(label)}\s*(\(optional\))?\s*$"))

    async def read(self, window: Window, *texts: str) -> None:
        """Wait until texts can be seen."""
        self._met |= set(texts)
        for text in texts:
            await expect(window.page.get_by_text(text).first).to_be_visible(timeout=PATIENCE_MS)

    async def headline(self, window: Window, text: str) -> None:
        """Wait until the page is headed so."""
        self._met.add(text)
        await window.headline(text)

    async def mail(self, to: str, subject: str) -> Json:
        """Wait for an e-mail whose subject begins so."""
        self._met.add(subject)

        async def look() -> list[Json]:
            query: dict[str, Any] = {"to": to, "subject": subject}
            found: list[Json] = await read_sandbox(
                self.client.http, self.client.at.inbox, "messages", **query
            )
            return found

        return (await wait_until(look, bool, what=f"the e-mail {subject}"))[-1]
