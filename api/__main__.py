"""`python -m api`: serve the API, configured by the environment."""

from __future__ import annotations

import logging
import os
import signal
from types import FrameType

import uvicorn

from api.app import create_app
from logs import write_json_lines
from settings import load_settings

_KEEP_ALIVE_S = 130
"""Longer than proxies keep a connection that is silent (Caddy: two minutes), so that none is closed under a request."""
_SHUTDOWN_PATIENCE_S = 15
"""Longer than any request waits for Temporal, a worker or Stripe."""


def main() -> None:
    """Serve until asked to stop by SIGINT or SIGTERM; requests under way are answered first, the exit status is 0."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    settings = load_settings()
    write_json_lines(settings.log_level)
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        forwarded_allow_ips=settings.forwarded_allow_ips,
        log_config=None,
        # The other parser, httptools, reads heads of any length.
        http="h11",
        # One line per request comes from api/middleware.py, without addresses that hold ids or tokens.
        access_log=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_SHUTDOWN_PATIENCE_S,
    )


def _end(_number: int, _frame: FrameType | None) -> None:
    # Uvicorn raises the signal again once it has answered all requests. The SDK's native runtime can crash while the
    # interpreter is torn down.
    logging.shutdown()
    os._exit(0)


if __name__ == "__main__":
    main()
