"""A repeated event or command takes effect once."""

from __future__ import annotations

import asyncio

import pytest

from domain.booking import ActorKind, Decision, Event, Status
from domain.decisions import CommandOutcome
from domain.identifiers import new_command_id
from tests.workflows.activity_faults import FaultMode
from tests.workflows.booking_driver import BookingDriver
from tests.workflows.harness import WorkflowHarness
from tests.workflows.hotels import TOTAL_MINOR

CAPTURED = ("succeeded", TOTAL_MINOR, 0)


async def _paid(harness: WorkflowHarness) -> BookingDriver:
    """A booking whose guest has just paid; no webhook has arrived."""
    booking = await harness.submitted()
    await booking.open_page()
    await booking.pay()
    return booking


async def _is_held_once(harness: WorkflowHarness, booking: BookingDriver) -> None:
    await harness.wait_until_idle()
    assert await booking.events() == [Event.AUTHORIZED]
    assert await booking.published() == [(2, "PENDING_PAYMENT"), (3, "PENDING_APPROVAL")]
    assert await booking.guest_subjects() == [
        f"Payment authorized — awaiting hotel confirmation ({booking.booking_id})"
    ]


# --- webhooks ---


async def test_event_delivered_twice_changes_the_booking_once(harness: WorkflowHarness) -> None:
    booking = await _paid(harness)
    await harness.webhooks.deliver(copies=2)
    await _is_held_once(harness, booking)


async def test_event_signalled_again_before_it_was_marked_processed_is_known(
    harness: WorkflowHarness,
) -> None:
    booking = await _paid(harness)
    events = list(await harness.webhooks.collect())
    await harness.webhooks.deliver()
    for event in events:
        await harness.webhooks.signal_again(event)
    await _is_held_once(harness, booking)


async def test_two_event_ids_for_one_change_are_one_change(harness: WorkflowHarness) -> None:
    booking = await _paid(harness)
    for event in list(await harness.webhooks.collect()):
        await harness.webhooks.deliver_event(event, f"{event['id']}_again")
    await harness.webhooks.deliver()
    await _is_held_once(harness, booking)


async def test_ten_deliveries_at_once_change_the_booking_once(harness: WorkflowHarness) -> None:
    booking = await _paid(harness)
    [event] = [e for e in await harness.webhooks.collect() if e["type"] == "checkout.session.completed"]
    harness.webhooks.waiting.clear()
    await asyncio.gather(*(harness.webhooks.deliver_event(event) for _ in range(10)))
    await _is_held_once(harness, booking)


async def test_dispute_delivered_twice_is_recorded_once(harness: WorkflowHarness) -> None:
    """Neither the inbox nor the booking's status tells the repeat apart: the workflow knows the event's id."""
    booking = await harness.confirmed()
    await booking.dispute()
    events = list(await harness.webhooks.collect())
    await harness.webhooks.deliver(copies=2)
    for event in events:
        await harness.webhooks.signal_again(event)
    await harness.wait_until_idle()
    assert (await booking.events()).count(Event.DISPUTE_RECORDED) == 1


async def test_repeated_submission_finds_the_booking_submitted(harness: WorkflowHarness) -> None:
    booking = await harness.submitted()
    assert (await booking.submit()).outcome is CommandOutcome.SETTLED
    assert await booking.events() == []
    assert (await booking.row()).version == 2


# --- decisions ---


async def test_command_sent_twice_is_carried_out_once(harness: WorkflowHarness) -> None:
    booking = await harness.held()
    command_id = await booking.send(Decision.APPROVE)
    await booking.signal(Decision.APPROVE, command_id)
    assert (await booking.outcome(command_id)).outcome is CommandOutcome.SETTLED
    await booking.signal(Decision.APPROVE, command_id)
    await harness.wait_until_idle()
    assert await booking.events() == [Event.AUTHORIZED, Event.APPROVED]
    assert len(await booking.keys("capture")) == 1


async def test_ten_approvals_at_once_capture_once_and_all_hear_the_same(harness: WorkflowHarness) -> None:
    booking = await harness.held()
    sent = await asyncio.gather(*(booking.send(Decision.APPROVE) for _ in range(10)))
    results = await asyncio.gather(*(booking.outcome(command_id) for command_id in sent))
    await harness.wait_until_idle()

    assert {result.outcome for result in results} == {CommandOutcome.SETTLED}
    assert {result.version for result in results} == {4}
    assert await booking.money() == CAPTURED
    assert (await booking.intent())["captures"] == 1
    assert {await booking.recorded_outcome(command_id) for command_id in sent} == {CommandOutcome.SETTLED}


async def test_approvals_and_declines_at_once_have_one_outcome(harness: WorkflowHarness) -> None:
    booking = await harness.held()
    decisions = [Decision.DECLINE, Decision.APPROVE] * 5
    sent = await asyncio.gather(*(booking.send(decision) for decision in decisions))
    results = await asyncio.gather(*(booking.outcome(command_id) for command_id in sent))
    await harness.wait_until_idle()

    won = Decision.APPROVE if await booking.status() is Status.CONFIRMED else Decision.DECLINE
    for decision, result in zip(decisions, results, strict=True):
        assert result.outcome is (
            CommandOutcome.SETTLED if decision is won else CommandOutcome.ALREADY_DECIDED
        )
    intent = await booking.intent()
    assert (intent["status"], intent["captures"]) in {("succeeded", 1), ("canceled", 0)}
    assert len(await booking.events()) == 2


