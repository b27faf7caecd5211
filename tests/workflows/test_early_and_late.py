"""What comes before its time, after it, or on the wrong booking."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import delete
from sqlmodel import col
from temporalio.service import RPCError, RPCStatusCode

from dispatch.client import start_booking
from domain.booking import ActorKind, Decision, Event, Status
from domain.decisions import Verdict
from domain.identifiers import new_booking_id
from models import Booking, BookingTimeline, PaymentSession
from tests.workflows.hotels import TOTAL_MINOR
from tests.workflows.reservation import CHALLENGED_CARD, Reservation
from tests.workflows.wire import Trouble
from tests.workflows.world import World

RELEASED = ("canceled", 0, 0)
HELD = ("requires_capture", 0, 0)


async def _dead(world: World, how: Status) -> Reservation:
    """A booking that ended unpaid."""
    stay = await world.submitted(payment_window_s=3600)
    if how is Status.CANCELLED:
        await stay.cancel()
    else:
        await world.advance(minutes=61)
    await world.settle()
    assert await stay.status() is how
    assert await stay.is_over()
    return stay


# --- before its time ---


@pytest.mark.forgetful
async def test_page_asked_for_before_the_submission_is_known_to_be_written_opens(world: World) -> None:
    """The row may say so already, and let the guest ask, while the workflow has not heard of it yet."""
    stay = await world.draft()
    world.wire.order("bookings.record", Trouble.AFTER, times=3)
    await start_booking(world.client, stay.terms, world.task_queue)
    await world.until(lambda: _is(stay, Status.PENDING_PAYMENT))
    asked = world.later(stay.open_page())

    await world.advance(minutes=1)

    assert (await asked).payable


async def _is(stay: Reservation, status: Status) -> bool:
    return await stay.status() is status


@pytest.mark.forgetful
async def test_page_asked_for_a_draft_that_was_deleted_is_answered(world: World) -> None:
    stay = await world.draft()
    world.wire.order("bookings.record", Trouble.BEFORE, times=1000)
    await start_booking(world.client, stay.terms, world.task_queue)
    await world.until(lambda: _tried(world, stay))
    asked = world.later(stay.open_page())
    async with world.database.transaction() as db:
        await db.execute(delete(BookingTimeline).where(col(BookingTimeline.booking_id) == stay.booking_id))
        await db.execute(delete(Booking).where(col(Booking.booking_id) == stay.booking_id))
    world.wire.heal()

    await world.advance(minutes=1)

    assert not (await asked).payable
    assert await stay.is_over()


async def _tried(world: World, stay: Reservation) -> bool:
    return "bookings.record" in world.wire.attempts_of.get(stay.booking_id, ())


@pytest.mark.parametrize("first", ["checkout.session.completed", "payment_intent.amount_capturable_updated"])
async def test_hold_counts_before_any_session_is_on_record(world: World, first: str) -> None:
    stay = await world.submitted()
    await stay.open_page()
    async with world.database.transaction() as db:
        mine = col(PaymentSession.booking_id) == stay.booking_id
        await db.execute(delete(PaymentSession).where(mine))
    await stay.pay()
    await world.postman.deliver(first)
    await world.settle()
    assert await stay.status() is Status.PENDING_APPROVAL
    assert (await stay.row()).payment_intent_id == (await stay.intent())["id"]


async def test_hold_on_a_page_whose_answer_got_lost_counts(world: World) -> None:
    stay = await world.submitted()
    await stay.fill_in(await stay.unnoted_page())
    await world.postman.deliver()
    await world.settle()
    assert await stay.status() is Status.PENDING_APPROVAL
    assert await stay.money() == HELD


async def test_events_of_a_payment_may_come_backwards(world: World) -> None:
    stay = await world.submitted()
    await stay.open_page()
    await stay.pay()
    order = await world.postman.deliver(backwards=True)
    assert order.index("payment_intent.amount_capturable_updated") < order.index("checkout.session.completed")
    await world.settle()
    assert await stay.events() == [Event.AUTHORIZED]


async def test_hold_is_taken_from_the_earlier_event_and_the_later_one_is_nothing_new(world: World) -> None:
    stay = await world.submitted()
    await stay.open_page()
    await stay.pay()
    await world.postman.deliver("payment_intent.amount_capturable_updated")
    await world.settle()
    assert await stay.status() is Status.PENDING_APPROVAL
    [completed] = [e for e in await world.postman.collect() if e["type"] == "checkout.session.completed"]
    assert await world.postman.bring(completed) == "nothing new"


@pytest.mark.parametrize("decision", [Decision.APPROVE, Decision.DECLINE])
async def test_decision_before_authorization_is_refused_and_not_kept_for_later(
    world: World, decision: Decision
) -> None:
    stay = await world.submitted()
    command_id = await stay.send(decision)
    assert (await stay.outcome(command_id)).verdict is Verdict.NOT_AUTHORIZED
    await world.settle()
    assert await stay.verdict(command_id) == Verdict.NOT_AUTHORIZED

    await stay.place_hold()
    await world.advance(minutes=5)

    assert await stay.status() is Status.PENDING_APPROVAL
    assert await stay.money() == HELD


async def test_guest_who_is_still_at_the_bank_has_paid_nothing_yet(world: World) -> None:
    """A 3-D Secure step is under way: there is a PaymentIntent, and no hold."""
    stay = await world.submitted()
    await stay.open_page()
    await stay.pay("4000002500003155")
    assert (await stay.come_back()).status is Status.PENDING_PAYMENT
    await stay.authenticate()
    assert (await stay.come_back()).status is Status.PENDING_APPROVAL


async def test_declined_card_leaves_the_page_open_for_another_one(world: World) -> None:
    stay = await world.submitted()
    await stay.open_page()
    await stay.pay("4000000000000002")
    await world.postman.deliver()
    await world.settle()
    assert await stay.status() is Status.PENDING_PAYMENT
    assert not (await stay.open_page()).created
    await stay.place_hold()
    assert await stay.status() is Status.PENDING_APPROVAL


# --- at the same time ---


async def test_guest_cancels_while_staff_approve(world: World) -> None:
    stay = await world.held()
    cancel, approve = await asyncio.gather(
        stay.send(Decision.CANCEL, ActorKind.GUEST), stay.send(Decision.APPROVE)
    )
    cancelled, approved = await stay.outcome(cancel), await stay.outcome(approve)
    await world.settle()
    if await stay.status() is Status.CANCELLED:
        # First, or a refund: each of the two stands.
        assert cancelled.verdict is Verdict.SETTLED
        assert approved.verdict in {Verdict.SETTLED, Verdict.ALREADY_DECIDED}
    else:
        assert await stay.status() is Status.CONFIRMED
        assert (cancelled.verdict, approved.verdict) == (Verdict.IN_PROGRESS, Verdict.SETTLED)


async def test_guest_pays_while_they_cancel(world: World) -> None:
    """They paid a moment before the page could be closed: the hold goes back with the booking."""
    stay = await world.submitted()
    await stay.open_page()
    await stay.pay()
    assert (await stay.cancel()).verdict is Verdict.SETTLED
    await world.postman.deliver()
    await world.settle()
    assert await stay.events() == [Event.CANCELLED_BY_GUEST]
    assert await stay.money() == RELEASED


async def test_guest_pays_in_the_moment_their_cancellation_closes_the_page(world: World) -> None:
    stay = await world.submitted()
    await stay.open_page()
    slow = await world.stripe.order("POST /v1/checkout/sessions/*/expire", "delay", delay_s=1.5)
    cancelling = world.later(stay.cancel())
    await world.until(lambda: world.stripe.hits(slow))
    await stay.pay()

    assert (await cancelling).verdict is Verdict.SETTLED
    await world.settle()
    assert await stay.status() is Status.CANCELLED
    assert await stay.money() == RELEASED


async def test_guest_pays_in_the_moment_the_windows_end_closes_the_page(world: World) -> None:
    stay = await world.submitted(payment_window_s=600)
    await stay.open_page()
    slow = await world.stripe.order("POST /v1/checkout/sessions/*/expire", "delay", delay_s=1.5)
    passing = world.later(world.advance(minutes=11))
    await world.until(lambda: world.stripe.hits(slow))
    await stay.pay()

    await passing
    assert await stay.status() is Status.PENDING_APPROVAL
    assert await stay.money() == HELD


# --- after its time ---


@pytest.mark.parametrize("how", [Status.EXPIRED, Status.CANCELLED])
async def test_hold_on_a_dead_booking_is_released_and_the_booking_stays_dead(
    world: World, how: Status
) -> None:
    stay = await _dead(world, how)
    await stay.fill_in(await stay.unnoted_page())
    await world.postman.deliver()
    await world.settle()

    assert await stay.status() is how
    assert await stay.money() == RELEASED
    assert (await stay.events())[-1] is Event.STRAY_PAYMENT_RETURNED
    assert await stay.last_actor() == ActorKind.STRIPE
    assert any("payment" in subject.lower() for subject in await stay.staff_told())
    assert len(await stay.told()) == 1, "the guest hears of the end only"
    assert (await stay.published())[-1] == (4, how)


async def test_events_about_one_late_hold_return_it_once(world: World) -> None:
    stay = await _dead(world, Status.CANCELLED)
    await stay.fill_in(await stay.unnoted_page())
    await world.postman.deliver(copies=2)
    await world.settle()
    events = await stay.events()
    assert events.count(Event.STRAY_PAYMENT_RETURNED) == 1
    assert len(await stay.keys("release")) == 1


async def test_decision_on_a_booking_that_ended_changes_nothing(world: World) -> None:
    stay = await world.held()
    await stay.decline()
    await world.settle()
    assert await stay.is_over()
    version = (await stay.row()).version
    with pytest.raises(RPCError) as refused:
        await stay.send(Decision.APPROVE)
    assert refused.value.status is RPCStatusCode.NOT_FOUND
    assert (await stay.row()).version == version


@pytest.mark.parametrize("confirmed", [False, True])
async def test_second_hold_on_a_booking_is_released(world: World, *, confirmed: bool) -> None:
    stay = await (world.confirmed() if confirmed else world.held())
    await stay.fill_in(await stay.unnoted_page())
    await world.postman.deliver()
    await world.settle()

    first, second = await stay.intents()
    assert first == (("succeeded", TOTAL_MINOR, 0) if confirmed else HELD)
    assert second == RELEASED
    assert await stay.status() is (Status.CONFIRMED if confirmed else Status.PENDING_APPROVAL)
    assert (await stay.events())[-1] is Event.STRAY_PAYMENT_RETURNED
    assert (await stay.row()).needs_attention is None, "nothing is left for a person to do"


async def test_second_hold_that_somebody_captured_is_refunded(world: World) -> None:
    stay = await world.held()
    await stay.fill_in(await stay.unnoted_page())
    await world.postman.collect()
    second = (await stay.ledger())["payment_intents"][0]
    await world.stripe.ask("POST", f"/_sandbox/dashboard/payment_intents/{second['id']}/capture", json={})
    await world.postman.deliver()
    await world.settle()
    assert await stay.intents() == [HELD, ("succeeded", TOTAL_MINOR, TOTAL_MINOR)]
    assert await stay.status() is Status.PENDING_APPROVAL


# --- on the wrong booking ---


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount_minor": TOTAL_MINOR - 1},
        {"currency": "USD"},
        # Currencies no hotel here charges in; the first one has three decimals.
        {"currency": "BHD"},
        {"currency": "COP"},
        {"payment_names": new_booking_id()},
    ],
)
async def test_hold_that_is_not_the_bookings_never_advances_it(world: World, wrong: dict[str, str]) -> None:
    stay = await world.submitted()
    url = await stay.unnoted_page(**wrong)  # type: ignore[arg-type]
    await stay.fill_in(url)
    [intent] = await world.intents_of_page(url)
    await world.postman.deliver()
    await world.settle()

    assert await stay.status() is Status.PENDING_PAYMENT
    assert await stay.events() == [Event.STRAY_PAYMENT_RETURNED, Event.ATTENTION_NEEDED]
    assert (await world.payment(intent))["status"] == "canceled"
    assert "wrong amount or booking" in str((await stay.row()).needs_attention)

    await stay.place_hold()
    assert await stay.status() is Status.PENDING_APPROVAL
    assert (await stay.row()).needs_attention is None


async def _late(world: World) -> Reservation:
    return await _dead(world, Status.EXPIRED)


_STANDINGS = [World.submitted, World.held, World.confirmed, _late]
each_standing = pytest.mark.parametrize(
    "standing", _STANDINGS, ids=["submitted", "held", "confirmed", "late"]
)
Standing = Callable[[World], Awaitable[Reservation]]


async def _paid_in(world: World, stay: Reservation, currency: str) -> str:
    """Somebody pays in another currency for the booking; nobody here has heard of it. The PaymentIntent's id."""
    url = await stay.unnoted_page(currency=currency)
    await stay.fill_in(url)
    [intent] = await world.intents_of_page(url)
    return intent


