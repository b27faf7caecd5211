"""One stack per pytest process; every test has a hotel of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests.api.hotels import HotelDriver, open_hotel
from tests.api.stack import ApiStack, FlakyApi, another_api, flaky_api, running
from tests.conftest import NewDatabase
from tests.stripe_clients import close_stripe_clients


def pytest_configure(config: pytest.Config) -> None:
    # Stripe's SDK hands httpx its bodies in a way that httpx no longer likes.
    config.addinivalue_line("filterwarnings", "ignore:Use 'content=:DeprecationWarning")


@pytest.fixture(scope="session")
async def postgres(new_database: NewDatabase, migrated_template: str) -> tuple[str, Path]:
    """The address of a database with the product's schema, and its server's socket."""
    url = await new_database(template=migrated_template)
    return url, Path(str(make_url(url).query["host"])) / ".s.PGSQL.5432"


@pytest.fixture(scope="session")
async def stack(
    postgres: tuple[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[ApiStack]:
    """Everything, running."""
    async with running(*postgres, tmp_path_factory.mktemp("stripe")) as stack:
        yield stack
    await close_stripe_clients()


@pytest.fixture(scope="session")
async def second_api(stack: ApiStack) -> AsyncIterator[str]:
    """A second API on the same servers; its address."""
    async with another_api(stack) as url:
        yield url


@pytest.fixture
async def flaky(stack: ApiStack) -> AsyncIterator[FlakyApi]:
    """An API whose dependencies can be taken away."""
    async with flaky_api(stack) as flaky:
        yield flaky


@pytest.fixture
async def hotel(stack: ApiStack) -> HotelDriver:
    """A hotel of the test's own, in euros."""
    return await open_hotel(stack)


@pytest.fixture(autouse=True)
async def no_faults_left(stack: ApiStack) -> AsyncIterator[None]:
    """A fault that a test ordered and that did not strike must not strike in the next one."""
    yield
    await stack.stand_ins.clear_faults()
