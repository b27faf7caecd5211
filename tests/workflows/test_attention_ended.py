"""Bookings that have ended and need attention: money that came for them stays known until it has gone back."""

from __future__ import annotations

import pytest

from domain.booking import Event, Status
from tests.workflows.attention import (
    HELD,
    asks_for_person,
)
from tests.workflows.harness import WorkflowHarness
from tests.workflows.refusals import CANCEL, refuse


@pytest.mark.parametrize("status", [400, 402])
async def test_unmatched_payment_that_cannot_be_returned_waits_for_retry(
    harness: WorkflowHarness, status: int
) -> None:
    """A 402 is kept under its key for a day: each try after one needs another key."""
    booking = await harness.submitted()
    await booking.cancel()
    await harness.wait_until_idle()
    await booking.fill_in(await booking.unnoted_page())
    await refuse(harness, CANCEL, times=2, status=status)
    await harness.webhooks.deliver("checkout.session.completed")
    await harness.webhooks.lose()
    await harness.wait_until_idle()
    assert await asks_for_person(booking)
    assert await booking.money() == HELD

    await harness.retry_ended_booking_payments()
    await harness.wait_until_idle()
    assert await asks_for_person(booking), "refused again"
    assert await booking.money() == HELD

    await harness.retry_ended_booking_payments()
    await harness.wait_until_idle()
    assert await booking.money() == ("canceled", 0, 0)
    assert not await asks_for_person(booking)
    assert await booking.status() is Status.CANCELLED


async def test_unmatched_payment_is_retried_after_another_workflows_refusal(
    harness: WorkflowHarness,
) -> None:
    """The workflow that was refused several times was lost; what takes over tries under no key of its."""
    booking = await harness.submitted()
    await booking.cancel()
    await harness.wait_until_idle()
    await booking.fill_in(await booking.unnoted_page())
    await refuse(harness, CANCEL, times=3, status=402)
    await harness.webhooks.deliver("checkout.session.completed")
    for _ in range(2):
        await harness.wait_until_idle()
        await harness.retry_ended_booking_payments()
    await harness.wait_until_idle()
    [first] = harness.webhooks.ended_booking_workflows
    await harness.client.get_workflow_handle(first).terminate("by mistake")
    await harness.webhooks.deliver("payment_intent.amount_capturable_updated")
    await harness.webhooks.lose()
    await harness.wait_until_idle()

    await harness.retry_ended_booking_payments()
    await harness.wait_until_idle()
    assert await booking.money() == ("canceled", 0, 0)
    assert not await asks_for_person(booking)


async def test_flag_of_an_unmatched_payment_comes_down_although_another_writer_came_between(
    harness: WorkflowHarness,
) -> None:
    booking = await harness.submitted()
    await booking.cancel()
    await harness.wait_until_idle()
    first, second = await booking.unnoted_page(), await booking.unnoted_page()
    await booking.fill_in(first)
    await refuse(harness, CANCEL)
    await harness.webhooks.deliver("checkout.session.completed")
    await harness.webhooks.lose()
    await harness.wait_until_idle()
    assert await asks_for_person(booking)
    await booking.fill_in(second)
    await harness.webhooks.deliver("checkout.session.completed")
    await harness.webhooks.lose()
    await harness.wait_until_idle()
    assert (await booking.events())[-1] is Event.UNMATCHED_PAYMENT_RETURNED
    assert await asks_for_person(booking), "that was the other hold"

    await harness.retry_ended_booking_payments()
    await harness.wait_until_idle()

    assert await booking.intents() == [("canceled", 0, 0), ("canceled", 0, 0)]
    assert not await asks_for_person(booking)
