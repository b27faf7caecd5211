"""The processes of one program on one machine: a parent starts, watches and stops them; their garbage collection."""

from __future__ import annotations

import gc
import logging
import os
import signal
import time
from collections.abc import Sequence
from datetime import timedelta
from socket import socket
from typing import Final

log = logging.getLogger("processes")

_STOPPING: Final = frozenset({signal.SIGTERM, signal.SIGINT})
_LOOK_EVERY_S: Final = 0.25
_REPLACE_AFTER_S: Final = 1.0
_COLLECT_AFTER: Final = (10_000, 5, 2)
"""New objects before a collection of the youngest, and how many collections of each kind before one of the next.

The last two are fewer than usual: workflows that leave the cache are unused cycles of old objects.
"""


def collect_garbage_seldom() -> None:
    """Let Python look for unused cycles of objects after 10,000 new objects instead of 700.

    What the start has made is left out. All modules are loaded by now and stay: each full collection walked through
    their 200,000 objects, for a tenth of a second. Call it before processes are forked, so that they go on to share
    this memory.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT_AFTER)


def fork_processes(count: int, grace: timedelta, sockets: Sequence[socket] = ()) -> int:
    """Go on in `count` child processes, while this process becomes their parent and does not return.

    A child that ends is replaced after a second. SIGTERM and SIGINT stop all children; the parent then ends with
    status 0, or with 1 if it had to kill a child that took longer than `grace`. Call it before any thread starts.

    Args:
        count: processes; with 1 this process goes on alone.
        grace: the time that children have to stop.
        sockets: listeners of the children; the parent closes them when it stops, so that callers are refused at once.

    Returns:
        The child's number, from 1 to `count`. A replaced child's number is used again.
    """
    if count == 1:
        return 1
    # A plain flag: a handler that set an Event could wait for ever for the lock that its own thread holds.
    stop: list[int] = []
    handlers = {number: signal.signal(number, lambda *caught: stop.append(caught[0])) for number in _STOPPING}
    children: dict[int, int] = {}
    while not stop:
        for number in (number for number in range(1, count + 1) if number not in children):
            # Held back while a child still has its parent's handlers, which would not end it.
            signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
            pid = os.fork()
            if not pid:
                for signal_number, handler in handlers.items():
                    signal.signal(signal_number, handler)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)
            if not pid:
                return number
            children[number] = pid
        time.sleep(_LOOK_EVERY_S)
        _forget_ended(children)
    for listener in sockets:
        listener.close()
    status = _end(list(children.values()), grace.total_seconds())
    logging.shutdown()
    # As the children do: no native runtime is torn down.
    os._exit(status)


def _forget_ended(children: dict[int, int]) -> None:
    for number, pid in list(children.items()):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            log.error("process %d of this program ended with status %d and is replaced", number, code)
            del children[number]
            time.sleep(_REPLACE_AFTER_S)


def _end(pids: list[int], grace_s: float) -> int:
    """Stop children; returns the parent's exit status."""
    for pid in pids:
        os.kill(pid, signal.SIGTERM)
    until = time.monotonic() + grace_s
    while pids and time.monotonic() < until:
        pids = [pid for pid in pids if not os.waitpid(pid, os.WNOHANG)[0]]
        time.sleep(0.05)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return 1 if pids else 0
