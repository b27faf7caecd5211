"""Bookings that lost their workflow: reconciliation, here run by its own workflow, gives them one back."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlmodel import col
from temporalio.client import (
    Client,
    Interceptor,
    OutboundInterceptor,
    SignalWorkflowInput,
    WorkflowExecutionStatus,
)
from temporalio.service import RPCError, RPCStatusCode
from typer.testing import Result

from dispatch.errors import TemporalAwayError
from dispatch.events import deliver_event
from domain.booking import ActorKind, Decision, Status
from domain.decisions import CommandOutcome
from models import StripeWebhookEvent, utc_now
from reconciliation.findings import Finding, FindingKind, FindingOutcome, Remedy
from reconciliation.queries import database_snapshots
from reconciliation.remedies import Remedies
from reconciliation.run_queries import findings_of
from reconciliation.runs import Tally
from reconciliation.stripe_reader import StripeReader
from reconciliation.workflow import ReconcileWorkflow
from storage.tables import ReconciliationFinding, ReconciliationRun
from tests.management.booking_driver import ManagementBookingDriver
from tests.management.harness import ManagementHarness, eventually

_EVENT_ID = "evt_of_a_lost_booking"


@dataclass(frozen=True)
class LostWorkflows:
    """Bookings whose workflows were terminated; then a dry run, then a real one.

    Args:
        approved: with an approval that was signalled and not carried out.
        command_id: that approval.
        freed: with a cancellation that was kept when it was free, and not carried out.
        freed_command_id: that cancellation.
        paying: its guest has paid, and the event has come.
        event_note: what became of the event before reconciliation.
        again: treated in the last three runs.
        dry: what the dry run said.
        after_dry: the workflow of `confirmed` after it.
    """

    approved: ManagementBookingDriver
    command_id: str
    confirmed: ManagementBookingDriver
    freed: ManagementBookingDriver
    freed_command_id: str
    paying: ManagementBookingDriver
    event_note: str | None
    again: ManagementBookingDriver
    dry: Result
    after_dry: WorkflowExecutionStatus | None
    tally: Tally


async def _lost_with_an_event(harness: ManagementHarness) -> tuple[ManagementBookingDriver, str | None]:
    booking = await harness.submitted()
    await booking.open_page()
    await booking.lose_workflow()
    await booking.pay()
    [payment] = await booking.payments()
    event = StripeWebhookEvent(
        event_id=_EVENT_ID,
        event_type="payment_intent.amount_capturable_updated",
        booking_id=booking.booking_id,
        payment_intent_id=payment["id"],
        received_at=utc_now() - timedelta(minutes=5),
    )
    return booking, await deliver_event(
        harness.database, harness.client, harness.settings.temporal_task_queue, event
    )


async def _lost_again(harness: ManagementHarness) -> ManagementBookingDriver:
    booking = await harness.held()
    await booking.lose_workflow()
    async with harness.database.transaction() as db:
        for number in range(3):
            run_id = f"run-{number}"
            db.add(
                ReconciliationRun(
                    run_id=run_id, started_by="schedule", started_at=utc_now(), since=utc_now(), complete=True
                )
            )
            await db.flush()
            db.add(
                ReconciliationFinding(
                    run_id=run_id,
                    kind=FindingKind.WORKFLOW_MISSING,
                    booking_id=booking.booking_id,
                    remedy=Remedy.RESUME,
                    outcome=FindingOutcome.HEALED,
                )
            )
    return booking


@pytest.fixture(scope="module")
async def lost_workflows(shared_harness: ManagementHarness) -> LostWorkflows:
    harness = shared_harness
    approved, confirmed = await harness.held(), await harness.confirmed()
    paying, event_note = await _lost_with_an_event(harness)
    again = await _lost_again(harness)
    freed = await harness.confirmed(check_in_days=2)
    # Free of charge when it was asked for, and not any more by now.
    two_days_ago = utc_now() - timedelta(days=2)
    freed_command_id = await freed.keep(Decision.CANCEL, ActorKind.GUEST, created_at=two_days_ago)
    await harness.stop_worker()
    command_id = await approved.send(Decision.APPROVE)
    await approved.lose_workflow()
    await confirmed.lose_workflow()
    await freed.lose_workflow()
    harness.start_worker()
    dry = await harness.run("reconcile", "--dry-run")
    after_dry = (await confirmed.handle.describe()).status
    tally = await harness.client.execute_workflow(
        ReconcileWorkflow.run, id="reconcile-test", task_queue=harness.settings.temporal_task_queue
    )
    return LostWorkflows(
        approved,
        command_id,
        confirmed,
        freed,
        freed_command_id,
        paying,
        event_note,
        again,
        dry,
        after_dry,
        tally,
    )


async def test_a_dry_run_says_what_would_be_done_and_touches_nothing(lost_workflows: LostWorkflows) -> None:
    assert lost_workflows.dry.exit_code == 1
    assert "would be healed" in lost_workflows.dry.stdout
    assert lost_workflows.confirmed.booking_id in lost_workflows.dry.stdout
    assert lost_workflows.after_dry is WorkflowExecutionStatus.TERMINATED


async def test_the_workflows_run_is_on_record(
    shared_harness: ManagementHarness, lost_workflows: LostWorkflows
) -> None:
    assert lost_workflows.tally.complete
    assert lost_workflows.tally.bookings == 5
    async with shared_harness.database.transaction() as db:
        query = select(ReconciliationRun).where(col(ReconciliationRun.finished_at).is_not(None))
        run = (await db.scalars(query.order_by(col(ReconciliationRun.started_at).desc()).limit(1))).one()
        found = await findings_of(db, run.run_id)
    assert run.started_by == "schedule"
    # A workflow that was restarted may have found the hold, and with it what the event says, before the inbox is read.
    assert {row.kind for row in found} - {FindingKind.EVENT_UNPROCESSED} == {
        FindingKind.WORKFLOW_MISSING,
        FindingKind.HOLD_NOT_RECORDED,
    }


async def test_the_new_workflow_runs_the_lost_ones_commands(lost_workflows: LostWorkflows) -> None:
    booking = lost_workflows.approved
    assert (await booking.outcome(lost_workflows.command_id)).outcome is CommandOutcome.SETTLED
    row = await booking.row()
    assert (row.status, row.decision_made_by) == ("CONFIRMED", booking.person.email)
    assert [payment["status"] for payment in await booking.payments()] == ["succeeded"]


async def test_what_the_lost_one_was_asked_needs_no_signal(lost_workflows: LostWorkflows) -> None:
    """It comes with the start: nothing can be lost between the two."""
    history = await lost_workflows.approved.handle.fetch_history()
    kinds = [event.WhichOneof("attributes") for event in history.events]
    assert "workflow_execution_signaled_event_attributes" not in kinds
    [started] = [event for event in history.events if event.event_id == 1]
    assert lost_workflows.command_id in str(started)


class _BlockingOutbound(OutboundInterceptor):
    async def signal_workflow(self, input: SignalWorkflowInput) -> None:  # noqa: ARG002
        raise RPCError("cut off", RPCStatusCode.UNAVAILABLE, b"")


class _SignalBlocker(Interceptor):
    """Temporal takes starts, and no signal any more."""

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        return _BlockingOutbound(next)


async def test_an_interruption_right_after_the_start_loses_no_decision(
    harness: ManagementHarness,
) -> None:
    booking = await harness.held()
    await harness.stop_worker()
    await booking.send(Decision.APPROVE)
    await booking.lose_workflow()
    async with harness.database.transaction() as db:
        row = (await database_snapshots(db, [booking.booking_id]))[booking.booking_id]
    config = harness.client.config()
    config["interceptors"] = [_SignalBlocker()]
    remedies = Remedies(
        harness.database, Client(**config), harness.settings.temporal_task_queue,
        authorization_margin_s=3600, payment_poll_s=300,
    )  # fmt: skip
    finding = Finding(FindingKind.WORKFLOW_MISSING, booking.booking_id, Remedy.RESUME)
    with suppress(TemporalAwayError):
        await remedies.apply(finding, row, StripeReader(harness.stripe_client, lambda: None), "cut-off")

    harness.start_worker()

    async def is_confirmed() -> bool:
        return await booking.status() is Status.CONFIRMED

    # No later run finds it: its workflow is there.
    await eventually("the approval to be carried out", is_confirmed)


async def test_a_cancellation_the_lost_one_was_asked_costs_what_it_did_then(
    lost_workflows: LostWorkflows,
) -> None:
    booking = lost_workflows.freed

    async def came_out() -> str | None:
        # From the database: a workflow that has ended by now answers no more.
        return (await booking.command(lost_workflows.freed_command_id)).outcome

    assert await eventually("the cancellation to come out", came_out) == CommandOutcome.SETTLED
    assert await booking.status() is Status.CANCELLED
    assert [payment["refunded"] for payment in await booking.payments()] == [15000]


async def test_a_cancellation_the_lost_one_was_asked_becomes_no_dearer_by_an_approval(
    harness: ManagementHarness,
) -> None:
    """The guest asked while it cost nothing; the approval, asked before it, confirms the booking first."""
    booking = await harness.held(check_in_days=1)
    approve = await booking.keep(Decision.APPROVE)
    cancel = await booking.keep(Decision.CANCEL, ActorKind.GUEST, status_when_issued=Status.PENDING_APPROVAL)
    await booking.lose_workflow()
    await harness.stop_worker()
    await harness.reconcile()
    harness.start_worker()

    async def came_out() -> str | None:
        return (await booking.command(cancel)).outcome

    assert await eventually("the cancellation to come out", came_out) == CommandOutcome.IN_PROGRESS
    assert (await booking.command(approve)).outcome == CommandOutcome.SETTLED
    assert await booking.status() is Status.CONFIRMED
    assert [payment["refunded"] for payment in await booking.payments()] == [0]


async def test_a_confirmed_booking_can_be_refunded_again(lost_workflows: LostWorkflows) -> None:
    booking = lost_workflows.confirmed
    await booking.decide(Decision.CANCEL)
    assert await booking.status() is Status.CANCELLED
    assert [payment["refunded"] for payment in await booking.payments()] == [15000]


async def test_an_event_of_a_lost_booking_waits_for_its_workflow(
    shared_harness: ManagementHarness, lost_workflows: LostWorkflows
) -> None:
    """Its hold is the booking's own: nobody else may give that back."""
    assert lost_workflows.event_note == "its workflow is missing"

    async def counts() -> bool:
        return await lost_workflows.paying.status() is Status.PENDING_APPROVAL

    await eventually("the hold to count", counts)
    assert [payment["status"] for payment in await lost_workflows.paying.payments()] == ["requires_capture"]
    async with shared_harness.database.transaction() as db:
        assert (await db.get_one(StripeWebhookEvent, _EVENT_ID)).processed_at is not None


async def test_what_is_treated_again_and_again_is_left_to_people(
    shared_harness: ManagementHarness, lost_workflows: LostWorkflows
) -> None:
    assert lost_workflows.tally.left == 1
    said = await shared_harness.done("booking", "show", lost_workflows.again.booking_id)
    assert "treated in 3 runs before" in said
    # It has its workflow back all the same.
    assert (await lost_workflows.again.handle.describe()).status is WorkflowExecutionStatus.RUNNING
