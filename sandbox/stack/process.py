"""One part of the stack as an operating system process: start, readiness, stop, kill, pause."""

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
    """A part did not come up, or is not as it must be; the text ends with the last lines of its log."""


@dataclass(frozen=True)
class Account:
    """The user and group a part runs under."""

    uid: int
    gid: int


@dataclass(frozen=True)
class Part:
    """How to run one part.

    Args:
        environment: all of it; nothing is inherited.
        folder: the working directory.
        ready: tells whether it works, looking at what it has logged since it was started; must not block.
        account: whose process it is; None for our own.
        stop_signal: asks for an orderly end, which may take `stop_patience_s`.
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
    """A part that can be run, more than once. Not for use by two threads at once.

    Args:
        part: what to run.
        log: the file its output is added to.
    """

    def __init__(self, part: Part, log: Path) -> None:
        self.part = part
        self.log = log
        self._started_at = 0.0
        self._popen: subprocess.Popen[bytes] | None = None
        self._log_begin = 0
        # The family as it was when it was asked to stop.
        self._leaving: list[psutil.Process] = []

    @property
    def exit_status(self) -> int | None:
        """None while it runs, and before it was first started; negative for a signal."""
        return None if self._popen is None else self._popen.poll()

    @property
    def age_s(self) -> float:
        """Seconds since it was last started."""
        return time.monotonic() - self._started_at

    @property
    def alive(self) -> bool:
        """It was started and has not ended."""
        return self._popen is not None and self._popen.poll() is None

    def start(self) -> None:
        """Start it, and do not wait until it is ready."""
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
                # Ctrl-C is for the stack, which then stops its parts in the right order.
                start_new_session=True,
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=() if account else None,
            )

    def ready(self) -> bool:
        """Whether it works by now.

        Raises:
            PartError: it has ended, or its time is over.
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
        """Stop it in its tracks, as SIGSTOP does: connections stay open, nothing answers."""
        for process in self._halted_family():
            _send(process, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        for process in reversed(self.family()):
            _send(process, signal.SIGCONT)

    def kill(self) -> None:
        """End it and its descendants as `kill -9` does, and wait until they are gone."""
        self._end(self._halted_family())

    def ask_to_stop(self) -> None:
        """Ask for an orderly end, and do not wait for it."""
        if self._popen is not None and self._popen.poll() is None and not self._leaving:
            self._leaving = self.family()
            self.resume()
            self._popen.send_signal(self.part.stop_signal)

    def stop(self) -> None:
        """Ask for an orderly end, wait for it, and kill what does not heed, and descendants it leaves behind."""
        self.ask_to_stop()
        if self._popen is None:
            return
        try:
            self._popen.wait(timeout=self.part.stop_patience_s)
        except subprocess.TimeoutExpired:
            self.kill()
        self._end(self._leaving)

    def _end(self, family: Sequence[psutil.Process]) -> None:
        # The parent is last: while it is held, none of the others can be replaced.
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
    """Start those that do not run yet, all at once, and wait until every one is ready.

    Raises:
        PartError: one did not come up.
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
    """A check that is true once an HTTP server on `port` answers `path` with 200."""

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
    """The end of a log file, to be shown to a person."""
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
