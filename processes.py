"""Several processes of one program on one machine: a parent starts, watches and stops them."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Sequence
from datetime import timedelta
from socket import socket
from typing import Final

log = logging.getLogger("processes")

_LOOK_EVERY_S: Final = 0.25
_REPLACE_AFTER_S: Final = 1.0


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
    stop = threading.Event()
    handlers = {
        number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)
    }
    children: dict[int, int] = {}
    while not stop.wait(_LOOK_EVERY_S if children else 0):
        for number in (number for number in range(1, count + 1) if number not in children):
            pid = os.fork()
            if not pid:
                for signal_number, handler in handlers.items():
                    signal.signal(signal_number, handler)
                return number
            children[number] = pid
        _forget_ended(children, stop)
    for listener in sockets:
        listener.close()
    status = _end(list(children.values()), grace.total_seconds())
    logging.shutdown()
    # As the children do: no native runtime is torn down.
    os._exit(status)


def _forget_ended(children: dict[int, int], stop: threading.Event) -> None:
    for number, pid in list(children.items()):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            log.error("process %d of this program ended with status %d and is replaced", number, code)
            del children[number]
            stop.wait(_REPLACE_AFTER_S)


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
