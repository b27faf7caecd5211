"""Stripe's unclear answers: read back, then decided. Nothing is captured twice, nothing is taken as failed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from domain.attention import AttentionCode
from domain.booking import Decision, Event, MailKind, Status
from domain.decisions import CommandOutcome
from domain.messages.answers import CommandResult
from tests.workflows.activity_faults import FaultMode
from tests.workflows.booking_driver import BookingDriver
from tests.workflows.harness import WorkflowHarness
from tests.workflows.hotels import TOTAL_MINOR
from tests.workflows.refusals import CANCEL, CAPTURE, REFUND

HOUR_S = 3600
BUSY = [
    {"status": 409, "code": "idempotency_key_in_use", "type": "idempotency_error"},
    {"status": 429, "code": "lock_timeout", "type": "invalid_request_error"},
    {"status": 429, "code": "rate_limit", "type": "rate_limit_error"},
]
WITH_ITS_REPEAT = 2
"""The SDK asks once more by itself."""


async def _decide(
    harness: WorkflowHarness, booking: BookingDriver, decision: Decision = Decision.APPROVE, **patience: float
) -> CommandResult:
    """Decide, and let time pass for retries."""
    command_id = await booking.send(decision)
    result = harness.later(booking.outcome(command_id))
    await harness.advance(**(patience or {"minutes": 2}))
    return await result


async def _is_captured_once(booking: BookingDriver) -> None:
    assert await booking.status() is Status.CONFIRMED
    assert await booking.money() == ("succeeded", TOTAL_MINOR, 0)
    assert (await booking.intent())["captures"] == 1
    assert not (await booking.row()).needs_attention


# --- the effect took place, and nobody heard ---


@pytest.mark.parametrize("kind", ["drop_after", "error_after"])
async def test_capture_whose_answer_got_lost_is_read_back(harness: WorkflowHarness, kind: str) -> None:
    booking = await harness.held()
    await harness.stripe.order(CAPTURE, kind, times=WITH_ITS_REPEAT)
    assert (await booking.approve()).outcome is CommandOutcome.SETTLED
    await _is_captured_once(booking)
    assert len(await booking.keys("capture")) == 1


@pytest.mark.parametrize("kind", ["drop_after", "error_after"])
async def test_release_whose_answer_got_lost_is_read_back(harness: WorkflowHarness, kind: str) -> None:
    booking = await harness.held()
    await harness.stripe.order(CANCEL, kind, times=WITH_ITS_REPEAT)
    assert (await booking.decline()).outcome is CommandOutcome.SETTLED
    assert await booking.status() is Status.DECLINED
    assert await booking.money() == ("canceled", 0, 0)
    assert len(await booking.keys("release")) == 1


@pytest.mark.parametrize("kind", ["drop_after", "error_after"])
async def test_refund_whose_answer_got_lost_is_read_back(harness: WorkflowHarness, kind: str) -> None:
    booking = await harness.confirmed()
    await harness.stripe.order(REFUND, kind, times=WITH_ITS_REPEAT)
    assert (await booking.cancel()).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()
    assert await booking.money() == ("succeeded", TOTAL_MINOR, TOTAL_MINOR)
    assert len(await booking.keys("refund")) == 1


@pytest.mark.parametrize("mode", [FaultMode.HANG, FaultMode.HANG_AFTER, FaultMode.AFTER])
async def test_capture_that_times_out_is_read_before_it_is_tried_again(
    harness: WorkflowHarness, mode: FaultMode
) -> None:
    booking = await harness.held()
    harness.activity_faults.order("payments.capture", mode)
    assert (await _decide(harness, booking)).outcome is CommandOutcome.SETTLED
    await _is_captured_once(booking)


async def test_write_of_a_confirmation_that_is_repeated_is_the_same_write(harness: WorkflowHarness) -> None:
    booking = await harness.held()
    harness.activity_faults.order("bookings.record", FaultMode.AFTER)
    assert (await _decide(harness, booking)).outcome is CommandOutcome.SETTLED
    assert (await booking.row()).version == 4
    await _is_captured_once(booking)


# --- Stripe stores its 500s ---


async def test_stored_error_is_left_behind_once_it_is_known_that_nothing_was_done(
    harness: WorkflowHarness,
) -> None:
    booking = await harness.held()
    await harness.stripe.order(CAPTURE, "error_before", status=500)
    assert (await _decide(harness, booking)).outcome is CommandOutcome.SETTLED
    await _is_captured_once(booking)
    first, second = await booking.keys("capture")
    assert first != second


async def test_stored_error_on_a_release_is_left_behind_as_well(harness: WorkflowHarness) -> None:
    booking = await harness.held()
    await harness.stripe.order(CANCEL, "error_before", status=500)
    assert (await _decide(harness, booking, Decision.DECLINE)).outcome is CommandOutcome.SETTLED
    assert len(await booking.keys("release")) == 2


async def test_key_stays_the_same_where_nothing_was_stored(harness: WorkflowHarness) -> None:
    """Connections that are cut before anything happens are no answer."""
    booking = await harness.held()
    await harness.stripe.order(CAPTURE, "drop_before", times=2 * WITH_ITS_REPEAT)
    assert (await _decide(harness, booking)).outcome is CommandOutcome.SETTLED
    await _is_captured_once(booking)
    assert len(await booking.keys("capture")) == 1


@pytest.mark.parametrize("busy", BUSY, ids=lambda busy: busy["code"])
async def test_busy_stripe_is_asked_again_under_the_same_key(
    harness: WorkflowHarness, busy: dict[str, str]
) -> None:
    booking = await harness.held()
    await harness.stripe.order(CAPTURE, "error_before", times=3, **busy)
    assert (await _decide(harness, booking)).outcome is CommandOutcome.SETTLED
    await _is_captured_once(booking)
    assert len(await booking.keys("capture")) == 1


# --- a final answer ---


async def test_refused_capture_leaves_the_hold_and_asks_for_a_person(harness: WorkflowHarness) -> None:
    booking = await harness.held()
    await harness.stripe.order(CAPTURE, "error_before", status=402, code="card_declined", type="card_error")
    result = await booking.approve()
    await harness.wait_until_idle()

    assert (result.outcome, result.status) == (CommandOutcome.NEEDS_ATTENTION, Status.PENDING_APPROVAL)
    row = await booking.row()
    assert row.status == Status.PENDING_APPROVAL
    [reason] = await booking.attention()
    assert (reason.code, reason.subject) == (AttentionCode.STRIPE_REFUSED, row.payment_intent_id)
    assert "HTTP 402, card_declined" in reason.detail
    assert await booking.money() == ("requires_capture", 0, 0)
    assert await booking.events() == [Event.AUTHORIZED, Event.ATTENTION_NEEDED]
    assert [mail for mail in await booking.mails() if f".{MailKind.STAFF_ATTENTION}." in mail["message_id"]]
    assert (await booking.evidence_of_search())["NeedsAttention"] is True


# --- Stripe is away until the hold's end ---


async def _away_until_the_end(
    harness: WorkflowHarness, mode: FaultMode
) -> tuple[BookingDriver, CommandResult]:
    """Approve a hold of an hour; no attempt to capture it is ever heard to succeed."""
    booking = await harness.held(hold_s=HOUR_S)
    harness.activity_faults.order("payments.capture", mode, times=1000)
    harness.webhooks.is_paused = True
    return booking, await _decide(harness, booking, minutes=63)


async def test_capture_that_was_never_heard_of_confirms_at_the_holds_end(harness: WorkflowHarness) -> None:
    booking, result = await _away_until_the_end(harness, FaultMode.AFTER)
    assert result.outcome is CommandOutcome.SETTLED
    await _is_captured_once(booking)


async def test_hold_that_lapsed_meanwhile_declines(harness: WorkflowHarness) -> None:
    booking, result = await _away_until_the_end(harness, FaultMode.BEFORE)
    assert result.outcome is CommandOutcome.ALREADY_DECIDED
    row = await booking.row()
    assert (row.status, row.reason_code) == (Status.DECLINED, "AUTHORIZATION_EXPIRED")
    assert (await booking.intent())["captures"] == 0


async def test_hold_that_is_still_there_asks_for_a_person(harness: WorkflowHarness) -> None:
    """The time to capture is over, and the release does not get through either."""
    booking = await harness.held(hold_s=HOUR_S)
    for step in ("payments.capture", "payments.release"):
        harness.activity_faults.order(step, FaultMode.BEFORE, times=1000)
    harness.clock.stripe_follows = False
    result = await _decide(harness, booking, minutes=130)
    assert result.outcome is CommandOutcome.NEEDS_ATTENTION
    assert await booking.status() is Status.PENDING_APPROVAL
    assert (await booking.row()).needs_attention

    # It looks again every hour: by then Stripe has let the hold lapse.
    harness.clock.stripe_follows = True
    await harness.advance(minutes=61)
    row = await booking.row()
    assert (row.status, row.reason_code) == (Status.DECLINED, "AUTHORIZATION_EXPIRED")
    assert not row.needs_attention


async def test_capture_is_tried_for_as_long_as_the_hold_lasts(harness: WorkflowHarness) -> None:
    booking = await harness.held(hold_s=6 * HOUR_S)
    lapses = (await booking.intent())["capture_before"]
    harness.activity_faults.order("payments.capture", FaultMode.BEFORE, times=1000)
    command_id = await booking.send(Decision.APPROVE)
    await harness.advance(hours=5, minutes=50)
    assert (await booking.view()).pending_decision == "approve"
    assert not (await booking.row()).needs_attention, "nobody is needed yet: it is being tried"
    harness.activity_faults.clear_faults()
    await harness.advance(minutes=6)
    assert (await booking.outcome(command_id)).outcome is CommandOutcome.SETTLED
    await _is_captured_once(booking)
    paid_at = (await booking.row()).paid_at
    assert paid_at is not None
    assert paid_at.timestamp() < lapses
    assert paid_at - (await booking.timeline())[2].at > timedelta(hours=5)
