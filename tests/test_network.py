"""The fence round the tests: this machine can be reached, no other one can."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import pytest

from tests.network import OutsideError, attempts_outside, is_inside

NOBODY = ("192.0.2.1", 9)  # RFC 5737: documentation


def _tcp() -> None:
    with socket.socket() as sock:
        sock.connect(NOBODY)


def _udp() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.sendto(b"anybody?", NOBODY)


def _ipv6() -> None:
    with socket.socket(socket.AF_INET6) as sock:
        sock.connect(("2001:db8::1", 9))


def _name() -> None:
    socket.getaddrinfo("api.stripe.example", 443)


async def _asyncio() -> None:
    await asyncio.open_connection(*NOBODY)


@pytest.mark.parametrize("reach_out", [_tcp, _udp, _ipv6, _name, lambda: asyncio.run(_asyncio())])
def test_other_machines_cannot_be_reached(reach_out: Callable[[], object]) -> None:
    """By name or address, by any socket; the attempt fails the test even if the code swallowed the error."""
    before = len(attempts_outside)
    with pytest.raises(OutsideError):
        reach_out()
    assert len(attempts_outside) == before + 1
    attempts_outside.pop()


def test_this_machine_can_be_reached() -> None:
    """By TCP and by its name."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(("localhost", server.getsockname()[1])) as sock,
    ):
        assert sock.getpeername() == server.getsockname()


@pytest.mark.parametrize(
    "host", [None, "", b"", "localhost", "127.0.0.1", "127.1.2.3", "::1", b"::1", "::1%lo"]
)
def test_what_is_this_machine(host: object) -> None:
    """Every way to say so."""
    assert is_inside(host)


@pytest.mark.parametrize("host", ["10.0.0.1", "192.168.1.1", "::", "localhost.example", b"8.8.8.8"])
def test_what_is_another_machine(host: object) -> None:
    """Nor the network next door."""
    assert not is_inside(host)
