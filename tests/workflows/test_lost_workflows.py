"""Bookings whose workflow was lost: the one that takes over is given all it needs with its start."""

from __future__ import annotations

from datetime import timedelta

import pytest

from domain.booking import ActorKind, Decision, Event, ReasonCode, Status
from domain.decisions import Verdict
from tests.workflows.hotels import TOTAL_MINOR
from tests.workflows.reservation import Reservation
from tests.workflows.wire import Trouble
from tests.workflows.world import World

# --- decisions ---


async def test_approval_the_lost_workflow_was_asked_for_counts_although_the_deadline_is_over(
    world: World,
) -> None:
    stay = await world.held(approval_sla_s=2 * 3600)
    await stay.lose_workflow()
    command_id = await stay.keep(Decision.APPROVE)
    await world.advance(hours=3)

    await stay.give_back_workflow()

    assert await stay.events() == [Event.AUTHORIZED, Event.APPROVED]
    assert await stay.money() == ("succeeded", TOTAL_MINOR, 0)
    assert (await stay.outcome(command_id)).verdict is Verdict.SETTLED


async def test_cancellation_the_lost_workflow_was_asked_for_is_no_expiry_although_the_window_is_over(
    world: World,
) -> None:
    stay = await world.submitted(payment_window_s=3600)
    await stay.open_page()
    await stay.lose_workflow()
    command_id = await stay.keep(Decision.CANCEL, ActorKind.GUEST)
    await world.advance(hours=2)

    await stay.give_back_workflow()

    assert await stay.status() is Status.CANCELLED
    assert await stay.verdict(command_id) == Verdict.SETTLED
    assert await stay.told() == [f"Booking Cancelled - {stay.booking_id}"]


async def test_cancellation_the_lost_workflow_was_asked_for_before_check_in_is_carried_out_after_it(
    world: World,
) -> None:
    stay = await world.confirmed(check_in_days=3)
    await stay.lose_workflow()
    command_id = await stay.keep(Decision.CANCEL, ActorKind.GUEST)
    await world.advance_to(stay.terms.check_in_at + timedelta(hours=1))

    await stay.give_back_workflow()

    assert await stay.status() is Status.CANCELLED
    assert await stay.verdict(command_id) == Verdict.SETTLED
    assert await stay.money() == ("succeeded", TOTAL_MINOR, TOTAL_MINOR), "it was free of charge then"
    assert await stay.is_over()


@pytest.mark.forgetful
async def test_decisions_come_in_the_order_in_which_they_were_asked_and_each_of_them_once(
    world: World,
) -> None:
    stay = await world.confirmed()
    await stay.lose_workflow()
    by_guest = await stay.keep(Decision.CANCEL, ActorKind.GUEST)
    by_staff = await stay.keep(Decision.CANCEL)
    await world.crew.stop()
    await stay.give_back_workflow()
    # The API had kept it, and signals it only now.
    await stay.signal(Decision.CANCEL, by_guest, ActorKind.GUEST)

    world.crew.start()
    await world.settle()

    assert await stay.events() == [Event.AUTHORIZED, Event.APPROVED, Event.CANCELLED_BY_GUEST]
    assert await stay.money() == ("succeeded", TOTAL_MINOR, TOTAL_MINOR)
    assert [await stay.verdict(id_) for id_ in (by_guest, by_staff)] == [Verdict.SETTLED] * 2
    assert world.wire.attempts_of[stay.booking_id].count("bookings.close_command") == 1, "one was a repeat"


async def test_approval_that_the_lost_workflow_had_captured_for_is_its_authors(world: World) -> None:
    stay = await world.held()
    await stay.lose_workflow()
    command_id = await stay.keep(Decision.APPROVE)
    await stay.dashboard("capture")

    await stay.give_back_workflow()

    assert await stay.events() == [Event.AUTHORIZED, Event.APPROVED]
    assert await stay.verdict(command_id) == Verdict.SETTLED


