"""Changes are written within the workflow task that decides them; a task that is lost afterwards repeats them."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import delete
from sqlmodel import col
from temporalio.api.enums.v1 import EventType

from dispatch.client import start_booking
from domain.booking import ActorKind, Decision, Event, Status
from domain.decisions import CommandOutcome
from models import Booking, BookingTimeline
from reconciliation.row_recovery import recorded_changes
from tests.workflows.activity_faults import FaultMode
from tests.workflows.booking_driver import UNTIMED_CARD, BookingDriver
from tests.workflows.harness import WorkflowHarness
from tests.workflows.hotels import TOTAL_MINOR

CAPTURED = ("succeeded", TOTAL_MINOR, 0)


async def _counted(booking: BookingDriver) -> Counter[str]:
    """The events of a booking's history by type; activities that were scheduled by their own names."""
    found: Counter[str] = Counter()
    for event in (await booking.handle.fetch_history()).events:
        found[EventType.Name(event.event_type).removeprefix("EVENT_TYPE_")] += 1
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            found[event.activity_task_scheduled_event_attributes.activity_type.name] += 1
    return found


async def _records(booking: BookingDriver) -> int:
    return (await _counted(booking))["bookings.record"]


# --- within the task ---


async def test_an_approved_booking_takes_five_activities_and_three_timers(harness: WorkflowHarness) -> None:
    booking = await harness.confirmed()
    counted = await _counted(booking)
    assert counted["bookings.record"] == 0
    assert counted["MARKER_RECORDED"] == 3
    assert counted["ACTIVITY_TASK_SCHEDULED"] == 5
    assert (counted["TIMER_STARTED"], counted["TIMER_CANCELED"]) == (3, 2)


async def test_a_change_that_cannot_be_written_at_once_goes_on_as_an_activity(
    harness: WorkflowHarness,
) -> None:
    """An operator sees it with its error and its next attempt."""
    booking = await harness.held()
    harness.activity_faults.order(
        "bookings.record", FaultMode.BEFORE, times=100, booking_id=booking.booking_id
    )
    command_id = await booking.send(Decision.APPROVE)
    await harness.wait_until_idle()

    async def is_retried() -> bool:
        description = await harness.describe(booking.handle.id)
        assert description is not None
        pending = description.raw_description.pending_activities
        return any(
            each.activity_type.name == "bookings.record" and each.HasField("last_failure") for each in pending
        )

    await harness.until(is_retried)
    assert await booking.status() is Status.PENDING_APPROVAL
    harness.activity_faults.clear_faults()
    await harness.advance(minutes=2)
    assert await booking.recorded_outcome(command_id) == CommandOutcome.SETTLED
    assert await booking.status() is Status.CONFIRMED
    assert await _records(booking) == 1


async def test_a_draft_that_is_gone_is_found_gone_by_the_activity(harness: WorkflowHarness) -> None:
    """A final error keeps its meaning."""
    booking = await harness.draft()
    async with harness.database.transaction() as db:
        for table in (BookingTimeline, Booking):
            await db.execute(delete(table).where(col(table.booking_id) == booking.booking_id))
    await start_booking(harness.client, booking.terms, harness.task_queue)
    await harness.until(booking.is_over)
    assert await _records(booking) == 1


async def test_a_step_that_a_timer_starts_is_an_activity(harness: WorkflowHarness) -> None:
    booking = await harness.submitted()
    await booking.open_page()
    await booking.pay()
    await harness.webhooks.lose()
    await harness.advance(seconds=booking.terms.payment_poll_s)
    assert await booking.status() is Status.PENDING_APPROVAL
    assert await _records(booking) == 1


async def test_the_history_holds_the_changes_for_a_row_that_a_restore_made_older(
    harness: WorkflowHarness,
) -> None:
    booking = await harness.confirmed()
    changes = await recorded_changes(harness.client, booking.booking_id)
    assert [(change.event, change.expected_version) for change in changes] == [
        (Event.SUBMITTED, 1),
        (Event.AUTHORIZED, 2),
        (Event.APPROVED, 3),
    ]
    assert changes[-1].amount_captured_minor == TOTAL_MINOR


# --- the task is lost after the change was written ---


async def test_a_change_whose_task_is_lost_is_written_once(harness: WorkflowHarness) -> None:
    lost = harness.activity_faults.lost_tasks.lost
    harness.activity_faults.order("bookings.record", FaultMode.TASK_LOST, times=3)
    booking = await harness.confirmed()
    await harness.wait_until_idle()

    assert harness.activity_faults.lost_tasks.lost == lost + 3
    assert await booking.events() == [Event.AUTHORIZED, Event.APPROVED]
    assert [step.version for step in await booking.timeline()] == [1, 2, 3, 4]
    assert await booking.money() == CAPTURED
    assert len(await booking.guest_subjects()) == 2
    assert {version for version, _ in await booking.published()} == {2, 3, 4}
    assert await _records(booking) == 0


@pytest.mark.parametrize("decision", [Decision.APPROVE, Decision.DECLINE])
async def test_a_signal_that_comes_before_the_repetition_changes_nothing(
    harness: WorkflowHarness, decision: Decision
) -> None:
    booking = await harness.held()
    sent: list[str] = []
    other = Decision.DECLINE if decision is Decision.APPROVE else Decision.APPROVE

    async def interfere() -> None:
        assert await booking.status() is not Status.PENDING_APPROVAL, "the row is ahead of the workflow"
        sent.append(await booking.send(other))
        sent.append(await booking.send(Decision.CANCEL, ActorKind.GUEST))

    harness.activity_faults.lost_tasks.on_loss = interfere
    harness.activity_faults.order("bookings.record", FaultMode.TASK_LOST, times=1)
    command_id = await booking.send(decision)
    await harness.wait_until_idle()

    assert await booking.recorded_outcome(command_id) == CommandOutcome.SETTLED
    assert len(sent) == 2
    assert await booking.recorded_outcome(sent[0]) == CommandOutcome.ALREADY_DECIDED
    approved = decision is Decision.APPROVE
    assert (await booking.events())[1] is (Event.APPROVED if approved else Event.DECLINED)
    assert (await booking.intent())["captures"] == int(approved)


async def test_the_row_shows_the_deadline_that_the_repetition_computed(harness: WorkflowHarness) -> None:
    """Without a time from Stripe the workflow's clock counts, and a repeated task reads it anew."""
    booking = await harness.submitted()

    async def let_time_pass() -> None:
        await harness.until(lambda: harness.stand_ins.stripe.ask("GET", "/_sandbox/faults"))

    harness.activity_faults.lost_tasks.on_loss = let_time_pass
    harness.activity_faults.order("bookings.record", FaultMode.TASK_LOST, times=1)
    await booking.place_hold(UNTIMED_CARD)
    row = await booking.row()
    assert row.decision_deadline == (await booking.view()).decision_deadline
    assert row.updated_at - (await harness.now()) < timedelta(minutes=1)


async def test_the_payment_window_counts_from_the_submission_whenever_it_is_written(
    harness: WorkflowHarness,
) -> None:
    harness.activity_faults.order("bookings.record", FaultMode.TASK_LOST, times=1)
    booking = await harness.submitted()
    assert (await booking.row()).payment_deadline == (await booking.view()).payment_deadline
