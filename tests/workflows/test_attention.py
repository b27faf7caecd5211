"""Bookings that need a person: they say so, lose nothing, and go on when somebody has helped."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from domain.booking import ActorKind, Decision, Event, ReasonCode, Status
from domain.decisions import CommandOutcome
from tests.workflows.booking_driver import BookingDriver
from tests.workflows.harness import WorkflowHarness
from tests.workflows.hotels import TOTAL_MINOR
from tests.workflows.refusals import CANCEL, CAPTURE, EXPIRE, READ_PAGE, REFUND, refuse
from tests.workflows.scenarios_single import captured_in_part_unheard

HELD = ("requires_capture", 0, 0)
RELEASED = ("canceled", 0, 0)
REFUNDED = ("succeeded", TOTAL_MINOR, TOTAL_MINOR)


async def _asks_for_person(booking: BookingDriver) -> bool:
    return (await booking.row()).needs_attention is not None


async def _stuck(harness: WorkflowHarness, decision: Decision, **more: str) -> tuple[BookingDriver, str]:
    """A booking whose decision Stripe refused once, and the decision's command id."""
    booking = await harness.held()
    await refuse(harness, CAPTURE if decision is Decision.APPROVE else CANCEL)
    actor = ActorKind.GUEST if decision is Decision.CANCEL else ActorKind.STAFF
    command_id = await booking.send(decision, actor, **more)  # type: ignore[arg-type]
    assert (await booking.outcome(command_id)).outcome is CommandOutcome.NEEDS_ATTENTION
    await harness.wait_until_idle()
    assert await _asks_for_person(booking)
    return booking, command_id


# --- who may find out what became of a payment ---


async def _returns(_harness: WorkflowHarness, booking: BookingDriver) -> None:
    await booking.come_back()


async def _wants_to_pay(_harness: WorkflowHarness, booking: BookingDriver) -> None:
    assert not (await booking.open_page()).payable


async def _hears(harness: WorkflowHarness, _booking: BookingDriver) -> None:
    await harness.webhooks.deliver()


async def _waits(harness: WorkflowHarness, _booking: BookingDriver) -> None:
    harness.webhooks.is_paused = True
    await harness.advance(minutes=61)


async def _retries(_harness: WorkflowHarness, booking: BookingDriver) -> None:
    assert (await booking.retry()).outcome is CommandOutcome.SETTLED


async def _resolves(_harness: WorkflowHarness, booking: BookingDriver) -> None:
    assert (await booking.resolve()).outcome is CommandOutcome.SETTLED


async def _declines(_harness: WorkflowHarness, booking: BookingDriver) -> None:
    assert (await booking.decline()).outcome is CommandOutcome.ALREADY_DECIDED


# --- while a decision is carried out ---


async def test_retry_carries_a_stuck_approval_out_under_its_authors_name(harness: WorkflowHarness) -> None:
    booking, command_id = await _stuck(harness, Decision.APPROVE)
    assert await booking.recorded_outcome(command_id) is None, "it stands"

    assert (await booking.retry()).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()

    row = await booking.row()
    assert (row.status, row.needs_attention) == (Status.CONFIRMED, None)
    assert row.decision_made_by == f"approver@{booking.terms.hotel_slug}.test"
    assert await booking.recorded_outcome(command_id) == CommandOutcome.SETTLED
    assert (await booking.evidence_of_search())["NeedsAttention"] is False


async def test_retry_that_is_refused_again_leaves_one_call_for_help(harness: WorkflowHarness) -> None:
    booking, _ = await _stuck(harness, Decision.APPROVE)
    reason = (await booking.row()).needs_attention
    await harness.stripe.order(CAPTURE, "error_before", status=402, code="card_declined")
    assert (await booking.retry()).outcome is CommandOutcome.NEEDS_ATTENTION
    await harness.wait_until_idle()
    assert (await booking.row()).needs_attention != reason, "the reason as it is now"
    assert await booking.money() == HELD
    assert (await booking.retry()).outcome is CommandOutcome.SETTLED


async def test_retry_of_a_decline_keeps_reason_and_note(harness: WorkflowHarness) -> None:
    harness.private_words.append(note := "Zqxnote overbooked")
    booking, _ = await _stuck(harness, Decision.DECLINE, reason_code=ReasonCode.NO_AVAILABILITY, note=note)
    assert (await booking.retry()).outcome is CommandOutcome.SETTLED
    row = await booking.row()
    assert (row.status, row.reason_code, row.reason_note) == ("DECLINED", "NO_AVAILABILITY", note)


