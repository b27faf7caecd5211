"""The contents of a stack's folder, and its owner."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.stack.folder import FolderInUseError, FolderLock, FolderState
from tests.stack.leftovers import ROOT

HOLD = "import sys; from pathlib import Path; from sandbox.stack.folder import FolderLock; \
lock = FolderLock(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"


def test_secrets_and_ports_are_the_same_next_time(tmp_path: Path) -> None:
    """And for the owner's eyes only."""
    first = FolderState(tmp_path)
    auth = first.secret("auth")
    first.keep_ports({"api": 8000})
    again = FolderState(tmp_path)
    assert (again.secret("auth"), again.port("api"), again.port("stripe")) == (auth, 8000, None)
    assert again.secret("database") != auth
    [file] = tmp_path.iterdir()
    assert file.stat().st_mode & 0o077 == 0


def test_one_stack_at_a_time(tmp_path: Path) -> None:
    """The second reads the folder's owner; once that process is gone, the folder is free."""
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as owner:
        try:
            assert owner.stdout is not None
            assert owner.stdout.readline() == "held\n"
            with pytest.raises(FolderInUseError, match=rf"process {owner.pid} is already running a stack in"):
                FolderLock(tmp_path)
        finally:
            owner.kill()
    lock = FolderLock(tmp_path)
    assert (tmp_path / "in-use").read_text() == str(os.getpid())
    lock.release()
