"""Runs the eight empty steps in DBOS Transact on the same PostgreSQL."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from bench.bench_stack import BenchStack, Tell
from bench.cpu import CpuMeter
from bench.rounds import median_of

Json = dict[str, Any]

_ROOT: Final = Path(__file__).parents[1]
_PYTHON: Final = _ROOT / ".venv-dbos" / "bin" / "python"
_POOL: Final = 20
"""The best of 10, 20 and 50, by a few percent; also DBOS's default."""
_LEVELS: Final = ((1, 3, 1), (10, 3, 1), (50, 3, 3), (200, 3, 1))
"""At once, seconds, rounds."""


async def dbos(bench_stack: BenchStack, tell: Tell) -> Json:
    """Measure each concurrency; without `.venv-dbos` the answer tells why there is no result."""
    if not _PYTHON.exists():
        tell("DBOS is left out: `make bench` installs it in .venv-dbos")
        return {"left_out": "not installed"}
    with _process(bench_stack.stack.database_url) as process:
        rows = []
        await asyncio.to_thread(_run, process, bench_stack, 10, 1)
        for at_once, seconds, rounds in _LEVELS:
            found = [
                await asyncio.to_thread(_run, process, bench_stack, at_once, seconds) for _ in range(rounds)
            ]
            rows.append({"at_once": at_once, **median_of(found)})
            tell(f"{at_once:>4} at once: DBOS {rows[-1]['per_s']}/s")
    return {"pool": _POOL, "rows": rows}


@contextmanager
def _process(database_url: str) -> Iterator[subprocess.Popen[str]]:
    command = [str(_PYTHON), "-P", "-m", "bench.dbos", database_url, str(_POOL)]
    environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout
            assert "ready" in process.stdout.readline(), "DBOS did not start"
            yield process
        finally:
            process.kill()


def _run(process: subprocess.Popen[str], bench_stack: BenchStack, at_once: int, seconds: float) -> Json:
    assert process.stdin
    assert process.stdout
    meter = CpuMeter({"process": process.pid, "postgres": bench_stack.pids["postgres"]})
    process.stdin.write(f"{at_once} {seconds}\n")
    process.stdin.flush()
    done = json.loads(process.stdout.readline())
    cpu = {part: round(1000 * used / done["bookings"], 1) for part, used in meter.read().items()}
    return {**done, "cpu_ms_per_booking": cpu}