async def test_resolve_drops_a_stuck_approval_whose_hold_still_stands(harness: WorkflowHarness) -> None:
    booking, command_id = await _stuck(harness, Decision.APPROVE)
    assert (await booking.resolve()).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()

    assert await booking.status() is Status.PENDING_APPROVAL
    assert await booking.money() == HELD, "nothing was tried again"
    assert not await _asks_for_person(booking)
    assert (await booking.events())[-1] is Event.ATTENTION_CLEARED
    assert await booking.last_actor() == ActorKind.OPERATOR
    assert await booking.recorded_outcome(command_id) == CommandOutcome.ALREADY_DECIDED
    assert (await booking.decline()).outcome is CommandOutcome.SETTLED


async def test_resolve_follows_what_was_done_in_the_dashboard(harness: WorkflowHarness) -> None:
    booking, command_id = await _stuck(harness, Decision.APPROVE)
    await booking.dashboard("capture")
    assert (await booking.resolve()).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()
    assert await booking.status() is Status.CONFIRMED
    assert (await booking.events())[-1] is Event.CAPTURED_OUTSIDE
    assert await booking.recorded_outcome(command_id) == CommandOutcome.ALREADY_DECIDED


async def test_dashboard_settles_a_stuck_decision_without_any_operator(harness: WorkflowHarness) -> None:
    booking, _ = await _stuck(harness, Decision.DECLINE)
    await booking.dashboard("cancel")
    await harness.webhooks.deliver()
    await harness.wait_until_idle()
    assert await booking.status() is Status.DECLINED
    assert not await _asks_for_person(booking)


async def test_stuck_approval_gives_way_to_a_decline(harness: WorkflowHarness) -> None:
    booking, approve = await _stuck(harness, Decision.APPROVE)
    assert (await booking.decline()).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()
    assert await booking.recorded_outcome(approve) == CommandOutcome.ALREADY_DECIDED
    assert await booking.status() is Status.DECLINED


async def test_stuck_approval_gives_way_to_the_guest(harness: WorkflowHarness) -> None:
    booking, approve = await _stuck(harness, Decision.APPROVE)
    assert (await booking.cancel()).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()
    assert await booking.recorded_outcome(approve) == CommandOutcome.ALREADY_DECIDED
    assert await booking.money() == ("canceled", 0, 0)


async def test_stuck_approval_repeated_by_a_colleague_is_tried_again(harness: WorkflowHarness) -> None:
    booking, first = await _stuck(harness, Decision.APPROVE)
    assert (await booking.approve()).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()
    assert await booking.recorded_outcome(first) == CommandOutcome.SETTLED
    assert await booking.status() is Status.CONFIRMED


async def test_guests_stuck_cancellation_is_carried_out_by_retry(harness: WorkflowHarness) -> None:
    booking, command_id = await _stuck(harness, Decision.CANCEL)
    assert (await booking.retry()).outcome is CommandOutcome.SETTLED
    assert await booking.status() is Status.CANCELLED
    assert await booking.recorded_outcome(command_id) == CommandOutcome.SETTLED


async def test_guests_stuck_cancellation_is_carried_out_by_resolve(harness: WorkflowHarness) -> None:
    booking, command_id = await _stuck(harness, Decision.CANCEL)
    assert (await booking.resolve()).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()
    assert await booking.events() == [Event.AUTHORIZED, Event.ATTENTION_NEEDED, Event.CANCELLED_BY_GUEST]
    assert await booking.money() == RELEASED
    assert await booking.recorded_outcome(command_id) == CommandOutcome.SETTLED
    assert not await _asks_for_person(booking)


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
    assert await _asks_for_person(booking)
    assert await booking.money() == HELD
    assert await booking.recorded_outcome(cancel) is None, "it stands"

    await harness.stand_ins.clear_faults()
    await harness.advance(minutes=61)
    assert await booking.status() is Status.CANCELLED
    assert await booking.money() == RELEASED
    assert await booking.recorded_outcome(cancel) == CommandOutcome.SETTLED


