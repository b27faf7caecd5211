"""A part of the stack as an operating system process: start, readiness, stop, kill, pause."""

from __future__ import annotations

import contextlib
import http.client
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from sandbox.stack.ports import HOST

_LOOK_EVERY_S: Final = 0.03
_LAST_LINES: Final = 15
_GONE_AFTER_KILL_S: Final = 10


class PartError(RuntimeError):
    """A part did not start, or is in a wrong state; the text ends with the last lines of its log."""


@dataclass(frozen=True)
class Account:
    """The user and group a part runs under."""

    uid: int
    gid: int


@dataclass(frozen=True)
class Part:
    """The definition of one part.

    Args:
        environment: the whole environment; nothing is inherited.
        folder: the working directory.
        ready: returns whether the part works; gets its log since the start; must not block.
        account: the user to run as; None for the present user.
        stop_signal: the signal for an orderly stop, which may take `stop_patience_s`.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path
    ready: Callable[[str], bool]
    account: Account | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_patience_s: float = 5
    start_patience_s: float = 60


class Process:
    """A part as a process that can be started repeatedly. Not thread-safe.

    Args:
        part: the definition.
        log: the file its output is added to.
    """

    def __init__(self, part: Part, log: Path) -> None:
        self.part = part
        self.log = log
        self._started_at = 0.0
        self._popen: subprocess.Popen[bytes] | None = None
        self._log_begin = 0
        # The family at the time of the stop request.
        self._leaving: list[psutil.Process] = []

    @property
    def exit_status(self) -> int | None:
        """The exit status; None while it runs and before the first start; negative for a signal."""
        return None if self._popen is None else self._popen.poll()

    @property
    def age_s(self) -> float:
        """Seconds since it was last started."""
        return time.monotonic() - self._started_at

    @property
    def alive(self) -> bool:
        """Whether it was started and has not ended."""
        return self._popen is not None and self._popen.poll() is None

    def start(self) -> None:
        """Start it, without waiting until it is ready."""
        assert not self.alive, f"{self.part.name} is running"
        account = self.part.account
        with self.log.open("ab") as log:
            self._log_begin = log.tell()
            self._started_at = time.monotonic()
            self._leaving = []
            self._popen = subprocess.Popen(
                self.part.command,
                cwd=self.part.folder,
                env=dict(self.part.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C must reach the stack only, which then stops its parts in the right order.
                start_new_session=True,
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=() if account else None,
            )

    def ready(self) -> bool:
        """Whether it works.

        Raises:
            PartError: it has ended, or did not become ready in time.
        """
        if self.exit_status is not None:
            raise self._error(f"ended with status {self.exit_status}")
        with self.log.open("rb") as log:
            log.seek(self._log_begin)
            logged = log.read().decode(errors="replace")
        if self.part.ready(logged):
            return True
        if self.age_s > self.part.start_patience_s:
            raise self._error(f"did not come up within {self.part.start_patience_s:g} s")
        return False

    def family(self) -> list[psutil.Process]:
        """The process and all its descendants, parents first; empty when it does not run."""
        if self._popen is None or self._popen.poll() is not None:
            return []
        try:
            process = psutil.Process(self._popen.pid)
            return [process, *process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def pause(self) -> None:
        """Suspend it with SIGSTOP: connections stay open, nothing answers."""
        for process in self._halted_family():
            _send(process, signal.SIGSTOP)

    def resume(self) -> None:
        """Continue it with SIGCONT."""
        for process in reversed(self.family()):
            _send(process, signal.SIGCONT)

    def kill(self) -> None:
        """End it and its descendants with SIGKILL, and wait until they are gone."""
        self._end(self._halted_family())

    def ask_to_stop(self) -> None:
        """Request an orderly stop, without waiting."""
        if self._popen is not None and self._popen.poll() is None and not self._leaving:
            self._leaving = self.family()
            self.resume()
            self._popen.send_signal(self.part.stop_signal)

    def stop(self) -> None:
        """Request an orderly stop, wait for it, and kill remaining processes."""
        self.ask_to_stop()
        if self._popen is None:
            return
        try:
            self._popen.wait(timeout=self.part.stop_patience_s)
        except subprocess.TimeoutExpired:
            self.kill()
        self._end(self._leaving)

    def _end(self, family: Sequence[psutil.Process]) -> None:
        # The parent is killed last: while it is suspended it cannot replace the others.
        for process in reversed(family):
            _send(process, signal.SIGKILL)
        if self._popen is not None:
            self._popen.wait()
        until = time.monotonic() + _GONE_AFTER_KILL_S
        while any(_lives(process) for process in family):
            if time.monotonic() > until:
                raise self._error("is still there after SIGKILL")
            time.sleep(_LOOK_EVERY_S)

    def _halted_family(self) -> list[psutil.Process]:
        for process in self.family()[:1]:
            _send(process, signal.SIGSTOP)
        return self.family()

    def _error(self, what: str) -> PartError:
        return PartError(f"{self.part.name} {what}; {last_lines(self.log)}")


def start_and_wait(processes: Iterable[Process], on_ready: Callable[[Process], None]) -> None:
    """Start the processes that do not run yet, concurrently, and wait until all are ready.

    Raises:
        PartError: one did not start.
    """
    waiting = list(processes)
    for process in waiting:
        if not process.alive:
            process.start()
    while waiting:
        for process in [process for process in waiting if process.ready()]:
            waiting.remove(process)
            on_ready(process)
        if waiting:
            time.sleep(_LOOK_EVERY_S)


def answers(port: int, path: str) -> Callable[[str], bool]:
    """A readiness check: an HTTP server on `port` answers `path` with 200."""

    def check(_logged: str) -> bool:
        connection = http.client.HTTPConnection(HOST, port, timeout=1)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    return check


def last_lines(log: Path) -> str:
    """The last lines of a log file, for an error message."""
    lines = log.read_text(errors="replace").splitlines()[-_LAST_LINES:] if log.exists() else []
    return "\n".join([f"the end of {log}:", *(f"  {line}" for line in lines or ["(empty)"])])


def _send(process: psutil.Process, number: signal.Signals) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(number)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
