"""The product's pages over HTTP, on the servers of the API's tests; every test has a hotel of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from api.app import create_app
from tests.api.conftest import hotel, no_faults_left, postgres, pytest_configure, shaky, stack
from tests.api.hotels import Hotel
from tests.api.serving import address, listener, serving
from tests.api.stack import Stack
from tests.pages.visitor import Visitor, Visitors

__all__ = ["hotel", "no_faults_left", "postgres", "pytest_configure", "shaky", "stack"]


@pytest.fixture(scope="session")
async def site(stack: Stack) -> AsyncIterator[str]:
    """An API that knows where browsers reach it, so that its cookies come back; its address."""
    listening = listener()
    at = address(listening)
    changes = {"public_base_url": at, "temporal_ui_url": "http://127.0.0.1:8233"}
    async with serving(create_app(stack.settings_with(**changes)), listening):
        yield at


@pytest.fixture
async def visitors(site: str) -> AsyncIterator[Visitors]:
    """Lets people in; their browsers are closed after the test."""
    visitors = Visitors(site)
    yield visitors
    await visitors.leave()


@pytest.fixture
async def viewer(visitors: Visitors, hotel: Hotel) -> Visitor:
    """Somebody who may only read."""
    return await visitors.staff(hotel, "viewer")


@pytest.fixture
async def approver(visitors: Visitors, hotel: Hotel) -> Visitor:
    """Somebody who may decide."""
    return await visitors.staff(hotel, "approver")


@pytest.fixture
async def manager(visitors: Visitors, hotel: Hotel) -> Visitor:
    """Somebody who may do everything."""
    return await visitors.staff(hotel, "manager")