async def _goes_on(world: World, stay: Reservation, was: Status) -> None:
    """The payment was given back, people know, and the booking is as it was; its own money is left alone."""
    await world.postman.deliver()
    await world.settle()
    assert await stay.status() is was
    assert Event.STRAY_PAYMENT_RETURNED in await stay.events()
    assert f"Payment notice - {stay.booking_id}" in await stay.staff_told()
    if was is Status.PENDING_PAYMENT:
        await stay.place_hold()
        assert await stay.status() is Status.PENDING_APPROVAL


@each_standing
async def test_hold_in_a_currency_nobody_here_charges_in_is_released(
    world: World, standing: Standing
) -> None:
    stay = await standing(world)
    was = await stay.status()
    intent = await _paid_in(world, stay, "SAR")
    await _goes_on(world, stay, was)
    assert (await world.payment(intent))["status"] == "canceled"


@pytest.mark.parametrize("currency", ["BHD", "COP", "ISK"])
@each_standing
async def test_money_captured_in_another_currency_is_refunded_in_full(
    world: World, standing: Standing, currency: str
) -> None:
    """Stripe counts each currency in units of its own: crowns times one hundred, dinars in thousandths."""
    stay = await standing(world)
    was = await stay.status()
    intent = await _paid_in(world, stay, currency)
    await world.stripe.ask("POST", f"/_sandbox/dashboard/payment_intents/{intent}/capture", json={})
    await _goes_on(world, stay, was)
    payment = await world.payment(intent)
    assert (payment["amount_received"], payment["refunded"]) == (TOTAL_MINOR, TOTAL_MINOR)


