"""Webhooks that never arrive: a booking that waits for payment asks by itself."""

from __future__ import annotations

from datetime import timedelta

import pytest
from temporalio.client import WorkflowUpdateFailedError

from domain.booking import Event, Status
from tests.workflows.reservation import Reservation
from tests.workflows.wire import Trouble
from tests.workflows.world import World

POLL_S = 300
ONLINE_ATTEMPTS = 3
"""How often Stripe is asked before somebody who waits is told that it is away."""


async def _paid_unheard(world: World, **terms: int) -> Reservation:
    """A booking whose guest has paid, and of whose payment no webhook tells."""
    stay = await world.submitted(payment_poll_s=POLL_S, **terms)
    await stay.open_page()
    await stay.pay()
    await world.postman.lose()
    world.postman.on_strike = True
    return stay


async def test_poll_finds_the_hold(world: World) -> None:
    stay = await _paid_unheard(world)
    await world.advance(seconds=POLL_S - 10)
    assert await stay.status() is Status.PENDING_PAYMENT
    await world.advance(seconds=20)
    assert await stay.status() is Status.PENDING_APPROVAL
    assert await stay.money() == ("requires_capture", 0, 0)


async def test_decision_deadline_counts_from_the_hold_not_from_its_discovery(world: World) -> None:
    stay = await _paid_unheard(world, approval_sla_s=3600)
    await world.advance(seconds=POLL_S + 10)
    row = await stay.row()
    assert row.payment_authorized_at is not None
    assert row.decision_deadline == row.payment_authorized_at + timedelta(hours=1)


async def test_guest_who_returns_makes_good_for_the_webhook(world: World) -> None:
    stay = await _paid_unheard(world)
    assert (await stay.come_back()).status is Status.PENDING_APPROVAL
    assert await stay.events() == [Event.AUTHORIZED]


async def test_guest_who_returns_unpaid_changes_nothing(world: World) -> None:
    stay = await world.submitted()
    assert (await stay.come_back()).status is Status.PENDING_PAYMENT
    await stay.open_page()
    assert (await stay.come_back()).status is Status.PENDING_PAYMENT
    assert await stay.events() == []


async def test_last_look_before_the_end_finds_the_hold(world: World) -> None:
    """No poll comes between the payment and the window's end."""
    stay = await _paid_unheard(world, payment_window_s=240)
    await world.advance(minutes=5)
    assert await stay.status() is Status.PENDING_APPROVAL
    assert await stay.events() == [Event.AUTHORIZED]


async def test_booking_whose_page_was_never_opened_asks_nobody(world: World) -> None:
    stay = await world.submitted(payment_poll_s=POLL_S, payment_window_s=3600)
    await world.advance(minutes=59)
    assert "payments.read" not in world.wire.attempts
    assert await stay.status() is Status.PENDING_PAYMENT


async def test_poll_that_finds_stripe_away_asks_again(world: World) -> None:
    stay = await _paid_unheard(world)
    away = world.wire.order("payments.read", Trouble.BEFORE, times=ONLINE_ATTEMPTS)
    await world.advance(seconds=POLL_S + 20)
    assert away.hits == ONLINE_ATTEMPTS
    assert await stay.status() is Status.PENDING_PAYMENT
    await world.advance(seconds=POLL_S + 20)
    assert await stay.status() is Status.PENDING_APPROVAL


async def test_event_that_could_not_be_looked_into_is_remembered(world: World) -> None:
    """The only hint at a page that nobody noted arrived while Stripe did not answer."""
    stay = await world.submitted(payment_poll_s=POLL_S)
    await stay.fill_in(await stay.unnoted_page())
    world.wire.order("payments.read", Trouble.BEFORE, times=3 * ONLINE_ATTEMPTS)
    await world.postman.deliver("payment_intent.amount_capturable_updated")
    await world.postman.lose()
    await world.advance(seconds=60)
    assert await stay.status() is Status.PENDING_PAYMENT
    await world.advance(seconds=4 * POLL_S)
    assert await stay.status() is Status.PENDING_APPROVAL


async def test_open_page_is_given_again(world: World) -> None:
    stay = await world.submitted()
    first, second = await stay.open_page(), await stay.open_page()
    assert (first.created, second.created) == (True, False)
    assert first.session_id == second.session_id
    assert len((await stay.ledger())["sessions"]) == 1


async def test_guest_who_asks_for_a_page_after_paying_is_told_there_is_nothing_to_pay(world: World) -> None:
    stay = await _paid_unheard(world)
    assert not (await stay.open_page()).payable
    await world.settle()
    assert await stay.status() is Status.PENDING_APPROVAL


async def test_lapsed_page_is_replaced_while_the_window_lasts(world: World) -> None:
    stay = await world.submitted()
    first = await stay.open_page()
    await world.stripe.ask("POST", f"/_sandbox/dashboard/checkout/sessions/{first.session_id}/lapse")
    await world.postman.deliver()
    await world.settle()
    assert await stay.status() is Status.PENDING_PAYMENT

    second = await stay.open_page()
    assert second.created
    assert second.session_id != first.session_id
    await stay.place_hold()
    assert await stay.status() is Status.PENDING_APPROVAL


async def test_page_that_stripe_does_not_open_is_asked_for_again_under_another_key(world: World) -> None:
    stay = await world.submitted()
    world.wire.order("payments.open_session", Trouble.BEFORE, times=ONLINE_ATTEMPTS)
    asked = world.later(stay.open_page())
    await world.advance(seconds=20)
    with pytest.raises(WorkflowUpdateFailedError):
        await asked
    assert (await stay.open_page()).created
    assert await stay.keys("session") == ["session:2"]


async def test_page_opened_by_an_answer_that_got_lost_is_the_page(world: World) -> None:
    stay = await world.submitted()
    await world.stripe.order("POST /v1/checkout/sessions", "drop_after")
    assert (await stay.open_page()).created
    assert len((await stay.ledger())["sessions"]) == 1
    assert len(await stay.keys("session")) == 1


async def test_verification_while_stripe_is_away_says_so(world: World) -> None:
    stay = await world.submitted()
    await stay.open_page()
    world.wire.order("payments.read", Trouble.BEFORE, times=ONLINE_ATTEMPTS)
    asked = world.later(stay.come_back())
    await world.advance(seconds=20)
    with pytest.raises(WorkflowUpdateFailedError):
        await asked
    assert await stay.status() is Status.PENDING_PAYMENT
    assert (await stay.row()).needs_attention is None