async def test_cancellation_that_the_lost_workflow_had_released_the_hold_for_is_no_decline(
    world: World,
) -> None:
    stay = await world.held()
    await stay.lose_workflow()
    command_id = await stay.keep(Decision.CANCEL, ActorKind.GUEST)
    await stay.dashboard("cancel")

    await stay.give_back_workflow()

    assert await stay.events() == [Event.AUTHORIZED, Event.CANCELLED_BY_GUEST]
    assert await stay.verdict(command_id) == Verdict.SETTLED


async def test_hold_that_is_gone_ends_the_booking_although_what_was_asked_is_refused(world: World) -> None:
    stay = await world.held()
    await stay.lose_workflow()
    command_id = await stay.keep(Decision.CANCEL)
    await stay.dashboard("cancel")

    await stay.give_back_workflow()

    assert await stay.status() is Status.DECLINED
    assert await stay.verdict(command_id) == Verdict.NOT_CANCELLABLE


# --- e-mails ---


def _without_mail(world: World, stay: Reservation) -> None:
    """The mail server is away, for this booking, until the wire is healed."""
    world.wire.order("emails.send", Trouble.BEFORE, 1000, booking_id=stay.booking_id)


async def _lose_and_give_back(world: World, stay: Reservation) -> None:
    """And the mail server is there again."""
    await world.settle()
    await stay.lose_workflow()
    world.wire.heal()
    await stay.give_back_workflow()


async def test_mails_that_waited_when_the_workflow_was_lost_are_sent_by_the_next_one(world: World) -> None:
    stay = await world.submitted()
    _without_mail(world, stay)
    await stay.place_hold()
    await stay.approve()
    assert await stay.mails() == []

    await _lose_and_give_back(world, stay)

    authorized = f"Payment authorized — awaiting hotel confirmation ({stay.booking_id})"
    assert sorted(await stay.told()) == [f"Booking Confirmed - {stay.booking_id}", authorized]
    assert await stay.staff_told() == [f"New booking request - {stay.booking_id}"]
    assert (await stay.row()).version == 4, "nothing has changed"


async def test_mails_that_were_sent_are_not_sent_by_the_next_one(world: World) -> None:
    stay = await world.confirmed()
    await world.settle()
    mails, steps = await stay.mails(), world.wire.attempts_of[stay.booking_id].copy()

    await _lose_and_give_back(world, stay)

    assert await stay.mails() == mails
    assert world.wire.attempts_of[stay.booking_id] == steps, "nothing is even tried"


async def test_booking_lost_at_its_end_tells_its_guest_and_comes_to_it_again(world: World) -> None:
    stay = await world.held()
    _without_mail(world, stay)
    await stay.decline(ReasonCode.RATE_ERROR)
    repeat = await stay.keep(Decision.DECLINE)

    await _lose_and_give_back(world, stay)

    assert (await stay.told())[-1] == f"Booking Update - {stay.booking_id}"
    assert await stay.is_over()
    assert await stay.verdict(repeat) == Verdict.SETTLED, "it stands where that would take it"
    assert await stay.events() == [Event.AUTHORIZED, Event.DECLINED]


async def test_people_are_called_by_the_next_workflow_if_they_were_not_and_once(world: World) -> None:
    stay = await world.submitted()
    _without_mail(world, stay)
    await stay.fill_in(await stay.unnoted_page(amount_minor=TOTAL_MINOR - 1))
    await world.postman.deliver()

    await _lose_and_give_back(world, stay)

    assert f"Attention needed - {stay.booking_id}" in await stay.staff_told()
    assert (await stay.row()).needs_attention is not None
    mails = await stay.mails()
    await _lose_and_give_back(world, stay)
    assert await stay.mails() == mails


async def test_nobody_is_called_for_what_is_over(world: World) -> None:
    stay = await world.submitted()
    _without_mail(world, stay)
    await stay.fill_in(await stay.unnoted_page(amount_minor=TOTAL_MINOR - 1))
    await world.postman.deliver()
    await stay.place_hold()
    assert (await stay.row()).needs_attention is None

    await _lose_and_give_back(world, stay)

    assert f"New booking request - {stay.booking_id}" in await stay.staff_told()
    assert f"Attention needed - {stay.booking_id}" not in await stay.staff_told()