@pytest.mark.parametrize("gone", ["cancel", "lapse"])
@pytest.mark.parametrize("tell", [_hears, _returns, _retries, _resolves, _declines, _waits])
async def test_hold_that_is_gone_ends_as_the_guests_stuck_cancellation(
    harness: WorkflowHarness, tell: Callable[[WorkflowHarness, BookingDriver], Awaitable[None]], gone: str
) -> None:
    """Released in the Dashboard, as staff are advised to, or lapsed: whatever tells of it first."""
    booking, command_id = await _stuck(harness, Decision.CANCEL)
    await booking.dashboard(gone)
    await tell(harness, booking)
    await harness.wait_until_idle()

    row = await booking.row()
    assert (row.status, row.reason_code, row.needs_attention) == (Status.CANCELLED, None, None)
    assert (await booking.events())[-1] is Event.CANCELLED_BY_GUEST
    assert await booking.last_actor() == ActorKind.GUEST
    assert await booking.money() == RELEASED
    assert await booking.recorded_outcome(command_id) == CommandOutcome.SETTLED
    assert (await booking.guest_subjects())[-1] == f"Booking Cancelled - {booking.booking_id}"


@pytest.mark.parametrize("later", [Decision.APPROVE, Decision.DECLINE])
async def test_guests_stuck_cancellation_is_carried_out_by_whatever_staff_decide_next(
    harness: WorkflowHarness, later: Decision
) -> None:
    """The guest came first, and was told that it is safe."""
    booking, cancel = await _stuck(harness, Decision.CANCEL)
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
    booking, approve = await _stuck(harness, Decision.APPROVE)
    await harness.advance(hours=25)
    row = await booking.row()
    assert (row.status, row.reason_code) == (Status.DECLINED, "APPROVAL_TIMEOUT")
    assert await booking.recorded_outcome(approve) == CommandOutcome.ALREADY_DECIDED


async def test_release_at_the_deadline_that_is_refused_asks_for_a_person(harness: WorkflowHarness) -> None:
    booking = await harness.held(approval_sla_s=3600)
    await refuse(harness, CANCEL)
    await harness.advance(minutes=62)
    assert await booking.status() is Status.PENDING_APPROVAL
    assert await _asks_for_person(booking)

    assert (await booking.decline()).outcome is CommandOutcome.SETTLED
    assert await booking.money() == ("canceled", 0, 0)


