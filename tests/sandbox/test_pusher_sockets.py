"""The Pusher stand-in's WebSocket side, as a client of protocol 7 sees it."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pusher
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.sandbox.stand_in_process import StandInProcess, running

TIMEOUT_S = 5


@pytest.fixture
def server(running_pusher: StandInProcess) -> StandInProcess:
    return running_pusher


@pytest.fixture
def channel() -> str:
    """A channel that no other test uses."""
    return f"hotel-{uuid.uuid4().hex}"


def client(server: StandInProcess) -> pusher.Pusher:
    return pusher.Pusher(
        "100000", "sandbox-key", "sandbox-secret", host="127.0.0.1", port=server.port, ssl=False
    )


class PusherClient:
    """A connected client: what `pusher-js` sends and understands, without its conveniences."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        greeting = self.receive()
        assert greeting["event"] == "pusher:connection_established"
        self.activity_timeout_s = json.loads(greeting["data"])["activity_timeout"]
        self.socket_id = json.loads(greeting["data"])["socket_id"]

    def receive(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self.socket.recv(timeout=TIMEOUT_S))
        return message

    def send(self, event: str, **data: str) -> None:
        self.socket.send(json.dumps({"event": event, "data": data}))

    def subscribe(self, channel: str, **data: str) -> dict[str, Any]:
        self.send("pusher:subscribe", channel=channel, **data)
        return self.receive()


def address(
    server: StandInProcess, key: str = "sandbox-key", query: str = "protocol=7&client=js&version=8.6"
) -> str:
    return f"ws://127.0.0.1:{server.port}/app/{key}?{query}"


@contextmanager
def listening(server: StandInProcess) -> Iterator[PusherClient]:
    with connect(address(server)) as socket:
        yield PusherClient(socket)


def test_greeting(server: StandInProcess) -> None:
    """A client is told its socket id, in the form that authorization endpoints expect, and the timeout."""
    with listening(server) as one, listening(server) as other:
        assert re.fullmatch(r"\d+\.\d+", one.socket_id)
        assert one.socket_id != other.socket_id
        assert one.activity_timeout_s == 120


def test_public_channel(server: StandInProcess, channel: str) -> None:
    """A subscriber hears what is published on its channel, with the data as the text that was posted."""
    with listening(server) as listener:
        answer = listener.subscribe(channel)
        assert answer == {
            "event": "pusher_internal:subscription_succeeded",
            "channel": channel,
            "data": "{}",
        }
        client(server).trigger(f"{channel}-other", "booking-updated", {"version": 1})
        client(server).trigger(channel, "booking-updated", {"version": 2})
        heard = listener.receive()
        assert heard == {"event": "booking-updated", "channel": channel, "data": '{"version": 2}'}


def test_private_channel_with_the_official_signature(server: StandInProcess, channel: str) -> None:
    """The `auth` that the official library makes lets its socket in, and no other."""
    private = f"private-booking-{channel}"
    with listening(server) as guest, listening(server) as thief:
        auth = client(server).authenticate(private, guest.socket_id)["auth"]
        assert guest.subscribe(private, auth=auth)["event"] == "pusher_internal:subscription_succeeded"
        assert thief.subscribe(private, auth=auth)["event"] == "pusher:error"
        refusal = thief.receive()
        assert (refusal["event"], refusal["channel"]) == ("pusher:subscription_error", private)
        assert json.loads(refusal["data"])["status"] == 401
        client(server).trigger(private, "booking-updated", {"version": 1})
        assert guest.receive()["event"] == "booking-updated"
        thief.send("pusher:ping")
        assert thief.receive()["event"] == "pusher:pong", "the refused client heard the event"


@pytest.mark.parametrize("auth", [None, "", "other-key:00", "sandbox-key:00", "sandbox-key", "é:é"])
def test_private_channel_refuses_a_wrong_signature(server: StandInProcess, auth: str | None) -> None:
    """No signature, another app's or a wrong one: error 4009, and the connection stays open."""
    with listening(server) as listener:
        data = {} if auth is None else {"auth": auth}
        answer = listener.subscribe("private-booking-1", **data)
        assert (answer["event"], answer["data"]["code"]) == ("pusher:error", 4009)
        assert listener.receive()["event"] == "pusher:subscription_error"
        assert listener.subscribe("hotel-killarney")["event"] == "pusher_internal:subscription_succeeded"


