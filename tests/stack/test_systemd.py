"""The systemd units, as systemd itself reads them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.stack.leftovers import ROOT

UNITS: Final = ROOT / "deploy" / "systemd"
PYTHON: Final = "/opt/hotel/venv/bin/python"

pytestmark = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed (Debian's systemd)"
)


def verify(folder: Path) -> subprocess.CompletedProcess[str]:
    """Let systemd check a folder of units; templates under an instance each."""
    units = [str(unit).replace("@.", "@1.") for unit in folder.glob("*.service")]
    command = ["systemd-analyze", "verify", "--man=no", *units]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units, with an interpreter that this machine has."""
    for unit in UNITS.glob("*.service"):
        text = unit.read_text()
        assert PYTHON in text
        (tmp_path / unit.name).write_text(text.replace(PYTHON, sys.executable))
    return tmp_path


def test_systemd_takes_the_units(units: Path) -> None:
    """Without a word of complaint about any of ours."""
    done = verify(units)
    assert [line for line in done.stderr.splitlines() if "hotel" in line] == []
    assert done.returncode == 0, done.stderr


def test_a_mistake_would_be_found(units: Path) -> None:
    """Otherwise the test above could not fail."""
    api = units / "hotel-api@.service"
    api.write_text(api.read_text().replace("Restart=always", "Restart=ever").replace("After=", "Afterwards="))
    assert "hotel-api@" in verify(units).stderr


def test_stopping_takes_as_long_as_in_containers() -> None:
    """A worker that is killed earlier leaves its step to be repeated half a minute later."""
    compose = (ROOT / "docker-compose.temporal.yml").read_text()
    for unit, seconds in (("worker", 45), ("api", 28)):
        assert f"TimeoutStopSec={seconds}\n" in (UNITS / f"hotel-{unit}@.service").read_text()
        assert f"stop_grace_period: {seconds}s" in compose
