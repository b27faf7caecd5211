"""Stray money that could not be given back is kept in mind, wherever the booking goes meanwhile."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from domain.booking import Event, Status
from domain.decisions import Verdict
from tests.workflows.hotels import TOTAL_MINOR
from tests.workflows.refusals import CANCEL, CAPTURE, EXPIRE, REFUND, refuse
from tests.workflows.reservation import Reservation
from tests.workflows.tales import stuck_stray
from tests.workflows.world import World

HELD = ("requires_capture", 0, 0)
RELEASED = ("canceled", 0, 0)
CAPTURED = ("succeeded", TOTAL_MINOR, 0)


async def _flagged(stay: Reservation) -> bool:
    return (await stay.row()).needs_attention is not None


async def _retried(world: World, stay: Reservation) -> None:
    """An operator tries again, and nothing is left to do."""
    assert (await stay.retry()).verdict is Verdict.SETTLED
    await world.settle()
    assert Event.STRAY_PAYMENT_RETURNED in await stay.events()
    assert not await _flagged(stay)
    assert (await stay.evidence_of_search())["NeedsAttention"] is False


async def test_hold_of_a_wrong_amount_is_returned_by_retry_while_payment_is_due(world: World) -> None:
    stay = await world.submitted()
    await stuck_stray(world, stay, amount_minor=TOTAL_MINOR - 1)
    await _retried(world, stay)
    assert await stay.intents() == [RELEASED]
    assert await stay.status() is Status.PENDING_PAYMENT


async def test_hold_of_a_wrong_amount_is_returned_by_retry_once_the_right_one_is_held(world: World) -> None:
    stay = await world.submitted()
    await stuck_stray(world, stay, amount_minor=TOTAL_MINOR - 1)
    await stay.place_hold()
    assert await stay.status() is Status.PENDING_APPROVAL
    assert await _flagged(stay)
    assert (await stay.evidence_of_search())["NeedsAttention"] is True

    await _retried(world, stay)
    assert await stay.intents() == [RELEASED, HELD]
    assert (await stay.approve()).verdict is Verdict.SETTLED
    await world.settle()
    assert not await _flagged(stay)


async def test_hold_of_a_wrong_amount_is_returned_by_retry_after_the_booking_expired(world: World) -> None:
    stay = await world.submitted(payment_window_s=3600)
    await stuck_stray(world, stay, amount_minor=TOTAL_MINOR - 1)
    await world.advance(hours=2)
    assert await stay.status() is Status.EXPIRED
    assert await _flagged(stay)
    assert not await stay.is_over()

    await _retried(world, stay)
    assert await stay.intents() == [RELEASED]
    assert await stay.is_over()


async def test_second_hold_is_returned_by_retry_after_the_approval(world: World) -> None:
    stay = await world.held()
    await stuck_stray(world, stay)
    assert (await stay.approve()).verdict is Verdict.SETTLED
    await world.settle()
    assert await stay.status() is Status.CONFIRMED
    assert await _flagged(stay)

    await _retried(world, stay)
    assert await stay.intents() == [CAPTURED, RELEASED]


async def _declined(stay: Reservation) -> None:
    assert (await stay.decline()).verdict is Verdict.SETTLED


async def _cancelled(stay: Reservation) -> None:
    assert (await stay.cancel()).verdict is Verdict.SETTLED


@pytest.mark.parametrize("end", [_declined, _cancelled])
async def test_second_hold_is_returned_by_retry_after_the_end(
    world: World, end: Callable[[Reservation], Awaitable[None]]
) -> None:
    stay = await world.held()
    await stuck_stray(world, stay)
    await end(stay)
    await world.settle()
    assert await _flagged(stay)
    assert not await stay.is_over()

    await _retried(world, stay)
    assert await stay.intents() == [RELEASED, RELEASED]
    assert await stay.is_over()


async def test_second_hold_of_a_stay_is_returned_by_retry_after_its_cancellation(world: World) -> None:
    stay = await world.confirmed()
    await stuck_stray(world, stay)
    await _cancelled(stay)
    await world.settle()
    assert await stay.status() is Status.CANCELLED
    assert await _flagged(stay)
    assert not await stay.is_over()

    await _retried(world, stay)
    assert await stay.intents() == [("succeeded", TOTAL_MINOR, TOTAL_MINOR), RELEASED]
    assert await stay.is_over()


async def test_retry_that_is_refused_again_forgets_no_hold(world: World) -> None:
    stay = await world.confirmed()
    await stuck_stray(world, stay)
    await stuck_stray(world, stay)
    await refuse(world, CANCEL)
    assert (await stay.retry()).verdict is Verdict.NEEDS_ATTENTION
    await world.settle()
    assert await _flagged(stay)

    await _retried(world, stay)
    assert await stay.intents() == [CAPTURED, RELEASED, RELEASED]


async def test_stuck_approval_is_retried_although_stray_money_stays_stuck(world: World) -> None:
    stay = await world.held()
    await stuck_stray(world, stay)
    await refuse(world, CAPTURE)
    assert (await stay.approve()).verdict is Verdict.NEEDS_ATTENTION
    await refuse(world, CANCEL)
    assert (await stay.retry()).verdict is Verdict.NEEDS_ATTENTION
    await world.settle()
    assert await stay.status() is Status.CONFIRMED
    assert await _flagged(stay)

    await _retried(world, stay)
    assert await stay.intents() == [CAPTURED, RELEASED]


async def test_money_that_other_news_settles_keeps_no_flag(world: World) -> None:
    """Two events tell of one hold, and only the first one is refused."""
    stay = await world.submitted()
    await stay.fill_in(await stay.unnoted_page(amount_minor=TOTAL_MINOR - 1))
    await refuse(world, CANCEL)
    await world.postman.deliver()
    await world.settle()
    assert await stay.intents() == [RELEASED]
    await stay.place_hold()
    assert await stay.status() is Status.PENDING_APPROVAL
    assert not await _flagged(stay)


async def test_second_payment_that_was_settled_by_hand_is_let_rest(world: World) -> None:
    """The hotel has paid it back by other means: a refund would pay the guest twice."""
    stay = await world.held()
    [own] = (await stay.ledger())["payment_intents"]
    await stay.fill_in(await stay.unnoted_page())
    [second] = [i for i in (await stay.ledger())["payment_intents"] if i["id"] != own["id"]]
    await world.stripe.ask("POST", f"/_sandbox/dashboard/payment_intents/{second['id']}/capture", json={})
    await refuse(world, REFUND, times=None)
    await world.postman.deliver()
    await world.settle()
    assert await _flagged(stay)
    await world.stand_ins.heal()

    await stay.resolve()
    await world.settle()
    assert not await _flagged(stay)
    assert await stay.intents() == [HELD, CAPTURED]
    world.excused = "M1 M3"  # what went back by other means is in no ledger


async def test_hold_is_released_also_where_it_is_called_settled_by_hand(world: World) -> None:
    stay = await world.held()
    await stuck_stray(world, stay)
    await stay.resolve()
    await world.settle()
    assert await stay.intents() == [HELD, RELEASED]
    assert not await _flagged(stay)


async def test_retry_that_settles_only_the_stray_says_that_a_person_is_needed(world: World) -> None:
    stay = await world.submitted()
    await stay.open_page()
    await stuck_stray(world, stay, amount_minor=TOTAL_MINOR - 1)
    await refuse(world, EXPIRE, times=2)
    assert (await stay.cancel()).verdict is Verdict.NEEDS_ATTENTION
    assert (await stay.retry()).verdict is Verdict.NEEDS_ATTENTION
    await world.settle()
    assert await stay.intents() == [RELEASED]
    assert await _flagged(stay)
    assert (await stay.retry()).verdict is Verdict.SETTLED
    await world.settle()
    assert await stay.status() is Status.CANCELLED