async def test_euros_that_came_for_a_price_in_crowns_are_refunded_in_full(world: World) -> None:
    stay = await world.confirmed(currency="ISK")
    intent = await _paid_in(world, stay, "EUR")
    await world.stripe.ask("POST", f"/_sandbox/dashboard/payment_intents/{intent}/capture", json={})
    await _goes_on(world, stay, Status.CONFIRMED)
    assert (await world.payment(intent))["refunded"] == TOTAL_MINOR


async def test_page_outlives_a_hold_that_is_not_the_bookings(world: World) -> None:
    """Polls go on, nobody gets a second page, and the window's end closes the first one."""
    stay = await world.submitted(payment_poll_s=600, payment_window_s=7200)
    first = await stay.open_page()
    await stay.fill_in(await stay.unnoted_page(amount_minor=TOTAL_MINOR - 1))
    await world.postman.deliver()
    await world.settle()
    assert (await stay.row()).needs_attention is not None

    again = await stay.open_page()
    assert (again.session_id, again.created) == (first.session_id, False)
    await stay.pay()
    await world.postman.lose()
    world.postman.on_strike = True
    await world.advance(minutes=11)
    assert await stay.status() is Status.PENDING_APPROVAL


async def test_page_is_closed_at_the_windows_end_although_a_hold_was_not_the_bookings(world: World) -> None:
    stay = await world.submitted(payment_window_s=1800)
    page = await stay.open_page()
    await stay.fill_in(await stay.unnoted_page(amount_minor=TOTAL_MINOR - 1))
    await world.postman.deliver()
    # Before the page lapses by itself: Stripe lets none do so earlier than half an hour after it was opened.
    world.wire.attempts.clear()
    await world.advance(minutes=31)
    assert await stay.status() is Status.EXPIRED
    assert "payments.expire_session" in world.wire.attempts
    [own] = [item for item in (await stay.ledger())["sessions"] if item["id"] == page.session_id]
    assert own["status"] == "expired"


