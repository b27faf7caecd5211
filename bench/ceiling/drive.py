"""Drives the ceiling's workflow as the product's is driven."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from temporalio.client import Client

from bench.ceiling.flow import TASK_QUEUE, CeilingWorkflow
from bench.load import StepTimes


@contextmanager
def ceiling_worker(address: str) -> Iterator[int]:
    """Run the ceiling's worker until the block ends; yields its pid."""
    command = [sys.executable, "-m", "bench.ceiling", address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            assert "ready" in process.stdout.readline(), "the ceiling's worker did not start"
            yield process.pid
        finally:
            process.terminate()


class CeilingDriver:
    """Starts workflows, signals them, and waits for their results."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def whole(self, times: StepTimes) -> None:
        """Run one workflow from its start to its result."""
        begun = time.perf_counter()
        handle = await self._client.start_workflow(
            CeilingWorkflow.run, "nobody", id=f"ceiling-{uuid4()}", task_queue=TASK_QUEUE
        )
        await handle.signal(CeilingWorkflow.authorized)
        await handle.signal(CeilingWorkflow.approve)
        await handle.result()
        times.whole.append(time.perf_counter() - begun)
