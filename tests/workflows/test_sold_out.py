"""A hold that finds no room left: it is given up, whatever becomes free, and the hotel is never asked."""

from __future__ import annotations

import pytest

from domain.booking import ActorKind, Decision, Event, ReasonCode, Status
from domain.decisions import CommandOutcome
from tests.workflows.activity_faults import FaultMode
from tests.workflows.attention import HELD, RELEASED
from tests.workflows.booking_driver import BookingDriver
from tests.workflows.harness import WorkflowHarness
from tests.workflows.hotels import ROOMS, TOTAL_MINOR, free_again, sell_elsewhere
from tests.workflows.refusals import CANCEL, REFUND, refuse

ENDED_SOLD_OUT = (Status.DECLINED, ReasonCode.SOLD_OUT)


async def standing(booking: BookingDriver) -> tuple[str, str | None]:
    row = await booking.row()
    return row.status, row.reason_code


async def paid_too_late(harness: WorkflowHarness) -> BookingDriver:
    """A guest pays for a room that was sold elsewhere meanwhile; no webhook has come."""
    booking = await harness.submitted()
    await booking.open_page()
    await sell_elsewhere(harness.database, await booking.row())
    await booking.pay()
    return booking


async def stuck(harness: WorkflowHarness, match: str = CANCEL) -> BookingDriver:
    """The same, and Stripe refuses to give the hold up."""
    booking = await paid_too_late(harness)
    await refuse(harness, match, times=None)
    await harness.webhooks.deliver()
    await harness.wait_until_idle()
    assert await booking.status() is Status.PENDING_PAYMENT
    assert (await booking.row()).needs_attention
    return booking


async def test_hold_without_a_room_is_released_without_asking_staff(harness: WorkflowHarness) -> None:
    booking = await paid_too_late(harness)
    await harness.webhooks.deliver()
    await harness.wait_until_idle()

    assert await standing(booking) == ENDED_SOLD_OUT
    assert await booking.events() == [Event.SOLD_OUT]
    assert await booking.money() == RELEASED
    assert await booking.guest_subjects() == [f"Booking Update - {booking.booking_id}"]
    assert await booking.staff_subjects() == []
    assert await booking.staff_events() == []
    [mail] = await booking.mails(booking.guest_email)
    assert f"/hotels/{booking.terms.hotel_slug}/" in mail["text"], "other dates are offered"
    assert await booking.is_over()


async def test_last_room_is_taken(harness: WorkflowHarness) -> None:
    booking = await harness.submitted()
    await booking.open_page()
    await sell_elsewhere(harness.database, await booking.row(), ROOMS - 1)
    await booking.place_hold()
    assert await booking.status() is Status.PENDING_APPROVAL


async def test_captured_unseen_while_no_room_is_left_is_refunded(harness: WorkflowHarness) -> None:
    booking = await paid_too_late(harness)
    await booking.dashboard("capture")
    await harness.webhooks.deliver()
    await harness.wait_until_idle()

    assert await standing(booking) == ENDED_SOLD_OUT
    assert await booking.money() == ("succeeded", TOTAL_MINOR, TOTAL_MINOR)
    row = await booking.row()
    assert (row.amount_captured_minor, row.amount_refunded_minor) == (TOTAL_MINOR, TOTAL_MINOR)


async def test_release_is_insisted_on_while_the_booking_stays(harness: WorkflowHarness) -> None:
    """No session, no expiry, no cancellation, no room that becomes free: only the release ends it."""
    booking = await stuck(harness)
    assert await booking.money() == HELD
    assert not (await booking.open_page()).payable
    assert (await booking.cancel()).outcome is CommandOutcome.IN_PROGRESS
    await free_again(harness.database, await booking.row())
    await harness.advance(days=2)
    assert await booking.status() is Status.PENDING_PAYMENT, "past its window"

    await harness.stand_ins.clear_faults()
    await harness.advance(hours=1)
    assert await standing(booking) == ENDED_SOLD_OUT
    assert await booking.events() == [Event.ATTENTION_NEEDED, Event.SOLD_OUT]
    assert await booking.money() == RELEASED


