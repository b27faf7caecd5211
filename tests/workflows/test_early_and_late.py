"""Events that come early, at the same time as another, or late."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import delete
from sqlmodel import col
from temporalio.service import RPCError, RPCStatusCode

from dispatch.client import start_booking
from domain.booking import ActorKind, Decision, Event, Status
from domain.decisions import CommandOutcome
from models import Booking, BookingTimeline, PaymentSession
from tests.workflows.activity_faults import FaultMode
from tests.workflows.booking_driver import CHALLENGED_CARD, BookingDriver
from tests.workflows.harness import WorkflowHarness
from tests.workflows.hotels import TOTAL_MINOR
from tests.workflows.situations import ended_unpaid

RELEASED = ("canceled", 0, 0)
HELD = ("requires_capture", 0, 0)


# --- before its time ---


@pytest.mark.forgetful
async def test_page_asked_for_before_the_submission_is_known_to_be_written_opens(
    harness: WorkflowHarness,
) -> None:
    """The row may say so already, and let the guest ask, while the workflow has not heard of it yet."""
    booking = await harness.draft()
    harness.activity_faults.order("bookings.record", FaultMode.AFTER, times=3)
    await start_booking(harness.client, booking.terms, harness.task_queue)
    await harness.until(lambda: _is(booking, Status.PENDING_PAYMENT))
    opening = harness.later(booking.open_page())

    await harness.advance(minutes=1)

    assert (await opening).payable


async def _is(booking: BookingDriver, status: Status) -> bool:
    return await booking.status() is status


@pytest.mark.forgetful
async def test_page_asked_for_a_draft_that_was_deleted_is_answered(harness: WorkflowHarness) -> None:
    booking = await harness.draft()
    harness.activity_faults.order("bookings.record", FaultMode.BEFORE, times=1000)
    await start_booking(harness.client, booking.terms, harness.task_queue)
    await harness.until(lambda: _tried(harness, booking))
    opening = harness.later(booking.open_page())
    async with harness.database.transaction() as db:
        await db.execute(delete(BookingTimeline).where(col(BookingTimeline.booking_id) == booking.booking_id))
        await db.execute(delete(Booking).where(col(Booking.booking_id) == booking.booking_id))
    harness.activity_faults.clear_faults()

    await harness.advance(minutes=1)

    assert not (await opening).payable
    assert await booking.is_over()


async def _tried(harness: WorkflowHarness, booking: BookingDriver) -> bool:
    return "bookings.record" in harness.activity_faults.attempts_of.get(booking.booking_id, ())


@pytest.mark.parametrize("first", ["checkout.session.completed", "payment_intent.amount_capturable_updated"])
async def test_hold_counts_before_any_session_is_on_record(harness: WorkflowHarness, first: str) -> None:
    booking = await harness.submitted()
    await booking.open_page()
    async with harness.database.transaction() as db:
        mine = col(PaymentSession.booking_id) == booking.booking_id
        await db.execute(delete(PaymentSession).where(mine))
    await booking.pay()
    await harness.webhooks.deliver(first)
    await harness.wait_until_idle()
    assert await booking.status() is Status.PENDING_APPROVAL
    assert (await booking.row()).payment_intent_id == (await booking.intent())["id"]


async def test_hold_on_a_page_whose_answer_got_lost_counts(harness: WorkflowHarness) -> None:
    booking = await harness.submitted()
    await booking.fill_in(await booking.unnoted_page())
    await harness.webhooks.deliver()
    await harness.wait_until_idle()
    assert await booking.status() is Status.PENDING_APPROVAL
    assert await booking.money() == HELD


async def test_events_of_a_payment_may_come_backwards(harness: WorkflowHarness) -> None:
    booking = await harness.submitted()
    await booking.open_page()
    await booking.pay()
    order = await harness.webhooks.deliver(backwards=True)
    assert order.index("payment_intent.amount_capturable_updated") < order.index("checkout.session.completed")
    await harness.wait_until_idle()
    assert await booking.events() == [Event.AUTHORIZED]


async def test_hold_is_taken_from_the_earlier_event_and_the_later_one_is_nothing_new(
    harness: WorkflowHarness,
) -> None:
    booking = await harness.submitted()
    await booking.open_page()
    await booking.pay()
    await harness.webhooks.deliver("payment_intent.amount_capturable_updated")
    await harness.wait_until_idle()
    assert await booking.status() is Status.PENDING_APPROVAL
    [completed] = [e for e in await harness.webhooks.collect() if e["type"] == "checkout.session.completed"]
    assert await harness.webhooks.deliver_event(completed) == "nothing new"


@pytest.mark.parametrize("decision", [Decision.APPROVE, Decision.DECLINE])
async def test_decision_before_authorization_is_refused_and_not_kept_for_later(
    harness: WorkflowHarness, decision: Decision
) -> None:
    booking = await harness.submitted()
    command_id = await booking.send(decision)
    assert (await booking.outcome(command_id)).outcome is CommandOutcome.NOT_AUTHORIZED
    await harness.wait_until_idle()
    assert await booking.recorded_outcome(command_id) == CommandOutcome.NOT_AUTHORIZED

    await booking.place_hold()
    await harness.advance(minutes=5)

    assert await booking.status() is Status.PENDING_APPROVAL
    assert await booking.money() == HELD


async def test_guest_who_is_still_at_the_bank_has_paid_nothing_yet(harness: WorkflowHarness) -> None:
    """A 3-D Secure step is under way: there is a PaymentIntent, and no hold."""
    booking = await harness.submitted()
    await booking.open_page()
    await booking.pay("4000002500003155")
    assert (await booking.come_back()).status is Status.PENDING_PAYMENT
    await booking.authenticate()
    assert (await booking.come_back()).status is Status.PENDING_APPROVAL


async def test_declined_card_leaves_the_page_open_for_another_one(harness: WorkflowHarness) -> None:
    booking = await harness.submitted()
    await booking.open_page()
    await booking.pay("4000000000000002")
    await harness.webhooks.deliver()
    await harness.wait_until_idle()
    assert await booking.status() is Status.PENDING_PAYMENT
    assert not (await booking.open_page()).created
    await booking.place_hold()
    assert await booking.status() is Status.PENDING_APPROVAL


async def test_guest_who_fails_at_the_bank_may_take_another_card(harness: WorkflowHarness) -> None:
    booking = await harness.submitted()
    await booking.open_page()
    await booking.pay(CHALLENGED_CARD)
    await booking.authenticate(passed=False)
    await harness.webhooks.deliver()
    await harness.wait_until_idle()
    assert await booking.status() is Status.PENDING_PAYMENT
    assert not (await booking.open_page()).created, "the page is still open"
    await booking.place_hold()
    assert await booking.status() is Status.PENDING_APPROVAL
    assert await booking.money() == HELD


# --- at the same time ---


async def test_guest_cancels_while_staff_approve(harness: WorkflowHarness) -> None:
    booking = await harness.held()
    cancel, approve = await asyncio.gather(
        booking.send(Decision.CANCEL, ActorKind.GUEST), booking.send(Decision.APPROVE)
    )
    cancelled, approved = await booking.outcome(cancel), await booking.outcome(approve)
    await harness.wait_until_idle()
    if await booking.status() is Status.CANCELLED:
        # First, or a refund: each of the two stands.
        assert cancelled.outcome is CommandOutcome.SETTLED
        assert approved.outcome in {CommandOutcome.SETTLED, CommandOutcome.ALREADY_DECIDED}
    else:
        assert await booking.status() is Status.CONFIRMED
        assert (cancelled.outcome, approved.outcome) == (CommandOutcome.IN_PROGRESS, CommandOutcome.SETTLED)


async def test_guest_pays_while_they_cancel(harness: WorkflowHarness) -> None:
    """They paid a moment before the page could be closed: the hold goes back with the booking."""
    booking = await harness.submitted()
    await booking.open_page()
    await booking.pay()
    assert (await booking.cancel()).outcome is CommandOutcome.SETTLED
    await harness.webhooks.deliver()
    await harness.wait_until_idle()
    assert await booking.events() == [Event.CANCELLED_BY_GUEST]
    assert await booking.money() == RELEASED


async def test_guest_pays_in_the_moment_their_cancellation_closes_the_page(harness: WorkflowHarness) -> None:
    booking = await harness.submitted()
    await booking.open_page()
    slow = await harness.stripe.order("POST /v1/checkout/sessions/*/expire", "delay", delay_s=1.5)
    cancelling = harness.later(booking.cancel())
    await harness.until(lambda: harness.stripe.hits(slow))
    await booking.pay()

    assert (await cancelling).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()
    assert await booking.status() is Status.CANCELLED
    assert await booking.money() == RELEASED


async def test_guest_pays_in_the_moment_the_windows_end_closes_the_page(harness: WorkflowHarness) -> None:
    booking = await harness.submitted(payment_window_s=600)
    await booking.open_page()
    slow = await harness.stripe.order("POST /v1/checkout/sessions/*/expire", "delay", delay_s=1.5)
    passing = harness.later(harness.advance(minutes=11))
    await harness.until(lambda: harness.stripe.hits(slow))
    await booking.pay()

    await passing
    assert await booking.status() is Status.PENDING_APPROVAL
    assert await booking.money() == HELD


# --- after its time ---


@pytest.mark.parametrize("how", [Status.EXPIRED, Status.CANCELLED])
async def test_hold_on_a_dead_booking_is_released_and_the_booking_stays_dead(
    harness: WorkflowHarness, how: Status
) -> None:
    booking = await ended_unpaid(harness, how)
    await booking.fill_in(await booking.unnoted_page())
    await harness.webhooks.deliver()
    await harness.wait_until_idle()

    assert await booking.status() is how
    assert await booking.money() == RELEASED
    assert (await booking.events())[-1] is Event.UNMATCHED_PAYMENT_RETURNED
    assert await booking.last_actor() == ActorKind.STRIPE
    assert any("payment" in subject.lower() for subject in await booking.staff_subjects())
    # The guest hears nothing of it; one who cancels before a hold hears nothing at all, as the address may be a
    # stranger's.
    told = [subject.partition(" - ")[0] for subject in await booking.guest_subjects()]
    unpaid = ["Finish your request", "Your request expires soon", "Booking Expired"]
    assert told == (unpaid if how is Status.EXPIRED else [])
    assert (await booking.published())[-1] == (4, how)


async def test_events_about_one_late_hold_return_it_once(harness: WorkflowHarness) -> None:
    booking = await ended_unpaid(harness, Status.CANCELLED)
    await booking.fill_in(await booking.unnoted_page())
    await harness.webhooks.deliver(copies=2)
    await harness.wait_until_idle()
    events = await booking.events()
    assert events.count(Event.UNMATCHED_PAYMENT_RETURNED) == 1
    assert await booking.money() == RELEASED


async def test_decision_on_a_booking_that_ended_changes_nothing(harness: WorkflowHarness) -> None:
    booking = await harness.held()
    await booking.decline()
    await harness.wait_until_idle()
    assert await booking.is_over()
    version = (await booking.row()).version
    with pytest.raises(RPCError) as refused:
        await booking.send(Decision.APPROVE)
    assert refused.value.status is RPCStatusCode.NOT_FOUND
    assert (await booking.row()).version == version


@pytest.mark.parametrize("confirmed", [False, True])
async def test_second_hold_on_a_booking_is_released(harness: WorkflowHarness, *, confirmed: bool) -> None:
    booking = await (harness.confirmed() if confirmed else harness.held())
    await booking.fill_in(await booking.unnoted_page())
    await harness.webhooks.deliver()
    await harness.wait_until_idle()

    first, second = await booking.intents()
    assert first == (("succeeded", TOTAL_MINOR, 0) if confirmed else HELD)
    assert second == RELEASED
    assert await booking.status() is (Status.CONFIRMED if confirmed else Status.PENDING_APPROVAL)
    assert (await booking.events())[-1] is Event.UNMATCHED_PAYMENT_RETURNED
    assert not (await booking.row()).needs_attention, "nothing is left for a person to do"


async def test_captured_second_hold_is_refunded(harness: WorkflowHarness) -> None:
    booking = await harness.held()
    await booking.fill_in(await booking.unnoted_page())
    await harness.webhooks.collect()
    second = (await booking.ledger())["payment_intents"][0]
    await harness.stripe.ask("POST", f"/_sandbox/dashboard/payment_intents/{second['id']}/capture", json={})
    await harness.webhooks.deliver()
    await harness.wait_until_idle()
    assert await booking.intents() == [HELD, ("succeeded", TOTAL_MINOR, TOTAL_MINOR)]
    assert await booking.status() is Status.PENDING_APPROVAL
