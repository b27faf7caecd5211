"""The Pusher stand-in's HTTP API, as the official library and as a bad client see it."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pusher
import pusher.errors
import pytest
import requests

from tests.sandbox.stand_in_process import StandInProcess, running

APP_ID, KEY, SECRET = "100000", "sandbox-key", "sandbox-secret"


@pytest.fixture
def server(running_pusher: StandInProcess) -> StandInProcess:
    return running_pusher


@pytest.fixture
def channel() -> str:
    """A channel that no other test uses."""
    return f"hotel-{uuid.uuid4().hex}"


@pytest.fixture(autouse=True)
def no_faults(server: StandInProcess) -> Iterator[None]:
    yield
    server.forget("faults")


def client(server: StandInProcess, **changes: Any) -> pusher.Pusher:
    options = {"app_id": APP_ID, "key": KEY, "secret": SECRET, "host": "127.0.0.1", "port": server.port}
    return pusher.Pusher(**(options | {"ssl": False} | changes))


def published(server: StandInProcess, **filters: str) -> list[dict[str, Any]]:
    answer = server.http.get("/_sandbox/messages", params=filters)
    messages: list[dict[str, Any]] = answer.raise_for_status().json()
    return messages


def signed_post(
    server: StandInProcess, kind: str, body: dict[str, Any], *, at_s: float | None = None, tamper: str = ""
) -> httpx.Response:
    """Post as the protocol says, without the official library's own checks."""
    content = json.dumps(body).encode()
    path = f"/apps/{APP_ID}/{kind}"
    query = {
        "auth_key": KEY,
        "auth_timestamp": f"{at_s or time.time():.0f}",
        "auth_version": "1.0",
        "body_md5": hashlib.md5(content, usedforsecurity=False).hexdigest(),
    }
    text = "\n".join(["POST", path, "&".join(f"{name}={value}" for name, value in query.items())])
    query["auth_signature"] = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
    response: httpx.Response = server.http.post(path, params=query, content=content + tamper.encode())
    return response


def test_trigger_is_recorded_once_per_channel_in_order(server: StandInProcess, channel: str) -> None:
    """One trigger for two channels leaves two messages, with the data parsed."""
    data = {"booking_id": channel, "status": "CONFIRMED", "version": 3}
    channels = [channel, f"private-booking-{channel}"]
    assert client(server).trigger(channels, "booking-updated", data) == {}
    messages = published(server, booking_id=channel)
    assert [message["channel"] for message in messages] == channels
    assert all(message["name"] == "booking-updated" and message["data"] == data for message in messages)
    assert messages[0]["id"] < messages[1]["id"]
    assert messages[0]["at"].endswith("Z")


def test_trigger_batch(server: StandInProcess, channel: str) -> None:
    """A batch's events are recorded in its order; text that is not JSON stays text."""
    batch = [{"channel": channel, "name": f"event-{index}", "data": f"text {index}"} for index in range(10)]
    assert client(server).trigger_batch(batch) == {}
    messages = published(server, channel=channel)
    assert [(m["name"], m["data"]) for m in messages] == [(f"event-{i}", f"text {i}") for i in range(10)]


def test_text_beyond_ascii(server: StandInProcess, channel: str) -> None:
    """Names and data may be in any script."""
    client(server).trigger(channel, "späte-anfrage", {"room": "和室"})
    (message,) = published(server, channel=channel)
    assert (message["name"], message["data"]) == ("späte-anfrage", {"room": "和室"})


def test_messages_are_filtered(server: StandInProcess, channel: str) -> None:
    """Each filter narrows the list, and they combine."""
    pusher_client = client(server)
    pusher_client.trigger(channel, "one", {"booking_id": f"{channel}-A"})
    pusher_client.trigger(channel, "two", {"booking_id": f"{channel}-A"})
    pusher_client.trigger(channel, "two", {"booking_id": f"{channel}-B"})
    assert len(published(server, channel=channel)) == 3
    assert len(published(server, channel=channel, event="two")) == 2
    assert len(published(server, channel=channel, event="two", booking_id=f"{channel}-B")) == 1
    assert published(server, channel=channel, event="three") == []


def test_wrong_secret_is_refused(server: StandInProcess, channel: str) -> None:
    """A signature made with another secret is 401 and publishes nothing."""
    with pytest.raises(pusher.errors.PusherBadAuth, match="Invalid signature"):
        client(server, secret="guess").trigger(channel, "event", "data")
    assert published(server, channel=channel) == []


def test_wrong_key_and_app_are_refused(server: StandInProcess, channel: str) -> None:
    """An unknown key is 401, an unknown app 404."""
    with pytest.raises(pusher.errors.PusherBadAuth, match="auth_key"):
        client(server, key="guess").trigger(channel, "event", "data")
    with pytest.raises(pusher.errors.PusherBadStatus, match="404"):
        client(server, app_id="100001").trigger(channel, "event", "data")
    assert published(server, channel=channel) == []


@pytest.mark.parametrize(("age_s", "status"), [(0, 200), (590, 200), (-590, 200), (620, 401), (-620, 401)])
def test_timestamp_tolerance(server: StandInProcess, channel: str, age_s: int, status: int) -> None:
    """A request signed more than 600 s ago, or ahead, is refused."""
    body = {"name": "event", "channel": channel, "data": "data"}
    answer = signed_post(server, "events", body, at_s=time.time() - age_s)
    assert answer.status_code == status
    assert len(published(server, channel=channel)) == (1 if status == 200 else 0)


