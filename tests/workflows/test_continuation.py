"""A long history continues in a new run, without any visible effect."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowUpdateFailedError

from dispatch.names import AWAIT_OUTCOME, run_continues
from domain.booking import ActorKind, Decision, Event, ReasonCode, Status
from domain.decisions import CommandOutcome
from domain.identifiers import new_command_id
from tests.workflows.activity_faults import FaultMode
from tests.workflows.booking_driver import BookingDriver
from tests.workflows.harness import WorkflowHarness
from tests.workflows.hotels import TOTAL_MINOR
from tests.workflows.long_histories import (
    continued_after_the_end,
    continued_during_the_stay,
    continued_while_held,
    continued_while_payment_is_due,
    continued_with_a_stuck_approval,
    continued_with_a_stuck_cancellation,
    continued_with_a_stuck_decline,
    continued_with_a_stuck_refund,
    fill_history,
    inputs_left,
    run_id,
    run_may_continue,
)
from workflows.options import INPUTS_MOST

# --- while payment is due ---


async def test_guest_pays_on_the_page_that_the_run_before_opened(harness: WorkflowHarness) -> None:
    booking = await continued_while_payment_is_due(harness)
    assert (await booking.open_page()).created is False
    await booking.place_hold()
    await booking.approve()
    assert await booking.events() == [Event.AUTHORIZED, Event.APPROVED]
    assert await booking.money() == ("succeeded", TOTAL_MINOR, 0)


async def test_payment_window_ends_when_it_was_to_end(harness: WorkflowHarness) -> None:
    booking = await harness.submitted(payment_window_s=2 * 3600)
    await booking.open_page()
    ends_at = (await booking.view()).payment_deadline
    assert ends_at is not None
    await harness.advance(hours=1)
    await fill_history(harness, booking)
    assert (await booking.view()).payment_deadline == ends_at
    await harness.advance_to(ends_at - timedelta(minutes=1))
    assert await booking.status() is Status.PENDING_PAYMENT
    await harness.advance_to(ends_at + timedelta(minutes=1))
    assert await booking.status() is Status.EXPIRED
    assert [page["status"] for page in (await booking.ledger())["sessions"]] == ["expired"]


async def test_poll_of_the_next_run_finds_the_hold(harness: WorkflowHarness) -> None:
    booking = await continued_while_payment_is_due(harness)
    await booking.pay()
    await harness.webhooks.lose()
    harness.webhooks.is_paused = True
    await harness.advance(seconds=booking.terms.payment_poll_s + 10)
    assert await booking.status() is Status.PENDING_APPROVAL


async def test_stuck_cancellation_is_tried_again_in_the_next_run(harness: WorkflowHarness) -> None:
    booking = await continued_with_a_stuck_cancellation(harness)
    assert await booking.status() is Status.PENDING_PAYMENT
    assert (await booking.row()).needs_attention
    await harness.advance(minutes=62)
    assert await booking.status() is Status.CANCELLED
    assert await booking.last_actor() == ActorKind.GUEST
    assert await booking.is_over()


# --- while a card is held ---


async def test_hotel_approves_in_the_next_run(harness: WorkflowHarness) -> None:
    booking = await continued_while_held(harness)
    assert (await booking.approve()).outcome is CommandOutcome.SETTLED
    assert await booking.money() == ("succeeded", TOTAL_MINOR, 0)


async def test_reminder_and_deadline_come_when_they_were_to_come_and_once(harness: WorkflowHarness) -> None:
    booking = await harness.held(approval_sla_s=8 * 3600)
    deadline = await booking.deadline()
    await harness.advance(hours=1)
    await fill_history(harness, booking)
    assert (await booking.view()).decision_deadline == deadline
    reminder = f"Decision due - {booking.booking_id}"
    assert reminder not in await booking.staff_subjects()
    await harness.advance(hours=5, minutes=30)
    assert reminder in await booking.staff_subjects()
    mails = await booking.mails()

    await fill_history(harness, booking)
    await harness.advance_to(deadline - timedelta(minutes=1))
    assert (await booking.mails(), await booking.status()) == (mails, Status.PENDING_APPROVAL)
    assert (await booking.staff_events()).count("booking-deadline-near") == 1
    await harness.advance_to(deadline + timedelta(minutes=1))
    assert await booking.status() is Status.DECLINED
    assert (await booking.row()).reason_code == ReasonCode.APPROVAL_TIMEOUT


async def test_stuck_approval_is_retried_in_its_authors_name(harness: WorkflowHarness) -> None:
    booking = await continued_with_a_stuck_approval(harness)
    assert (await booking.evidence_of_search())["NeedsAttention"] is True
    assert (await booking.retry()).outcome is CommandOutcome.SETTLED
    assert await booking.events() == [Event.AUTHORIZED, Event.ATTENTION_NEEDED, Event.APPROVED]
    assert (await booking.last_actor()).startswith("approver@")
    assert (await booking.evidence_of_search())["NeedsAttention"] is False


async def test_stuck_decline_is_looked_at_every_hour_in_the_next_run(harness: WorkflowHarness) -> None:
    booking = await continued_with_a_stuck_decline(harness)
    assert await booking.status() is Status.PENDING_APPROVAL
    await booking.dashboard("cancel")
    await harness.webhooks.lose()
    harness.webhooks.is_paused = True
    await harness.advance(minutes=62)
    assert await booking.status() is Status.DECLINED


# --- after the decision ---


async def test_guest_cancels_the_stay_in_the_next_run(harness: WorkflowHarness) -> None:
    booking = await continued_during_the_stay(harness)
    assert (await booking.cancel()).outcome is CommandOutcome.SETTLED
    assert await booking.money() == ("succeeded", TOTAL_MINOR, TOTAL_MINOR)


async def test_stay_ends_when_it_was_to_end(harness: WorkflowHarness) -> None:
    booking = await continued_during_the_stay(harness)
    await harness.advance_to(booking.terms.check_out_at - timedelta(minutes=1))
    assert not await booking.is_over()
    await harness.advance_to(booking.terms.check_out_at + timedelta(minutes=1))
    assert await booking.is_over()
    assert await booking.status() is Status.CONFIRMED


async def test_stuck_refund_is_retried_for_what_was_due_when_it_was_asked(harness: WorkflowHarness) -> None:
    booking = await continued_with_a_stuck_refund(harness)
    await harness.advance_to(booking.terms.free_cancel_until + timedelta(hours=1))
    assert (await booking.retry()).outcome is CommandOutcome.SETTLED
    assert await booking.money() == ("succeeded", TOTAL_MINOR, TOTAL_MINOR)


async def test_unmatched_payment_is_returned_after_the_end_in_the_next_run(harness: WorkflowHarness) -> None:
    booking = await continued_after_the_end(harness)
    assert not await booking.is_over()
    assert (await booking.retry()).outcome is CommandOutcome.SETTLED
    assert {status for status, _, _ in await booking.intents()} == {"canceled"}
    await harness.wait_until_idle()
    assert await booking.is_over()


# --- what is carried along ---


async def test_mails_and_events_that_wait_are_sent_by_the_next_run_once(harness: WorkflowHarness) -> None:
    booking = await harness.submitted()
    for match in ("emails.send", "realtime.publish"):
        harness.activity_faults.order(match, FaultMode.BEFORE, 1000, booking_id=booking.booking_id)
    await booking.place_hold()
    await fill_history(harness, booking)
    assert await booking.mails() == []

    harness.activity_faults.clear_faults()
    await harness.advance(minutes=15)

    sent = Counter((mail["subject"], mail["to"][0]) for mail in await booking.mails())
    assert len(sent) == 3, "the guest, an approver and a manager"
    assert set(sent.values()) == {1}


async def test_mail_that_failed_is_sent_again_by_an_operator_in_the_next_run(
    harness: WorkflowHarness,
) -> None:
    booking = await harness.submitted()
    await harness.stand_ins.mail.order(f"RCPT {booking.guest_email}", "error_before", status=550)
    await booking.place_hold()
    await harness.wait_until_idle()
    await fill_history(harness, booking)
    assert await booking.guest_subjects() == []
    await booking.retry()
    await harness.wait_until_idle()
    assert len(await booking.guest_subjects()) == 1
    assert not (await booking.row()).needs_attention


async def test_repeats_are_dropped_by_the_next_run(harness: WorkflowHarness) -> None:
    booking = await harness.held()
    command_id = await booking.send(Decision.CANCEL)
    refused = await booking.outcome(command_id)
    assert refused.outcome is CommandOutcome.NOT_CANCELLABLE
    await fill_history(harness, booking)
    closed = harness.activity_faults.attempts_of[booking.booking_id].count("bookings.close_command")

    await booking.signal(Decision.CANCEL, command_id)
    await harness.wait_until_idle()

    attempts = harness.activity_faults.attempts_of[booking.booking_id]
    assert attempts.count("bookings.close_command") == closed
    assert await booking.outcome(command_id) == refused, "its sender may still ask"


async def test_caller_who_waits_for_an_outcome_asks_the_next_run(harness: WorkflowHarness) -> None:
    """The signal comes only when the run that was asked first has ended."""
    booking = await harness.held()
    command_id = await booking.keep(Decision.APPROVE)
    waiting = harness.later(
        AWAIT_OUTCOME.ask(booking.handle, command_id, patience_s=60, id_=f"outcome:{command_id}")
    )
    await fill_history(harness, booking)
    await booking.signal(Decision.APPROVE, command_id)
    assert (await waiting).outcome is CommandOutcome.SETTLED


async def test_run_does_not_end_while_a_step_on_money_is_open(harness: WorkflowHarness) -> None:
    """Neither does its history grow: questions are refused, and leave no trace."""
    booking = await harness.held()
    before = await run_id(booking)
    harness.activity_faults.order("payments.capture", FaultMode.BEFORE, times=6)
    approval = harness.later(booking.outcome(await booking.send(Decision.APPROVE)))
    await harness.wait_until_idle()
    for _ in range(INPUTS_MOST):
        with run_may_continue():
            await booking.come_back()
    full = await _kinds(booking)

    for _ in range(3):
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await booking.come_back()
        assert run_continues(refused.value)

    # The test server, unlike the real one, notes the tasks in which it was refused.
    assert (await run_id(booking), await _kinds(booking)) == (before, full)
    await harness.advance(minutes=5)
    assert (await approval).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()
    assert await run_id(booking) != before
    assert await booking.events() == [Event.AUTHORIZED, Event.APPROVED]


async def _kinds(booking: BookingDriver) -> Counter[str]:
    """The history's number of events of each kind, without workflow tasks."""
    events = (await booking.handle.fetch_history()).events
    kinds = Counter(EventType.Name(event.event_type) for event in events)
    return Counter({kind: count for kind, count in kinds.items() if "WORKFLOW_TASK" not in kind})


@pytest.mark.forgetful
async def test_worker_that_replays_at_every_step_hands_on_all_the_same(harness: WorkflowHarness) -> None:
    booking = await continued_with_a_stuck_approval(harness)
    await harness.restart_worker()
    assert (await booking.retry()).outcome is CommandOutcome.SETTLED


async def test_command_sent_in_the_moment_of_handing_on_is_not_lost(harness: WorkflowHarness) -> None:
    booking = await harness.confirmed()
    before = await run_id(booking)
    for _ in range(await inputs_left(booking) - 1):
        await booking.come_back()
    assert await run_id(booking) == before
    last = harness.later(booking.come_back())
    command_id = new_command_id()
    await booking.send(Decision.CANCEL, ActorKind.GUEST, command_id=command_id)
    await last
    result = await AWAIT_OUTCOME.ask(booking.handle, command_id, patience_s=30, id_=f"outcome:{command_id}")
    assert result.outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()
    assert await run_id(booking) != before
    assert await booking.events() == [Event.AUTHORIZED, Event.APPROVED, Event.CANCELLED_BY_GUEST]
