"""Choosing ports."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from sandbox.stack.ports import HOST, Ports


@pytest.fixture
def ports() -> Iterator[Ports]:
    found = Ports()
    yield found
    found.release()


def test_a_free_port_is_given_as_wished(ports: Ports) -> None:
    """The first wished port that is free."""
    free = Ports()
    port = free.take()
    free.release()
    assert ports.take(None, port) == port


def test_a_busy_port_is_replaced(ports: Ports) -> None:
    """By another that can be listened on."""
    with socket.create_server((HOST, 0)) as taken:
        port = ports.take(taken.getsockname()[1])
        assert port != taken.getsockname()[1]
    socket.create_server((HOST, port)).close()


def test_a_port_of_another_stack_is_left_alone(ports: Ports) -> None:
    """Even while the part it belongs to is down, until that stack is stopped."""
    other = Ports()
    theirs = other.take()
    assert ports.take(theirs) != theirs
    other.release()
    assert ports.take(theirs) == theirs


def test_connections_closed_a_moment_ago_are_no_hindrance(ports: Ports) -> None:
    """The port that was served a moment ago is the one that is wished for again."""
    port = ports.take()
    with (
        socket.create_server((HOST, port)) as server,
        socket.create_connection((HOST, port)) as client,
    ):
        accepted, _ = server.accept()
        accepted.close()
        client.recv(1)
    ports.release()
    assert ports.take(port) == port