async def test_refund_that_is_refused_at_the_first_look_asks_for_a_person_and_is_made_by_retry(
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
    assert row.needs_attention is None
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
    assert (await booking.retry()).outcome is CommandOutcome.NEEDS_ATTENTION
    await booking.resolve()
    await harness.wait_until_idle()
    assert await booking.events() == [Event.AUTHORIZED]
    assert await booking.money() == HELD


# --- before payment ---


async def test_cancellation_whose_page_cannot_be_closed_is_carried_out_by_retry(
    harness: WorkflowHarness,
) -> None:
    booking = await harness.submitted()
    await booking.open_page()
    await refuse(harness, EXPIRE)
    assert (await booking.cancel()).outcome is CommandOutcome.NEEDS_ATTENTION
    await harness.wait_until_idle()  # who asked is answered first, the flag is written then
    assert await booking.status() is Status.PENDING_PAYMENT
    assert await _asks_for_person(booking)
    assert not (await booking.open_page()).payable, "whoever has cancelled is not asked to pay"

    assert (await booking.retry()).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()
    assert await booking.status() is Status.CANCELLED


@pytest.mark.parametrize("refused", [READ_PAGE, CANCEL])
@pytest.mark.parametrize("find", [_returns, _wants_to_pay, _hears, _waits])
async def test_hold_found_after_a_cancellation_got_stuck_goes_back(
    harness: WorkflowHarness, find: Callable[[WorkflowHarness, BookingDriver], Awaitable[None]], refused: str
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

    await _waits(harness, booking)
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
    assert not await _asks_for_person(booking)


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
    assert (await booking.guest_subjects())[-1] == f"Booking Cancelled - {booking.booking_id}"


async def test_stripe_that_refuses_to_tell_about_the_page_is_called_for_once_and_asked_on(
    harness: WorkflowHarness,
) -> None:
    """Our key was taken away while the guest paid; nobody would see it otherwise."""
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
    assert not await _asks_for_person(booking)


async def test_retry_of_what_stripe_refuses_to_tell_says_that_a_person_is_needed(
    harness: WorkflowHarness,
) -> None:
    booking = await harness.submitted()
    await booking.open_page()
    await refuse(harness, READ_PAGE)
    assert (await booking.retry()).outcome is CommandOutcome.NEEDS_ATTENTION
    await harness.wait_until_idle()
    assert await _asks_for_person(booking)


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
    assert not await _asks_for_person(booking), "that says nothing about the booking's own page"

    await harness.advance(minutes=11)
    assert await booking.status() is Status.PENDING_APPROVAL


async def test_window_whose_page_cannot_be_closed_is_ended_an_hour_later(harness: WorkflowHarness) -> None:
    booking = await harness.submitted(payment_window_s=600)
    await booking.open_page()
    await refuse(harness, EXPIRE)
    await harness.advance(minutes=11)
    assert await booking.status() is Status.PENDING_PAYMENT
    assert await _asks_for_person(booking)
    await harness.advance(minutes=61)
    assert await booking.status() is Status.EXPIRED
    assert not await _asks_for_person(booking)


async def test_unmatched_hold_that_cannot_be_released_asks_for_a_person_and_payment_goes_on(
    harness: WorkflowHarness,
) -> None:
    booking = await harness.submitted()
    await booking.fill_in(await booking.unnoted_page(amount_minor=TOTAL_MINOR - 1))
    await refuse(harness, CANCEL)
    await harness.webhooks.deliver()
    await harness.wait_until_idle()
    assert await booking.status() is Status.PENDING_PAYMENT
    assert await _asks_for_person(booking)

    await booking.retry()
    await harness.wait_until_idle()
    [wrong] = await booking.intents()
    assert wrong == ("canceled", 0, 0)
    await booking.place_hold()
    assert await booking.status() is Status.PENDING_APPROVAL


# --- after the confirmation ---


async def _unrefunded(harness: WorkflowHarness) -> tuple[BookingDriver, str]:
    """A confirmed booking whose guest cancelled, and whose refund Stripe refused."""
    booking = await harness.confirmed()
    await refuse(harness, REFUND)
    command_id = await booking.send(Decision.CANCEL, ActorKind.GUEST)
    assert (await booking.outcome(command_id)).outcome is CommandOutcome.NEEDS_ATTENTION
    await harness.wait_until_idle()
    assert await booking.status() is Status.CONFIRMED
    assert await _asks_for_person(booking)
    return booking, command_id


async def test_refund_that_was_refused_is_made_by_retry(harness: WorkflowHarness) -> None:
    booking, command_id = await _unrefunded(harness)
    assert (await booking.retry()).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()
    assert await booking.status() is Status.CANCELLED
    assert await booking.money() == REFUNDED
    assert await booking.recorded_outcome(command_id) == CommandOutcome.SETTLED
    assert not await _asks_for_person(booking)


async def test_refund_made_in_the_dashboard_instead_cancels_by_resolve(harness: WorkflowHarness) -> None:
    booking, command_id = await _unrefunded(harness)
    await booking.dashboard("refund")
    assert (await booking.resolve()).outcome is CommandOutcome.SETTLED
    await harness.webhooks.deliver()
    await harness.wait_until_idle()
    assert await booking.status() is Status.CANCELLED
    assert (await booking.row()).amount_refunded_minor == TOTAL_MINOR
    assert await booking.money() == REFUNDED
    assert await booking.recorded_outcome(command_id) == CommandOutcome.SETTLED


async def test_resolve_tries_no_refund_again_and_drops_the_cancellation(harness: WorkflowHarness) -> None:
    booking, command_id = await _unrefunded(harness)
    assert (await booking.resolve()).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()
    assert await booking.money() == ("succeeded", TOTAL_MINOR, 0)
    assert await booking.status() is Status.CONFIRMED
    assert not await _asks_for_person(booking)
    assert await booking.recorded_outcome(command_id) == CommandOutcome.ALREADY_DECIDED
    assert (await booking.cancel()).outcome is CommandOutcome.SETTLED, "the guest may ask again"
    assert await booking.money() == REFUNDED


async def test_what_goes_back_depends_on_when_the_guest_asked(harness: WorkflowHarness) -> None:
    booking, _ = await _unrefunded(harness)
    await harness.advance_to(booking.terms.free_cancel_until)
    assert (await booking.retry()).outcome is CommandOutcome.SETTLED
    harness.excused = "M3"  # which counts the fee from the moment the cancellation was written
    assert await booking.money() == REFUNDED


async def test_second_cancellation_waits_for_the_one_that_is_stuck(harness: WorkflowHarness) -> None:
    booking, _ = await _unrefunded(harness)
    assert (await booking.cancel()).outcome is CommandOutcome.IN_PROGRESS
    assert (await booking.retry()).outcome is CommandOutcome.SETTLED


async def test_unmatched_hold_of_a_confirmed_booking_that_cannot_be_released_waits_for_retry(
    harness: WorkflowHarness,
) -> None:
    booking = await harness.confirmed()
    await booking.fill_in(await booking.unnoted_page())
    await refuse(harness, CANCEL)
    await harness.webhooks.deliver()
    await harness.wait_until_idle()
    assert await _asks_for_person(booking)

    assert (await booking.retry()).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()
    assert (await booking.intents())[1] == ("canceled", 0, 0)
    assert (await booking.events())[-2:] == [Event.UNMATCHED_PAYMENT_RETURNED, Event.ATTENTION_CLEARED]


# --- after the end ---


@pytest.mark.parametrize("status", [400, 402])
async def test_unmatched_payment_that_cannot_be_returned_waits_for_retry(
    harness: WorkflowHarness, status: int
) -> None:
    """A 402 is kept under its key for a day: each try after one needs another key."""
    booking = await harness.submitted()
    await booking.cancel()
    await harness.wait_until_idle()
    await booking.fill_in(await booking.unnoted_page())
    await refuse(harness, CANCEL, times=2, status=status)
    await harness.webhooks.deliver("checkout.session.completed")
    await harness.webhooks.lose()
    await harness.wait_until_idle()
    assert await _asks_for_person(booking)
    assert await booking.money() == HELD

    await harness.retry_ended_booking_payments()
    await harness.wait_until_idle()
    assert await _asks_for_person(booking), "refused again"
    assert await booking.money() == HELD

    await harness.retry_ended_booking_payments()
    await harness.wait_until_idle()
    assert await booking.money() == ("canceled", 0, 0)
    assert not await _asks_for_person(booking)
    assert await booking.status() is Status.CANCELLED


async def test_unmatched_payment_is_tried_again_whatever_was_refused_to_somebody_else(
    harness: WorkflowHarness,
) -> None:
    """The workflow that was refused several times was lost; what takes over tries under no key of its."""
    booking = await harness.submitted()
    await booking.cancel()
    await harness.wait_until_idle()
    await booking.fill_in(await booking.unnoted_page())
    await refuse(harness, CANCEL, times=3, status=402)
    await harness.webhooks.deliver("checkout.session.completed")
    for _ in range(2):
        await harness.wait_until_idle()
        await harness.retry_ended_booking_payments()
    await harness.wait_until_idle()
    [first] = harness.webhooks.ended_booking_workflows
    await harness.client.get_workflow_handle(first).terminate("by mistake")
    await harness.webhooks.deliver("payment_intent.amount_capturable_updated")
    await harness.webhooks.lose()
    await harness.wait_until_idle()

    await harness.retry_ended_booking_payments()
    await harness.wait_until_idle()
    assert await booking.money() == ("canceled", 0, 0)
    assert not await _asks_for_person(booking)


async def test_flag_of_an_unmatched_payment_comes_down_although_another_writer_came_between(
    harness: WorkflowHarness,
) -> None:
    booking = await harness.submitted()
    await booking.cancel()
    await harness.wait_until_idle()
    first, second = await booking.unnoted_page(), await booking.unnoted_page()
    await booking.fill_in(first)
    await refuse(harness, CANCEL)
    await harness.webhooks.deliver("checkout.session.completed")
    await harness.webhooks.lose()
    await harness.wait_until_idle()
    assert await _asks_for_person(booking)
    await booking.fill_in(second)
    await harness.webhooks.deliver("checkout.session.completed")
    await harness.webhooks.lose()
    await harness.wait_until_idle()
    assert (await booking.events())[-1] is Event.UNMATCHED_PAYMENT_RETURNED
    assert await _asks_for_person(booking), "that was the other hold"

    await harness.retry_ended_booking_payments()
    await harness.wait_until_idle()

    assert await booking.intents() == [("canceled", 0, 0), ("canceled", 0, 0)]
    assert not await _asks_for_person(booking)
