"""The product's pages over HTTP, on the servers of the API's tests; every test has a hotel of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from api.app import create_app
from sandbox.serving import listener
from tests.api.conftest import flaky, hotel, no_faults_left, postgres, pytest_configure, stack
from tests.api.hotels import HotelDriver
from tests.api.serving import address, serving
from tests.api.stack import ApiStack
from tests.pages.page_client import PageClient, PageClients

__all__ = ["flaky", "hotel", "no_faults_left", "postgres", "pytest_configure", "stack"]


@pytest.fixture(scope="session")
async def site(stack: ApiStack) -> AsyncIterator[str]:
    """An API that knows where browsers reach it, so that its cookies come back; its address."""
    listening = listener()
    at = address(listening)
    changes = {"public_base_url": at, "temporal_ui_url": "http://127.0.0.1:8233"}
    async with serving(create_app(stack.settings_with(**changes)), listening):
        yield at


@pytest.fixture
async def page_clients(site: str) -> AsyncIterator[PageClients]:
    """Lets people in; their browsers are closed after the test."""
    page_clients = PageClients(site)
    yield page_clients
    await page_clients.leave()


@pytest.fixture
async def viewer(page_clients: PageClients, hotel: HotelDriver) -> PageClient:
    """Someone who may only read."""
    return await page_clients.staff(hotel, "viewer")


@pytest.fixture
async def approver(page_clients: PageClients, hotel: HotelDriver) -> PageClient:
    """Someone who may decide."""
    return await page_clients.staff(hotel, "approver")


@pytest.fixture
async def manager(page_clients: PageClients, hotel: HotelDriver) -> PageClient:
    """Someone who may do everything."""
    return await page_clients.staff(hotel, "manager")
