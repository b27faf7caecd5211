"""No test reaches another machine: what it needs is on this one."""

from __future__ import annotations

import ipaddress
import sys
from typing import Any, Final

attempts_outside: Final[list[str]] = []
"""Where this process tried to go, oldest first."""

_WATCHED: Final = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo"})
_installed: list[bool] = []


class OutsideError(RuntimeError):
    """Something tried to reach another machine."""


def keep_inside() -> None:
    """Refuse this process every connection but to its own machine, from now on; a repeat changes nothing."""
    if not _installed:
        _installed.append(True)
        sys.addaudithook(_watch)


def is_inside(host: Any) -> bool:
    """Whether a host's name or address means this machine. `None` and the empty string stand for it."""
    if host is None or isinstance(host, bytes):
        host = (host or b"").decode(errors="replace")
    if not isinstance(host, str):
        return True
    if host in {"", "localhost"}:
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in _WATCHED:
        return
    if event == "socket.getaddrinfo":
        # A numeric address asks nobody; whether it may be connected to is seen when it is.
        host = arguments[0]
        refused = not is_inside(host) and not _is_address(host)
    else:
        # A Unix socket's address is a path, and no pair.
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) and address else None
        refused = not is_inside(host)
    if refused:
        attempts_outside.append(f"{event} {host}")
        raise OutsideError(f"tests stay on this machine: {event} {host}")


def _is_address(host: Any) -> bool:
    try:
        ipaddress.ip_address(host.decode() if isinstance(host, bytes) else host)
    except ValueError:
        return False
    return True