@pytest.mark.parametrize("name", ["presence-hotel", "hotel/killarney", "", "a" * 201])
def test_channels_that_cannot_be_joined(server: StandInProcess, name: str) -> None:
    """Presence channels are not there, and names that Pusher forbids are refused."""
    with listening(server) as listener:
        assert listener.subscribe(name)["event"] == "pusher:error"
        assert listener.receive()["event"] == "pusher:subscription_error"


def test_socket_id_is_left_out(server: StandInProcess, channel: str) -> None:
    """The socket that caused an event does not hear of it; the others do."""
    with listening(server) as author, listening(server) as reader:
        author.subscribe(channel)
        reader.subscribe(channel)
        client(server).trigger(channel, "first", "1", socket_id=author.socket_id)
        client(server).trigger(channel, "second", "2")
        assert [reader.receive()["event"] for _ in range(2)] == ["first", "second"]
        assert author.receive()["event"] == "second"


def test_unsubscribe(server: StandInProcess, channel: str) -> None:
    """After leaving a channel a client hears no more of it, and Pusher shows it as empty."""
    with listening(server) as listener:
        listener.subscribe(channel)
        listener.subscribe(f"{channel}-2")
        assert set(client(server).channels_info(channel)["channels"]) == {channel, f"{channel}-2"}
        assert client(server).channel_info(channel, ["subscription_count"]) == {
            "occupied": True,
            "subscription_count": 1,
        }
        listener.send("pusher:unsubscribe", channel=channel)
        listener.send("pusher:ping")
        assert listener.receive()["event"] == "pusher:pong"
        assert client(server).channel_info(channel) == {"occupied": False}
        client(server).trigger([channel, f"{channel}-2"], "event", "data")
        assert listener.receive()["channel"] == f"{channel}-2"


def test_a_closed_connection_leaves_its_channels(server: StandInProcess, channel: str) -> None:
    """A client that goes away without a word is forgotten."""
    with listening(server) as listener:
        listener.subscribe(channel)
        assert client(server).channel_info(channel) == {"occupied": True}
    deadline_s = time.monotonic() + TIMEOUT_S
    while client(server).channel_info(channel) != {"occupied": False}:
        assert time.monotonic() < deadline_s


@pytest.mark.parametrize(
    "text", ["", "no json", "[]", '"text"', "{}", '{"event": "pusher:subscribe"}', b"\x00"]
)
def test_malformed_messages_do_no_harm(server: StandInProcess, text: str | bytes) -> None:
    """Nonsense is answered with an error, and the connection goes on."""
    with listening(server) as listener:
        listener.socket.send(text)
        assert listener.receive()["event"] == "pusher:error"
        listener.send("pusher:ping")
        assert listener.receive() == {"event": "pusher:pong", "data": "{}"}


@pytest.mark.parametrize(
    ("key", "query", "code"),
    [
        ("unknown", "protocol=7", 4001),
        ("sandbox-key", "protocol=3", 4007),
        ("sandbox-key", "client=js", 4008),
    ],
)
def test_connections_that_are_refused(server: StandInProcess, key: str, query: str, code: int) -> None:
    """An unknown key or protocol is reported in a message and in the close code, and clients do not come back."""
    with connect(address(server, key, query)) as socket:
        error = json.loads(socket.recv(timeout=TIMEOUT_S))
        assert (error["event"], error["data"]["code"]) == ("pusher:error", code)
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=TIMEOUT_S)
    assert closed.value.rcvd
    assert closed.value.rcvd.code == code


def test_silent_connections_are_pinged_then_closed() -> None:
    """A client that answers the ping stays; one that does not is closed with 4201."""
    with (
        running("sandbox.pusher", "--port", "0", "--activity-timeout-s", "0.2") as server,
        listening(server) as listener,
    ):
        for _ in range(3):
            assert listener.receive()["event"] == "pusher:ping"
            listener.send("pusher:pong")
        assert listener.receive()["event"] == "pusher:ping"
        with pytest.raises(ConnectionClosed) as closed:
            listener.receive()
        assert closed.value.rcvd
        assert closed.value.rcvd.code == 4201


def test_shutdown_with_clients_connected(tmp_path: Path) -> None:
    """Ctrl-C ends it quietly although clients listen, and tells them so."""
    with (
        running("sandbox.pusher", "--port", "0", "--data", str(tmp_path)) as server,
        listening(server) as listener,
    ):
        listener.subscribe("hotel-killarney")
        assert server.interrupt() == (0, "")
        with pytest.raises(ConnectionClosed):
            listener.receive()