def test_body_is_covered_by_the_signature(server: StandInProcess, channel: str) -> None:
    """A body changed on the way no longer fits its MD5."""
    body = {"name": "event", "channel": channel, "data": "data"}
    answer = signed_post(server, "events", body, tamper=" ")
    assert answer.status_code == 401
    assert "body_md5" in answer.text


def test_unsigned_request_is_refused(server: StandInProcess) -> None:
    """No query at all is 401, not an error of the server's."""
    assert server.http.post(f"/apps/{APP_ID}/events", content=b"{}").status_code == 401
    assert server.http.get(f"/apps/{APP_ID}/channels").status_code == 401


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"channels": [f"hotel-{i}" for i in range(100)]}, 200),
        ({"channels": [f"hotel-{i}" for i in range(101)]}, 400),
        ({"channels": []}, 400),
        ({"channels": ["a" * 200]}, 200),
        ({"channels": ["a" * 201]}, 400),
        ({"channels": ["hotel/killarney"]}, 400),
        ({"channels": ["hotel\n"]}, 400),
        ({"channel": "hotel-killarney"}, 400),
        ({"name": "n" * 200}, 200),
        ({"name": "n" * 201}, 400),
        ({"name": None}, 400),
        ({"data": {"not": "a string"}}, 400),
        ({"data": "d" * 10_240}, 200),
        ({"data": "d" * 10_241}, 413),
        ({"data": "é" * 5_121}, 413),
        ({"socket_id": "1.2"}, 200),
        ({"socket_id": "x"}, 400),
    ],
)
def test_limits_of_a_trigger(
    server: StandInProcess, channel: str, change: dict[str, Any], status: int
) -> None:
    """Pusher's limits hold to the last channel, character and byte."""
    body = {"name": "event", "channels": [channel], "data": "data"} | change
    assert signed_post(server, "events", body).status_code == status


def test_limits_of_a_batch(server: StandInProcess, channel: str) -> None:
    """More than ten events are refused, and one bad event refuses all."""
    event = {"channel": channel, "name": "event", "data": "data"}
    assert signed_post(server, "batch_events", {"batch": [event] * 11}).status_code == 400
    too_long = event | {"data": "d" * 10_241}
    assert signed_post(server, "batch_events", {"batch": [event, too_long]}).status_code == 413
    assert published(server, channel=channel) == []


def test_fault_before_the_effect(server: StandInProcess, channel: str) -> None:
    """`error_before` answers with the error asked for and publishes nothing; then it is used up."""
    server.order_fault(match="POST /apps/*/events", kind="error_before", status=503, times=1)
    with pytest.raises(pusher.errors.PusherBadStatus, match="503"):
        client(server).trigger(channel, "event", "data")
    assert published(server, channel=channel) == []
    client(server).trigger(channel, "event", "data")
    assert len(published(server, channel=channel)) == 1
    assert server.fault_hits() == [1]


@pytest.mark.parametrize(
    ("kind", "error", "count"),
    [
        ("error_after", pusher.errors.PusherBadStatus, 1),
        ("drop_before", requests.ConnectionError, 0),
        ("drop_after", requests.ConnectionError, 1),
        ("hang", requests.Timeout, 0),
        ("hang_after", requests.Timeout, 1),
    ],
)
def test_ambiguous_faults(
    server: StandInProcess, channel: str, kind: str, error: type[Exception], count: int
) -> None:
    """The sender sees a failure either way; the record tells whether the message was published."""
    server.order_fault(match="POST /apps/*/events", kind=kind, times=1)
    with pytest.raises(error):
        client(server, timeout=0.3).trigger(channel, "event", "data")
    assert len(published(server, channel=channel)) == count


def test_delay(server: StandInProcess, channel: str) -> None:
    """`delay` answers late, and properly."""
    server.order_fault(match="POST /apps/*/batch_events", kind="delay", delay_s=0.2, times=1)
    started = time.monotonic()
    client(server).trigger_batch([{"channel": channel, "name": "event", "data": "data"}])
    assert time.monotonic() - started >= 0.2
    assert len(published(server, channel=channel)) == 1


def test_page_shows_messages_newest_first_and_escaped(server: StandInProcess, channel: str) -> None:
    """The page is for people: newest first, and what was published is never markup."""
    client(server).trigger(channel, "first", "<script>alert(1)</script>")
    client(server).trigger(channel, "second", {"text": "<b>bold</b>"})
    page = server.http.get("/").raise_for_status().text
    assert page.index("<code>second</code>") < page.index("<code>first</code>")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<b>bold" not in page


def test_messages_survive_a_kill(channel: str, tmp_path: Any) -> None:
    """A request answered with 200 is still there after `kill -9`; DELETE forgets it; Ctrl-C is quiet."""
    arguments = ("sandbox.pusher", "--port", "0", "--data", str(tmp_path / "pusher"))
    with running(*arguments) as first:
        client(first).trigger(channel, "before", {"booking_id": "B-1"})
        first.kill()
    with running(*arguments) as second:
        client(second).trigger(channel, "after", {"booking_id": "B-1"})
        assert [m["name"] for m in published(second, booking_id="B-1")] == ["before", "after"]
        second.forget("messages")
        assert published(second) == []
        assert second.interrupt() == (0, "")
