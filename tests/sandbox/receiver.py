"""A web server that receives webhooks and remembers them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PATIENCE_S = 20.0


@dataclass(frozen=True)
class ReceivedWebhook:
    """One delivery, as it arrived."""

    body: bytes
    signature: str
    headers: dict[str, str]

    @property
    def event(self) -> dict[str, Any]:
        """The event of its body."""
        event: dict[str, Any] = json.loads(self.body)
        return event

    @property
    def timestamp_s(self) -> int:
        """When it says it was signed."""
        return int(self.signature.removeprefix("t=").partition(",")[0])


class WebhookReceiver:
    """Keeps every delivery, and answers with the ordered statuses; safe across threads."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/webhook"
        self._deliveries: list[ReceivedWebhook] = []
        self._statuses: list[int] = [200]
        self._about = ""
        self._news = threading.Condition()

    @classmethod
    @contextmanager
    def listening(cls) -> Iterator[WebhookReceiver]:
        """Receive until the block ends."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        server.daemon_threads = True
        receiver = _Handler.receiver = cls(server.server_port)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def answer_with(self, *statuses: int, about: str = "") -> None:
        """Answer the next deliveries whose body names `about` with these; the last one stands for all that follow.

        Others get 200: an event of another test may come of age meanwhile.
        """
        with self._news:
            self._statuses, self._about = list(statuses), about

    def take(self, delivery: ReceivedWebhook) -> int:
        """Keep a delivery and return the status to answer with."""
        with self._news:
            self._deliveries.append(delivery)
            self._news.notify_all()
            if self._about.encode() not in delivery.body:
                return 200
            return self._statuses.pop(0) if len(self._statuses) > 1 else self._statuses[0]

    def about(self, *needles: str) -> list[ReceivedWebhook]:
        """Deliveries whose body names all of these, in the order they came."""
        with self._news:
            return [one for one in self._deliveries if all(needle.encode() in one.body for needle in needles)]

    def wait_for(self, count: int, *needles: str) -> list[ReceivedWebhook]:
        """Wait until so many deliveries name all of these, and return them.

        Raises:
            AssertionError: they did not come in time.
        """
        return self.wait_until(lambda: len(self.about(*needles)) >= count and self.about(*needles))

    def wait_until(self, look: Callable[[], list[ReceivedWebhook] | bool]) -> list[ReceivedWebhook]:
        """Look again with every delivery, until there is something to see."""
        until = time.monotonic() + PATIENCE_S
        with self._news:
            while not (seen := look()):
                came = self._news.wait(until - time.monotonic())
                assert came, f"waited {PATIENCE_S:g} s; {len(self._deliveries)} deliveries came"
        assert not isinstance(seen, bool)
        return seen


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    receiver: WebhookReceiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = self.receiver.take(
            ReceivedWebhook(body, self.headers["Stripe-Signature"], dict(self.headers.items()))
        )
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""
