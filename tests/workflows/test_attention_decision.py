"""Bookings that need attention while a decision is due: nothing is lost, and they go on when someone has helped."""

from __future__ import annotations

import pytest

from domain.booking import ActorKind, Decision, Event, ReasonCode, Status
from domain.decisions import CommandOutcome
from tests.workflows.attention import (
    HELD,
    RELEASED,
    FindsOut,
    asks_for_person,
    declines,
    hears,
    resolves,
    retries,
    returns,
    stuck_decision,
    waits,
)
from tests.workflows.harness import WorkflowHarness
from tests.workflows.refusals import CANCEL, CAPTURE, refuse
from tests.workflows.situations import captured_in_part_unheard


async def test_retry_carries_a_stuck_approval_out_under_its_authors_name(harness: WorkflowHarness) -> None:
    booking, command_id = await stuck_decision(harness, Decision.APPROVE)
    assert await booking.recorded_outcome(command_id) is None, "it stands"

    assert (await booking.retry()).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()

    row = await booking.row()
    assert (row.status, row.needs_attention) == (Status.CONFIRMED, False)
    assert row.decision_made_by == f"approver@{booking.terms.hotel_slug}.test"
    assert await booking.recorded_outcome(command_id) == CommandOutcome.SETTLED
    assert (await booking.evidence_of_search())["NeedsAttention"] is False


async def test_retry_that_is_refused_again_leaves_one_call_for_help(harness: WorkflowHarness) -> None:
    booking, _ = await stuck_decision(harness, Decision.APPROVE)
    reasons, mails = await booking.attention(), await booking.staff_subjects()
    await harness.stripe.order(CAPTURE, "error_before", status=402, code="card_declined")
    assert (await booking.retry()).outcome is CommandOutcome.NEEDS_ATTENTION
    await harness.wait_until_idle()
    assert (await booking.attention(), await booking.staff_subjects()) == (reasons, mails)
    assert await booking.money() == HELD
    assert (await booking.retry()).outcome is CommandOutcome.SETTLED


async def test_retry_of_a_decline_keeps_reason_and_note(harness: WorkflowHarness) -> None:
    harness.private_words.append(note := "Zqxnote overbooked")
    booking, _ = await stuck_decision(
        harness, Decision.DECLINE, reason_code=ReasonCode.NO_AVAILABILITY, note=note
    )
    assert (await booking.retry()).outcome is CommandOutcome.SETTLED
    row = await booking.row()
    assert (row.status, row.reason_code, row.reason_note) == ("DECLINED", "NO_AVAILABILITY", note)


async def test_resolve_drops_a_stuck_approval_whose_hold_still_stands(harness: WorkflowHarness) -> None:
    booking, command_id = await stuck_decision(harness, Decision.APPROVE)
    assert (await booking.resolve()).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()

    assert await booking.status() is Status.PENDING_APPROVAL
    assert await booking.money() == HELD, "nothing was tried again"
    assert not await asks_for_person(booking)
    assert (await booking.events())[-1] is Event.ATTENTION_CLEARED
    assert await booking.last_actor() == ActorKind.OPERATOR
    assert await booking.recorded_outcome(command_id) == CommandOutcome.ALREADY_DECIDED
    assert (await booking.decline()).outcome is CommandOutcome.SETTLED


async def test_resolve_follows_what_was_done_in_the_dashboard(harness: WorkflowHarness) -> None:
    booking, command_id = await stuck_decision(harness, Decision.APPROVE)
    await booking.dashboard("capture")
    assert (await booking.resolve()).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()
    assert await booking.status() is Status.CONFIRMED
    assert (await booking.events())[-1] is Event.CAPTURED_OUTSIDE
    assert await booking.recorded_outcome(command_id) == CommandOutcome.ALREADY_DECIDED


async def test_dashboard_settles_a_stuck_decision_without_any_operator(harness: WorkflowHarness) -> None:
    booking, _ = await stuck_decision(harness, Decision.DECLINE)
    await booking.dashboard("cancel")
    await harness.webhooks.deliver()
    await harness.wait_until_idle()
    assert await booking.status() is Status.DECLINED
    assert not await asks_for_person(booking)


async def test_stuck_approval_gives_way_to_a_decline(harness: WorkflowHarness) -> None:
    booking, approve = await stuck_decision(harness, Decision.APPROVE)
    assert (await booking.decline()).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()
    assert await booking.recorded_outcome(approve) == CommandOutcome.ALREADY_DECIDED
    assert await booking.status() is Status.DECLINED


