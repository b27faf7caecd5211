"""Another writer changed a booking's row: the booking needs attention, and goes on after `retry`."""

from __future__ import annotations

from sqlalchemy import update
from sqlmodel import col

from domain.attention import AttentionCode
from domain.booking import Decision, Event, Status
from domain.decisions import CommandOutcome
from models import Booking
from tests.workflows.booking_driver import BookingDriver
from tests.workflows.harness import WorkflowHarness
from tests.workflows.hotels import TOTAL_MINOR
from tests.workflows.refusals import REFUND, refuse


async def row_written(harness: WorkflowHarness, booking: BookingDriver, **values: object) -> None:
    """Write the booking's row past its workflow."""
    async with harness.database.transaction() as db:
        mine = col(Booking.booking_id) == booking.booking_id
        await db.execute(update(Booking).where(mine).values(**values))


async def _approved(harness: WorkflowHarness, booking: BookingDriver) -> str:
    """Staff approve, and as long passes as is waited for the other writer to be done."""
    command_id = await booking.send(Decision.APPROVE)
    await harness.advance(minutes=5)
    return command_id


async def test_row_of_another_writer_needs_attention_and_is_written_by_retry(
    harness: WorkflowHarness,
) -> None:
    booking = await harness.held()
    await row_written(harness, booking, version=7)
    command_id = await _approved(harness, booking)

    row = await booking.row()
    assert row.status == Status.PENDING_APPROVAL
    assert await booking.attention_codes() == [AttentionCode.ROW_CHANGED]
    assert (await booking.staff_subjects())[-1] == f"Attention needed - {booking.booking_id}"
    assert (await booking.evidence_of_search())["NeedsAttention"] is True
    assert await booking.money() == ("succeeded", TOTAL_MINOR, 0)

    assert (await booking.retry()).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()
    row = await booking.row()
    assert (row.status, row.needs_attention) == (Status.CONFIRMED, False)
    assert (await booking.evidence_of_search())["NeedsAttention"] is False
    assert await booking.recorded_outcome(command_id) == CommandOutcome.SETTLED
    assert (await booking.outcome(command_id)).outcome is CommandOutcome.SETTLED
    harness.excused = "M6"  # whoever wrote the row left no timeline


async def test_row_with_a_foreign_status_needs_attention_until_it_is_corrected(
    harness: WorkflowHarness,
) -> None:
    booking = await harness.held()
    await row_written(harness, booking, version=7, status=Status.CANCELLED)
    await _approved(harness, booking)
    assert await booking.attention_codes() == [AttentionCode.ROW_CHANGED]
    assert (await booking.retry()).outcome is CommandOutcome.NEEDS_ATTENTION
    await harness.wait_until_idle()
    assert await booking.status() is Status.CANCELLED

    await row_written(harness, booking, status=Status.PENDING_APPROVAL)
    assert (await booking.retry()).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()
    assert await booking.status() is Status.CONFIRMED
    harness.excused = "M6"


async def test_flag_comes_down_with_a_change_that_leaves_the_status(harness: WorkflowHarness) -> None:
    booking = await harness.confirmed()
    await row_written(harness, booking, version=9)
    await booking.dashboard("refund", {"amount": 1000})
    await harness.webhooks.deliver()
    await harness.advance(minutes=5)
    assert await booking.attention_codes() == [AttentionCode.ROW_CHANGED]

    assert (await booking.retry()).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()
    row = await booking.row()
    assert (row.amount_refunded_minor, row.needs_attention) == (1000, False)
    assert (await booking.events())[-2:] == [Event.REFUND_RECORDED, Event.ATTENTION_CLEARED]
    harness.excused = "M6"


async def test_what_a_person_was_called_for_before_is_not_over_with_the_row(harness: WorkflowHarness) -> None:
    """The guest is owed a refund that Stripe refused, when another writer changes the row as well."""
    booking = await harness.confirmed()
    await refuse(harness, REFUND)
    assert (await booking.cancel()).outcome is CommandOutcome.NEEDS_ATTENTION
    await harness.wait_until_idle()
    reasons = await booking.attention()
    await row_written(harness, booking, version=9)
    await booking.dashboard("refund", {"amount": 1000})
    await harness.webhooks.deliver()
    await harness.advance(minutes=5)
    assert await booking.attention_codes() == [AttentionCode.STRIPE_REFUSED, AttentionCode.ROW_CHANGED]

    await booking.retry()
    await harness.wait_until_idle()
    assert await booking.attention() == reasons
    assert (await booking.retry()).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()
    assert (await booking.status(), await booking.money()) == (
        Status.CANCELLED,
        ("succeeded", TOTAL_MINOR, TOTAL_MINOR),
    )
    harness.excused = "M6"
