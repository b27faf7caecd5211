"""Bookings that need attention once they are confirmed: nothing is lost, and they go on when someone has helped."""

from __future__ import annotations

from domain.booking import Event, Status
from domain.decisions import CommandOutcome
from tests.workflows.attention import (
    REFUNDED,
    asks_for_person,
)
from tests.workflows.harness import WorkflowHarness
from tests.workflows.hotels import TOTAL_MINOR
from tests.workflows.situations import leave_unmatched_payment_stuck, unrefunded


async def test_refund_that_was_refused_is_made_by_retry(harness: WorkflowHarness) -> None:
    booking, command_id = await unrefunded(harness)
    assert (await booking.retry()).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()
    assert await booking.status() is Status.CANCELLED
    assert await booking.money() == REFUNDED
    assert await booking.recorded_outcome(command_id) == CommandOutcome.SETTLED
    assert not await asks_for_person(booking)


async def test_refund_made_in_the_dashboard_instead_cancels_by_resolve(harness: WorkflowHarness) -> None:
    booking, command_id = await unrefunded(harness)
    await booking.dashboard("refund")
    assert (await booking.resolve()).outcome is CommandOutcome.SETTLED
    await harness.webhooks.deliver()
    await harness.wait_until_idle()
    assert await booking.status() is Status.CANCELLED
    assert (await booking.row()).amount_refunded_minor == TOTAL_MINOR
    assert await booking.money() == REFUNDED
    assert await booking.recorded_outcome(command_id) == CommandOutcome.SETTLED


async def test_what_goes_back_depends_on_when_the_guest_asked(harness: WorkflowHarness) -> None:
    booking, _ = await unrefunded(harness)
    await harness.advance_to(booking.terms.free_cancel_until)
    assert (await booking.retry()).outcome is CommandOutcome.SETTLED
    harness.excused = "M3"  # which counts the fee from the moment the cancellation was written
    assert await booking.money() == REFUNDED


async def test_second_cancellation_waits_for_the_one_that_is_stuck(harness: WorkflowHarness) -> None:
    booking, _ = await unrefunded(harness)
    assert (await booking.cancel()).outcome is CommandOutcome.IN_PROGRESS
    assert (await booking.retry()).outcome is CommandOutcome.SETTLED


async def test_unmatched_hold_of_a_confirmed_booking_that_cannot_be_released_waits_for_retry(
    harness: WorkflowHarness,
) -> None:
    booking = await harness.confirmed()
    await leave_unmatched_payment_stuck(harness, booking)

    assert (await booking.retry()).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()
    assert (await booking.intents())[1] == ("canceled", 0, 0)
    assert (await booking.events())[-2:] == [Event.UNMATCHED_PAYMENT_RETURNED, Event.ATTENTION_CLEARED]
