"""`python -m bench`: measure, print tables, write JSON and plots, in less than ten minutes."""

from __future__ import annotations

import asyncio
import os
import platform
import socket
import time
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from bench import report
from bench.bench_stack import Tell, bench_stack, running_stack
from bench.crowd import crowd
from bench.latency import latency
from bench.scale import rows, waiting
from bench.throughput import counts, throughput
from bench.versus import versus
from sandbox.stack import Stack

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

_LEVELS: Final = (1, 10, 50, 200)
_CROWD: Final = (200, 50)
"""Guests, and the rooms there are for them."""
_PEAK_UNKNOWN_PER_S: Final = 2.5


class Measurement(StrEnum):
    """The measurements by name."""

    COUNTS = "counts"
    THROUGHPUT = "throughput"
    LATENCY = "latency"
    VERSUS = "versus"
    CROWD = "crowd"
    WAITING = "waiting"
    ROWS = "rows"


@app.command()
def bench(
    only: Annotated[
        list[Measurement] | None, typer.Option(help="Measure this alone; may be repeated.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=2, help="How long each throughput run lasts.")] = 5,
    waiting_bookings: Annotated[int, typer.Option(min=10, help="Bookings that wait for approval.")] = 300,
    deadlines: Annotated[int, typer.Option(min=1, help="Deadlines that fall in one minute.")] = 100,
    past_bookings: Annotated[int, typer.Option(min=1000, help="Rows of past bookings.")] = 1_000_000,
    out: Annotated[Path, typer.Option(help="Where JSON and plots go.")] = Path("bench/out"),
) -> None:
    """Measure the product, its ceiling, and the direct design without a workflow engine.

    Starts a separate stack on free ports, warms up, measures, and stops it. Close other programs first: all parts
    share this machine. An interrupted run keeps its results so far.
    """
    parts, begun, console = only or list(Measurement), time.monotonic(), Console()

    def tell(text: str) -> None:
        console.print(f"{time.monotonic() - begun:6.1f} s  {text}", highlight=False)

    found: dict[str, Any] = {"machine": _machine(), "at": datetime.now(UTC).isoformat(timespec="seconds")}
    tell("starting the stack")
    try:
        if {Measurement.COUNTS, Measurement.THROUGHPUT}.intersection(parts):
            with running_stack() as stack:
                asyncio.run(_rates(stack, parts, found, seconds, tell))
        if Measurement.CROWD in parts:
            with running_stack(processes=2) as stack:
                found["crowd"] = asyncio.run(_crowd(stack, tell))
        if set(parts) - {Measurement.COUNTS, Measurement.THROUGHPUT, Measurement.CROWD}:
            sizes = (waiting_bookings, deadlines, past_bookings)
            with running_stack() as stack:
                asyncio.run(_measure(stack, parts, found, seconds, sizes, tell))
    finally:
        if any(part in found for part in Measurement):
            report.show(found, console)
            for path in report.write(found, out):
                tell(f"written: {path}")


async def _rates(
    stack: Stack, parts: list[Measurement], found: dict[str, Any], seconds: float, tell: Tell
) -> None:
    async with bench_stack(stack) as running:
        if Measurement.COUNTS in parts:
            found["counts"] = await counts(running)
        if Measurement.THROUGHPUT in parts:
            found["throughput"] = await throughput(running, list(_LEVELS), seconds, tell)


async def _crowd(stack: Stack, tell: Tell) -> dict[str, Any]:
    async with bench_stack(stack) as running:
        return await crowd(running, *_CROWD, tell)


async def _measure(
    stack: Stack,
    parts: list[Measurement],
    found: dict[str, Any],
    seconds: float,
    sizes: tuple[int, int, int],
    tell: Tell,
) -> None:
    async with bench_stack(stack) as running:
        if Measurement.LATENCY in parts:
            found["latency"] = await latency(running, _peak(found), 6 * seconds, tell)
        waiting_bookings, deadlines, past_bookings = sizes
        if Measurement.WAITING in parts:
            found["waiting"] = await waiting(running, waiting_bookings, deadlines, tell)
        # Last: from here on the sweep is busy with the events that Stripe sent to the direct design.
        if Measurement.VERSUS in parts:
            found["versus"] = await versus(running, _free_port(), seconds, tell)
        if Measurement.ROWS in parts:
            found["rows"] = await rows(running, past_bookings, tell)


def _peak(found: dict[str, Any]) -> float:
    return max((row["product"]["per_s"] for row in found.get("throughput", [])), default=_PEAK_UNKNOWN_PER_S)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _machine() -> dict[str, Any]:
    return {"cores": os.cpu_count(), "system": platform.system(), "python": platform.python_version()}


if __name__ == "__main__":
    app()
