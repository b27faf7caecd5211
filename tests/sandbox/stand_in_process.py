"""Starting a stand-in as the program it is, on ports the system chooses."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class StandInProcess:
    """A running stand-in, the line that it printed when it began to listen, and a client for its paths."""

    process: subprocess.Popen[str]
    line: str
    http: httpx.Client

    @property
    def port(self) -> int:
        """The port of its HTTP side."""
        assert self.http.base_url.port
        return self.http.base_url.port

    @property
    def smtp_port(self) -> int:
        found = re.search(r"SMTP on 127\.0\.0\.1:(\d+)", self.line)
        assert found, self.line
        return int(found[1])

    def order_fault(self, **fault: Any) -> None:
        """Make it misbehave, in the format of `sandbox.faults`."""
        self.http.post("/_sandbox/faults", json=fault).raise_for_status()

    def fault_hits(self) -> list[int]:
        """How often each fault in force has struck."""
        answer = self.http.get("/_sandbox/faults").raise_for_status()
        return [fault["hits"] for fault in answer.json()["faults"]]

    def forget(self, what: str) -> None:
        """Clear its `faults`, or its `messages`."""
        self.http.delete(f"/_sandbox/{what}").raise_for_status()

    def kill(self) -> None:
        """End it as `kill -9` does."""
        self.process.kill()
        self.process.wait()

    def interrupt(self) -> tuple[int, str]:
        """End it as Ctrl-C does; its exit status, and what it wrote to standard error."""
        self.process.send_signal(signal.SIGINT)
        _, errors = self.process.communicate(timeout=10)
        return self.process.returncode, errors


@contextmanager
def running(module: str, *arguments: str) -> Iterator[StandInProcess]:
    """Run `python -m module arguments`, from the moment it listens to the end of the block."""
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(
        command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout
            line = process.stdout.readline().strip()
            assert "listening on" in line, process.communicate(timeout=10)
            with httpx.Client(base_url=line.rpartition(" ")[2]) as http:
                yield StandInProcess(process, line, http)
        finally:
            process.kill()
