"""Lets containers reach servers that listen on 127.0.0.1 alone."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from sandbox.stack.ports import HOST

_CHUNK_BYTES: Final = 1 << 16


class PortRelay:
    """Passes connections to ports of one address on to the same ports of 127.0.0.1.

    Args:
        address: this machine's own, in the containers' network.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._servers: list[asyncio.Server] = []

    async def open(self, port: int) -> None:
        """Listen on one more port.

        Raises:
            OSError: the address is not this machine's, or the port is taken.
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
        """Take no more connections."""
        for server in self._servers:
            server.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(_CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
    writer.close()
