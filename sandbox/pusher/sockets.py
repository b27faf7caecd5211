"""The WebSocket side: Pusher's protocol 7, as `pusher-js` speaks it.

Source: pusher.com/docs/channels/library_auth_reference/pusher-websockets-protocol.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from sandbox.pusher.events import channel_problem
from sandbox.pusher.hub import Connection, ConnectionClose, Hub
from sandbox.pusher.signature import Credentials, check_subscription

PROTOCOL = "7"
PONG_TIMEOUT_S = 30.0
CLOSE_TIMEOUT_S = 5.0


class SocketServer:
    """Serves the WebSockets of one app.

    Args:
        credentials: the app's key, and the secret that private subscriptions are signed with.
        hub: the registry of connections and source of events.
        activity_timeout_s: how long a connection may be silent before the server pings it.
    """

    def __init__(self, credentials: Credentials, hub: Hub, activity_timeout_s: float) -> None:
        self._credentials = credentials
        self._hub = hub
        self._activity_timeout_s = activity_timeout_s

    async def serve(self, websocket: WebSocket, key: str) -> None:
        """Run one connection from its handshake to its end."""
        await websocket.accept()
        connection = self._hub.open()
        try:
            async with asyncio.TaskGroup() as group:
                writer = group.create_task(_write(websocket, connection))
                if close := self._refusal(key, websocket.query_params.get("protocol")):
                    connection.send_error(close.code, close.reason)
                    connection.end(close)
                else:
                    self._greet(connection)
                    await self._read(websocket, connection)
                await asyncio.wait({writer}, timeout=CLOSE_TIMEOUT_S)
                writer.cancel()
        finally:
            self._hub.forget(connection)

    def _refusal(self, key: str, protocol: str | None) -> ConnectionClose | None:
        if key != self._credentials.key:
            return ConnectionClose(4001, f"App key {key[:100]} not in this cluster")
        if protocol is None:
            return ConnectionClose(4008, "No protocol version supplied")
        if protocol != PROTOCOL:
            return ConnectionClose(4007, f"Unsupported protocol version {protocol[:20]}")
        return None

    def _greet(self, connection: Connection) -> None:
        timeout_s = max(1, round(self._activity_timeout_s))
        greeting = {"socket_id": connection.socket_id, "activity_timeout": timeout_s}
        connection.send("pusher:connection_established", greeting)

    async def _read(self, websocket: WebSocket, connection: Connection) -> None:
        patience_s = self._activity_timeout_s
        while True:
            try:
                async with asyncio.timeout(patience_s):
                    frame = await websocket.receive()
            except TimeoutError:
                if patience_s != self._activity_timeout_s:
                    connection.end(ConnectionClose(4201, "Pong reply not received"))
                    return
                connection.send("pusher:ping", {})
                patience_s = min(PONG_TIMEOUT_S, self._activity_timeout_s / 2)
                continue
            if frame["type"] == "websocket.disconnect":
                connection.end(ConnectionClose(1000, ""))
                return
            patience_s = self._activity_timeout_s
            self._handle(connection, frame.get("text"))

    def _handle(self, connection: Connection, text: str | None) -> None:
        try:
            message = json.loads(text or "")
            event, data = message["event"], message.get("data")
        except (ValueError, TypeError, KeyError, AttributeError):
            connection.send_error(None, "Expected a text frame with a JSON object that has an event")
            return
        if event == "pusher:ping":
            connection.send("pusher:pong", {})
        elif event == "pusher:subscribe" and isinstance(data, dict):
            self._subscribe(connection, data)
        elif event == "pusher:unsubscribe" and isinstance(data, dict):
            self._hub.unsubscribe(connection, str(data.get("channel")))
        elif str(event).startswith("client-"):
            connection.send_error(4301, "Client events are not enabled for this app")
        elif event != "pusher:pong":
            connection.send_error(None, f"Unsupported event {str(event)[:200]}")

    def _subscribe(self, connection: Connection, data: dict[str, Any]) -> None:
        channel = str(data.get("channel", ""))
        if problem := self._subscription_problem(connection, channel, str(data.get("auth") or "")):
            connection.send_error(4009, problem)
            refusal = {"type": "AuthError", "error": problem, "status": 401}
            connection.send("pusher:subscription_error", refusal, channel)
        elif channel in connection.channels:
            connection.send_error(None, f"Existing subscription to channel {channel}")
        else:
            self._hub.subscribe(connection, channel)
            connection.send("pusher_internal:subscription_succeeded", {}, channel)

    def _subscription_problem(self, connection: Connection, channel: str, auth: str) -> str | None:
        if problem := channel_problem(channel):
            return problem
        if channel.startswith("presence-"):
            return "This stand-in has no presence channels"
        if not channel.startswith("private-"):
            return None
        return check_subscription(self._credentials, connection.socket_id, channel, auth)


async def _write(websocket: WebSocket, connection: Connection) -> None:
    try:
        while True:
            item = await connection.outbox.get()
            if isinstance(item, ConnectionClose):
                await websocket.close(item.code, item.reason)
                return
            await websocket.send_text(item)
    except (WebSocketDisconnect, RuntimeError):
        return  # The client has disconnected; the reader notices too and ends the connection.
