"""`python -m bench.profile`: where worker and API spend their time under load, as py-spy samples it.

A sample counts the thread that holds the interpreter's lock. Threads that wait do not count, nor does the native part
of Temporal's SDK.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import httpx
import typer

from bench.bench_stack import bench_stack, running_stack
from bench.rounds import run
from sandbox.stack import Stack

_ROOT: Final = Path(__file__).parents[1]
_SPY: Final = Path(sys.executable).with_name("py-spy")
_PROGRAMS: Final = {
    "worker": f"runpy.run_path({str(_ROOT / 'worker.py')!r}, run_name='__main__')",
    "api": "runpy.run_module('api', run_name='__main__', alter_sys=True)",
}
# A process may allow any other of its user to trace it; otherwise Linux may reserve that for root and ancestors.
_TRACEABLE: Final = (
    "import ctypes, runpy; ctypes.CDLL(None).prctl(ctypes.c_int(0x59616D61), ctypes.c_ulong(-1 % 2**64)); "
)
_WARM_UP_S: Final = 10
_PATIENCE_S: Final = 60
_TOP: Final = 25
_PRODUCT: Final = re.compile(
    r"\((?:activities|api|dispatch|domain|emails|gateway|models|storage|templates|wording|workflows)[/.]"
)
# One frame of a flame graph: inferno writes its function, its place, its first sample and its number of samples.
_FRAME: Final = re.compile(
    r'<title>(?P<name>[^<]*) \([\d,]+ samples?, [^<]*</title><rect [^>]*?y="(?P<y>\d+)"[^>]*?fg:x="(?P<x>\d+)" '
    r'fg:w="(?P<w>\d+)"'
)


class StackFrame(NamedTuple):
    """A box of a flame graph.

    Args:
        depth: its row; a frame's caller is in the row before.
        first, samples: the samples it covers.
    """

    name: str
    depth: int
    first: int
    samples: int


def main(
    at_once: Annotated[int, typer.Option(min=1, help="Bookings in flight.")] = 50,
    seconds: Annotated[int, typer.Option(min=5, help="How long to profile.")] = 30,
    out: Annotated[Path, typer.Option(help="Where the flame graphs go.")] = Path("bench/out"),
) -> None:
    """Profile worker and API while bookings are made; writes a flame graph of each and prints where time goes."""
    out.mkdir(parents=True, exist_ok=True)
    graphs = {part: out.resolve() / f"profile-{part}.svg" for part in _PROGRAMS}
    with running_stack() as stack, _traceable(stack) as pids:
        asyncio.run(_profile(stack, pids, graphs, at_once, seconds))
    for part, graph in graphs.items():
        print(f"\n{part}: {graph}\n\n{table(graph.read_text())}")


@contextmanager
def _traceable(stack: Stack) -> Iterator[dict[str, int]]:
    """Replace the stack's worker and API by processes that can be traced; yields their ids."""
    processes = {}
    try:
        for part, program in _PROGRAMS.items():
            stack.kill(part)
            environment = {**os.environ, **stack.environment, "PYTHONPATH": str(_ROOT)}
            environment["PORT"] = str(stack.ports["api"])
            with (stack.logs / f"profiled-{part}.log").open("wb") as log:
                processes[part] = subprocess.Popen(
                    [sys.executable, "-P", "-c", _TRACEABLE + program],
                    cwd=stack.folder,
                    env=environment,
                    stdout=log,
                    stderr=log,
                )
        _await_api(stack)
        yield {part: process.pid for part, process in processes.items()}
    finally:
        for process in processes.values():
            process.terminate()
            process.wait()


def _await_api(stack: Stack) -> None:
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            if httpx.get(f"{stack.url['api']}/readyz", trust_env=False).is_success:
                return
        except httpx.HTTPError:
            pass
        assert time.monotonic() < until, "the profiled API did not start"
        time.sleep(0.1)


async def _profile(
    stack: Stack, pids: dict[str, int], graphs: dict[str, Path], at_once: int, seconds: int
) -> None:
    async with bench_stack(stack) as running, running.driver() as driver:
        load = asyncio.create_task(run(driver.whole, at_once=at_once, seconds=_WARM_UP_S + seconds))
        await asyncio.sleep(_WARM_UP_S)
        before = len(driver.confirmed)
        await asyncio.gather(*(_record(pid, graphs[part], seconds) for part, pid in pids.items()))
        print(f"{len(driver.confirmed) - before} bookings in {seconds} s, {at_once} in flight")
        await load


async def _record(pid: int, graph: Path, seconds: int) -> None:
    options = ["--format", "flamegraph", "--output", str(graph), "--duration", str(seconds), "--gil"]
    spy = await asyncio.create_subprocess_exec(
        _SPY, "record", *options, "--pid", str(pid), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    said, _ = await spy.communicate()
    if spy.returncode:
        sys.exit(f"py-spy: {said.decode()}")


def frames(graph: str) -> list[StackFrame]:
    """The boxes of a flame graph, each before those it calls."""
    found = [
        (match["name"], int(match["y"]), int(match["x"]), int(match["w"])) for match in _FRAME.finditer(graph)
    ]
    depths = {y: depth for depth, y in enumerate(sorted({y for _, y, _, _ in found}))}
    boxes = [StackFrame(_function(name), depths[y], x, w) for name, y, x, w in found]
    return sorted(boxes, key=lambda box: (box.first, box.depth))


def table(graph: str) -> str:
    """The functions with most samples of their own, then the product's own with all they call, as Markdown."""
    own, inside = Counter[str](), Counter[str]()
    callers: list[StackFrame] = []
    for box in frames(graph):
        while callers and callers[-1].depth >= box.depth:
            callers.pop()
        own[box.name] += box.samples
        if callers:
            own[callers[-1].name] -= box.samples
        if all(box.name != caller.name for caller in callers):
            inside[box.name] += box.samples
        callers.append(box)
    total = max(inside.values(), default=1)
    product = Counter({name: count for name, count in inside.items() if _PRODUCT.search(name)})
    lines = [
        f"| {100 * own[name] / total:.1f}% | {100 * inside[name] / total:.1f}% | {name} |"
        for name, _ in (*own.most_common(_TOP), *product.most_common(_TOP))
    ]
    return "\n".join(["| itself | with all it calls | function |", "|---|---|---|", *lines])


def _function(name: str) -> str:
    """A frame's function and file, without the line."""
    return re.sub(r":\d+\)$", ")", unescape(name))


if __name__ == "__main__":
    typer.run(main)