async def test_operator_has_the_release_tried_again(harness: WorkflowHarness) -> None:
    booking = await stuck(harness)
    await harness.stand_ins.clear_faults()
    assert (await booking.retry()).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()
    assert await standing(booking) == ENDED_SOLD_OUT


async def test_refund_that_stripe_refuses_is_insisted_on(harness: WorkflowHarness) -> None:
    booking = await harness.submitted()
    await booking.open_page()
    await sell_elsewhere(harness.database, await booking.row())
    await booking.pay()
    await booking.dashboard("capture")
    await refuse(harness, REFUND, times=None)
    await harness.webhooks.deliver()
    await harness.wait_until_idle()
    assert (await booking.row()).needs_attention
    await harness.stand_ins.clear_faults()
    assert (await booking.retry()).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()
    assert await standing(booking) == ENDED_SOLD_OUT


async def test_guest_who_cancels_while_stripe_is_slow_is_told_at_once(harness: WorkflowHarness) -> None:
    """The release takes as long as it takes; no request waits behind it."""
    booking = await paid_too_late(harness)
    await harness.stripe.order(CANCEL, "error_before", status=500, times=None)
    await harness.webhooks.deliver()
    await harness.wait_until_idle()
    command = await booking.send(Decision.CANCEL, ActorKind.GUEST)
    assert (await booking.outcome(command)).outcome is CommandOutcome.IN_PROGRESS
    assert not (await booking.open_page()).payable
    assert (await booking.come_back()).status is Status.PENDING_PAYMENT

    await harness.stand_ins.clear_faults()
    await harness.advance(minutes=10)
    assert await standing(booking) == ENDED_SOLD_OUT


async def test_lost_workflow_goes_on_giving_the_hold_up(harness: WorkflowHarness) -> None:
    """The row keeps that no room was left: also where one is free by then."""
    booking = await stuck(harness)
    await booking.lose_workflow()
    await free_again(harness.database, await booking.row())
    await harness.stand_ins.clear_faults()
    await booking.give_back_workflow()
    assert await standing(booking) == ENDED_SOLD_OUT
    assert await booking.money() == RELEASED


async def test_cancellation_before_the_hold_wins(harness: WorkflowHarness) -> None:
    booking = await paid_too_late(harness)
    assert (await booking.cancel()).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()
    assert await booking.status() is Status.CANCELLED
    assert await booking.money() == RELEASED


async def test_hold_that_comes_at_the_windows_end_finds_no_room(harness: WorkflowHarness) -> None:
    booking = await paid_too_late(harness)
    await harness.webhooks.lose()
    harness.webhooks.is_paused = True
    await harness.advance_to((await booking.view()).payment_deadline)  # type: ignore[arg-type]
    await harness.wait_until_idle()
    assert await standing(booking) == ENDED_SOLD_OUT
    assert Event.PAYMENT_WINDOW_CLOSED not in await booking.events()


async def test_second_hold_claims_nothing(harness: WorkflowHarness) -> None:
    booking = await harness.held()
    await sell_elsewhere(harness.database, await booking.row(), ROOMS - 1)
    await booking.fill_in(await booking.unnoted_page())
    await harness.webhooks.deliver()
    await harness.wait_until_idle()
    assert await booking.events() == [Event.AUTHORIZED, Event.UNMATCHED_PAYMENT_RETURNED]
    assert await booking.status() is Status.PENDING_APPROVAL


@pytest.mark.parametrize("mode", [FaultMode.BEFORE, FaultMode.AFTER])
async def test_refusal_whose_answer_is_lost_stands(harness: WorkflowHarness, mode: FaultMode) -> None:
    booking = await paid_too_late(harness)
    harness.activity_faults.order("bookings.record", mode, times=1, booking_id=booking.booking_id)
    await harness.webhooks.deliver()
    await harness.wait_until_idle()
    await harness.advance(minutes=1)
    assert await standing(booking) == ENDED_SOLD_OUT
