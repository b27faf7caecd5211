"""`python -m bench`: measure, print the tables, write Markdown, JSON and plots."""

from __future__ import annotations

import json
import os
import platform
import socket
import subprocess
import time
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import typer
import uvloop

from bench.bench_stack import BenchStack, Tell, bench_stack, running_stack
from bench.counts import counts
from bench.crowd import crowd
from bench.dbos_comparison import dbos
from bench.kill import after_kill
from bench.latency import latency
from bench.markdown import markdown, publish
from bench.plots import plot
from bench.scale import rows, waiting
from bench.throughput import LEVELS, throughput
from bench.versus import versus

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

_CROWD: Final = (200, 50)
"""Guests, and the rooms there are for them."""
_PEAK_UNKNOWN_PER_S: Final = 2.5
_LATENCY_S: Final = 30
_PAGE: Final = Path("docs/performance.md")

Json = dict[str, Any]


class Measurement(StrEnum):
    """The measurements by name, in their order."""

    COUNTS = "counts"
    THROUGHPUT = "throughput"
    DBOS = "dbos"
    LATENCY = "latency"
    VERSUS = "versus"
    CROWD = "crowd"
    WAITING = "waiting"
    KILL = "kill"
    ROWS = "rows"


_STACKS: Final = (
    (Measurement.COUNTS, Measurement.THROUGHPUT, Measurement.DBOS),
    # From `versus` on, the sweep is busy with the events that Stripe sent to the direct design.
    (Measurement.LATENCY, Measurement.VERSUS),
    (Measurement.CROWD,),
    (Measurement.WAITING,),
    (Measurement.KILL, Measurement.ROWS),
)
"""Measurements that share a stack: each stack starts empty."""
_QUICK: Final = frozenset(list(Measurement)[: list(Measurement).index(Measurement.CROWD)])


@app.command()
def bench(
    only: Annotated[
        list[Measurement] | None, typer.Option(help="Measure this alone; may be repeated.")
    ] = None,
    worker_processes: Annotated[int, typer.Option(min=1, help="WORKER_PROCESSES of worker and API.")] = 1,
    waiting_bookings: Annotated[int, typer.Option(min=10, help="Bookings that wait for approval.")] = 10_000,
    deadlines: Annotated[int, typer.Option(min=1, help="Deadlines that fall in one minute.")] = 1000,
    past_bookings: Annotated[int, typer.Option(min=1000, help="Rows of past bookings.")] = 1_000_000,
    out: Annotated[Path, typer.Option(help="Where Markdown, JSON and plots go.")] = Path("bench/out"),
    name: Annotated[str, typer.Option(help="Name of the files, and of the place in the page.")] = "bench",
    to_page: Annotated[bool, typer.Option("--publish", help=f"Put the tables into {_PAGE}, too.")] = False,
) -> None:
    """Measure the product, its ceiling, a design without a workflow engine, and DBOS.

    Without `--only`: all but crowd, waiting, kill and rows. Starts separate stacks on free ports and stops them. Close
    other programs first: all parts share this machine. An interrupted run keeps its results so far.
    """
    parts = frozenset(only or _QUICK)
    begun = time.monotonic()

    def tell(text: str) -> None:
        print(f"{time.monotonic() - begun:6.1f} s  {text}", flush=True)

    found: Json = {**_about(), "worker_processes": worker_processes}
    sizes = (waiting_bookings, deadlines, past_bookings)
    try:
        for group in _STACKS:
            wanted = [part for part in group if part in parts]
            if wanted:
                tell(f"starting a stack for {', '.join(wanted)}")
                processes = 2 if Measurement.CROWD in wanted else 1
                with running_stack(processes=processes, worker_processes=worker_processes) as stack:
                    uvloop.run(_measure(bench_stack(stack), wanted, found, sizes, tell))
    finally:
        if any(part in found for part in Measurement):
            tell("the end")
            _write(found, out, name, to_page=to_page)


def _write(found: Json, out: Path, name: str, *, to_page: bool) -> None:
    out.mkdir(parents=True, exist_ok=True)
    text = markdown(found)
    (out / f"{name}.json").write_text(json.dumps(found, indent=2) + "\n")
    (out / f"{name}.md").write_text(text)
    plot(found, out)
    print(f"\n{text}\nwritten: {name}.json, {name}.md and plots in {out}/")
    if to_page:
        publish(text, name, _PAGE)
        plot(found, _PAGE.parent / "plots")


async def _measure(
    starting: Any, parts: Sequence[Measurement], found: Json, sizes: tuple[int, int, int], tell: Tell
) -> None:
    async with starting as running:
        for part in parts:
            found[part.value] = await _MEASURES[part](running, found, sizes, tell)


Measure = Callable[[BenchStack, Json, tuple[int, int, int], Tell], Coroutine[Any, Any, Any]]
_MEASURES: Final[dict[Measurement, Measure]] = {
    Measurement.COUNTS: lambda running, _found, _sizes, _tell: counts(running),
    Measurement.THROUGHPUT: lambda running, _found, _sizes, tell: throughput(running, LEVELS, tell),
    Measurement.DBOS: lambda running, _found, _sizes, tell: dbos(running, tell),
    Measurement.LATENCY: lambda running, found, _sizes, tell: latency(
        running, _peak(found), _LATENCY_S, tell
    ),
    Measurement.VERSUS: lambda running, _found, _sizes, tell: versus(running, _free_port(), tell),
    Measurement.CROWD: lambda running, _found, _sizes, tell: crowd(running, *_CROWD, tell),
    Measurement.WAITING: lambda running, _found, sizes, tell: waiting(running, sizes[0], sizes[1], tell),
    Measurement.KILL: lambda running, _found, _sizes, tell: after_kill(running, _free_port(), tell),
    Measurement.ROWS: lambda running, _found, sizes, tell: rows(running, sizes[2], tell),
}


def _peak(found: Json) -> float:
    return max((row["product"]["per_s"] for row in found.get("throughput", [])), default=_PEAK_UNKNOWN_PER_S)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _about() -> Json:
    command = ["git", "describe", "--always", "--dirty"]
    commit = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return {
        "at": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit or "unknown",
        "machine": {
            "cores": os.cpu_count(),
            "system": platform.system(),
            "python": platform.python_version(),
            "load_before": round(os.getloadavg()[0], 1),
        },
    }


if __name__ == "__main__":
    app()
