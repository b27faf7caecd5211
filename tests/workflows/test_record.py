"""Records histories for `test_replay.py`, where asked to: `RECORD_HISTORIES=1`.

A history that is there already stays. Until 1.0 no booking depends on one: delete those of a changed workflow and
record them afresh. From 1.0 on they stay, and the change goes behind a patch. CONTRIBUTING.md, 'Changing a workflow
safely', says how.
"""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from temporalio.client import WorkflowHistory

from tests.workflows.harness import WorkflowHarness
from tests.workflows.scenarios_bulk import BULK_SCENARIOS, BulkScenario, no_faults
from tests.workflows.scenarios_single import (
    ENDED_BOOKING_PAYMENT,
    OPEN_SCENARIOS,
    SINGLE_SCENARIOS,
    SingleScenario,
    file_name,
)
from tests.workflows.test_replay import HISTORIES

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


@pytest.mark.parametrize("scenario", BULK_SCENARIOS, ids=lambda scenario: scenario.name)
async def test_record_a_bulk_scenario(harness: WorkflowHarness, scenario: BulkScenario) -> None:
    [booking] = await scenario.run(harness, 1, no_faults)
    await harness.advance(days=30)
    assert await booking.is_over()
    _keep(scenario.name, await booking.handle.fetch_history())


@pytest.mark.parametrize("scenario", SINGLE_SCENARIOS, ids=lambda scenario: scenario.name)
async def test_record_a_single_scenario(harness: WorkflowHarness, scenario: SingleScenario) -> None:
    booking = await scenario.run(harness)
    await harness.wait_until_idle()
    if scenario not in OPEN_SCENARIOS:
        await harness.advance(days=30)
        assert await booking.is_over()
    _keep(scenario.name, await booking.handle.fetch_history())


async def test_record_money_that_came_too_late(harness: WorkflowHarness) -> None:
    """The workflow beside the booking's own."""
    booking = await harness.submitted(payment_window_s=3600)
    page = await booking.unnoted_page()
    await harness.advance(hours=2)
    await booking.fill_in(page)
    await harness.webhooks.deliver()
    await harness.wait_until_idle()
    unmatched, *_ = (
        harness.webhooks.ended_booking_workflows
    )  # two events tell of this hold, each has a workflow
    _keep(ENDED_BOOKING_PAYMENT, await harness.client.get_workflow_handle(unmatched).fetch_history())
