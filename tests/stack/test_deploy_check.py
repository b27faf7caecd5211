"""`make deploy-check` where there is no container engine, as in most places that run these tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stack.leftovers import ROOT


@pytest.mark.parametrize(
    ("programs", "said"),
    [
        ({}, "no container engine: the `docker` command is not installed"),
        ({"docker": "exit 1"}, "no container engine: `docker info` fails, so the engine does not run"),
        (
            {"docker": '[ "$1" = info ]'},
            "no Compose: neither `docker compose` nor `docker-compose` is installed",
        ),
    ],
)
def test_without_an_engine_it_says_so(tmp_path: Path, programs: dict[str, str], said: str) -> None:
    """In one line, with a status of its own: nothing was found to be wrong."""
    for name, what in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{what}\n")
        (tmp_path / name).chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-m", "sandbox.deploy_check"],
        cwd=ROOT,
        env={**os.environ, "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (3, "", f"{said}\n")
