"""Lets containers reach servers that listen on 127.0.0.1 only."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from sandbox.stack.ports import HOST

_CHUNK_BYTES: Final = 1 << 16


class PortRelay:
    """Forwards connections from ports of one address to the same ports of 127.0.0.1.

    Args:
        address: this machine's address in the containers' network.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._servers: list[asyncio.Server] = []

    async def open(self, port: int) -> None:
        """Listen on one more port.

        Raises:
            OSError: the address is not this machine's, or the port is in use.
        """

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                onward_reader, onward_writer = await asyncio.open_connection(HOST, port)
            except OSError:
                writer.close()
                return
            await asyncio.gather(_pump(reader, onward_writer), _pump(onward_reader, writer))

        self._servers.append(await asyncio.start_server(connected, self._address, port))

    def close(self) -> None:
        """Stop accepting connections."""
        for server in self._servers:
            server.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(_CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
    writer.close()
