"""The recorded histories."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from temporalio.client import WorkflowHistory

HISTORIES: Final = Path(__file__).parent / "histories"
RECORDED: Final = sorted(HISTORIES.glob("*.json"))


def read_history(path: Path) -> WorkflowHistory:
    """A recorded history."""
    return WorkflowHistory.from_json(path.stem, path.read_text())
