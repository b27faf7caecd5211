"""Somebody else wrote a booking's row: its workflow says so, and goes on once a person has looked."""

from __future__ import annotations

from sqlalchemy import update
from sqlmodel import col

from domain.booking import Decision, Event, Status
from domain.decisions import Verdict
from models import Booking
from tests.workflows.hotels import TOTAL_MINOR
from tests.workflows.refusals import REFUND, refuse
from tests.workflows.reservation import Reservation
from tests.workflows.world import World


async def row_written(world: World, stay: Reservation, **values: object) -> None:
    """Somebody writes the booking's row past its workflow."""
    async with world.database.transaction() as db:
        mine = col(Booking.booking_id) == stay.booking_id
        await db.execute(update(Booking).where(mine).values(**values))


async def _approved(world: World, stay: Reservation) -> str:
    """Staff approve, and as long passes as is waited for the other writer to be done."""
    command_id = await stay.send(Decision.APPROVE)
    await world.advance(minutes=5)
    return command_id


async def test_row_somebody_else_wrote_asks_for_a_person_and_is_written_by_retry(world: World) -> None:
    stay = await world.held()
    await row_written(world, stay, version=7)
    command_id = await _approved(world, stay)

    row = await stay.row()
    assert row.status == Status.PENDING_APPROVAL
    assert "stale_version" in str(row.needs_attention)
    assert (await stay.staff_told())[-1] == f"Attention needed - {stay.booking_id}"
    assert (await stay.evidence_of_search())["NeedsAttention"] is True
    assert await stay.money() == ("succeeded", TOTAL_MINOR, 0)

    assert (await stay.retry()).verdict is Verdict.SETTLED
    await world.settle()
    row = await stay.row()
    assert (row.status, row.needs_attention) == (Status.CONFIRMED, None)
    assert (await stay.evidence_of_search())["NeedsAttention"] is False
    assert await stay.verdict(command_id) == Verdict.SETTLED
    assert (await stay.outcome(command_id)).verdict is Verdict.SETTLED
    world.excused = "M6"  # whoever wrote the row left no timeline


async def test_row_whose_status_somebody_else_changed_stays_with_a_person_until_it_is_put_right(
    world: World,
) -> None:
    stay = await world.held()
    await row_written(world, stay, version=7, status=Status.CANCELLED)
    await _approved(world, stay)
    assert "stale_version" in str((await stay.row()).needs_attention)
    assert (await stay.retry()).verdict is Verdict.NEEDS_ATTENTION
    await world.settle()
    assert await stay.status() is Status.CANCELLED

    await row_written(world, stay, status=Status.PENDING_APPROVAL)
    assert (await stay.retry()).verdict is Verdict.SETTLED
    await world.settle()
    assert await stay.status() is Status.CONFIRMED
    world.excused = "M6"


async def test_flag_comes_down_with_a_change_that_leaves_the_status(world: World) -> None:
    stay = await world.confirmed()
    await row_written(world, stay, version=9)
    await stay.dashboard("refund", {"amount": 1000})
    await world.postman.deliver()
    await world.advance(minutes=5)
    assert "stale_version" in str((await stay.row()).needs_attention)

    assert (await stay.retry()).verdict is Verdict.SETTLED
    await world.settle()
    row = await stay.row()
    assert (row.amount_refunded_minor, row.needs_attention) == (1000, None)
    assert (await stay.events())[-2:] == [Event.REFUND_RECORDED, Event.ATTENTION_CLEARED]
    world.excused = "M6"


async def test_what_a_person_was_called_for_before_is_not_over_with_the_row(world: World) -> None:
    """The guest is owed a refund that Stripe refused, when somebody writes the row as well."""
    stay = await world.confirmed()
    await refuse(world, REFUND)
    assert (await stay.cancel()).verdict is Verdict.NEEDS_ATTENTION
    await world.settle()
    reason = (await stay.row()).needs_attention
    await row_written(world, stay, version=9)
    await stay.dashboard("refund", {"amount": 1000})
    await world.postman.deliver()
    await world.advance(minutes=5)
    assert "stale_version" in str((await stay.row()).needs_attention)

    await stay.retry()
    await world.settle()
    assert (await stay.row()).needs_attention == reason
    assert (await stay.retry()).verdict is Verdict.SETTLED
    await world.settle()
    assert (await stay.status(), await stay.money()) == (
        Status.CANCELLED,
        ("succeeded", TOTAL_MINOR, TOTAL_MINOR),
    )
    world.excused = "M6"
