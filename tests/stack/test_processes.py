"""Several processes of one program under a parent."""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psutil
import pytest

from sandbox.stack import Stack
from sandbox.stack.ports import HOST
from tests.stack.leftovers import ROOT, eventually

# A child ends on SIGTERM, or only by SIGKILL.
PROGRAM: Final = """
import os, signal, sys, time
from datetime import timedelta
from processes import fork_processes
number = fork_processes(2, timedelta(seconds=float(sys.argv[1])))
signal.signal(signal.SIGTERM, lambda *_: os._exit(0) if sys.argv[2] == "ends" else None)
print(f"{number} {os.getpid()}\\n", end="", flush=True)
while True:
    time.sleep(60)
"""

# A cycle is found, though after more than the usual 700 objects.
COLLECTING: Final = """
import gc, weakref
from processes import collect_garbage_seldom

class Cycle:
    def __init__(self):
        self.me = self

collect_garbage_seldom()
assert gc.get_freeze_count() > 1000
lost = weakref.ref(Cycle())
several = [[] for _ in range(9_000)]
assert lost() is not None
several += [[] for _ in range(2_000)]
assert lost() is None
"""


class Family:
    """The program above, and its children as they start."""

    def __init__(self, grace_s: float, how: str) -> None:
        self.parent = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(grace_s), how],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
        )

    def next_child(self) -> tuple[int, int]:
        """Number and process id of the child that says it has started."""
        assert self.parent.stdout
        number, pid = self.parent.stdout.readline().split()
        return int(number), int(pid)

    def end(self) -> None:
        """Leave no process behind."""
        if self.parent.poll() is None:
            for child in psutil.Process(self.parent.pid).children():
                child.kill()
            self.parent.kill()
        self.parent.communicate()


@pytest.fixture
def family(request: pytest.FixtureRequest) -> Iterator[Family]:
    found = Family(*request.param)
    yield found
    found.end()


def test_garbage_is_collected_after_more_objects() -> None:
    """And not among what the start has made."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", COLLECTING], env=environment, check=True)


@pytest.mark.parametrize("family", [(20, "ends")], indirect=True)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_parent_stops_all(family: Family, number: signal.Signals) -> None:
    """Its status is 0: a supervisor takes any other for a crash."""
    children = dict(family.next_child() for _ in range(2))
    assert children.keys() == {1, 2}
    family.parent.send_signal(number)
    assert family.parent.wait(timeout=20) == 0
    assert not any(psutil.pid_exists(pid) for pid in children.values())


@pytest.mark.parametrize("family", [(20, "ends")], indirect=True)
def test_a_child_that_ends_is_replaced(family: Family) -> None:
    """Under its number, while the other goes on."""
    children = dict(family.next_child() for _ in range(2))
    os.kill(children[2], signal.SIGKILL)
    number, pid = family.next_child()
    assert number == 2
    assert pid != children[2]
    assert psutil.pid_exists(children[1])


@pytest.mark.parametrize("family", [(0.2, "stays")], indirect=True)
def test_a_child_that_does_not_stop_is_killed(family: Family) -> None:
    """The parent's status tells of it."""
    children = dict(family.next_child() for _ in range(2))
    family.parent.send_signal(signal.SIGTERM)
    assert family.parent.wait(timeout=20) == 1
    assert not any(psutil.pid_exists(pid) for pid in children.values())


def _answered(port: int, path: str = "/metrics") -> int:
    """Requests for `/readyz` that the process on this port has counted."""
    connection = http.client.HTTPConnection(HOST, port, timeout=10)
    connection.request("GET", path)
    text = connection.getresponse().read().decode()
    connection.close()
    found = re.search(r'http_requests_total\{method="GET",route="/readyz",status="200"\} (\S+)', text)
    return int(float(found[1])) if found else 0


def test_two_of_each_on_the_real_stack(tmp_path: Path) -> None:
    """Both APIs answer, each counts its own requests, one that is killed comes back, and all stop with status 0."""
    with Stack(tmp_path, {"WORKER_PROCESSES": "2"}) as stack:
        parent, *children = stack.processes("api")
        assert len(children) == 2
        assert len(stack.processes("worker")) == 3
        port = stack.ports["api"]
        _answered(port + 1, "/readyz")
        assert (_answered(port + 1), _answered(port + 2)) == (1, 0)
        _answered(port, "/readyz")
        assert _answered(port + 1) + _answered(port + 2) == 2
        children[0].kill()
        eventually(lambda: len(parent.children()) == 2 and children[0] not in parent.children(), "another")
        stack.manage("check")
    assert stack.exit_status("api") == 0
    assert stack.exit_status("worker") == 0
