"""Deadlines of the stay, and of bookings that are seen late."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from dispatch.client import start_booking
from domain.booking import Decision, Event, Status
from domain.decisions import CommandOutcome
from models import Hotel
from reconciliation.queries import terms_to_go_on
from tests.workflows.activity_faults import FaultMode
from tests.workflows.harness import WorkflowHarness

HOUR_S, DAY_S = 3600, 86400
LONG_SLA_S = 30 * DAY_S
A_MOMENT = timedelta(seconds=10)


# --- check-in ---


async def test_confirmed_booking_can_be_cancelled_up_to_check_in(harness: WorkflowHarness) -> None:
    booking = await harness.confirmed()
    await harness.advance_to(booking.terms.check_in_at - timedelta(minutes=1))
    assert (await booking.cancel()).outcome is CommandOutcome.SETTLED


@pytest.mark.forgetful
async def test_cancellation_that_meets_check_out_is_too_late(harness: WorkflowHarness) -> None:
    booking = await harness.confirmed()
    await harness.without_worker_until(booking.terms.check_out_at)
    command_id = await booking.send(Decision.CANCEL)

    harness.product_worker.start()
    await harness.wait_until_idle()

    # The workflow has ended with this answer; from then on the books give it, and no update is taken.
    assert await booking.is_over()
    assert await booking.recorded_outcome(command_id) == CommandOutcome.TOO_LATE
    assert await booking.status() is Status.CONFIRMED


async def test_hold_seen_when_the_cutoff_is_over_goes_back_at_once(harness: WorkflowHarness) -> None:
    """The guest paid in time; the webhook was lost, and Stripe away until the cutoff had passed."""
    booking = await harness.submitted(
        check_in_days=3, cutoff_days_before=2, cutoff_hour=24, payment_window_s=4 * DAY_S
    )
    closes_at = (await booking.view()).payment_deadline
    assert closes_at == booking.terms.cutoff_at - timedelta(minutes=30)
    await harness.advance_to(closes_at - timedelta(minutes=20))
    await booking.open_page()
    harness.webhooks.is_paused = True
    for step in ("payments.read", "payments.expire_session"):
        harness.activity_faults.order(step, FaultMode.BEFORE, times=100_000)
    await booking.pay()
    await harness.webhooks.lose()
    await harness.advance_to(booking.terms.cutoff_at + timedelta(minutes=1))
    assert await booking.status() is Status.PENDING_PAYMENT

    harness.activity_faults.clear_faults()
    await harness.advance(minutes=10)

    assert await booking.events() == [Event.AUTHORIZED, Event.APPROVAL_TIMED_OUT]
    assert await booking.money() == ("canceled", 0, 0)
    assert (await booking.guest_subjects())[-1] == f"Booking Update - {booking.booking_id}"


async def test_a_lost_booking_keeps_the_deadline_that_was_told(harness: WorkflowHarness) -> None:
    """The hotel has lengthened its window since; guest and staff saw the earlier deadline."""
    booking = await harness.held(approval_sla_s=2 * 3600)
    deadline = await booking.deadline()
    await booking.handle.terminate("lost")
    async with harness.database.transaction() as db:
        await db.execute(update(Hotel).values(approval_sla_s=50 * 3600))
    async with harness.database.transaction() as db:
        terms = await terms_to_go_on(
            db,
            booking.booking_id,
            (await booking.row()).version,
            authorization_margin_s=3600,
            payment_poll_s=300,
        )
    assert terms is not None
    assert terms.approval_sla_s == 2 * 3600
    await start_booking(harness.client, terms, harness.task_queue)
    await harness.wait_until_idle()
    assert (await booking.view()).decision_deadline == deadline
    await harness.advance(hours=2, minutes=1)
    row = await booking.row()
    assert (row.status, row.reason_code) == (Status.DECLINED, "APPROVAL_TIMEOUT")
