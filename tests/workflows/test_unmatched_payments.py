"""An unmatched payment that could not be returned stays outstanding through every change of status."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from domain.booking import Event, Status
from domain.decisions import CommandOutcome
from tests.workflows.booking_driver import BookingDriver
from tests.workflows.harness import WorkflowHarness
from tests.workflows.hotels import TOTAL_MINOR
from tests.workflows.refusals import CANCEL, CAPTURE, EXPIRE, refuse
from tests.workflows.situations import leave_unmatched_payment_stuck

HELD = ("requires_capture", 0, 0)
RELEASED = ("canceled", 0, 0)
CAPTURED = ("succeeded", TOTAL_MINOR, 0)


async def _flagged(booking: BookingDriver) -> bool:
    return (await booking.row()).needs_attention


async def _retried(harness: WorkflowHarness, booking: BookingDriver) -> None:
    """An operator tries again, and nothing is left to do."""
    assert (await booking.retry()).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()
    assert Event.UNMATCHED_PAYMENT_RETURNED in await booking.events()
    assert not await _flagged(booking)
    assert (await booking.evidence_of_search())["NeedsAttention"] is False


async def test_hold_of_a_wrong_amount_is_returned_by_retry_while_payment_is_due(
    harness: WorkflowHarness,
) -> None:
    booking = await harness.submitted()
    await leave_unmatched_payment_stuck(harness, booking, amount_minor=TOTAL_MINOR - 1)
    await _retried(harness, booking)
    assert await booking.intents() == [RELEASED]
    assert await booking.status() is Status.PENDING_PAYMENT


async def test_hold_of_a_wrong_amount_is_returned_by_retry_once_the_right_one_is_held(
    harness: WorkflowHarness,
) -> None:
    booking = await harness.submitted()
    await leave_unmatched_payment_stuck(harness, booking, amount_minor=TOTAL_MINOR - 1)
    await booking.place_hold()
    assert await booking.status() is Status.PENDING_APPROVAL
    assert await _flagged(booking)
    assert (await booking.evidence_of_search())["NeedsAttention"] is True

    await _retried(harness, booking)
    assert await booking.intents() == [RELEASED, HELD]
    assert (await booking.approve()).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()
    assert not await _flagged(booking)


async def test_hold_of_a_wrong_amount_is_returned_by_retry_after_the_booking_expired(
    harness: WorkflowHarness,
) -> None:
    booking = await harness.submitted(payment_window_s=3600)
    await leave_unmatched_payment_stuck(harness, booking, amount_minor=TOTAL_MINOR - 1)
    await harness.advance(hours=2)
    assert await booking.status() is Status.EXPIRED
    assert await _flagged(booking)
    assert not await booking.is_over()

    await _retried(harness, booking)
    assert await booking.intents() == [RELEASED]
    assert await booking.is_over()


async def test_second_hold_is_returned_by_retry_after_the_approval(harness: WorkflowHarness) -> None:
    booking = await harness.held()
    await leave_unmatched_payment_stuck(harness, booking)
    assert (await booking.approve()).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()
    assert await booking.status() is Status.CONFIRMED
    assert await _flagged(booking)

    await _retried(harness, booking)
    assert await booking.intents() == [CAPTURED, RELEASED]


async def _declined(booking: BookingDriver) -> None:
    assert (await booking.decline()).outcome is CommandOutcome.SETTLED


async def _cancelled(booking: BookingDriver) -> None:
    assert (await booking.cancel()).outcome is CommandOutcome.SETTLED


@pytest.mark.parametrize("end", [_declined, _cancelled])
async def test_second_hold_is_returned_by_retry_after_the_end(
    harness: WorkflowHarness, end: Callable[[BookingDriver], Awaitable[None]]
) -> None:
    booking = await harness.held()
    await leave_unmatched_payment_stuck(harness, booking)
    await end(booking)
    await harness.wait_until_idle()
    assert await _flagged(booking)
    assert not await booking.is_over()

    await _retried(harness, booking)
    assert await booking.intents() == [RELEASED, RELEASED]
    assert await booking.is_over()


async def test_second_hold_of_a_stay_is_returned_by_retry_after_its_cancellation(
    harness: WorkflowHarness,
) -> None:
    booking = await harness.confirmed()
    await leave_unmatched_payment_stuck(harness, booking)
    await _cancelled(booking)
    await harness.wait_until_idle()
    assert await booking.status() is Status.CANCELLED
    assert await _flagged(booking)
    assert not await booking.is_over()

    await _retried(harness, booking)
    assert await booking.intents() == [("succeeded", TOTAL_MINOR, TOTAL_MINOR), RELEASED]
    assert await booking.is_over()


async def test_retry_that_is_refused_again_forgets_no_hold(harness: WorkflowHarness) -> None:
    booking = await harness.confirmed()
    await leave_unmatched_payment_stuck(harness, booking)
    await leave_unmatched_payment_stuck(harness, booking)
    await refuse(harness, CANCEL)
    assert (await booking.retry()).outcome is CommandOutcome.NEEDS_ATTENTION
    await harness.wait_until_idle()
    assert await _flagged(booking)

    await _retried(harness, booking)
    assert await booking.intents() == [CAPTURED, RELEASED, RELEASED]


async def test_stuck_approval_is_retried_although_an_unmatched_payment_stays_stuck(
    harness: WorkflowHarness,
) -> None:
    booking = await harness.held()
    await leave_unmatched_payment_stuck(harness, booking)
    await refuse(harness, CAPTURE)
    assert (await booking.approve()).outcome is CommandOutcome.NEEDS_ATTENTION
    await refuse(harness, CANCEL)
    assert (await booking.retry()).outcome is CommandOutcome.NEEDS_ATTENTION
    await harness.wait_until_idle()
    assert await booking.status() is Status.CONFIRMED
    assert await _flagged(booking)

    await _retried(harness, booking)
    assert await booking.intents() == [CAPTURED, RELEASED]


async def test_money_that_other_news_settles_keeps_no_flag(harness: WorkflowHarness) -> None:
    """Two events tell of one hold, and only the first one is refused."""
    booking = await harness.submitted()
    await booking.fill_in(await booking.unnoted_page(amount_minor=TOTAL_MINOR - 1))
    await refuse(harness, CANCEL)
    await harness.webhooks.deliver()
    await harness.wait_until_idle()
    assert await booking.intents() == [RELEASED]
    await booking.place_hold()
    assert await booking.status() is Status.PENDING_APPROVAL
    assert not await _flagged(booking)


async def test_hold_is_released_also_where_it_is_called_settled_by_hand(harness: WorkflowHarness) -> None:
    booking = await harness.held()
    await leave_unmatched_payment_stuck(harness, booking)
    await booking.resolve()
    await harness.wait_until_idle()
    assert await booking.intents() == [HELD, RELEASED]
    assert not await _flagged(booking)


async def test_retry_that_returns_only_the_unmatched_payment_says_that_a_person_is_needed(
    harness: WorkflowHarness,
) -> None:
    booking = await harness.submitted()
    await booking.open_page()
    await leave_unmatched_payment_stuck(harness, booking, amount_minor=TOTAL_MINOR - 1)
    await refuse(harness, EXPIRE, times=2)
    assert (await booking.cancel()).outcome is CommandOutcome.NEEDS_ATTENTION
    assert (await booking.retry()).outcome is CommandOutcome.NEEDS_ATTENTION
    await harness.wait_until_idle()
    assert await booking.intents() == [RELEASED]
    assert await _flagged(booking)
    assert (await booking.retry()).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()
    assert await booking.status() is Status.CANCELLED