async def test_stuck_approval_gives_way_to_the_guest(harness: WorkflowHarness) -> None:
    booking, approve = await stuck_decision(harness, Decision.APPROVE)
    assert (await booking.cancel()).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()
    assert await booking.recorded_outcome(approve) == CommandOutcome.ALREADY_DECIDED
    assert await booking.money() == ("canceled", 0, 0)


async def test_stuck_approval_repeated_by_a_colleague_is_tried_again(harness: WorkflowHarness) -> None:
    booking, first = await stuck_decision(harness, Decision.APPROVE)
    assert (await booking.approve()).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()
    assert await booking.recorded_outcome(first) == CommandOutcome.SETTLED
    assert await booking.status() is Status.CONFIRMED


async def test_guests_stuck_cancellation_is_carried_out_by_retry(harness: WorkflowHarness) -> None:
    booking, command_id = await stuck_decision(harness, Decision.CANCEL)
    assert (await booking.retry()).outcome is CommandOutcome.SETTLED
    assert await booking.status() is Status.CANCELLED
    assert await booking.recorded_outcome(command_id) == CommandOutcome.SETTLED


async def test_guests_stuck_cancellation_is_carried_out_by_resolve(harness: WorkflowHarness) -> None:
    booking, command_id = await stuck_decision(harness, Decision.CANCEL)
    assert (await booking.resolve()).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()
    assert await booking.events() == [Event.AUTHORIZED, Event.ATTENTION_NEEDED, Event.CANCELLED_BY_GUEST]
    assert await booking.money() == RELEASED
    assert await booking.recorded_outcome(command_id) == CommandOutcome.SETTLED
    assert not await asks_for_person(booking)


async def test_resolve_drops_no_cancellation_and_no_later_approval_charges_the_guest(
    harness: WorkflowHarness,
) -> None:
    booking = await harness.held()
    await refuse(harness, CANCEL, times=None)
    cancel = await booking.send(Decision.CANCEL, ActorKind.GUEST)
    assert (await booking.outcome(cancel)).outcome is CommandOutcome.NEEDS_ATTENTION
    assert (await booking.resolve()).outcome is CommandOutcome.NEEDS_ATTENTION
    assert (await booking.approve()).outcome is CommandOutcome.IN_PROGRESS
    await harness.wait_until_idle()
    assert await asks_for_person(booking)
    assert await booking.money() == HELD
    assert await booking.recorded_outcome(cancel) is None, "it stands"

    await harness.stand_ins.clear_faults()
    await harness.advance(minutes=61)
    assert await booking.status() is Status.CANCELLED
    assert await booking.money() == RELEASED
    assert await booking.recorded_outcome(cancel) == CommandOutcome.SETTLED


@pytest.mark.parametrize("gone", ["cancel", "lapse"])
@pytest.mark.parametrize("tell", [hears, returns, retries, resolves, declines, waits])
async def test_hold_that_is_gone_ends_as_the_guests_stuck_cancellation(
    harness: WorkflowHarness, tell: FindsOut, gone: str
) -> None:
    """Released in the Dashboard, as staff are advised to, or lapsed: whatever tells of it first."""
    booking, command_id = await stuck_decision(harness, Decision.CANCEL)
    await booking.dashboard(gone)
    await tell(harness, booking)
    await harness.wait_until_idle()

    row = await booking.row()
    assert (row.status, row.reason_code, row.needs_attention) == (Status.CANCELLED, None, False)
    assert (await booking.events())[-1] is Event.CANCELLED_BY_GUEST
    assert await booking.last_actor() == ActorKind.GUEST
    assert await booking.money() == RELEASED
    assert await booking.recorded_outcome(command_id) == CommandOutcome.SETTLED
    assert (await booking.guest_subjects())[-1] == f"Booking Cancelled - {booking.booking_id}"


@pytest.mark.parametrize("later", [Decision.APPROVE, Decision.DECLINE])
async def test_guests_stuck_cancellation_is_carried_out_by_whatever_staff_decide_next(
    harness: WorkflowHarness, later: Decision
) -> None:
    """The guest's command came first, and its answer was 202."""
    booking, cancel = await stuck_decision(harness, Decision.CANCEL)
    assert (await booking.outcome(await booking.send(later))).outcome is CommandOutcome.ALREADY_DECIDED
    await harness.wait_until_idle()
    assert await booking.status() is Status.CANCELLED
    assert await booking.money() == RELEASED
    assert await booking.recorded_outcome(cancel) == CommandOutcome.SETTLED