async def test_event_of_a_booking_nobody_knows_is_kept_with_the_reason(world: World) -> None:
    stay = await world.submitted()
    await stay.open_page()
    await stay.pay()
    [event] = [e for e in await world.postman.collect() if e["type"] == "checkout.session.completed"]
    world.postman.waiting.clear()
    stranger = {"object": "checkout.session", "id": "cs_test_of_somebody_else", "metadata": {}}
    assert await world.postman.bring(event | {"data": {"object": stranger}}, "evt_stranger") == (
        "no booking of ours"
    )
    unknown = {**event, "type": "customer.created", "id": "evt_unknown"}
    assert await world.postman.bring(unknown) == "a type we do not act on"
    assert await stay.status() is Status.PENDING_PAYMENT
    await stay.come_back()


async def test_guest_who_fails_at_the_bank_may_take_another_card(world: World) -> None:
    stay = await world.submitted()
    await stay.open_page()
    await stay.pay(CHALLENGED_CARD)
    await stay.authenticate(passed=False)
    await world.postman.deliver()
    await world.settle()
    assert await stay.status() is Status.PENDING_PAYMENT
    assert not (await stay.open_page()).created, "the page is still open"
    await stay.place_hold()
    assert await stay.status() is Status.PENDING_APPROVAL
    assert await stay.money() == HELD
