"""Bookings that need attention before they are paid: nothing is lost, and they go on when someone has helped."""

from __future__ import annotations

from datetime import timedelta

import pytest

from domain.booking import ActorKind, Decision, Event, Status
from domain.decisions import CommandOutcome
from tests.workflows.attention import (
    HELD,
    RELEASED,
    FindsOut,
    asks_for_person,
    hears,
    returns,
    waits,
    wants_to_pay,
)
from tests.workflows.harness import WorkflowHarness
from tests.workflows.hotels import TOTAL_MINOR
from tests.workflows.refusals import CANCEL, EXPIRE, READ_PAGE, refuse


async def test_cancellation_whose_page_cannot_be_closed_is_carried_out_by_retry(
    harness: WorkflowHarness,
) -> None:
    booking = await harness.submitted()
    await booking.open_page()
    await refuse(harness, EXPIRE)
    assert (await booking.cancel()).outcome is CommandOutcome.NEEDS_ATTENTION
    await harness.wait_until_idle()  # who asked is answered first, the flag is written then
    assert await booking.status() is Status.PENDING_PAYMENT
    assert await asks_for_person(booking)
    assert not (await booking.open_page()).payable, "a cancelled booking asks for no payment"

    assert (await booking.retry()).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()
    assert await booking.status() is Status.CANCELLED


@pytest.mark.parametrize("refused", [READ_PAGE, CANCEL])
@pytest.mark.parametrize("find", [returns, wants_to_pay, hears, waits])
async def test_hold_found_after_a_cancellation_got_stuck_goes_back(
    harness: WorkflowHarness, find: FindsOut, refused: str
) -> None:
    """They paid unheard, and cancelled while Stripe took nothing from us."""
    booking = await harness.submitted()
    await booking.open_page()
    await booking.pay()
    await refuse(harness, refused)
    cancel = await booking.send(Decision.CANCEL, ActorKind.GUEST)
    assert (await booking.outcome(cancel)).outcome is CommandOutcome.NEEDS_ATTENTION

    await find(harness, booking)
    await harness.wait_until_idle()

    assert await booking.events() == [Event.ATTENTION_NEEDED, Event.CANCELLED_BY_GUEST]
    assert await booking.money() == RELEASED
    assert await booking.recorded_outcome(cancel) == CommandOutcome.SETTLED


async def test_hold_on_another_page_found_after_a_cancellation_got_stuck_goes_back(
    harness: WorkflowHarness,
) -> None:
    """Its release is refused at first, and it is on no page that is known here: it is not forgotten."""
    booking = await harness.submitted()
    await booking.open_page()
    await refuse(harness, EXPIRE)
    assert (await booking.cancel()).outcome is CommandOutcome.NEEDS_ATTENTION
    await booking.fill_in(await booking.unnoted_page())
    await refuse(harness, CANCEL)
    await harness.webhooks.deliver("payment_intent.amount_capturable_updated")
    await harness.webhooks.lose()
    await harness.wait_until_idle()
    assert await booking.money() == HELD

    await waits(harness, booking)
    assert await booking.status() is Status.CANCELLED
    assert await booking.money() == RELEASED
    assert [page["status"] for page in (await booking.ledger())["sessions"]].count("open") == 0


async def test_stuck_cancellation_is_tried_again_within_the_hour(harness: WorkflowHarness) -> None:
    booking = await harness.submitted()
    await booking.open_page()
    await refuse(harness, EXPIRE)
    assert (await booking.cancel()).outcome is CommandOutcome.NEEDS_ATTENTION
    assert (await booking.cancel()).outcome is CommandOutcome.IN_PROGRESS
    await harness.advance(minutes=61)
    assert await booking.status() is Status.CANCELLED
    assert not await asks_for_person(booking)


async def test_cancellation_that_is_refused_every_hour_calls_people_once(harness: WorkflowHarness) -> None:
    booking = await harness.submitted(payment_window_s=20 * 3600)
    await booking.open_page()
    await refuse(harness, EXPIRE, times=None)
    await booking.cancel()
    await harness.advance(hours=5)
    assert await booking.events() == [Event.ATTENTION_NEEDED]
    assert len(await booking.keys("expire")) > 3, "it is tried again and again"
    assert len(await booking.staff_subjects()) == 1


