"""A stack's folder: its lock, and the ports and secrets that the next start reuses."""

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
    """The lock of a stack's folder. It ends with the last process that holds `descriptor`.

    After a kill, the guard takes a moment to end the former stack's processes; taking the lock waits for that.

    Raises:
        FolderInUseError: another stack runs there.
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
        """Release the lock."""
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
    """A small file in the stack's folder, readable by its owner only."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _NAME
        self._content: dict[str, Any] = json.loads(self._path.read_text()) if self._path.exists() else {}

    def secret(self, name: str, length_bytes: int = _SECRET_BYTES) -> str:
        """The secret of that name, generated at first use."""
        folder_state: dict[str, str] = self._content.setdefault("secrets", {})
        if name not in folder_state:
            folder_state[name] = secrets.token_urlsafe(length_bytes)
            self._write()
        return folder_state[name]

    def port(self, name: str) -> int | None:
        """The port of that part in the last run."""
        port: int | None = self._content.get("ports", {}).get(name)
        return port

    def keep_ports(self, ports: dict[str, int]) -> None:
        """Store the ports for the next run."""
        self._content["ports"] = ports
        self._write()

    def _write(self) -> None:
        write_atomically(self._path, self._content)


def write_atomically(path: Path, content: dict[str, Any]) -> None:
    """Write JSON atomically, readable by the owner only."""
    write_text_atomically(path, json.dumps(content, indent=2) + "\n")


def write_text_atomically(path: Path, text: str) -> None:
    """Write a text atomically, readable by the owner only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.touch(mode=0o600)
    beside.write_text(text)
    beside.replace(path)
