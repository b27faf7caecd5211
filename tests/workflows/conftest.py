"""One world per test, on servers that are started once per process."""

from __future__ import annotations

import sys
import warnings
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from settings import Settings
from storage.database import Database
from tests.conftest import NewDatabase
from tests.workflows.harness import WorkflowHarness, settings_for
from tests.workflows.invariants import find_violations
from tests.workflows.servers import StandInClients, stand_ins
from tests.workflows.temporal import ProductWorker, TimeSkippingServer

TEST_SERVER = Path(sys.executable).with_name("temporal-test-server")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "forgetful: the worker caches no workflow, replays at every step, and may be stopped"
    )
    # The worker's clients keep their connections to the end of the process; here workers come and go.
    config.addinivalue_line("filterwarnings", "ignore:unclosed:ResourceWarning")


def pytest_unconfigure() -> None:
    # The same for those that pytest itself finds at the very end, when its own filters are gone.
    warnings.filterwarnings("ignore", "unclosed", ResourceWarning)


@pytest.fixture(scope="session")
async def database_url(new_database: NewDatabase, migrated_template: str) -> str:
    """A database that these tests have to themselves: each begins by emptying it."""
    return await new_database(template=migrated_template)


@pytest.fixture(scope="session")
async def database(database_url: str) -> AsyncIterator[Database]:
    """That database; the fixture of the folder above would open another one."""
    database = Database(database_url)
    yield database
    await database.close()


@pytest.fixture(scope="session")
async def temporal() -> AsyncIterator[TimeSkippingServer]:
    temporal = TimeSkippingServer(str(TEST_SERVER))
    await temporal.start()
    yield temporal
    await temporal.stop()


@pytest.fixture(scope="session")
async def served_stand_ins(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[StandInClients]:
    async with stand_ins(tmp_path_factory.mktemp("stripe")) as running:
        yield running


@pytest.fixture(scope="session")
def settings(database_url: str, served_stand_ins: StandInClients) -> Settings:
    return settings_for(database_url, served_stand_ins)


@pytest.fixture(scope="session")
async def product_worker(
    temporal: TimeSkippingServer, settings: Settings, database: Database
) -> AsyncIterator[ProductWorker]:
    product_worker = ProductWorker(temporal, settings, database)
    yield product_worker
    await product_worker.stop()


@pytest.fixture
async def harness(
    request: pytest.FixtureRequest,
    temporal: TimeSkippingServer,
    served_stand_ins: StandInClients,
    database: Database,
    settings: Settings,
    product_worker: ProductWorker,
) -> AsyncIterator[WorkflowHarness]:
    """A world of the test's own. When the test has passed, every promise (M1 to M10) is checked."""
    await product_worker.call(forgetful=request.node.get_closest_marker("forgetful") is not None)
    harness = WorkflowHarness(temporal, served_stand_ins, database, settings, product_worker)
    await harness.open()
    try:
        yield harness
        await harness.wait_until_idle()
        assert await find_violations(harness, excused=harness.excused) == []
    finally:
        await harness.close()
