"""API and worker as a supervisor sees them: ready, and asked to stop."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.stack.ports import HOST
from sandbox.stack.process import answers
from tests.stack.leftovers import ROOT, eventually
from worker import announce_ready

SETTINGS = {
    "DATABASE_URL": "postgresql://nobody:nothing@127.0.0.1:9/none",
    "STRIPE_SECRET_KEY": "sk_test_stopping",
    "STRIPE_WEBHOOK_SECRET": "whsec_stopping",
    "PUSHER_APP_ID": "1",
    "PUSHER_KEY": "key",
    "PUSHER_SECRET": "secret",
    "PUSHER_CLUSTER": "eu",
    "SMTP_HOST": "127.0.0.1",
    "EMAIL_FROM": "bookings@example.com",
    "PUBLIC_BASE_URL": "http://127.0.0.1",
    "AUTH_SECRET": "0123456789abcdef0123456789abcdef",
}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_api_ends_with_status_0_and_says_so(tmp_path: Path, number: signal.Signals) -> None:
    """A supervisor takes any other status for a crash; the last lines of the log are not lost."""
    with socket.create_server((HOST, 0)) as free:
        port = free.getsockname()[1]
    log = tmp_path / "api.log"
    environment = SETTINGS | {"PYTHONPATH": str(ROOT), "PORT": str(port)}
    with log.open("wb") as output:
        command = [sys.executable, "-P", "-m", "api"]
        process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=output, stderr=output)
    try:
        ready = answers(port, "/healthz")
        eventually(lambda: ready("") or process.poll() is not None, "the API to answer")
        process.send_signal(number)
        assert process.wait(timeout=20) == 0
    finally:
        process.kill()
        process.wait()
    said = log.read_text()
    assert '"route": "/healthz"' in said
    assert "Finished server process" in said.splitlines()[-1]


def test_a_file_tells_that_the_worker_polls(tmp_path: Path) -> None:
    """It is gone before what is under way is finished: a worker that stops takes nothing new."""
    ready_file = tmp_path / "ready"
    with announce_ready(ready_file):
        assert ready_file.exists()
    assert not ready_file.exists()
    with announce_ready(None):
        assert list(tmp_path.iterdir()) == []
