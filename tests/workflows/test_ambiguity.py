"""Stripe's unclear answers: read back, then decided. Nothing is captured twice, nothing is taken as failed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from domain.booking import Decision, Event, MailKind, Status
from domain.decisions import Verdict
from domain.messages import Outcome
from tests.workflows.hotels import TOTAL_MINOR
from tests.workflows.refusals import CANCEL, CAPTURE, REFUND
from tests.workflows.reservation import Reservation
from tests.workflows.wire import Trouble
from tests.workflows.world import World

HOUR_S = 3600
BUSY = [
    {"status": 409, "code": "idempotency_key_in_use", "type": "idempotency_error"},
    {"status": 429, "code": "lock_timeout", "type": "invalid_request_error"},
    {"status": 429, "code": "rate_limit", "type": "rate_limit_error"},
]
WITH_ITS_REPEAT = 2
"""The SDK asks once more by itself."""


async def _decide(
    world: World, stay: Reservation, decision: Decision = Decision.APPROVE, **patience: float
) -> Outcome:
    """Decide, and let time pass for retries."""
    command_id = await stay.send(decision)
    outcome = world.later(stay.outcome(command_id))
    await world.advance(**(patience or {"minutes": 2}))
    return await outcome


async def _is_captured_once(stay: Reservation) -> None:
    assert await stay.status() is Status.CONFIRMED
    assert await stay.money() == ("succeeded", TOTAL_MINOR, 0)
    assert (await stay.intent())["captures"] == 1
    assert (await stay.row()).needs_attention is None


# --- the effect took place, and nobody heard ---


@pytest.mark.parametrize("kind", ["drop_after", "error_after"])
async def test_capture_whose_answer_got_lost_is_read_back(world: World, kind: str) -> None:
    stay = await world.held()
    await world.stripe.order(CAPTURE, kind, times=WITH_ITS_REPEAT)
    assert (await stay.approve()).verdict is Verdict.SETTLED
    await _is_captured_once(stay)
    assert len(await stay.keys("capture")) == 1


@pytest.mark.parametrize("kind", ["drop_after", "error_after"])
async def test_release_whose_answer_got_lost_is_read_back(world: World, kind: str) -> None:
    stay = await world.held()
    await world.stripe.order(CANCEL, kind, times=WITH_ITS_REPEAT)
    assert (await stay.decline()).verdict is Verdict.SETTLED
    assert await stay.status() is Status.DECLINED
    assert await stay.money() == ("canceled", 0, 0)
    assert len(await stay.keys("release")) == 1


@pytest.mark.parametrize("kind", ["drop_after", "error_after"])
async def test_refund_whose_answer_got_lost_is_read_back(world: World, kind: str) -> None:
    stay = await world.confirmed()
    await world.stripe.order(REFUND, kind, times=WITH_ITS_REPEAT)
    assert (await stay.cancel()).verdict is Verdict.SETTLED
    await world.settle()
    assert await stay.money() == ("succeeded", TOTAL_MINOR, TOTAL_MINOR)
    assert len(await stay.keys("refund")) == 1


@pytest.mark.parametrize("trouble", [Trouble.HANG, Trouble.HANG_AFTER, Trouble.AFTER])
async def test_capture_that_times_out_is_read_before_it_is_tried_again(
    world: World, trouble: Trouble
) -> None:
    stay = await world.held()
    world.wire.order("payments.capture", trouble)
    assert (await _decide(world, stay)).verdict is Verdict.SETTLED
    await _is_captured_once(stay)


async def test_write_of_a_confirmation_that_is_repeated_is_the_same_write(world: World) -> None:
    stay = await world.held()
    world.wire.order("bookings.record", Trouble.AFTER)
    assert (await _decide(world, stay)).verdict is Verdict.SETTLED
    assert (await stay.row()).version == 4
    await _is_captured_once(stay)


# --- Stripe stores its 500s ---


async def test_stored_error_is_left_behind_once_it_is_known_that_nothing_was_done(world: World) -> None:
    stay = await world.held()
    await world.stripe.order(CAPTURE, "error_before", status=500)
    assert (await _decide(world, stay)).verdict is Verdict.SETTLED
    await _is_captured_once(stay)
    first, second = await stay.keys("capture")
    assert first != second


async def test_stored_error_on_a_release_is_left_behind_as_well(world: World) -> None:
    stay = await world.held()
    await world.stripe.order(CANCEL, "error_before", status=500)
    assert (await _decide(world, stay, Decision.DECLINE)).verdict is Verdict.SETTLED
    assert len(await stay.keys("release")) == 2


async def test_key_stays_the_same_where_nothing_was_stored(world: World) -> None:
    """Connections that are cut before anything happens are no answer."""
    stay = await world.held()
    await world.stripe.order(CAPTURE, "drop_before", times=2 * WITH_ITS_REPEAT)
    assert (await _decide(world, stay)).verdict is Verdict.SETTLED
    await _is_captured_once(stay)
    assert len(await stay.keys("capture")) == 1


@pytest.mark.parametrize("busy", BUSY, ids=lambda busy: busy["code"])
async def test_busy_stripe_is_asked_again_under_the_same_key(world: World, busy: dict[str, str]) -> None:
    stay = await world.held()
    await world.stripe.order(CAPTURE, "error_before", times=3, **busy)
    assert (await _decide(world, stay)).verdict is Verdict.SETTLED
    await _is_captured_once(stay)
    assert len(await stay.keys("capture")) == 1


# --- a final answer ---


async def test_refused_capture_leaves_the_hold_and_asks_for_a_person(world: World) -> None:
    stay = await world.held()
    await world.stripe.order(CAPTURE, "error_before", status=402, code="card_declined", type="card_error")
    outcome = await stay.approve()
    await world.settle()

    assert (outcome.verdict, outcome.status) == (Verdict.NEEDS_ATTENTION, Status.PENDING_APPROVAL)
    row = await stay.row()
    assert row.status == Status.PENDING_APPROVAL
    assert "HTTP 402, card_declined" in str(row.needs_attention)
    assert await stay.money() == ("requires_capture", 0, 0)
    assert await stay.events() == [Event.AUTHORIZED, Event.ATTENTION_NEEDED]
    assert [mail for mail in await stay.mails() if f".{MailKind.STAFF_ATTENTION}." in mail["message_id"]]
    assert (await stay.evidence_of_search())["NeedsAttention"] is True


# --- Stripe is away until the hold's end ---


async def _away_until_the_end(world: World, trouble: Trouble) -> tuple[Reservation, Outcome]:
    """Approve a hold of an hour; no attempt to capture it is ever heard to succeed."""
    stay = await world.held(hold_s=HOUR_S)
    world.wire.order("payments.capture", trouble, times=1000)
    world.postman.on_strike = True
    return stay, await _decide(world, stay, minutes=63)


async def test_capture_that_was_never_heard_of_confirms_at_the_holds_end(world: World) -> None:
    stay, outcome = await _away_until_the_end(world, Trouble.AFTER)
    assert outcome.verdict is Verdict.SETTLED
    await _is_captured_once(stay)


async def test_hold_that_lapsed_meanwhile_declines(world: World) -> None:
    stay, outcome = await _away_until_the_end(world, Trouble.BEFORE)
    assert outcome.verdict is Verdict.ALREADY_DECIDED
    row = await stay.row()
    assert (row.status, row.reason_code) == (Status.DECLINED, "AUTHORIZATION_EXPIRED")
    assert (await stay.intent())["captures"] == 0


async def test_hold_that_is_still_there_asks_for_a_person(world: World) -> None:
    """The bank may have dropped it; Stripe has not noticed."""
    stay = await world.held(hold_s=HOUR_S)
    world.wire.order("payments.capture", Trouble.BEFORE, times=1000)
    world.clock.stripe_follows = False
    outcome = await _decide(world, stay, minutes=63)
    assert outcome.verdict is Verdict.NEEDS_ATTENTION
    assert await stay.status() is Status.PENDING_APPROVAL
    assert (await stay.row()).needs_attention is not None

    # It looks again every hour: by then Stripe has let the hold lapse.
    world.clock.stripe_follows = True
    await world.advance(minutes=61)
    row = await stay.row()
    assert (row.status, row.reason_code) == (Status.DECLINED, "AUTHORIZATION_EXPIRED")
    assert row.needs_attention is None


async def test_capture_is_tried_for_as_long_as_the_hold_lasts(world: World) -> None:
    stay = await world.held(hold_s=6 * HOUR_S)
    lapses = (await stay.intent())["capture_before"]
    world.wire.order("payments.capture", Trouble.BEFORE, times=1000)
    command_id = await stay.send(Decision.APPROVE)
    await world.advance(hours=5, minutes=50)
    assert (await stay.view()).pending_decision == "approve"
    assert (await stay.row()).needs_attention is None, "nobody is needed yet: it is being tried"
    world.wire.heal()
    await world.advance(minutes=6)
    assert (await stay.outcome(command_id)).verdict is Verdict.SETTLED
    await _is_captured_once(stay)
    paid_at = (await stay.row()).paid_at
    assert paid_at is not None
    assert paid_at.timestamp() < lapses
    assert paid_at - (await stay.timeline())[2].at > timedelta(hours=5)
