"""Webhooks that never arrive: a booking that waits for payment asks by itself."""

from __future__ import annotations

from datetime import timedelta

import pytest
from temporalio.client import WorkflowUpdateFailedError

from domain.booking import Event, Status
from tests.workflows.activity_faults import FaultMode
from tests.workflows.booking_driver import BookingDriver
from tests.workflows.harness import WorkflowHarness

POLL_S = 300
ONLINE_ATTEMPTS = 3
"""The number of reads of Stripe before a waiting caller gets 503."""


async def _paid_unheard(harness: WorkflowHarness, *, paid_after_s: int = 0, **terms: int) -> BookingDriver:
    """A booking whose guest has paid, and of whose payment no webhook tells."""
    booking = await harness.submitted(payment_poll_s=POLL_S, **terms)
    await harness.advance(seconds=paid_after_s)
    await booking.open_page()
    await booking.pay()
    await harness.webhooks.lose()
    harness.webhooks.is_paused = True
    return booking


async def test_poll_finds_the_hold(harness: WorkflowHarness) -> None:
    booking = await _paid_unheard(
        harness, paid_after_s=180
    )  # after the e-mail before which Stripe is asked, too
    await harness.advance(seconds=POLL_S - 10)
    assert await booking.status() is Status.PENDING_PAYMENT
    await harness.advance(seconds=20)
    assert await booking.status() is Status.PENDING_APPROVAL
    assert await booking.money() == ("requires_capture", 0, 0)


async def test_decision_deadline_counts_from_the_hold_not_from_its_discovery(
    harness: WorkflowHarness,
) -> None:
    booking = await _paid_unheard(harness, approval_sla_s=3600)
    await harness.advance(seconds=POLL_S + 10)
    row = await booking.row()
    assert row.payment_authorized_at is not None
    assert row.decision_deadline == row.payment_authorized_at + timedelta(hours=1)


async def test_guest_who_returns_makes_good_for_the_webhook(harness: WorkflowHarness) -> None:
    booking = await _paid_unheard(harness)
    assert (await booking.come_back()).status is Status.PENDING_APPROVAL
    assert await booking.events() == [Event.AUTHORIZED]


async def test_guest_who_returns_unpaid_changes_nothing(harness: WorkflowHarness) -> None:
    booking = await harness.submitted()
    assert (await booking.come_back()).status is Status.PENDING_PAYMENT
    await booking.open_page()
    assert (await booking.come_back()).status is Status.PENDING_PAYMENT
    assert await booking.events() == []


async def test_last_look_before_the_end_finds_the_hold(harness: WorkflowHarness) -> None:
    """No poll comes between the payment and the window's end."""
    booking = await _paid_unheard(harness, payment_window_s=240)
    await harness.advance(minutes=5)
    assert await booking.status() is Status.PENDING_APPROVAL
    assert await booking.events() == [Event.AUTHORIZED]


async def test_booking_without_an_open_page_is_not_polled(harness: WorkflowHarness) -> None:
    booking = await harness.submitted(payment_poll_s=POLL_S, payment_window_s=3600)
    await harness.advance(minutes=59)
    assert "payments.read" not in harness.activity_faults.attempts
    assert await booking.status() is Status.PENDING_PAYMENT


async def test_poll_that_finds_stripe_away_asks_again(harness: WorkflowHarness) -> None:
    booking = await _paid_unheard(harness)
    away = harness.activity_faults.order("payments.read", FaultMode.BEFORE, times=ONLINE_ATTEMPTS)
    await harness.advance(seconds=POLL_S + 20)
    assert away.hits == ONLINE_ATTEMPTS
    assert await booking.status() is Status.PENDING_PAYMENT
    await harness.advance(seconds=POLL_S + 20)
    assert await booking.status() is Status.PENDING_APPROVAL


async def test_event_that_could_not_be_looked_into_is_remembered(harness: WorkflowHarness) -> None:
    """The only event of an unknown page arrived while Stripe did not answer."""
    booking = await harness.submitted(payment_poll_s=POLL_S)
    await booking.fill_in(await booking.unnoted_page())
    harness.activity_faults.order("payments.read", FaultMode.BEFORE, times=3 * ONLINE_ATTEMPTS)
    await harness.webhooks.deliver("payment_intent.amount_capturable_updated")
    await harness.webhooks.lose()
    await harness.advance(seconds=60)
    assert await booking.status() is Status.PENDING_PAYMENT
    await harness.advance(seconds=4 * POLL_S)
    assert await booking.status() is Status.PENDING_APPROVAL


async def test_open_page_is_given_again(harness: WorkflowHarness) -> None:
    booking = await harness.submitted()
    first, second = await booking.open_page(), await booking.open_page()
    assert (first.created, second.created) == (True, False)
    assert first.session_id == second.session_id
    assert len((await booking.ledger())["sessions"]) == 1


async def test_guest_who_asks_for_a_page_after_paying_is_told_there_is_nothing_to_pay(
    harness: WorkflowHarness,
) -> None:
    booking = await _paid_unheard(harness)
    assert not (await booking.open_page()).payable
    await harness.wait_until_idle()
    assert await booking.status() is Status.PENDING_APPROVAL


async def test_lapsed_page_is_replaced_while_the_window_lasts(harness: WorkflowHarness) -> None:
    booking = await harness.submitted()
    first = await booking.open_page()
    await harness.stripe.ask("POST", f"/_sandbox/dashboard/checkout/sessions/{first.session_id}/lapse")
    await harness.webhooks.deliver()
    await harness.wait_until_idle()
    assert await booking.status() is Status.PENDING_PAYMENT

    second = await booking.open_page()
    assert second.created
    assert second.session_id != first.session_id
    await booking.place_hold()
    assert await booking.status() is Status.PENDING_APPROVAL


async def test_page_that_stripe_does_not_open_is_asked_for_again_under_another_key(
    harness: WorkflowHarness,
) -> None:
    booking = await harness.submitted()
    harness.activity_faults.order("payments.open_session", FaultMode.BEFORE, times=ONLINE_ATTEMPTS)
    opening = harness.later(booking.open_page())
    await harness.advance(seconds=20)
    with pytest.raises(WorkflowUpdateFailedError):
        await opening
    assert (await booking.open_page()).created
    [key] = await booking.keys("session")
    assert key.endswith(":2")


async def test_page_opened_by_an_answer_that_got_lost_is_the_page(harness: WorkflowHarness) -> None:
    booking = await harness.submitted()
    await harness.stripe.order("POST /v1/checkout/sessions", "drop_after")
    assert (await booking.open_page()).created
    assert len((await booking.ledger())["sessions"]) == 1
    assert len(await booking.keys("session")) == 1


async def test_verification_while_stripe_is_away_says_so(harness: WorkflowHarness) -> None:
    booking = await harness.submitted()
    await booking.open_page()
    harness.activity_faults.order("payments.read", FaultMode.BEFORE, times=ONLINE_ATTEMPTS)
    check = harness.later(booking.come_back())
    await harness.advance(seconds=20)
    with pytest.raises(WorkflowUpdateFailedError):
        await check
    assert await booking.status() is Status.PENDING_PAYMENT
    assert not (await booking.row()).needs_attention
