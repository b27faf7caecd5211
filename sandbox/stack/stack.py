"""The whole product on one machine: started, stopped, and broken on purpose, part by part."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import psutil

from sandbox.stack import parts, postgres
from sandbox.stack.folder import FolderLock, FolderState
from sandbox.stack.guard import Guard
from sandbox.stack.parts import Layout
from sandbox.stack.ports import Ports
from sandbox.stack.process import Part, PartError, Process, last_lines, start_and_wait

Tell = Callable[[str, str], None]
"""Called with a part's name and what there is to say of it."""

_SECRET_LENGTH_BYTES: Final = 18
_COMMAND_PATIENCE_S: Final = 120


class Stack:
    """PostgreSQL, Temporal, the stand-ins, workers and API processes, on 127.0.0.1.

    The parts are `postgres` (unless a database is given), `temporal`, `stripe`, `pusher`, `mail`, `worker`,
    `worker2`, …, `api`, `api2`, …. A part keeps its port and its data through `kill` and `restart`; a stack that is
    started again in the same folder continues with its data. No process is left after `stop`, nor when this process
    dies.

    Args:
        folder: data in it, logs in `logs/`, one file per part.
        extra_environment: variables for API and worker, on top of what `environment` holds.
        workers: number of worker processes.
        apis: number of API processes; webhooks go to the first.
        ports: the ports to try first, by the names of `sandbox.stack.parts.Layout`. A port in use is replaced.
        database_url: a database to use instead of an embedded one.
        ui: whether Temporal's UI is served.
        tell: called with a line for each part that is ready, and for each port that was in use.
    """

    def __init__(
        self,
        folder: Path,
        extra_environment: Mapping[str, str] | None = None,
        *,
        workers: int = 1,
        apis: int = 1,
        ports: Mapping[str, int] | None = None,
        database_url: str | None = None,
        ui: bool = False,
        tell: Tell | None = None,
    ) -> None:
        self.folder = folder.resolve()
        self._extra = dict(extra_environment or {})
        self._workers = _numbered("worker", workers)
        self._apis = _numbered("api", apis)
        self._wished = dict(ports or {})
        self._given_database = database_url
        self._ui = ui
        self._tell: Tell = tell or (lambda _part, _text: None)
        self._ports = Ports()
        self._lock: FolderLock | None = None
        self._guard: Guard | None = None
        self._layout: Layout | None = None
        self._processes: dict[str, Process] = {}

    # Addresses

    @property
    def logs(self) -> Path:
        """The folder with one log file per part."""
        return self.folder / "logs"

    @property
    def url(self) -> dict[str, str]:
        """Base URLs without a trailing slash: `api` (`api2`, …), `stripe`, `pusher`, `inbox`, `temporal` (its UI)."""
        at = self._at
        names = {name: name for name in (*self._apis, "stripe", "pusher", "inbox")}
        if self._ui:
            names["temporal"] = "temporal-ui"
        return {name: at.url(port) for name, port in names.items()}

    @property
    def environment(self) -> dict[str, str]:
        """The product's configuration variables, for its other commands."""
        return self._at.product

    @property
    def database_url(self) -> str:
        """The product's database."""
        return self._at.database_url

    @property
    def temporal_address(self) -> str:
        """Temporal's frontend, `host:port`."""
        return self._at.product["TEMPORAL_ADDRESS"]

    @property
    def ports(self) -> Mapping[str, int]:
        """Every port, by the names of `sandbox.stack.parts.Layout`."""
        return self._at.ports

    def secret(self, name: str) -> str:
        """The secret of that name, generated once and stored in the folder."""
        return self._at.folder_state.secret(name, _SECRET_LENGTH_BYTES)

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of all parts."""
        return tuple(self._processes)

    def processes(self, part: str) -> list[psutil.Process]:
        """The part's process and its descendants; empty if it does not run."""
        return self._processes[part].family()

    def exit_status(self, part: str) -> int | None:
        """The part's exit status, negative for a signal; None while it runs."""
        return self._processes[part].exit_status

    def log(self, part: str) -> Path:
        """The part's log file."""
        return self._processes[part].log

    # Starting and stopping

    @property
    def started(self) -> bool:
        """Whether the stack holds its folder: after `start`, until `stop`."""
        return self._lock is not None

    def start(self) -> None:
        """Start all parts, and wait until all work.

        Raises:
            FolderInUseError: another stack runs in this folder.
            PartError: a part did not start; the others are stopped again.
        """
        assert self._lock is None, "the stack is started"
        self.logs.mkdir(parents=True, exist_ok=True)
        self._lock = FolderLock(self.folder)
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        for log in self.logs.glob("*.log"):
            log.replace(log.with_suffix(".log.before"))
        self._processes = {}
        token = secrets.token_hex()
        assert self._lock is not None
        self._guard = Guard(token, self._lock.descriptor)
        self._layout = at = self._lay_out(token)
        fresh = not postgres.is_initialised(self.folder / "postgres")
        product = [parts.worker(at, name) for name in self._workers] + [
            parts.api(at, name) for name in self._apis
        ]
        self._begin(parts.temporal(at), *parts.stand_ins(at))
        if self._given_database is None:
            if fresh:
                # There is no work yet, so they may start before the tables exist.
                self._begin(*product)
            self._begin_postgres(at, token)
        self._await("temporal", *(["postgres"] if self._given_database is None else []))
        self._say("migrate", self.manage("migrate").splitlines()[-1])
        self._begin(*(part for part in product if part.name not in self._processes))
        self._await(*(name for name in self._processes if name not in {"temporal", "postgres"}))

    def stop(self) -> None:
        """Stop all parts in order, and kill those that do not stop; does nothing if none runs."""
        guard, self._guard = self._guard, None
        lock, self._lock = self._lock, None
        try:
            self._stop(*self._apis, *self._workers)
            self._stop("temporal", "stripe", "pusher", "mail")
            self._stop("postgres")
        finally:
            if guard:
                guard.dismiss()
            self._ports.release()
            if lock:
                lock.release()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop()

    # Faults

    def kill(self, part: str) -> None:
        """End a part and its descendants with SIGKILL; returns when they are gone."""
        self._processes[part].kill()

    def restart(self, part: str) -> None:
        """Restart a part on the same port and with the same data; a running part is stopped first.

        Returns when the part works; a worker does not work while Temporal is away.

        Raises:
            PartError: it did not start.
        """
        process = self._processes[part]
        process.stop()
        process.start()
        self._await(part)

    def pause(self, part: str) -> None:
        """Suspend a part and its descendants: connections stay open, nothing answers."""
        self._processes[part].pause()

    def resume(self, part: str) -> None:
        """Continue a paused part."""
        self._processes[part].resume()

    def manage(self, *arguments: str, **environment: str) -> str:
        """Run `python manage.py` with these arguments and the stack's environment, and return its output.

        Raises:
            PartError: it failed.
        """
        at, log = self._at, self.logs / "manage.log"
        done = subprocess.run(
            parts.python(str(parts.ROOT / "manage.py"), *arguments),
            cwd=self.folder,
            env={**parts.inherited(at.token), **at.product, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_COMMAND_PATIENCE_S,
            check=False,
        )
        with log.open("a") as output:
            output.write(f"manage.py {' '.join(arguments)}\n{done.stdout}{done.stderr}")
        if done.returncode:
            raise PartError(
                f"manage.py {arguments[0]} ended with status {done.returncode}; {last_lines(log)}"
            )
        return done.stdout

    # Inside

    @property
    def _at(self) -> Layout:
        assert self._layout is not None, "the stack was never started"
        return self._layout

    def _lay_out(self, token: str) -> Layout:
        folder_state = FolderState(self.folder)
        names = [*self._apis, "temporal", "temporal-http", "stripe", "pusher", "smtp", "inbox"]
        names += ["temporal-ui"] if self._ui else []
        names += ["postgres"] if self._given_database is None else []
        ports = {name: self._choose_port(name, folder_state) for name in names}
        folder_state.keep_ports(ports)
        password = folder_state.secret("database", _SECRET_LENGTH_BYTES)
        return Layout(
            folder=self.folder,
            ports=ports,
            folder_state=folder_state,
            database_url=self._given_database or postgres.address(password, ports["postgres"]),
            token=token,
            extra=self._extra,
            ui=self._ui,
        )

    def _choose_port(self, name: str, folder_state: FolderState) -> int:
        wished = self._wished.get(name)
        port = self._ports.take(wished, folder_state.port(name))
        if wished and port != wished:
            self._say(name, f"port {wished} is taken, using {port} instead")
        return port

    def _begin_postgres(self, at: Layout, token: str) -> None:
        data, environment = self.folder / "postgres", parts.inherited(token)
        password = at.folder_state.secret("database", _SECRET_LENGTH_BYTES)
        postgres.initialise(data, password, self.logs / "postgres.log", environment)
        self._begin(postgres.part(data, at.ports["postgres"], environment))

    def _begin(self, *begun: Part) -> None:
        for part in begun:
            process = self._processes[part.name] = Process(part, self.logs / f"{part.name}.log")
            process.start()

    def _await(self, *names: str) -> None:
        start_and_wait([self._processes[name] for name in names], self._say_ready)

    def _say_ready(self, process: Process) -> None:
        self._say(process.part.name, "ready")

    def _say(self, part: str, text: str) -> None:
        self._tell(part, text)

    def _stop(self, *names: str) -> None:
        found = [self._processes[name] for name in names if name in self._processes]
        for process in found:
            process.ask_to_stop()
        for process in found:
            process.stop()


def _numbered(name: str, count: int) -> tuple[str, ...]:
    assert count >= 1
    return (name, *(f"{name}{number}" for number in range(2, count + 1)))