async def test_approval_never_charges_a_guest_whose_cancellation_stays_stuck(
    harness: WorkflowHarness,
) -> None:
    booking = await harness.held()
    await refuse(harness, CANCEL, times=None)
    cancel = await booking.send(Decision.CANCEL, ActorKind.GUEST)
    assert (await booking.outcome(cancel)).outcome is CommandOutcome.NEEDS_ATTENTION
    assert (await booking.approve()).outcome is CommandOutcome.IN_PROGRESS
    await harness.wait_until_idle()
    assert await booking.status() is Status.PENDING_APPROVAL
    assert await booking.money() == HELD
    assert await booking.recorded_outcome(cancel) is None, "it stands"

    await harness.stand_ins.clear_faults()
    await harness.advance(minutes=61)
    assert await booking.status() is Status.CANCELLED
    assert await booking.money() == RELEASED


async def test_guests_stuck_cancellation_is_no_decline_when_the_decision_deadline_comes(
    harness: WorkflowHarness,
) -> None:
    booking = await harness.held(approval_sla_s=3600)
    await refuse(harness, CANCEL)
    await booking.cancel()
    await harness.advance(minutes=62)
    assert await booking.status() is Status.CANCELLED
    assert (await booking.guest_subjects())[-1] == f"Booking Cancelled - {booking.booking_id}"


async def test_stuck_approval_ends_with_the_decision_deadline(harness: WorkflowHarness) -> None:
    booking, approve = await stuck_decision(harness, Decision.APPROVE)
    await harness.advance(hours=25)
    row = await booking.row()
    assert (row.status, row.reason_code) == (Status.DECLINED, "APPROVAL_TIMEOUT")
    assert await booking.recorded_outcome(approve) == CommandOutcome.ALREADY_DECIDED


async def test_release_at_the_deadline_that_is_refused_asks_for_a_person(harness: WorkflowHarness) -> None:
    booking = await harness.held(approval_sla_s=3600)
    await refuse(harness, CANCEL)
    await harness.advance(minutes=62)
    assert await booking.status() is Status.PENDING_APPROVAL
    assert await asks_for_person(booking)

    assert (await booking.decline()).outcome is CommandOutcome.SETTLED
    assert await booking.money() == ("canceled", 0, 0)


async def test_refund_refused_at_the_first_look_needs_attention_and_is_made_by_retry(
    harness: WorkflowHarness,
) -> None:
    booking = await captured_in_part_unheard(harness)
    assert await booking.status() is Status.PENDING_APPROVAL
    assert await booking.events() == [Event.AUTHORIZED, Event.ATTENTION_NEEDED]
    assert (await booking.staff_subjects())[-1] == f"Attention needed - {booking.booking_id}"
    assert (await booking.retry()).outcome is CommandOutcome.NEEDS_ATTENTION

    await harness.stand_ins.clear_faults()
    assert (await booking.retry()).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()

    row = await booking.row()
    assert (row.status, row.reason_code) == (Status.DECLINED, "PAYMENT_MISMATCH")
    assert not row.needs_attention
    assert (row.amount_captured_minor, row.amount_refunded_minor) == (5000, 5000)
    assert await booking.money() == ("succeeded", 5000, 5000)
    assert (await booking.guest_subjects())[-1] == f"Booking Update - {booking.booking_id}"
    assert await booking.is_over()


@pytest.mark.parametrize("decision", list(Decision))
async def test_decision_is_heard_while_the_refund_of_a_part_is_refused(
    harness: WorkflowHarness, decision: Decision
) -> None:
    booking = await captured_in_part_unheard(harness)
    actor = ActorKind.GUEST if decision is Decision.CANCEL else ActorKind.STAFF
    command_id = await booking.send(decision, actor)
    assert (await booking.outcome(command_id)).outcome is CommandOutcome.NEEDS_ATTENTION

    await harness.stand_ins.clear_faults()
    await booking.retry()
    await harness.wait_until_idle()
    assert await booking.status() is Status.DECLINED
    assert await booking.money() == ("succeeded", 5000, 5000)
    assert await booking.recorded_outcome(command_id) == CommandOutcome.ALREADY_DECIDED


async def test_refund_refused_at_the_first_look_is_made_by_the_decision_deadline_at_the_latest(
    harness: WorkflowHarness,
) -> None:
    booking = await captured_in_part_unheard(harness)
    await harness.stand_ins.clear_faults()
    await harness.advance(hours=25)
    assert await booking.status() is Status.DECLINED
    assert await booking.money() == ("succeeded", 5000, 5000)


async def test_retry_with_nothing_stuck_looks_and_leaves_all_as_it_is(harness: WorkflowHarness) -> None:
    booking = await harness.held()
    assert (await booking.retry()).outcome is CommandOutcome.SETTLED
    assert (await booking.resolve()).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()
    assert await booking.events() == [Event.AUTHORIZED]
    assert await booking.money() == HELD
