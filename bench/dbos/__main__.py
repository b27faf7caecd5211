"""`python -m bench.dbos DATABASE_URL POOL`: runs flows as DBOS workflows, in an environment of its own (`.venv-dbos`).

Each line of standard input, `AT_ONCE SECONDS`, is answered by one line of JSON. As DBOS is meant to be used, one
process starts the workflows and executes them.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from typing import Any

import uvloop
from dbos import DBOS, DBOSConfig

_PATIENCE_S = 600


async def _nothing(step: str) -> str:
    return step


async def _flow(booking_id: str) -> str:
    for step in ("record submitted", "open session"):
        await nothing(step)
    await DBOS.recv_async("authorized", _PATIENCE_S)
    for step in ("read", "record authorized", "mail"):
        await nothing(step)
    await DBOS.recv_async("approve", _PATIENCE_S)
    for step in ("capture", "record approved", "mail"):
        await nothing(step)
    return booking_id


# Plain calls: with DBOS not installed beside the product, its decorators have no types.
nothing: Any = DBOS.step(name="nothing")(_nothing)
flow: Any = DBOS.workflow(name="flow")(_flow)


async def _whole() -> None:
    handle = await DBOS.start_workflow_async(flow, "nobody")
    await DBOS.send_async(handle.workflow_id, "card held", "authorized")
    await DBOS.send_async(handle.workflow_id, "approved", "approve")
    await handle.get_result()


async def _run(at_once: int, seconds: float) -> dict[str, Any]:
    """As `bench.rounds.run`, whose environment lacks DBOS as this one lacks its libraries."""
    ended_after_s: list[float] = []
    took: list[float] = []
    begun = time.perf_counter()

    async def place() -> None:
        while (started_s := time.perf_counter() - begun) < seconds:
            await _whole()
            ended_after_s.append(time.perf_counter() - begun)
            took.append(ended_after_s[-1] - started_s)

    await asyncio.gather(*(place() for _ in range(at_once)))
    most = max(int(0.95 * len(ended_after_s)), 1)
    return {
        "bookings": len(took),
        "per_s": round(most / ended_after_s[most - 1], 2),
        "p50_ms": round(1000 * sorted(took)[len(took) // 2], 1),
    }


async def _serve() -> None:
    while line := await asyncio.to_thread(sys.stdin.readline):
        at_once, seconds = line.split()
        print(json.dumps(await _run(int(at_once), float(seconds))), flush=True)


def main() -> None:
    """Run until standard input ends."""
    config: DBOSConfig = {
        "name": "bench",
        "system_database_url": sys.argv[1],
        "sys_db_pool_size": int(sys.argv[2]),
        "log_level": "ERROR",
        "enable_otlp": False,
    }
    DBOS(config=config)
    DBOS.launch()
    # As the product's programs do.
    gc.freeze()
    gc.set_threshold(10_000, 5, 2)
    print("ready", flush=True)
    uvloop.run(_serve())
    DBOS.destroy()


if __name__ == "__main__":
    main()
