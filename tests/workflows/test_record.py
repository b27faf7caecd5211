"""Records histories for `test_replay.py`, where asked to: `RECORD_HISTORIES=1`.

A history that is there already stays. Until 1.0 no booking depends on one: delete the folder to record all afresh.
"""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from temporalio.client import WorkflowHistory

from tests.workflows.paths import PATHS, Path, unharmed
from tests.workflows.tales import OPEN, STRAY, TALES, Tale, file_name
from tests.workflows.test_replay import HISTORIES
from tests.workflows.world import World

pytestmark = pytest.mark.skipif(
    "RECORD_HISTORIES" not in os.environ, reason="writes files: set RECORD_HISTORIES=1"
)


def _keep(name: str, history: WorkflowHistory) -> None:
    target = HISTORIES / f"{file_name(name)}.json"
    if not target.exists():
        text = json.dumps(_without_traces(history.to_json_dict()), indent=1)
        target.write_text(text + "\n")


def _without_traces(part: Any) -> Any:
    """The same but for stack traces: they name folders of the machine that recorded them."""
    if isinstance(part, dict):
        return {key: _without_traces(value) for key, value in part.items() if key != "stackTrace"}
    return [_without_traces(item) for item in part] if isinstance(part, list) else part


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
async def test_record_a_path(world: World, path: Path) -> None:
    [stay] = await path.take(world, 1, unharmed)
    await world.advance(days=30)
    assert await stay.is_over()
    _keep(path.name, await stay.handle.fetch_history())


@pytest.mark.parametrize("tale", TALES, ids=lambda tale: tale.name)
async def test_record_a_tale(world: World, tale: Tale) -> None:
    stay = await tale.tell(world)
    await world.settle()
    if tale not in OPEN:
        await world.advance(days=30)
        assert await stay.is_over()
    _keep(tale.name, await stay.handle.fetch_history())


async def test_record_money_that_came_too_late(world: World) -> None:
    """The workflow beside the booking's own."""
    stay = await world.submitted(payment_window_s=3600)
    page = await stay.unnoted_page()
    await world.advance(hours=2)
    await stay.fill_in(page)
    await world.postman.deliver()
    await world.settle()
    stray, *_ = world.postman.stray_workflows  # two events tell of this hold, each has a workflow
    _keep(STRAY, await world.client.get_workflow_handle(stray).fetch_history())
