"""Chromium on the stack that `make run` starts: real servers, real processes, nothing within the test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

import httpx
import pytest
from playwright.async_api import Browser, async_playwright

from sandbox.drivers import Addresses, StackClient, StaffDriver
from sandbox.stack.stack import Stack
from tests.browser import chromium
from tests.browser.window import AXE, Window
from tests.browser.windows import Windows
from tests.whole_stack import HOTEL, PASSWORD

_NO_SCRIPTS: Final = (
    "NO SCRIPTS, SO NO BROWSER TESTS: node_modules is not filled. `make setup` fills it where npm is there."
)


def pytest_runtest_setup() -> None:
    """Skip what needs a browser where there is none: from here, so that pytest sums them up in one line."""
    lacking = _NO_SCRIPTS if not AXE.is_file() else chromium.NONE if chromium.find() is None else ""
    if lacking and chromium.may_be_skipped():
        pytest.skip(lacking)
    if lacking:
        pytest.fail(lacking)


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Chromium."""
    async with async_playwright() as playwright:
        program = chromium.find()
        assert program is not None, "without one, no test gets here"
        browser = await playwright.chromium.launch(executable_path=program, args=chromium.ARGUMENTS)
        yield browser
        await browser.close()


@pytest.fixture(scope="session")
def stack(whole_stack: Stack) -> Stack:
    """The demo's hotels, one of them in a hurry."""
    return whole_stack


@pytest.fixture(scope="session")
async def client(stack: Stack) -> AsyncIterator[StackClient]:
    """The same over HTTP, for what others do meanwhile."""
    url = stack.url
    async with httpx.AsyncClient(timeout=30, trust_env=False) as http:
        yield StackClient(http, Addresses(url["api"], url["stripe"], url["pusher"], url["inbox"]))


@pytest.fixture(scope="session")
async def approver(client: StackClient) -> StaffDriver:
    """Someone who decides at the hotel, by the API."""
    return await StaffDriver.log_in(client, HOTEL, f"approver@{HOTEL}.test", PASSWORD)


@pytest.fixture(scope="session")
def all_windows(browser: Browser, stack: Stack) -> Windows:
    """The windows of all tests."""
    return Windows(browser, stack)


@pytest.fixture
async def windows(all_windows: Windows) -> AsyncIterator[Windows]:
    """Opens a browser for each person who takes part."""
    yield all_windows
    await all_windows.tidy()


@pytest.fixture
async def guest(windows: Windows) -> Window:
    """A guest's browser."""
    return await windows.open()
