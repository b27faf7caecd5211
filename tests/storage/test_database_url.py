"""libpq's options in a database's address: what they ask for is what the connection does."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from storage.database import DATABASE_ERRORS, Database
from storage.database_url import parse_address
from tests.certificates import write_certificate

_SSL_REQUEST_LENGTH = 8


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A server's own certificate, for 127.0.0.1, with its key in one file."""
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    write_certificate(path)
    return path


@contextlib.asynccontextmanager
async def in_front_of(database_url: str, certificate: Path | None) -> AsyncIterator[str]:
    """A PostgreSQL reached by TCP: with a certificate it speaks TLS, without one it refuses to. Yields `host:port`."""
    socket_folder = str(make_url(database_url).query["host"])

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.readexactly(_SSL_REQUEST_LENGTH)
        if first == b"\x00\x00\x00\x08\x04\xd2\x16\x2f":
            writer.write(b"S" if certificate else b"N")
            await writer.drain()
            first = b""
            if certificate:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(certificate)
                await writer.start_tls(context)
        behind = await asyncio.open_unix_connection(f"{socket_folder}/.s.PGSQL.5432")
        behind[1].write(first)
        await asyncio.gather(_copy(reader, behind[1]), _copy(behind[0], writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, ssl.SSLError):
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
    target.close()


async def ask(url: str, question: str = "SELECT 1") -> object:
    database = Database(url, pool_size=1)
    try:
        async with database.reading() as db:
            return (await db.execute(text(question))).scalar_one()
    finally:
        await database.close()


def through(place: str, database_url: str, options: str) -> str:
    return f"postgresql://postgres:@{place}/{make_url(database_url).database}?{options}"


async def test_tls_as_it_is_asked_for(database_url: str, certificate: Path) -> None:
    """`require` encrypts and believes any server; `verify-full` believes the one whose root it was given."""
    async with in_front_of(database_url, certificate) as place:
        for options in (
            "sslmode=require",
            f"sslmode=verify-full&sslrootcert={certificate}",
            "sslmode=prefer",
        ):
            assert await ask(through(place, database_url, options)) == 1
    async with in_front_of(database_url, None) as place:
        assert await ask(through(place, database_url, "sslmode=prefer")) == 1
        with pytest.raises(DATABASE_ERRORS):
            await ask(through(place, database_url, "sslmode=require"))


async def test_the_first_of_several_hosts_that_answers(database_url: str) -> None:
    """And what else libpq knows."""
    async with in_front_of(database_url, None) as place:
        options = "target_session_attrs=read-write&application_name=night+desk&connect_timeout=3&keepalives=1"
        url = through(f"127.0.0.1:9,{place}", database_url, options)
        assert await ask(url, "SELECT current_setting('application_name')") == "night desk"


def test_the_time_a_connection_may_take() -> None:
    assert parse_address("postgresql://h/d").connect_timeout_s == 5
    assert parse_address("postgresql://h/d?connect_timeout=12").connect_timeout_s == 12
    assert parse_address("postgresql://h/d?connect_timeout=1").connect_timeout_s == 2


def test_a_password_is_not_printed() -> None:
    """At every place in the address."""
    for url in ("postgresql://a:hunter2@h/d", "postgresql://a@h/d?password=hunter2"):
        address = parse_address(url)
        assert "hunter2" not in repr(address)
        assert address.url.password == "hunter2"
