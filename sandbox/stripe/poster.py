"""Posts webhooks over persistent HTTP/1.1 connections.

A webhook needs only the status of an answer. A full client would cost a load test more than the rest of the
stand-in.
"""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

_MOST_CONNECTIONS: Final = 64
_LONGEST_BODY: Final = 65_536
_STATUS: Final = re.compile(rb"HTTP/1\.[01] (\d{3})[ \r]")
_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,9})[ \t]*\r\n", re.IGNORECASE)
_LAST: Final = re.compile(rb"\r\nconnection:[ \t]*close", re.IGNORECASE)
_BODILESS: Final = frozenset({204, 304})


class NoAnswerError(Exception):
    """The connection ended, or the answer is not HTTP. `str()` is one word."""


@dataclass(frozen=True)
class _Target:
    host: str
    port: int
    tls: bool
    head: bytes


@dataclass
class _Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @property
    def usable(self) -> bool:
        """Whether the connection is open, as far as this side knows."""
        return not self.reader.at_eof() and not self.writer.is_closing()


class Poster:
    """Posts bodies; safe to use from many tasks at once."""

    def __init__(self) -> None:
        self._idle: dict[_Target, list[_Connection]] = defaultdict(list)
        self._slots = asyncio.Semaphore(_MOST_CONNECTIONS)

    async def post(self, url: str, body: bytes, headers: dict[str, str], timeout_s: float) -> int:
        """Post once and return the status of the answer.

        Args:
            url: an `http` or `https` address.
            body: the content.
            headers: headers beside `Host` and `Content-Length`.
            timeout_s: seconds for the whole request, including the connection.

        Raises:
            OSError: the connection failed; `TimeoutError` is one.
            NoAnswerError: there was no valid answer.
            ValueError: the URL is invalid.
        """
        target = _target(url)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        message = target.head + f"{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body
        async with self._slots, asyncio.timeout(timeout_s):
            idle = self._idle[target]
            while idle:
                connection = idle.pop()
                if not connection.usable:
                    connection.writer.close()
                    continue
                # The other side may close an idle connection at any moment; then try a new one.
                with suppress(ConnectionError, NoAnswerError):
                    return await self._exchange(connection, target, message)
            reader, writer = await asyncio.open_connection(target.host, target.port, ssl=target.tls or None)
            return await self._exchange(_Connection(reader, writer), target, message)

    async def _exchange(self, connection: _Connection, target: _Target, message: bytes) -> int:
        keep = False
        try:
            connection.writer.write(message)
            status, head = await _answer_head(connection.reader)
            keep = await _body_read(connection.reader, status, head)
        finally:
            if keep:
                self._idle[target].append(connection)
            else:
                connection.writer.close()
        return status

    async def close(self) -> None:
        """Close the idle connections."""
        for connections in self._idle.values():
            for connection in connections:
                connection.writer.close()
                with suppress(OSError):
                    await connection.writer.wait_closed()
        self._idle.clear()


@lru_cache(16)
def _target(url: str) -> _Target:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(url)
    tls = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    head = f"POST {path} HTTP/1.1\r\nHost: {parts.netloc.rpartition('@')[2]}\r\n".encode()
    return _Target(parts.hostname, parts.port or (443 if tls else 80), tls, head)


async def _answer_head(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    while True:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            raise NoAnswerError("Disconnected" if not error.partial else "Incomplete") from error
        except asyncio.LimitOverrunError as error:
            raise NoAnswerError("TooLong") from error
        match = _STATUS.match(head)
        if match is None:
            raise NoAnswerError("NotHttp")
        # A 1xx status precedes the answer.
        if not match[1].startswith(b"1"):
            return int(match[1]), head


async def _body_read(reader: asyncio.StreamReader, status: int, head: bytes) -> bool:
    """Read the answer's body if its length is given; returns whether the connection can be reused."""
    length = _LENGTH.search(head)
    size = int(length[1]) if length else 0 if status in _BODILESS else _LONGEST_BODY + 1
    if size > _LONGEST_BODY or _LAST.search(head):
        return False
    try:
        await reader.readexactly(size)
    except (asyncio.IncompleteReadError, ConnectionError):
        return False
    return True
