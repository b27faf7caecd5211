"""`python -m bench.ceiling ADDRESS`: the ceiling's worker, until it is interrupted."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys

import uvloop
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from bench.ceiling.flow import TASK_QUEUE, CeilingWorkflow, nothing


async def _work(address: str) -> None:
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    client = await Client.connect(address)
    async with Worker(
        client,
        task_queue=TASK_QUEUE,
        workflows=[CeilingWorkflow],
        activities=[nothing],
        max_cached_workflows=2000,
        # As the product's worker: the sandbox costs CPU for each payload.
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        print("ceiling worker ready", flush=True)
        await stop.wait()


def main() -> None:
    """Run the worker."""
    # As the product's programs do.
    gc.freeze()
    gc.set_threshold(10_000, 5, 2)
    uvloop.run(_work(sys.argv[1]))
    # Temporal's native runtime can crash while the interpreter shuts down.
    os._exit(0)


if __name__ == "__main__":
    main()