async def test_cancellation_that_stays_stuck_is_no_expiry_when_the_window_ends(
    harness: WorkflowHarness,
) -> None:
    booking = await harness.submitted(payment_window_s=2 * 3600)
    await booking.open_page()
    await refuse(harness, EXPIRE, times=None)
    assert (await booking.cancel()).outcome is CommandOutcome.NEEDS_ATTENTION
    await harness.advance(minutes=110)
    assert await booking.status() is Status.PENDING_PAYMENT
    await harness.advance_to(await harness.now() + timedelta(minutes=75))
    assert await booking.status() is Status.CANCELLED
    assert await booking.guest_subjects() == [], "nothing was ever held"


async def test_stripe_that_refuses_to_tell_about_the_page_is_called_for_once_and_asked_on(
    harness: WorkflowHarness,
) -> None:
    """Stripe's key was revoked while the guest paid; without attention the payment would go unseen."""
    booking = await harness.submitted(payment_poll_s=600)
    await booking.open_page()
    await booking.pay()
    await harness.webhooks.lose()
    harness.webhooks.is_paused = True
    await refuse(harness, READ_PAGE, times=None)
    await harness.advance(minutes=35)
    assert await booking.events() == [Event.ATTENTION_NEEDED]

    await harness.stand_ins.clear_faults()
    await harness.advance(minutes=11)
    assert await booking.status() is Status.PENDING_APPROVAL
    assert not await asks_for_person(booking)


async def test_retry_of_what_stripe_refuses_to_tell_says_that_a_person_is_needed(
    harness: WorkflowHarness,
) -> None:
    booking = await harness.submitted()
    await booking.open_page()
    await refuse(harness, READ_PAGE)
    assert (await booking.retry()).outcome is CommandOutcome.NEEDS_ATTENTION
    await harness.wait_until_idle()
    assert await asks_for_person(booking)


async def test_event_stripe_refuses_to_tell_about_does_not_keep_the_page_from_being_asked_about(
    harness: WorkflowHarness,
) -> None:
    booking = await harness.submitted(payment_poll_s=600)
    await booking.open_page()
    await booking.pay()
    [event] = [e for e in await harness.webhooks.collect() if e["type"].endswith("capturable_updated")]
    await harness.webhooks.lose()
    harness.webhooks.is_paused = True
    unknown = event["data"]["object"] | {"id": "pi_nobody_knows"}
    await harness.webhooks.deliver_event(event | {"data": {"object": unknown}}, "evt_about_nothing")
    await harness.wait_until_idle()
    assert not await asks_for_person(booking), "that says nothing about the booking's own page"

    await harness.advance(minutes=11)
    assert await booking.status() is Status.PENDING_APPROVAL


async def test_window_whose_page_cannot_be_closed_is_ended_an_hour_later(harness: WorkflowHarness) -> None:
    booking = await harness.submitted(payment_window_s=600)
    await booking.open_page()
    await refuse(harness, EXPIRE)
    await harness.advance(minutes=11)
    assert await booking.status() is Status.PENDING_PAYMENT
    assert await asks_for_person(booking)
    await harness.advance(minutes=61)
    assert await booking.status() is Status.EXPIRED
    assert not await asks_for_person(booking)


async def test_unmatched_hold_that_cannot_be_released_asks_for_a_person_and_payment_goes_on(
    harness: WorkflowHarness,
) -> None:
    booking = await harness.submitted()
    await booking.fill_in(await booking.unnoted_page(amount_minor=TOTAL_MINOR - 1))
    await refuse(harness, CANCEL)
    await harness.webhooks.deliver()
    await harness.wait_until_idle()
    assert await booking.status() is Status.PENDING_PAYMENT
    assert await asks_for_person(booking)

    await booking.retry()
    await harness.wait_until_idle()
    [wrong] = await booking.intents()
    assert wrong == ("canceled", 0, 0)
    await booking.place_hold()
    assert await booking.status() is Status.PENDING_APPROVAL
