"""`make run`, as the program it is."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.stack.ports import HOST
from tests.stack.leftovers import ROOT, eventually, in_folder

PASSWORD = "for-this-run-only"


def _run(folder: Path, port: int) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PORT": str(port), "DEMO_PASSWORD": PASSWORD}
    environment.pop("DATABASE_URL", None)
    with (folder.parent / "said.txt").open("wb") as said:
        command = [sys.executable, "-m", "sandbox.run", "--folder", str(folder)]
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=said, stderr=said)


def _pid_of(folder: Path, words: str) -> int:
    [found] = [process.pid for process in in_folder(folder) if words in " ".join(process.cmdline())]
    return found


@pytest.mark.timeout(180)
def test_it_stays_up_through_deaths_and_leaves_nothing(tmp_path: Path) -> None:
    """A taken port is replaced, a part that dies comes back, one run per folder, and SIGTERM ends all."""
    folder, said = tmp_path / "var", tmp_path / "said.txt"
    with socket.create_server((HOST, 0)) as taken:
        process = _run(folder, taken.getsockname()[1])
        try:
            eventually(
                lambda: (folder / "run.json").exists() or process.poll() is not None, "it to be up", 120
            )
            assert process.poll() is None, said.read_text()
            run: dict[str, Any] = json.loads((folder / "run.json").read_text())
            assert f"port {taken.getsockname()[1]} is taken, using" in said.read_text()
            assert run["pid"] == process.pid
            _log_in(run["url"]["api"])
            assert "hotel-killarney" in _list_hotels(folder)

            second = subprocess.run(
                [sys.executable, "-m", "sandbox.run", "--folder", str(folder)],
                cwd=ROOT, capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert second.returncode == 1
            assert f"process {process.pid} is already running a stack in" in second.stdout

            os.kill(_pid_of(folder, "sandbox.pusher"), signal.SIGKILL)
            eventually(
                lambda: "pusher has ended by itself, by signal 9" in said.read_text(), "it to be noticed"
            )
            eventually(lambda: _answers(run["url"]["pusher"]), "the stand-in to be back")
        finally:
            process.terminate()
            status = process.wait(timeout=60)
    assert status == 0, said.read_text()
    assert in_folder(folder) == []
    assert not (folder / "run.json").exists()
    assert not (folder / "commands.env").exists()


def _list_hotels(folder: Path) -> str:
    script = (
        f"set -a; . {shlex.quote(str(folder / 'commands.env'))}; exec {sys.executable} manage.py hotel list"
    )
    environment = {"PATH": os.environ["PATH"]}
    return subprocess.run(
        ["/bin/sh", "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    ).stdout


def _log_in(api: str) -> None:
    form = {"username": "approver@hotel-killarney.test", "password": PASSWORD}
    httpx.post(f"{api}/api/staff/auth/token/", data=form, trust_env=False, timeout=30).raise_for_status()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/_sandbox/faults", trust_env=False).is_success
    except httpx.HTTPError:
        return False
