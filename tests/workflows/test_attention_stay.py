"""Bookings that need a person once they are confirmed: nothing is lost, and they go on when somebody has helped."""

from __future__ import annotations

from domain.booking import ActorKind, Decision, Event, Status
from domain.decisions import CommandOutcome
from tests.workflows.attention import (
    REFUNDED,
    asks_for_person,
)
from tests.workflows.booking_driver import BookingDriver
from tests.workflows.harness import WorkflowHarness
from tests.workflows.hotels import TOTAL_MINOR
from tests.workflows.refusals import REFUND, refuse
from tests.workflows.situations import leave_unmatched_payment_stuck


async def _unrefunded(harness: WorkflowHarness) -> tuple[BookingDriver, str]:
    """A confirmed booking whose guest cancelled, and whose refund Stripe refused."""
    booking = await harness.confirmed()
    await refuse(harness, REFUND)
    command_id = await booking.send(Decision.CANCEL, ActorKind.GUEST)
    assert (await booking.outcome(command_id)).outcome is CommandOutcome.NEEDS_ATTENTION
    await harness.wait_until_idle()
    assert await booking.status() is Status.CONFIRMED
    assert await asks_for_person(booking)
    return booking, command_id


async def test_refund_that_was_refused_is_made_by_retry(harness: WorkflowHarness) -> None:
    booking, command_id = await _unrefunded(harness)
    assert (await booking.retry()).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()
    assert await booking.status() is Status.CANCELLED
    assert await booking.money() == REFUNDED
    assert await booking.recorded_outcome(command_id) == CommandOutcome.SETTLED
    assert not await asks_for_person(booking)


async def test_refund_made_in_the_dashboard_instead_cancels_by_resolve(harness: WorkflowHarness) -> None:
    booking, command_id = await _unrefunded(harness)
    await booking.dashboard("refund")
    assert (await booking.resolve()).outcome is CommandOutcome.SETTLED
    await harness.webhooks.deliver()
    await harness.wait_until_idle()
    assert await booking.status() is Status.CANCELLED
    assert (await booking.row()).amount_refunded_minor == TOTAL_MINOR
    assert await booking.money() == REFUNDED
    assert await booking.recorded_outcome(command_id) == CommandOutcome.SETTLED


async def test_resolve_tries_no_refund_again_and_drops_the_cancellation(harness: WorkflowHarness) -> None:
    booking, command_id = await _unrefunded(harness)
    assert (await booking.resolve()).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()
    assert await booking.money() == ("succeeded", TOTAL_MINOR, 0)
    assert await booking.status() is Status.CONFIRMED
    assert not await asks_for_person(booking)
    assert await booking.recorded_outcome(command_id) == CommandOutcome.ALREADY_DECIDED
    assert (await booking.cancel()).outcome is CommandOutcome.SETTLED, "the guest may ask again"
    assert await booking.money() == REFUNDED


async def test_what_goes_back_depends_on_when_the_guest_asked(harness: WorkflowHarness) -> None:
    booking, _ = await _unrefunded(harness)
    await harness.advance_to(booking.terms.free_cancel_until)
    assert (await booking.retry()).outcome is CommandOutcome.SETTLED
    harness.excused = "M3"  # which counts the fee from the moment the cancellation was written
    assert await booking.money() == REFUNDED


async def test_second_cancellation_waits_for_the_one_that_is_stuck(harness: WorkflowHarness) -> None:
    booking, _ = await _unrefunded(harness)
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
