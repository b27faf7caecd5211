"""The embedded PostgreSQL."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import asyncpg
import pytest

from sandbox.stack import postgres
from sandbox.stack.parts import inherited
from sandbox.stack.ports import Ports
from sandbox.stack.process import Process, start_and_wait

PASSWORD = secrets.token_urlsafe(12)


def begin(process: Process) -> None:
    start_and_wait([process], lambda _process: None)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Process, str]]:
    tmp_path = tmp_path_factory.mktemp("postgres")
    ports, environment, log = Ports(), inherited("token"), tmp_path / "postgres.log"
    port = ports.take()
    postgres.initialise(tmp_path / "data", PASSWORD, log, environment)
    process = Process(postgres.part(tmp_path / "data", port, environment), log)
    begin(process)
    yield process, postgres.address(PASSWORD, port)
    process.kill()
    ports.release()


async def test_it_comes_back_after_a_kill_with_what_was_committed(server: tuple[Process, str]) -> None:
    """All its processes die at once, with someone connected; the same port and folder serve again."""
    process, address = server
    before = await asyncpg.connect(address)
    await before.execute("create table guest (name text)")
    await before.execute("insert into guest values ('Éabha')")
    process.kill()
    begin(process)
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await before.execute("select 1")
    after = await asyncpg.connect(address)
    # Letters beyond ASCII have small forms, wherever this runs.
    assert await after.fetchval("select lower(name) from guest") == "éabha"
    await after.close()


async def test_it_is_nobody_elses(server: tuple[Process, str]) -> None:
    """Other people of this machine can reach the port."""
    _, address = server
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(address.replace(PASSWORD, "another"))
