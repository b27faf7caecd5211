"""`python -m api`: serve the API, configured by the environment."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from datetime import timedelta
from types import FrameType
from typing import Any

import uvicorn

from api.app import create_app
from logs import write_json_lines
from processes import collect_garbage_seldom, fork_processes
from settings import Settings, load_settings

_KEEP_ALIVE_S = 130
"""Longer than proxies keep a connection that is silent (Caddy: two minutes), so that none is closed under a request."""
_SHUTDOWN_PATIENCE_S = 22
"""The longest request waits 10 s for a place, 7 s for Stripe and 3 s for the reason why no answer came; its statements
take the rest."""
_GRACE = timedelta(seconds=_SHUTDOWN_PATIENCE_S + 3)


def main() -> None:
    """Serve until asked to stop by SIGINT or SIGTERM; requests under way are answered first, the exit status is 0."""
    settings = load_settings()
    write_json_lines(settings.log_level)
    collect_garbage_seldom()
    if settings.worker_processes == 1:
        _end_at_once()
        uvicorn.run(create_app(settings), host=settings.host, port=settings.port, **_options(settings))
        return
    shared, *own = _listen(settings)
    number = fork_processes(settings.worker_processes, _GRACE, [shared, *own])
    _end_at_once()
    uvicorn.Server(uvicorn.Config(create_app(settings), **_options(settings))).run([shared, own[number - 1]])


def _options(settings: Settings) -> dict[str, Any]:
    return {
        "forwarded_allow_ips": settings.forwarded_allow_ips,
        "log_config": None,
        # The other parser, httptools, reads heads of any length.
        "http": "h11",
        # One line per request comes from api/middleware.py, without addresses that hold ids or tokens.
        "access_log": False,
        "server_header": False,
        "timeout_keep_alive": _KEEP_ALIVE_S,
        "timeout_graceful_shutdown": _SHUTDOWN_PATIENCE_S,
    }


def _listen(settings: Settings) -> list[socket.socket]:
    """The port that all processes share, and after it one port of its own for each: its metrics and readiness."""
    ports = range(settings.port, settings.port + settings.worker_processes + 1)
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return [socket.create_server((settings.host, port), family=family) for port in ports]
    except (OSError, OverflowError) as error:
        sys.exit(f"configuration: PORT {ports[0]} to {ports[-1]} must be free with WORKER_PROCESSES: {error}")


def _end_at_once() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)


def _end(_number: int, _frame: FrameType | None) -> None:
    # Uvicorn raises the signal again once it has answered all requests. The SDK's native runtime can crash while the
    # interpreter is torn down.
    logging.shutdown()
    os._exit(0)


if __name__ == "__main__":
    main()
