"""Choosing ports on 127.0.0.1 that stay free while the program behind them is down."""

from __future__ import annotations

import random
import socket
import sys
from typing import Final

HOST: Final = "127.0.0.1"

# Below every system's range for outgoing connections: a server that is down for a moment must find its port
# free again, and a client that reconnects must not be given that very port as its own.
_FIRST, _LAST = 20_000, 31_999
_TRIES: Final = 200


class NoFreePortError(RuntimeError):
    """Every port that was tried is in use."""


class Ports:
    """The ports of one stack. Other stacks of this machine keep away from them until `release`."""

    def __init__(self) -> None:
        self._claims: list[socket.socket] = []

    def take(self, *wished: int | None) -> int:
        """Choose the first of `wished` that nobody uses, or else any free one.

        Raises:
            NoFreePortError: there is none.
        """
        anywhere = (random.randint(_FIRST, _LAST) for _ in range(_TRIES))
        for port in (*(port for port in wished if port), *anywhere):
            if self._claim(port):
                if _is_free(port):
                    return port
                self._claims.pop().close()
        raise NoFreePortError(f"no free port between {_FIRST} and {_LAST}")

    def release(self) -> None:
        """Let others have them."""
        while self._claims:
            self._claims.pop().close()

    def _claim(self, port: int) -> bool:
        """Tell other stacks that the port is ours, though nothing listens on it yet or any more."""
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # An abstract socket leaves no file, and is gone with its process. Only Linux has them; elsewhere two
        # stacks that start in the same moment may, rarely, choose the same port, and one then fails to start.
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
        # As servers do: connections that were closed a moment ago are no reason to go elsewhere.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen()
        except OSError:
            return False
    return True
