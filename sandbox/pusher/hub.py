"""Connections, their subscriptions, and the delivery of events."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any

from sandbox.pusher.events import PusherEvent

# A client that does not read is disconnected, so that its queue cannot fill the memory.
OUTBOX_LIMIT = 1000


@dataclass(frozen=True)
class ConnectionClose:
    """The end of a connection, with one of Pusher's close codes."""

    code: int
    reason: str


class Connection:
    """One open WebSocket: its socket id, its subscriptions, its outgoing queue."""

    def __init__(self, socket_id: str) -> None:
        self.socket_id = socket_id
        self.channels: set[str] = set()
        self.outbox: asyncio.Queue[str | ConnectionClose] = asyncio.Queue(OUTBOX_LIMIT + 1)
        self._ending = False

    def send(self, event: str, data: Any, channel: str | None = None) -> None:
        """Queue one protocol event; `data` is encoded as JSON inside the JSON, as Pusher does."""
        message = {"event": event, "data": json.dumps(data, separators=(",", ":"))}
        self.send_text(json.dumps(message if channel is None else message | {"channel": channel}))

    def send_error(self, code: int | None, text: str) -> None:
        """Queue a `pusher:error`; unlike other events, its data is an object."""
        self.send_text(json.dumps({"event": "pusher:error", "data": {"code": code, "message": text}}))

    def send_text(self, text: str) -> None:
        if self.outbox.qsize() >= OUTBOX_LIMIT:
            self.end(ConnectionClose(4100, "Too slow: messages are not being read"))
        elif not self._ending:
            self.outbox.put_nowait(text)

    def end(self, close: ConnectionClose) -> None:
        """Close the connection after the queued events have been sent."""
        if not self._ending:
            self._ending = True
            self.outbox.put_nowait(close)


class Hub:
    """The connections of one app and their subscriptions."""

    def __init__(self) -> None:
        self._connections: dict[str, Connection] = {}
        self._listeners: defaultdict[str, dict[str, Connection]] = defaultdict(dict)

    def open(self) -> Connection:
        """Register a new connection under a socket id of its own."""
        while (
            socket_id := f"{random.randint(1, 999_999)}.{random.randint(1, 9_999_999)}"
        ) in self._connections:
            continue
        connection = Connection(socket_id)
        self._connections[socket_id] = connection
        return connection

    def forget(self, connection: Connection) -> None:
        """Drop a connection that has ended, and its subscriptions."""
        for channel in list(connection.channels):
            self.unsubscribe(connection, channel)
        self._connections.pop(connection.socket_id, None)

    def subscribe(self, connection: Connection, channel: str) -> None:
        connection.channels.add(channel)
        self._listeners[channel][connection.socket_id] = connection

    def unsubscribe(self, connection: Connection, channel: str) -> None:
        connection.channels.discard(channel)
        self._listeners[channel].pop(connection.socket_id, None)
        if not self._listeners[channel]:
            del self._listeners[channel]

    def publish(self, event: PusherEvent) -> None:
        """Queue an event for all subscribers except the excluded socket."""
        text = json.dumps({"event": event.name, "channel": event.channel, "data": event.data})
        for connection in list(self._listeners.get(event.channel, {}).values()):
            if connection.socket_id != event.socket_id:
                connection.send_text(text)

    def subscription_counts(self) -> Counter[str]:
        """The number of listeners of every channel that has any."""
        return Counter({channel: len(listeners) for channel, listeners in self._listeners.items()})
