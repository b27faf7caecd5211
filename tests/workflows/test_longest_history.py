"""The longest history that a run of a booking's workflow can have replays well within a workflow task's ten seconds."""

from __future__ import annotations

import time

from temporalio.worker import Replayer

from dispatch.message_converter import DATA_CONVERTER
from domain.booking import ActorKind, Decision, ReasonCode, Status
from tests.workflows.harness import WorkflowHarness
from tests.workflows.invariants import histories_of
from tests.workflows.long_histories import history_of, inputs_left, run_id
from tests.workflows.refusals import CAPTURE, REFUND
from tests.workflows.sandboxed import sandboxed_runner
from worker import WORKFLOWS
from workflows.options import INPUTS_MOST

_HOLD_DAYS = 30
_LONG, _LONGEST = 700, 900
"""A run that is nearly full when a capture begins, which then fails for as long as a hold can last."""


async def test_longest_history_replays_in_no_time(harness: WorkflowHarness) -> None:
    booking = await harness.held(
        hold_s=_HOLD_DAYS * 86400, approval_sla_s=(_HOLD_DAYS - 1) * 86400, check_in_days=60
    )
    run = await run_id(booking)
    for _ in range(await inputs_left(booking) - 2):
        await booking.come_back()
    await harness.stripe.order(CAPTURE, "error_before", status=500, times=None)
    approval = harness.later(booking.outcome(await booking.send(Decision.APPROVE)))
    await harness.advance(days=_HOLD_DAYS + 1)
    await approval
    assert await booking.status() is Status.DECLINED
    assert (await booking.row()).reason_code == ReasonCode.AUTHORIZATION_EXPIRED

    history = await history_of(harness, booking, run)
    updates = sum(
        event.HasField("workflow_execution_update_accepted_event_attributes") for event in history.events
    )
    began = time.process_time()
    replayer = Replayer(
        workflows=WORKFLOWS, workflow_runner=sandboxed_runner(), data_converter=DATA_CONVERTER
    )
    await replayer.replay_workflow(history)
    cpu_s = time.process_time() - began
    print(f"{len(history.events)} events, {updates} updates: replayed in {cpu_s:.2f} s of CPU")
    assert _LONG < len(history.events) < _LONGEST
    assert updates <= INPUTS_MOST + 1
    assert cpu_s < 1, "half a second on an idle machine"


async def test_step_that_fails_for_days_goes_on_in_new_runs(harness: WorkflowHarness) -> None:
    """Its attempts count, so that the history does not grow with each day on which an operator lets it try again."""
    booking = await harness.confirmed()
    await harness.stripe.order(REFUND, "error_before", status=500, times=None)
    await booking.send(Decision.CANCEL, ActorKind.GUEST)
    for _ in range(3):
        await harness.advance(hours=25)
        harness.later(booking.retry())
    await harness.advance(hours=25)
    lengths = [len(history.events) async for history in histories_of(harness, booking.handle.id)]
    assert len(lengths) > 1
    assert max(lengths) < _LONGEST
