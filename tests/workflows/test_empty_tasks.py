"""A workflow task that decided nothing may be replayed at the time of an empty task that followed it.

So no code decides by `workflow.now()` whether an instant has come, unless the same task has a command either way: it
waits for a timer, whose end is in the history.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from dispatch.message_converter import DATA_CONVERTER
from tests.workflows.empty_tasks import with_empty_tasks
from tests.workflows.recorded import RECORDED, read_history
from worker import WORKFLOWS


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
async def test_history_replays_whenever_empty_tasks_came(path: Path) -> None:
    replayer = Replayer(
        workflows=WORKFLOWS, workflow_runner=UnsandboxedWorkflowRunner(), data_converter=DATA_CONVERTER
    )
    await replayer.replay_workflow(with_empty_tasks(read_history(path)))
