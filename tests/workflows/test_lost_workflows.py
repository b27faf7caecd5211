"""Bookings whose workflow was lost: the one that takes over is given all it needs with its start."""

from __future__ import annotations

import pytest

from domain.booking import ActorKind, Decision, Event, Status
from domain.decisions import Verdict
from domain.identifiers import new_command_id
from models import BookingCommand
from storage.bookings import open_command
from storage.reconciliation import terms_to_go_on
from tests.workflows.hotels import TOTAL_MINOR
from tests.workflows.reservation import Reservation
from tests.workflows.world import World
from workflows.client import start_booking


async def _keep(
    world: World, stay: Reservation, decision: Decision, actor: ActorKind = ActorKind.STAFF
) -> str:
    """A decision that was kept and signalled to the workflow that is lost; returns its id."""
    row = BookingCommand(
        command_id=new_command_id(),
        booking_id=stay.booking_id,
        kind=decision,
        actor=actor,
        created_at=await world.now(),
    )
    async with world.database.transaction() as db:
        await open_command(db, row)
    return row.command_id


async def _give_back(world: World, stay: Reservation) -> None:
    """Start another workflow, as reconciliation does; nothing is sent to it afterwards."""
    version = (await stay.row()).version
    async with world.database.transaction() as db:
        terms = await terms_to_go_on(
            db, stay.booking_id, version, authorization_margin_s=3600, payment_poll_s=300
        )
    assert terms is not None
    await start_booking(world.client, terms, world.task_queue)
    await world.settle()


# --- decisions ---


async def test_approval_the_lost_workflow_was_asked_for_counts_although_the_deadline_is_over(
    world: World,
) -> None:
    stay = await world.held(approval_sla_s=2 * 3600)
    await stay.handle.terminate("lost")
    command_id = await _keep(world, stay, Decision.APPROVE)
    await world.advance(hours=3)

    await _give_back(world, stay)

    assert await stay.events() == [Event.AUTHORIZED, Event.APPROVED]
    assert await stay.money() == ("succeeded", TOTAL_MINOR, 0)
    assert (await stay.outcome(command_id)).verdict is Verdict.SETTLED


async def test_cancellation_the_lost_workflow_was_asked_for_is_no_expiry_although_the_window_is_over(
    world: World,
) -> None:
    stay = await world.submitted(payment_window_s=3600)
    await stay.open_page()
    await stay.handle.terminate("lost")
    command_id = await _keep(world, stay, Decision.CANCEL, ActorKind.GUEST)
    await world.advance(hours=2)

    await _give_back(world, stay)

    assert await stay.status() is Status.CANCELLED
    assert await stay.verdict(command_id) == Verdict.SETTLED
    assert await stay.told() == [f"Booking Cancelled - {stay.booking_id}"]


@pytest.mark.forgetful
async def test_decisions_come_in_the_order_in_which_they_were_asked_and_each_of_them_once(
    world: World,
) -> None:
    stay = await world.confirmed()
    await stay.handle.terminate("lost")
    by_guest = await _keep(world, stay, Decision.CANCEL, ActorKind.GUEST)
    by_staff = await _keep(world, stay, Decision.CANCEL)
    await world.crew.stop()
    await _give_back(world, stay)
    # The API had kept it, and signals it only now.
    await stay.signal(Decision.CANCEL, by_guest, ActorKind.GUEST)

    world.crew.start()
    await world.settle()

    assert await stay.events() == [Event.AUTHORIZED, Event.APPROVED, Event.CANCELLED_BY_GUEST]
    assert await stay.money() == ("succeeded", TOTAL_MINOR, TOTAL_MINOR)
    assert [await stay.verdict(id_) for id_ in (by_guest, by_staff)] == [Verdict.SETTLED] * 2
    assert world.wire.attempts_of[stay.booking_id].count("bookings.close_command") == 1, "one was a repeat"
