"""Which browser the tests drive: Debian's Chromium, else one that Playwright has or can get."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Final

from playwright.sync_api import sync_playwright

ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
NONE: Final = (
    "NO CHROMIUM, SO NO BROWSER TESTS: none is installed and none could be had. `apt-get install chromium`, or "
    "`.venv/bin/python -m playwright install chromium`, and run them again."
)
_NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
_PATIENCE_S: Final = 300


@cache
def find() -> Path | None:
    """A browser's program; None where none is installed and none can be had. Not from within an event loop."""
    for name in _NAMES:
        if found := shutil.which(name):
            return Path(found)
    with sync_playwright() as playwright:
        own = Path(playwright.chromium.executable_path)
    return own if own.is_file() or _get(own) else None


def may_be_skipped() -> bool:
    """Whether tests may do without a browser; where changes are let in they may not."""
    return not os.environ.get("CI")


def _get(own: Path) -> bool:
    command = [sys.executable, "-m", "playwright", "install", "chromium"]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=_PATIENCE_S)
    except (OSError, subprocess.SubprocessError):
        return False
    return own.is_file()
