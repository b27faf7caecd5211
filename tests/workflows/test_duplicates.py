"""The same thing told or asked more than once: it happens once."""

from __future__ import annotations

import asyncio

import pytest

from domain.booking import ActorKind, Decision, Event, Status
from domain.decisions import Verdict
from domain.identifiers import new_command_id
from tests.workflows.hotels import TOTAL_MINOR
from tests.workflows.reservation import Reservation
from tests.workflows.wire import Trouble
from tests.workflows.world import World

CAPTURED = ("succeeded", TOTAL_MINOR, 0)


async def _paid(world: World) -> Reservation:
    """A booking whose guest has just paid; no webhook has arrived."""
    stay = await world.submitted()
    await stay.open_page()
    await stay.pay()
    return stay


async def _is_held_once(world: World, stay: Reservation) -> None:
    await world.settle()
    assert await stay.events() == [Event.AUTHORIZED]
    assert await stay.published() == [(2, "PENDING_PAYMENT"), (3, "PENDING_APPROVAL")]
    assert await stay.told() == [f"Payment authorized — awaiting hotel confirmation ({stay.booking_id})"]


# --- webhooks ---


async def test_event_delivered_twice_changes_the_booking_once(world: World) -> None:
    stay = await _paid(world)
    await world.postman.deliver(copies=2)
    await _is_held_once(world, stay)


async def test_event_signalled_again_before_it_was_marked_processed_is_known(world: World) -> None:
    stay = await _paid(world)
    events = list(await world.postman.collect())
    await world.postman.deliver()
    for event in events:
        await world.postman.signal_again(event)
    await _is_held_once(world, stay)


async def test_two_event_ids_for_one_change_are_one_change(world: World) -> None:
    stay = await _paid(world)
    for event in list(await world.postman.collect()):
        await world.postman.bring(event, f"{event['id']}_again")
    await world.postman.deliver()
    await _is_held_once(world, stay)


async def test_ten_deliveries_at_once_change_the_booking_once(world: World) -> None:
    stay = await _paid(world)
    [event] = [e for e in await world.postman.collect() if e["type"] == "checkout.session.completed"]
    world.postman.waiting.clear()
    await asyncio.gather(*(world.postman.bring(event) for _ in range(10)))
    await _is_held_once(world, stay)


async def test_repeated_submission_finds_the_booking_submitted(world: World) -> None:
    stay = await world.submitted()
    assert (await stay.submit()).verdict is Verdict.SETTLED
    assert await stay.events() == []
    assert (await stay.row()).version == 2


# --- decisions ---


async def test_command_sent_twice_is_carried_out_once(world: World) -> None:
    stay = await world.held()
    command_id = await stay.send(Decision.APPROVE)
    await stay.signal(Decision.APPROVE, command_id)
    assert (await stay.outcome(command_id)).verdict is Verdict.SETTLED
    await stay.signal(Decision.APPROVE, command_id)
    await world.settle()
    assert await stay.events() == [Event.AUTHORIZED, Event.APPROVED]
    assert len(await stay.keys("capture")) == 1


async def test_ten_approvals_at_once_capture_once_and_all_hear_the_same(world: World) -> None:
    stay = await world.held()
    sent = await asyncio.gather(*(stay.send(Decision.APPROVE) for _ in range(10)))
    outcomes = await asyncio.gather(*(stay.outcome(command_id) for command_id in sent))
    await world.settle()

    assert {outcome.verdict for outcome in outcomes} == {Verdict.SETTLED}
    assert {outcome.version for outcome in outcomes} == {4}
    assert await stay.money() == CAPTURED
    assert (await stay.intent())["captures"] == 1
    assert {await stay.verdict(command_id) for command_id in sent} == {Verdict.SETTLED}


async def test_approvals_and_declines_at_once_have_one_outcome(world: World) -> None:
    stay = await world.held()
    decisions = [Decision.DECLINE, Decision.APPROVE] * 5
    sent = await asyncio.gather(*(stay.send(decision) for decision in decisions))
    outcomes = await asyncio.gather(*(stay.outcome(command_id) for command_id in sent))
    await world.settle()

    won = Decision.APPROVE if await stay.status() is Status.CONFIRMED else Decision.DECLINE
    for decision, outcome in zip(decisions, outcomes, strict=True):
        assert outcome.verdict is (Verdict.SETTLED if decision is won else Verdict.ALREADY_DECIDED)
    intent = await stay.intent()
    assert (intent["status"], intent["captures"]) in {("succeeded", 1), ("canceled", 0)}
    assert len(await stay.events()) == 2


