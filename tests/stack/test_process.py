"""Parts as processes: readiness, stop, kill, pause, and their end when their parent is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from sandbox.stack.guard import TOKEN_VARIABLE
from sandbox.stack.process import Part, PartError, Process, start_and_wait
from tests.stack.leftovers import ROOT, eventually, in_folder

# Starts a child of its own, says so, and waits.
FAMILY = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("ready", flush=True)
time.sleep(600)
"""
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(600)
"""

Make = Callable[..., Process]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[Process] = []

    def process(program: str, **options: Any) -> Process:
        part = Part(
            name="part",
            command=(sys.executable, "-c", program),
            environment=dict(os.environ),
            folder=tmp_path,
            ready=lambda logged: "ready" in logged,
            **options,
        )
        made.append(Process(part, tmp_path / "part.log"))
        return made[-1]

    yield process
    for process_ in made:
        process_.kill()


def up(process: Process) -> Process:
    start_and_wait([process], lambda _process: None)
    return process


def test_a_part_that_ends_at_once_is_reported_with_its_last_words(make: Make) -> None:
    """The error shows the end of the log."""
    with pytest.raises(PartError, match=r"part ended with status 3; .*\n  the port is gone"):
        up(make("print('the port is gone', flush=True); raise SystemExit(3)"))


def test_a_part_that_never_gets_ready_is_given_up(make: Make) -> None:
    """After the time it has."""
    with pytest.raises(PartError, match=r"part did not come up within 0\.2 s"):
        up(make("import time; time.sleep(600)", start_patience_s=0.2))


def test_readiness_is_judged_by_this_start_alone(make: Make) -> None:
    """A line of the former run in the same log says nothing."""
    process = up(make(STUBBORN))
    process.kill()
    process.start()
    assert process.log.read_text().count("ready") == 1
    assert not process.ready()


def test_kill_takes_descendants_along(make: Make) -> None:
    """When it returns they are gone."""
    process = up(make(FAMILY))
    family = process.family()
    assert len(family) == 2
    process.kill()
    assert [member for member in family if _lives(member)] == []
    assert process.exit_status == -signal.SIGKILL


def test_a_part_that_does_not_heed_is_killed(make: Make) -> None:
    """Stopping never takes longer than the part's patience."""
    process = up(make(STUBBORN, stop_patience_s=0.2))
    process.stop()
    assert process.exit_status == -signal.SIGKILL


def test_pause_holds_the_whole_family(make: Make, tmp_path: Path) -> None:
    """And a paused part can be stopped in an orderly way, what it leaves behind included."""
    process = up(make(FAMILY))
    process.pause()
    # A process stops when it is next given a core.
    eventually(
        lambda: {member.status() for member in process.family()} == {psutil.STATUS_STOPPED}, "all to stop"
    )
    process.resume()
    assert psutil.STATUS_STOPPED not in {member.status() for member in process.family()}
    process.pause()
    process.stop()
    assert process.exit_status == -signal.SIGTERM
    assert in_folder(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_outlives_the_process_that_started_it(tmp_path: Path, number: signal.Signals) -> None:
    """Not even a paused part, however the starting process ends."""
    program = textwrap.dedent(f"""
        import os, sys, time
        from pathlib import Path
        from sandbox.stack.guard import TOKEN_VARIABLE, Guard
        from sandbox.stack.process import Part, Process, start_and_wait

        folder, token = Path({str(tmp_path)!r}), "token-of-{tmp_path}"
        lock = os.open(folder / "lock", os.O_CREAT)
        guard = Guard(token, lock)
        part = Part("part", (sys.executable, "-c", {FAMILY!r}), {{**os.environ, TOKEN_VARIABLE: token}}, folder,
                    lambda logged: "ready" in logged)
        process = Process(part, folder / "part.log")
        start_and_wait([process], lambda _: None)
        process.pause()
        print("up", flush=True)
        time.sleep(600)
    """)
    assert TOKEN_VARIABLE not in os.environ
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as owner:
        try:
            assert owner.stdout is not None
            assert owner.stdout.readline() == "up\n"
            assert len(in_folder(tmp_path)) == 2
        finally:
            owner.send_signal(number)
    eventually(lambda: not in_folder(tmp_path), "everything to be cleared away")


def _lives(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
