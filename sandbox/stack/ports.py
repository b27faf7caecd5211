"""Chooses ports on 127.0.0.1 that stay reserved while their program is down."""

from __future__ import annotations

import random
import socket
import sys
from typing import Final

HOST: Final = "127.0.0.1"

# Below every system's range for outgoing connections: a restarted server must find its port free, and a client
# that reconnects must not get that port as its own.
_FIRST, _LAST = 20_000, 31_999
_TRIES: Final = 200


class NoFreePortError(RuntimeError):
    """All tried ports are in use."""


class Ports:
    """The ports of one stack. Other stacks on this machine do not use them until `release`."""

    def __init__(self) -> None:
        self._claims: list[socket.socket] = []

    def take(self, *wished: int | None) -> int:
        """Choose the first of `wished` that is free, or else any free port.

        Raises:
            NoFreePortError: no port is free.
        """
        anywhere = (random.randint(_FIRST, _LAST) for _ in range(_TRIES))
        for port in (*(port for port in wished if port), *anywhere):
            if self._claim(port):
                if _is_free(port):
                    return port
                self._claims.pop().close()
        raise NoFreePortError(f"no free port between {_FIRST} and {_LAST}")

    def release(self) -> None:
        """Release the ports."""
        while self._claims:
            self._claims.pop().close()

    def _claim(self, port: int) -> bool:
        """Reserve the port among stacks, even while nothing listens on it."""
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # An abstract socket leaves no file and ends with its process. Only Linux has them; on other systems two stacks
        # that start in the same moment may rarely choose the same port, and one then fails to start.
        if sys.platform == "linux":
            try:
                claim.bind(f"\0hotel-holds-port-{port}")
            except OSError:
                claim.close()
                return False
        self._claims.append(claim)
        return True


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: recently closed connections do not make the port unusable.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen()
        except OSError:
            return False
    return True
