"""The reverse proxy's file under nginx itself, before a server that tells what reached it."""

from __future__ import annotations

import base64
import http.server
import json
import os
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from sandbox.stack.ports import HOST, Ports
from tests.stack.leftovers import ROOT, eventually

NGINX: Final = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
NAME: Final = "bookings.example.com"
WEBHOOK: Final = "/api/public/hotel/room-bookings/stripe-webhook/"

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed (Debian's nginx-light)")

_AROUND: Final = """\
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/main.log;
{user}
events {{}}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/hotel.conf;
}}
"""


class EchoHandler(http.server.BaseHTTPRequestHandler):
    """Answers with what it was sent."""

    protocol_version = "HTTP/1.1"

    def _echo(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        seen = {"headers": dict(self.headers), "body": base64.b64encode(body).decode(), "path": self.path}
        answer = json.dumps(seen).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = _echo

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@dataclass(frozen=True)
class ProxyUnderTest:
    """A client that trusts the proxy's certificate, and where things are."""

    client: httpx.Client
    plain_port: int
    folder: Path

    def post(self, path: str, body: bytes, **headers: str) -> dict[str, Any]:
        """The requests that reached the server."""
        found: dict[str, Any] = (
            self.client.post(path, content=body, headers=headers).raise_for_status().json()
        )
        return found


def _certificate(folder: Path) -> None:
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        f"/CN={NAME}",
    ]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    names = ["-addext", f"subjectAltName=DNS:{NAME},IP:{HOST}"]
    subprocess.run([*command, *files, *names], check=True, capture_output=True)


def _write_configuration(folder: Path, upstream: int, secure: int, plain: int) -> None:
    """The file as it is, but for what every site puts in: ports, certificate, where logs go."""
    text = (ROOT / "deploy" / "nginx.conf").read_text()
    for theirs, ours in {
        "server 127.0.0.1:8000;": f"server {HOST}:{upstream};",
        "listen 443 ssl": f"listen {HOST}:{secure} ssl",
        "listen 80;": f"listen {HOST}:{plain};",
        "/etc/ssl/hotel/fullchain.pem": str(folder / "cert.pem"),
        "/etc/ssl/hotel/privkey.pem": str(folder / "key.pem"),
        "/var/log/nginx": str(folder),
    }.items():
        assert theirs in text
        text = text.replace(theirs, ours)
    (folder / "hotel.conf").write_text(text)
    # Its workers must reach pytest's folder, which belongs to whoever runs the tests.
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(_AROUND.format(folder=folder, user=user))


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[ProxyUnderTest]:
    ports = Ports()
    secure, plain = ports.take(), ports.take()
    server = http.server.ThreadingHTTPServer((HOST, 0), EchoHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    _certificate(tmp_path)
    _write_configuration(tmp_path, server.server_port, secure, plain)
    assert NGINX is not None
    process = subprocess.Popen(
        [NGINX, "-p", tmp_path, "-c", tmp_path / "nginx.conf"], stderr=subprocess.DEVNULL
    )
    context = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
    try:
        with httpx.Client(base_url=f"https://{HOST}:{secure}", verify=context, trust_env=False) as client:
            eventually(lambda: process.poll() is not None or _answers(client), "nginx to answer")
            assert process.poll() is None, (tmp_path / "main.log").read_text()
            yield ProxyUnderTest(client, plain, tmp_path)
    finally:
        process.terminate()
        process.wait(timeout=10)
        server.shutdown()
        server.server_close()
        ports.release()


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/").status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


@pytest.mark.parametrize("chunked", [False, True])
def test_the_body_goes_on_byte_for_byte(proxy: ProxyUnderTest, chunked: bool) -> None:
    """Stripe's signature is over it."""
    body = bytes(range(256)) * 900 + b'\r\n {"id":  "evt_1"}\n\xc3'
    sent: Any = iter([body[:1000], body[1000:]]) if chunked else body
    seen = proxy.client.post(WEBHOOK, content=sent, headers={"Stripe-Signature": "t=1,v1=ab"}).json()
    assert base64.b64decode(seen["body"]) == body
    assert seen["headers"]["Stripe-Signature"] == "t=1,v1=ab"


def test_forwarded_headers_are_the_proxys_own(proxy: ProxyUnderTest) -> None:
    """Those a caller sends would let them choose the address that limits count by."""
    forged = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "http", "Forwarded": "for=203.0.113.9"}
    headers = proxy.post("/api/x/", b"", **forged)["headers"]
    assert headers["X-Forwarded-For"] == HOST
    assert headers["X-Forwarded-Proto"] == "https"
    assert "203.0.113.9" not in str(headers)


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz"])
def test_figures_stay_inside(proxy: ProxyUnderTest, path: str) -> None:
    """They are for Prometheus, which asks each API process itself."""
    assert proxy.client.get(path).status_code == httpx.codes.NOT_FOUND


def test_http_leads_to_https(proxy: ProxyUnderTest) -> None:
    """To the site's own name, whatever name the caller gave."""
    url = f"http://{HOST}:{proxy.plain_port}/hotels/x/?a=b"
    answer = httpx.get(url, headers={"Host": "evil.example"}, trust_env=False)
    assert (answer.status_code, answer.headers["location"]) == (301, f"https://{NAME}/hotels/x/?a=b")


def test_limits_hold_for_all_but_stripe(proxy: ProxyUnderTest) -> None:
    """A caller who floods the API gets 429, and a body of any length is not read to its end."""
    with ThreadPoolExecutor(8) as pool:
        pages = [*pool.map(lambda _: proxy.client.get("/").status_code, range(150))]
        events = [*pool.map(lambda _: proxy.client.post(WEBHOOK, content=b"{}").status_code, range(150))]
    assert set(pages) == {200, 429}
    assert set(events) == {200}
    assert (
        proxy.client.post(WEBHOOK, content=bytes(3 << 20)).status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE
    )


def test_logs_hold_no_token(proxy: ProxyUnderTest) -> None:
    """A guest's link is as good as a password."""
    proxy.client.get("/bookings/BK-1/?token=hush", headers={"Referer": "https://x/?token=hush"})
    eventually(lambda: "/bookings/BK-1/" in (proxy.folder / "hotel.log").read_text(), "the line")
    assert [path.name for path in proxy.folder.glob("*.log") if "hush" in path.read_text()] == []
