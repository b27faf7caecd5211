"""Runs the stand-ins: uvicorn on 127.0.0.1, one line when it listens, a clean stop on SIGINT or SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import cast

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

HOST = "127.0.0.1"
# A request that hangs because of a fault must not keep the process alive.
SHUTDOWN_PATIENCE_S = 1
# Longer than clients keep idle connections, so that the server never closes one during a request.
KEEP_ALIVE_S = 60


def listener(port: int = 0) -> socket.socket:
    """Return a socket that listens on 127.0.0.1.

    asyncio turns Nagle's algorithm off only where the socket names its protocol, as those of `socket.create_server` do
    not: the second half of each answer would wait 40 ms for the client's acknowledgement of the first.

    Args:
        port: 0 lets the system choose.
    """
    listening = socket.socket(proto=socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((HOST, port))
    listening.listen()
    return listening


class CuttableProtocol(H11Protocol):
    """Gives each request its connection, as `scope["state"]["transport"]`, so that a fault can cut it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.app_state = {**self.app_state, "transport": transport}
        super().connection_made(transport)


class _AnnouncingServer(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, name: str) -> None:
        super().__init__(config)
        self._name = name

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            port = self.servers[0].sockets[0].getsockname()[1]
            print(f"{self._name} listening on http://{HOST}:{port}", flush=True)


def run(app: ASGIApp, *, port: int, name: str) -> None:
    """Serve until interrupted.

    Args:
        app: the ASGI application.
        port: the port to listen on; 0 lets the system choose, and the printed line contains it.
        name: the server's name in that line.
    """
    config = uvicorn.Config(
        app,
        host=HOST,
        port=port,
        http=cast("type[asyncio.Protocol]", CuttableProtocol),
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=SHUTDOWN_PATIENCE_S,
    )
    with contextlib.suppress(KeyboardInterrupt):  # uvicorn raises it again after its shutdown.
        _AnnouncingServer(config, name).run()
