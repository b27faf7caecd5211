"""A gate in front of a server: it lets a client through, shuts it out, or keeps from it what the server answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

HOST = "127.0.0.1"
_CHUNK = 1 << 16

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Dial = Callable[[], Awaitable[Streams]]
Rewrite = Callable[[bytes], bytes]


class TcpProxy:
    """Passes bytes on between a port of its own and a server.

    Args:
        dial: connects to the server.
        rewrite: changes what the server answers.
    """

    def __init__(self, dial: Dial, rewrite: Rewrite | None = None) -> None:
        self._dial = dial
        self._rewrite = rewrite
        self._listener: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._silent = False
        self._mute = False
        self.port = 0

    async def open(self) -> None:
        """Let all connections through from now on."""
        self._silent = False
        if self._mute:
            # A client that missed an answer cannot reuse the connection.
            self._mute = False
            self._cut()
        await self._listen()

    async def _listen(self) -> None:
        if self._listener is None:
            self._listener = await asyncio.start_server(self._serve, HOST, self.port)
            self.port = self._listener.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        """Cut every connection, and refuse new ones: the server is away."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self._cut()

    async def hush(self) -> None:
        """Take connections and what is sent on them, and answer nothing: the server is there, but hangs."""
        self._silent = True
        self._cut()
        await self._listen()

    def mute(self) -> None:
        """Let through what is asked, on connections that are open, and lose what is answered."""
        self._mute = True

    def _cut(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            if self._silent:
                await _swallow(reader)
                return
            there, back = await self._dial()
            self._writers.add(back)
            await asyncio.gather(self._pass_on(reader, back), self._pass_on(there, writer, answers=True))
        except OSError:
            return
        finally:
            await self._forget(writer)

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool = False
    ) -> None:
        try:
            while chunk := await reader.read(_CHUNK):
                if answers and self._rewrite:
                    chunk = self._rewrite(chunk)
                if not (answers and self._mute):
                    writer.write(chunk)
                    await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def _forget(self, writer: asyncio.StreamWriter) -> None:
        self._writers.discard(writer)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def _swallow(reader: asyncio.StreamReader) -> None:
    with suppress(OSError):
        while await reader.read(_CHUNK):
            pass


@asynccontextmanager
async def proxy_to(dial: Dial, rewrite: Rewrite | None = None) -> AsyncIterator[TcpProxy]:
    """An open gate, until the block ends."""
    proxy = TcpProxy(dial, rewrite)
    await proxy.open()
    try:
        yield proxy
    finally:
        await proxy.shut()
