"""Records histories for `test_replay.py`, where asked to: `RECORD_HISTORIES=1`.

A history that is there already stays. Until 1.0 no booking depends on one: delete those of a changed workflow and
record them afresh. From 1.0 on they stay, and the change goes behind a patch. CONTRIBUTING.md, 'Changing a workflow
safely', says how.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowFailureError, WorkflowHistory
from temporalio.testing import WorkflowEnvironment

from dispatch.names import RECONCILE_WORKFLOW, SWEEP_WORKFLOW
from tests.workflows.harness import WorkflowHarness
from tests.workflows.recorded import HISTORIES
from tests.workflows.scenarios_bulk import BULK_SCENARIOS, BulkScenario, no_faults
from tests.workflows.scenarios_resolved import RETURNED_REFUND
from tests.workflows.scenarios_single import (
    ENDED_BOOKING_PAYMENT,
    OPEN_SCENARIOS,
    RECONCILE,
    SINGLE_SCENARIOS,
    SWEEP,
    SWEEP_INCOMPLETE,
    SingleScenario,
    file_name,
)
from tests.workflows.situations import fail_newest_refund
from worker import build_worker

TEMPORAL = Path(sys.executable).with_name("temporal")

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


async def test_record_a_returned_refund(harness: WorkflowHarness) -> None:
    """The workflow that waits for `retry`, once the booking's own has ended."""
    booking = await harness.confirmed()
    await booking.cancel()
    await harness.webhooks.deliver()
    await harness.wait_until_idle()
    await fail_newest_refund(harness, booking)
    [waiting] = await harness.running_ended_booking_payments()
    await harness.retry_ended_booking_payments()
    await harness.wait_until_idle()
    _keep(RETURNED_REFUND, await harness.client.get_workflow_handle(waiting).fetch_history())


async def test_record_a_sweep(harness: WorkflowHarness) -> None:
    """One history of a whole booking, and one with a refusal by Stripe."""
    _keep(SWEEP, await _history_of_job(harness.client, SWEEP_WORKFLOW, _queue(harness)))
    await harness.stand_ins.stripe.order("GET /v1/events", "error_before", status=403, times=None)
    with pytest.raises(WorkflowFailureError):
        await harness.client.execute_workflow(SWEEP_WORKFLOW, id="incomplete", task_queue=_queue(harness))
    _keep(SWEEP_INCOMPLETE, await harness.client.get_workflow_handle("incomplete").fetch_history())


async def test_record_a_reconciliation(harness: WorkflowHarness) -> None:
    """On another server: the one that skips time lists no workflows."""
    async with (
        await WorkflowEnvironment.start_local(dev_server_existing_path=str(TEMPORAL)) as env,
        build_worker(harness.settings, env.client, harness.database),
    ):
        _keep(RECONCILE, await _history_of_job(env.client, RECONCILE_WORKFLOW, _queue(harness)))


async def _history_of_job(client: Client, workflow: str, task_queue: str) -> WorkflowHistory:
    await client.execute_workflow(workflow, id=workflow, task_queue=task_queue)
    return await client.get_workflow_handle(workflow).fetch_history()


def _queue(harness: WorkflowHarness) -> str:
    return harness.settings.temporal_task_queue