async def test_decision_repeated_by_a_colleague_keeps_its_first_author(world: World) -> None:
    stay = await world.held()
    await stay.decline(note="Zqxfirst")
    world.private_words.append("Zqxfirst")
    row = await stay.row()
    assert (await stay.decline(note="Zqxsecond")).verdict is Verdict.SETTLED
    again = await stay.row()
    assert (again.reason_note, again.version) == (row.reason_note, row.version) == ("Zqxfirst", 4)


# --- while a step is under way ---


async def test_signals_during_a_capture_wait_for_its_end(world: World) -> None:
    stay = await world.held()
    world.wire.order("payments.capture", Trouble.HANG)
    approve = await stay.send(Decision.APPROVE)
    await world.settle()
    assert (await stay.view()).pending_decision == Decision.APPROVE

    again = await stay.send(Decision.APPROVE)
    decline = await stay.send(Decision.DECLINE)
    await stay.hint("payment_intent.succeeded")
    late = [world.later(stay.outcome(command_id)) for command_id in (approve, again, decline)]
    assert await stay.events() == [Event.AUTHORIZED], "nobody has overtaken the capture"
    await world.advance(minutes=2)

    verdicts = [(await outcome).verdict for outcome in late]
    assert verdicts == [Verdict.SETTLED, Verdict.SETTLED, Verdict.ALREADY_DECIDED]
    assert await stay.events() == [Event.AUTHORIZED, Event.APPROVED]
    assert (await stay.intent())["captures"] == 1


async def test_guests_cancellation_during_a_capture_is_refused_at_once(world: World) -> None:
    stay = await world.held()
    world.wire.order("payments.capture", Trouble.HANG_AFTER)
    approve = await stay.send(Decision.APPROVE)
    await world.settle()

    assert (await stay.cancel()).verdict is Verdict.IN_PROGRESS, "the guest need not wait for Stripe"

    outcome = world.later(stay.outcome(approve))
    await world.advance(minutes=2)
    assert (await outcome).verdict is Verdict.SETTLED
    assert await stay.status() is Status.CONFIRMED
    assert await stay.money() == CAPTURED


async def test_guests_cancellation_during_a_release_waits_for_it(world: World) -> None:
    stay = await world.held()
    world.wire.order("payments.release", Trouble.HANG)
    decline = await stay.send(Decision.DECLINE)
    await world.settle()
    cancel = await stay.send(Decision.CANCEL, ActorKind.GUEST)
    outcomes = [world.later(stay.outcome(command_id)) for command_id in (decline, cancel)]
    await world.advance(minutes=2)
    assert [(await outcome).verdict for outcome in outcomes] == [Verdict.SETTLED, Verdict.NOT_CANCELLABLE]
    assert await stay.status() is Status.DECLINED


async def test_news_during_a_write_is_looked_into_afterwards(world: World) -> None:
    """The Dashboard cancels the hold while the row is being written that says it was placed."""
    stay = await _paid(world)
    world.wire.order("bookings.record", Trouble.HANG)
    await world.postman.deliver("checkout.session.completed")
    await world.settle()
    await stay.dashboard("cancel")
    await world.postman.deliver()
    await world.advance(minutes=2)
    assert await stay.events() == [Event.AUTHORIZED, Event.AUTHORIZATION_LOST]
    assert await stay.status() is Status.DECLINED


@pytest.mark.parametrize("first", [Decision.APPROVE, Decision.DECLINE])
async def test_first_of_two_racing_decisions_wins(world: World, first: Decision) -> None:
    stay = await world.held()
    second = Decision.DECLINE if first is Decision.APPROVE else Decision.APPROVE
    sent = [await stay.send(first), await stay.send(second)]
    outcomes = [await stay.outcome(command_id) for command_id in sent]
    assert [outcome.verdict for outcome in outcomes] == [Verdict.SETTLED, Verdict.ALREADY_DECIDED]
    assert await stay.status() is (Status.CONFIRMED if first is Decision.APPROVE else Status.DECLINED)


async def test_outcome_of_a_command_can_be_asked_for_by_many(world: World) -> None:
    stay = await world.held()
    command_id = new_command_id()
    waiting = [world.later(stay.outcome(command_id)) for _ in range(5)]
    await stay.send(Decision.APPROVE, command_id=command_id)
    assert {(await outcome).verdict for outcome in waiting} == {Verdict.SETTLED}
