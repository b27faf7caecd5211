"""A stack's folder: whose it is now, and what must be remembered to the next start: ports and secrets."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import time
from pathlib import Path
from typing import Any, Final

import psutil

_NAME: Final = "kept.json"
_LOCK_NAME: Final = "in-use"
_SECRET_BYTES: Final = 32
_PATIENCE_S: Final = 10
_LOOK_EVERY_S: Final = 0.1


class FolderInUseError(RuntimeError):
    """Another stack runs in the folder."""


class FolderLock:
    """Says that a stack runs in a folder. Ends with the last process that holds `descriptor`.

    A stack whose process was killed is still being cleared away for a moment, which is waited for.

    Raises:
        FolderInUseError: another one runs there.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / _LOCK_NAME
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        until = time.monotonic() + _PATIENCE_S
        while not self._try():
            owner = path.read_text().strip()
            if _is_running(owner) or time.monotonic() > until:
                os.close(self.descriptor)
                raise FolderInUseError(
                    f"process {owner or '(unknown)'} is already running a stack in {folder}"
                )
            time.sleep(_LOOK_EVERY_S)
        os.truncate(self.descriptor, 0)
        os.pwrite(self.descriptor, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        """Let others have the folder."""
        os.close(self.descriptor)

    def _try(self) -> bool:
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _is_running(pid: str) -> bool:
    return pid.isdigit() and psutil.pid_exists(int(pid))


class FolderState:
    """A small file in the stack's folder, for its owner's eyes only."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _NAME
        self._content: dict[str, Any] = json.loads(self._path.read_text()) if self._path.exists() else {}

    def secret(self, name: str, length_bytes: int = _SECRET_BYTES) -> str:
        """A secret of that name, made up when it is first asked for."""
        folder_state: dict[str, str] = self._content.setdefault("secrets", {})
        if name not in folder_state:
            folder_state[name] = secrets.token_urlsafe(length_bytes)
            self._write()
        return folder_state[name]

    def port(self, name: str) -> int | None:
        """The port that part had last time."""
        port: int | None = self._content.get("ports", {}).get(name)
        return port

    def keep_ports(self, ports: dict[str, int]) -> None:
        """Remember the ports for next time."""
        self._content["ports"] = ports
        self._write()

    def _write(self) -> None:
        write_atomically(self._path, self._content)


def write_atomically(path: Path, content: dict[str, Any]) -> None:
    """Write JSON so that a reader sees the former content or all of the new one, and only its owner any."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.touch(mode=0o600)
    beside.write_text(json.dumps(content, indent=2) + "\n")
    beside.replace(path)
