"""Ends the processes of a stack once the stack, or its own process, is gone.

A stack runs this file with its token, and holds the other end of its standard input. That end closes when the stack
stops, and also when its process is killed. The guard then ends every process with the token in its environment.
After an orderly stop there is none.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import Final

import psutil

TOKEN_VARIABLE: Final = "SANDBOX_STACK_TOKEN"  # noqa: S105  a variable's name
_PATIENCE_S: Final = 10


class Guard:
    """A guard for the processes that carry `token` in their environment, as `TOKEN_VARIABLE`.

    Args:
        token: unique to this stack.
        lock: a file descriptor that stays open until the last process has ended.
    """

    def __init__(self, token: str, lock: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", __file__, token],
            stdin=subprocess.PIPE,
            pass_fds=[lock],
            # A session of its own: Ctrl-C and signals to the stack's process group must not reach the guard.
            start_new_session=True,
        )

    def dismiss(self) -> None:
        """Make the guard end the remaining processes, and wait for it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=_PATIENCE_S + 5)


def end_all(token: str) -> None:
    """Kill every process that carries `token`, and their children, until none is left."""
    until = time.monotonic() + _PATIENCE_S
    while (found := _marked(token)) and time.monotonic() < until:
        # Stop all of them first, so that none can start another; then kill them.
        for process in found:
            _signal(process, signal.SIGSTOP)
        family = {*found, *_marked(token)}
        for process in family:
            _signal(process, signal.SIGKILL)
        psutil.wait_procs(list(family), timeout=1)


def _marked(token: str) -> list[psutil.Process]:
    found: set[psutil.Process] = set()
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(TOKEN_VARIABLE) == token:
                # PostgreSQL's processes overwrite their environment with their titles; they are found as children.
                found.update((process, *process.children(recursive=True)))
        except psutil.Error:
            continue
    return list(found)


def _signal(process: psutil.Process, number: int) -> None:
    try:
        process.send_signal(number)
    except psutil.Error:
        return


def main() -> None:
    """Wait for the end of standard input, then end all processes."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    end_all(sys.argv[1])
    os._exit(0)


if __name__ == "__main__":
    main()
