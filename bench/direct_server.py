"""The direct design as a server under measurement."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Final

import httpx
import psutil

from bench.bench_stack import BenchStack
from domain.stripe_events import KNOWN
from sandbox.stack import Stack

_EVENTS: Final = ("checkout.session.completed",)


@dataclass
class DirectServer:
    """The direct design, as a server that can be killed and started again.

    Args:
        pool: connections of each process to PostgreSQL.
        processes: of the server, on one port.
    """

    stack: Stack
    port: int
    pool: int
    processes: int = 1
    process: subprocess.Popen[bytes] | None = None

    @property
    def api(self) -> str:
        """Its base URL."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        arguments = ["--port", str(self.port), "--pool", str(self.pool), "--processes", str(self.processes)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bench.direct", *arguments],
            env={**os.environ, **self.stack.environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + 20
        while True:
            try:
                httpx.get(f"{self.api}/openapi.json", trust_env=False)
            except httpx.HTTPError:
                assert time.monotonic() < until, "the direct design did not start"
                time.sleep(0.1)
            else:
                return

    def kill(self) -> None:
        """End it as `kill -9` does."""
        if self.process is not None:
            family = psutil.Process(self.process.pid).children(recursive=True)
            # The parent first: it would replace the others.
            self.process.kill()
            for child in family:
                child.kill()
            psutil.wait_procs(family)
            self.process.wait()
            self.process = None


async def listen(bench_stack: BenchStack, api: str) -> None:
    """Send Stripe's webhooks to this design, with the event types it needs."""
    await bench_stack.webhooks_to(api, KNOWN if api == bench_stack.target.api else _EVENTS)