async def test_decision_repeated_by_a_colleague_keeps_its_first_author(harness: WorkflowHarness) -> None:
    booking = await harness.held()
    await booking.decline(note="Zqxfirst")
    harness.private_words.append("Zqxfirst")
    row = await booking.row()
    assert (await booking.decline(note="Zqxsecond")).outcome is CommandOutcome.SETTLED
    again = await booking.row()
    assert (again.reason_note, again.version) == (row.reason_note, row.version) == ("Zqxfirst", 4)


# --- while a step is under way ---


async def test_signals_during_a_capture_wait_for_its_end(harness: WorkflowHarness) -> None:
    booking = await harness.held()
    harness.activity_faults.order("payments.capture", FaultMode.HANG)
    approve = await booking.send(Decision.APPROVE)
    await harness.wait_until_idle()
    assert (await booking.view()).pending_decision == Decision.APPROVE

    again = await booking.send(Decision.APPROVE)
    decline = await booking.send(Decision.DECLINE)
    await booking.hint("payment_intent.succeeded")
    late = [harness.later(booking.outcome(command_id)) for command_id in (approve, again, decline)]
    assert await booking.events() == [Event.AUTHORIZED], "nobody has overtaken the capture"
    await harness.advance(minutes=2)

    outcomes = [(await result).outcome for result in late]
    assert outcomes == [CommandOutcome.SETTLED, CommandOutcome.SETTLED, CommandOutcome.ALREADY_DECIDED]
    assert await booking.events() == [Event.AUTHORIZED, Event.APPROVED]
    assert (await booking.intent())["captures"] == 1


async def test_guests_cancellation_during_a_capture_is_refused_at_once(harness: WorkflowHarness) -> None:
    booking = await harness.held()
    harness.activity_faults.order("payments.capture", FaultMode.HANG_AFTER)
    approve = await booking.send(Decision.APPROVE)
    await harness.wait_until_idle()

    assert (await booking.cancel()).outcome is CommandOutcome.IN_PROGRESS, (
        "the guest need not wait for Stripe"
    )

    result = harness.later(booking.outcome(approve))
    await harness.advance(minutes=2)
    assert (await result).outcome is CommandOutcome.SETTLED
    assert await booking.status() is Status.CONFIRMED
    assert await booking.money() == CAPTURED


async def test_cancellation_refused_during_a_capture_stays_refused_when_it_is_sent_again(
    harness: WorkflowHarness,
) -> None:
    """Its guest read that nothing was cancelled; cancelling would still be free, and there was no second request."""
    booking = await harness.held()
    harness.activity_faults.order("payments.capture", FaultMode.HANG_AFTER)
    approve = await booking.send(Decision.APPROVE)
    await harness.wait_until_idle()
    cancel = await booking.send(Decision.CANCEL, ActorKind.GUEST)
    assert (await booking.outcome(cancel)).outcome is CommandOutcome.IN_PROGRESS
    result = harness.later(booking.outcome(approve))
    await harness.advance(minutes=2)
    assert (await result).outcome is CommandOutcome.SETTLED

    await booking.signal(Decision.CANCEL, cancel, ActorKind.GUEST)
    await harness.wait_until_idle()

    assert await booking.status() is Status.CONFIRMED
    assert await booking.money() == CAPTURED


async def test_guests_cancellation_during_a_release_waits_for_it(harness: WorkflowHarness) -> None:
    booking = await harness.held()
    harness.activity_faults.order("payments.release", FaultMode.HANG)
    decline = await booking.send(Decision.DECLINE)
    await harness.wait_until_idle()
    cancel = await booking.send(Decision.CANCEL, ActorKind.GUEST)
    results = [harness.later(booking.outcome(command_id)) for command_id in (decline, cancel)]
    await harness.advance(minutes=2)
    assert [(await result).outcome for result in results] == [
        CommandOutcome.SETTLED,
        CommandOutcome.NOT_CANCELLABLE,
    ]
    assert await booking.status() is Status.DECLINED


async def test_news_during_a_write_is_looked_into_afterwards(harness: WorkflowHarness) -> None:
    """The Dashboard cancels the hold while the row is being written that says it was placed."""
    booking = await _paid(harness)
    harness.activity_faults.order("bookings.record", FaultMode.HANG)
    await harness.webhooks.deliver("checkout.session.completed")
    await harness.wait_until_idle()
    await booking.dashboard("cancel")
    await harness.webhooks.deliver()
    await harness.advance(minutes=2)
    assert await booking.events() == [Event.AUTHORIZED, Event.AUTHORIZATION_LOST]
    assert await booking.status() is Status.DECLINED


@pytest.mark.parametrize("first", [Decision.APPROVE, Decision.DECLINE])
async def test_first_of_two_racing_decisions_wins(harness: WorkflowHarness, first: Decision) -> None:
    booking = await harness.held()
    second = Decision.DECLINE if first is Decision.APPROVE else Decision.APPROVE
    sent = [await booking.send(first), await booking.send(second)]
    results = [await booking.outcome(command_id) for command_id in sent]
    assert [result.outcome for result in results] == [
        CommandOutcome.SETTLED,
        CommandOutcome.ALREADY_DECIDED,
    ]
    assert await booking.status() is (Status.CONFIRMED if first is Decision.APPROVE else Status.DECLINED)


async def test_outcome_of_a_command_can_be_asked_for_by_many(harness: WorkflowHarness) -> None:
    booking = await harness.held()
    command_id = new_command_id()
    waiting = [harness.later(booking.outcome(command_id)) for _ in range(5)]
    await booking.send(Decision.APPROVE, command_id=command_id)
    assert {(await result).outcome for result in waiting} == {CommandOutcome.SETTLED}
