"""Finding what a stack has left running."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import psutil

ROOT: Final = Path(__file__).parents[2]
_LOOK_EVERY_S: Final = 0.05


def in_folder(folder: Path) -> list[psutil.Process]:
    """The processes whose working directory is the folder, or below it."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()).is_relative_to(folder):
                found.append(process)
        except psutil.Error:
            continue
    return found


def eventually(holds: Callable[[], object], what: str, timeout_s: float = 30) -> None:
    """Look again and again until something holds.

    Raises:
        AssertionError: not in time.
    """
    until = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < until, f"waited {timeout_s:g} s for {what}"
        time.sleep(_LOOK_EVERY_S)
