"""The scripts that the Compose file runs, with a `temporal` that only says what it was asked."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.stack.leftovers import ROOT

SCRIPT: Final = ROOT / "deploy" / "temporal-namespace.sh"


def run_script(folder: Path, *, create: str) -> subprocess.CompletedProcess[str]:
    """Run the script; `create` is what `temporal operator namespace create` does."""
    temporal = folder / "temporal"
    temporal.write_text(f'#!/bin/sh\necho "$@" >> {folder}/asked\n[ "$3" != create ] || {{ {create}; }}\n')
    temporal.chmod(0o755)
    environment = {
        "PATH": f"{folder}:{os.environ['PATH']}",
        "TEMPORAL_ADDRESS": "temporal:7233",
        "TEMPORAL_NAMESPACE": "hotel-holds",
        "RETENTION": "720h",
    }
    return subprocess.run(["sh", SCRIPT], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("create", "verbs"),
    [("true", ["create"]), ("echo 'Namespace already exists.' >&2; exit 1", ["create", "update"])],
)
def test_the_namespace_is_made_or_brought_up_to_date(tmp_path: Path, create: str, verbs: list[str]) -> None:
    """And no call asks the resolver for more than an address."""
    assert run_script(tmp_path, create=create).returncode == 0
    asked = (tmp_path / "asked").read_text().splitlines()
    options = "--namespace hotel-holds --retention 720h --address passthrough:///temporal:7233"
    assert asked == [f"operator namespace {verb} {options}" for verb in verbs]


def test_a_failure_tells_its_cause(tmp_path: Path) -> None:
    """The container's log then says why nothing starts."""
    done = run_script(tmp_path, create="echo 'context deadline exceeded' >&2; exit 1")
    assert (done.returncode, done.stderr) == (1, "context deadline exceeded\n")
    assert "update" not in (tmp_path / "asked").read_text()
