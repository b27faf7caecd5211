"""Several workflows wait about one returned refund: the guest gets it once, and none of them waits for ever."""

from __future__ import annotations

import pytest

from domain.attention import AttentionCode
from domain.booking import ActorKind, Event
from domain.decisions import CommandOutcome
from domain.messages.signals import Command
from tests.workflows.booking_driver import BookingDriver
from tests.workflows.harness import WorkflowHarness
from tests.workflows.hotels import TOTAL_MINOR
from tests.workflows.refusals import REFUND
from tests.workflows.situations import fail_newest_refund
from workflows.ended_booking import EndedBookingPaymentWorkflow

DUE_MINOR = TOTAL_MINOR * 40 // 100
"""Less than half: Stripe would refund it twice."""


async def _heard(harness: WorkflowHarness) -> None:
    await harness.webhooks.deliver()
    await harness.wait_until_idle()


async def _returned(harness: WorkflowHarness) -> BookingDriver:
    """A booking that was cancelled late, its workflow completed, whose refund came back."""
    booking = await harness.confirmed(late_cancel_fee_percent=60)
    await harness.advance_to(booking.terms.free_cancel_until)
    await booking.cancel()
    await _heard(harness)
    await fail_newest_refund(harness, booking)
    assert await booking.money() == ("succeeded", TOTAL_MINOR, 0)
    return booking


async def _refunded_in_dashboard(harness: WorkflowHarness) -> BookingDriver:
    """The same, and someone refunded it in Stripe's Dashboard."""
    booking = await _returned(harness)
    await booking.dashboard("refund", {"amount": DUE_MINOR})
    await _heard(harness)
    assert not await booking.attention()
    return booking


async def _returned_twice(harness: WorkflowHarness) -> tuple[BookingDriver, list[str]]:
    """That refund came back as well before the first one's workflow has noticed it: two of them wait."""
    booking = await _refunded_in_dashboard(harness)
    await fail_newest_refund(harness, booking)
    waiting = await harness.running_ended_booking_payments()
    assert len(waiting) == 2
    assert await booking.attention_codes() == [AttentionCode.REFUND_RETURNED]
    return booking, waiting


async def _resolve(
    harness: WorkflowHarness, booking: BookingDriver, workflow: str, paid_elsewhere_minor: int
) -> str:
    command_id = await booking.keep_help()
    command = Command(command_id, ActorKind.OPERATOR, paid_elsewhere_minor=paid_elsewhere_minor)
    await harness.client.get_workflow_handle(workflow).signal(EndedBookingPaymentWorkflow.resolve, command)
    return command_id


async def test_reason_that_another_workflow_cleared_keeps_none_waiting(harness: WorkflowHarness) -> None:
    await _refunded_in_dashboard(harness)
    await harness.advance(hours=1)
    assert await harness.running_ended_booking_payments() == []


async def test_retry_that_reaches_two_workflows_refunds_once(harness: WorkflowHarness) -> None:
    booking, _ = await _returned_twice(harness)
    # Both have read the payment before either refund is made.
    await harness.stripe.order(REFUND, "delay", delay_s=0.5, times=2)
    await harness.retry_ended_booking_payments()
    await harness.wait_until_idle()
    await _heard(harness)
    assert await booking.money() == ("succeeded", TOTAL_MINOR, DUE_MINOR)
    assert not await booking.attention()
    await harness.advance(hours=1)
    assert await harness.running_ended_booking_payments() == []
    assert not await booking.attention()


@pytest.mark.parametrize("payer", [0, 1])
async def test_paid_elsewhere_while_another_workflow_refunds_is_refused(
    harness: WorkflowHarness, payer: int
) -> None:
    booking, waiting = await _returned_twice(harness)
    await harness.stripe.order(REFUND, "delay", delay_s=1.5, times=1)
    retry = Command("a-retry", ActorKind.OPERATOR)
    refunding = harness.client.get_workflow_handle(waiting[1 - payer])
    await refunding.signal(EndedBookingPaymentWorkflow.retry, retry)
    await harness.until(lambda: _is_taken(booking))
    command_id = await _resolve(harness, booking, waiting[payer], DUE_MINOR)
    await harness.wait_until_idle()
    await _heard(harness)
    assert await booking.money() == ("succeeded", TOTAL_MINOR, DUE_MINOR)
    assert (await booking.row()).amount_paid_elsewhere_minor == 0
    # On a slow machine the refund is there when the payment is read.
    refusals = {CommandOutcome.REFUND_PENDING, CommandOutcome.NOTHING_OWED}
    assert await booking.recorded_outcome(command_id) in refusals
    await harness.advance(hours=1)
    assert await harness.running_ended_booking_payments() == []


async def _is_taken(booking: BookingDriver) -> bool:
    """Whether a workflow carries the `retry` out: it clears the reason before it asks Stripe."""
    return not await booking.attention()


async def test_retry_after_the_guest_was_paid_elsewhere_refunds_nothing(harness: WorkflowHarness) -> None:
    booking, [first, _] = await _returned_twice(harness)
    command_id = await _resolve(harness, booking, first, DUE_MINOR)
    await harness.retry_ended_booking_payments()
    await harness.wait_until_idle()
    await _heard(harness)
    paid_minor = (await booking.row()).amount_paid_elsewhere_minor
    refunded_minor = (await booking.money())[2]
    assert paid_minor + refunded_minor == DUE_MINOR
    is_paid = await booking.recorded_outcome(command_id) == CommandOutcome.SETTLED
    assert paid_minor == (DUE_MINOR if is_paid else 0)
    await harness.advance(hours=1)
    assert await harness.running_ended_booking_payments() == []


async def test_workflow_that_waits_for_months_keeps_a_short_history(harness: WorkflowHarness) -> None:
    booking = await _returned(harness)
    [waiting] = await harness.running_ended_booking_payments()
    handle = harness.client.get_workflow_handle(waiting)
    first_run = (await handle.describe()).run_id
    await harness.advance(days=90)
    description = await handle.describe()
    assert description.run_id != first_run
    assert description.history_length < 500
    assert await description.memo_value("booking_id") == booking.booking_id
    assert await booking.attention_codes() == [AttentionCode.REFUND_RETURNED]
    await harness.retry_ended_booking_payments()
    await harness.wait_until_idle()
    await _heard(harness)
    assert await booking.money() == ("succeeded", TOTAL_MINOR, DUE_MINOR)
    assert await harness.running_ended_booking_payments() == []


async def test_dispute_that_finds_the_debt_paid_is_recorded_once(harness: WorkflowHarness) -> None:
    """Its workflow clears the reason of another one, and therefore checks the payment a second time."""
    booking = await _returned(harness)
    await booking.dashboard("refund", {"amount": DUE_MINOR})
    await booking.dispute()
    await harness.webhooks.deliver("charge.dispute.created")
    await _heard(harness)
    assert not await booking.attention()
    assert (await booking.events()).count(Event.DISPUTE_RECORDED) == 1
