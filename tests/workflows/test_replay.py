"""Recorded histories replay on today's workflows: from 1.0 on, bookings under way go on after a deploy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner, WorkflowRunner
from temporalio.workflow import NondeterminismError

from dispatch.message_converter import DATA_CONVERTER
from tests.workflows.recorded import RECORDED, read_history
from tests.workflows.sandboxed import sandboxed_runner
from tests.workflows.scenarios_bulk import BULK_SCENARIOS
from tests.workflows.scenarios_single import (
    ENDED_BOOKING_PAYMENT,
    RECONCILE,
    SINGLE_SCENARIOS,
    SWEEP,
    SWEEP_INCOMPLETE,
    file_name,
)
from worker import WORKFLOWS

_MEND: Final = (
    "{name} does not replay any more: the workflow's commands have changed.\n"
    "Until 1.0: delete this history and record it afresh; no booking depends on it.\n"
    "From 1.0 on: keep it, and put the change behind `workflow.patched(...)`; open bookings would stop otherwise.\n"
    "CONTRIBUTING.md, 'Changing a workflow safely', says how.\n\n{error}"
)


def _replayer(runner: WorkflowRunner) -> Replayer:
    return Replayer(workflows=WORKFLOWS, workflow_runner=runner, data_converter=DATA_CONVERTER)


@pytest.mark.parametrize(
    "runner", [sandboxed_runner(), UnsandboxedWorkflowRunner()], ids=["sandbox", "production"]
)
@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
async def test_recorded_history_replays(path: Path, runner: WorkflowRunner) -> None:
    result = await _replayer(runner).replay_workflow(read_history(path), raise_on_replay_failure=False)
    if result.replay_failure is not None:
        pytest.fail(_MEND.format(name=path.name, error=result.replay_failure), pytrace=False)


async def test_another_order_of_steps_is_noticed() -> None:
    """A check of the test above: a history with two of its steps swapped does not replay."""
    history = json.loads(RECORDED[0].read_text())
    scheduled = [
        event["activityTaskScheduledEventAttributes"]["activityType"]
        for event in history["events"]
        if "activityTaskScheduledEventAttributes" in event
    ]
    first, second = scheduled[0], next(kind for kind in scheduled if kind != scheduled[0])
    first["name"], second["name"] = second["name"], first["name"]
    tampered = WorkflowHistory.from_json("tampered", json.dumps(history))

    result = await _replayer(UnsandboxedWorkflowRunner()).replay_workflow(
        tampered, raise_on_replay_failure=False
    )

    assert isinstance(result.replay_failure, NondeterminismError)


def test_every_scenario_is_recorded() -> None:
    names = [
        *(path.name for path in BULK_SCENARIOS),
        *(scenario.name for scenario in SINGLE_SCENARIOS),
        ENDED_BOOKING_PAYMENT,
        SWEEP,
        SWEEP_INCOMPLETE,
        RECONCILE,
    ]
    missing = {file_name(name) for name in names} - {path.stem for path in RECORDED}
    assert not missing, (
        "RECORD_HISTORIES=1 .venv/bin/python -m pytest tests/workflows/test_record.py records them"
    )
