"""Bookings whose workflow was lost: the one that takes over is given all it needs with its start."""

from __future__ import annotations

from datetime import timedelta

import pytest

from domain.booking import ActorKind, Decision, Event, ReasonCode, Status
from domain.decisions import CommandOutcome
from tests.workflows.activity_faults import FaultMode
from tests.workflows.booking_driver import BookingDriver
from tests.workflows.harness import WorkflowHarness
from tests.workflows.hotels import TOTAL_MINOR
from tests.workflows.refusals import CAPTURE, refuse

# --- decisions ---


async def test_approval_the_lost_workflow_was_asked_for_counts_although_the_deadline_is_over(
    harness: WorkflowHarness,
) -> None:
    booking = await harness.held(approval_sla_s=2 * 3600)
    await booking.lose_workflow()
    command_id = await booking.keep(Decision.APPROVE)
    await harness.advance(hours=3)

    await booking.give_back_workflow()

    assert await booking.events() == [Event.AUTHORIZED, Event.APPROVED]
    assert await booking.money() == ("succeeded", TOTAL_MINOR, 0)
    assert (await booking.outcome(command_id)).outcome is CommandOutcome.SETTLED


async def test_cancellation_the_lost_workflow_was_asked_for_is_no_expiry_although_the_window_is_over(
    harness: WorkflowHarness,
) -> None:
    booking = await harness.submitted(payment_window_s=3600)
    await booking.open_page()
    await booking.lose_workflow()
    command_id = await booking.keep(Decision.CANCEL, ActorKind.GUEST)
    await harness.advance(hours=2)

    await booking.give_back_workflow()

    assert await booking.status() is Status.CANCELLED
    assert await booking.recorded_outcome(command_id) == CommandOutcome.SETTLED
    assert await booking.guest_subjects() == []


async def test_cancellation_the_lost_workflow_was_asked_for_before_check_in_is_carried_out_after_check_out(
    harness: WorkflowHarness,
) -> None:
    booking = await harness.confirmed(check_in_days=3)
    await booking.lose_workflow()
    command_id = await booking.keep(Decision.CANCEL, ActorKind.GUEST)
    await harness.advance_to(booking.terms.check_out_at + timedelta(hours=1))

    await booking.give_back_workflow()

    assert await booking.status() is Status.CANCELLED
    assert await booking.recorded_outcome(command_id) == CommandOutcome.SETTLED
    assert await booking.money() == ("succeeded", TOTAL_MINOR, TOTAL_MINOR), "it was free of charge then"
    assert await booking.is_over()


@pytest.mark.forgetful
async def test_decisions_come_in_the_order_in_which_they_were_asked_and_each_of_them_once(
    harness: WorkflowHarness,
) -> None:
    booking = await harness.confirmed()
    await booking.lose_workflow()
    by_guest = await booking.keep(Decision.CANCEL, ActorKind.GUEST)
    by_staff = await booking.keep(Decision.CANCEL)
    await harness.product_worker.stop()
    await booking.give_back_workflow()
    # The API had kept it, and signals it only now.
    await booking.signal(Decision.CANCEL, by_guest, ActorKind.GUEST)

    harness.product_worker.start()
    await harness.wait_until_idle()

    assert await booking.events() == [Event.AUTHORIZED, Event.APPROVED, Event.CANCELLED_BY_GUEST]
    assert await booking.money() == ("succeeded", TOTAL_MINOR, TOTAL_MINOR)
    assert [await booking.recorded_outcome(id_) for id_ in (by_guest, by_staff)] == [
        CommandOutcome.SETTLED
    ] * 2
    assert harness.activity_faults.attempts_of[booking.booking_id].count("bookings.close_command") == 1, (
        "one was a repeat"
    )


async def test_approval_that_the_lost_workflow_had_captured_for_is_its_authors(
    harness: WorkflowHarness,
) -> None:
    booking = await harness.held()
    await booking.lose_workflow()
    command_id = await booking.keep(Decision.APPROVE)
    await booking.dashboard("capture")

    await booking.give_back_workflow()

    assert await booking.events() == [Event.AUTHORIZED, Event.APPROVED]
    assert await booking.recorded_outcome(command_id) == CommandOutcome.SETTLED


async def test_cancellation_that_the_lost_workflow_had_released_the_hold_for_is_no_decline(
    harness: WorkflowHarness,
) -> None:
    booking = await harness.held()
    await booking.lose_workflow()
    command_id = await booking.keep(Decision.CANCEL, ActorKind.GUEST)
    await booking.dashboard("cancel")

    await booking.give_back_workflow()

    assert await booking.events() == [Event.AUTHORIZED, Event.CANCELLED_BY_GUEST]
    assert await booking.recorded_outcome(command_id) == CommandOutcome.SETTLED


async def test_hold_that_is_gone_ends_the_booking_although_what_was_asked_is_refused(
    harness: WorkflowHarness,
) -> None:
    booking = await harness.held()
    await booking.lose_workflow()
    command_id = await booking.keep(Decision.CANCEL)
    await booking.dashboard("cancel")

    await booking.give_back_workflow()

    assert await booking.status() is Status.DECLINED
    assert await booking.recorded_outcome(command_id) == CommandOutcome.NOT_CANCELLABLE


# --- e-mails ---


def _without_mail(harness: WorkflowHarness, booking: BookingDriver) -> None:
    """The mail server is away, for this booking, until the wire is healed."""
    harness.activity_faults.order("emails.send", FaultMode.BEFORE, 1000, booking_id=booking.booking_id)


async def _lose_and_give_back(harness: WorkflowHarness, booking: BookingDriver) -> None:
    """And the mail server is there again."""
    await harness.wait_until_idle()
    await booking.lose_workflow()
    harness.activity_faults.clear_faults()
    await booking.give_back_workflow()


async def test_mails_that_waited_when_the_workflow_was_lost_are_sent_by_the_next_one(
    harness: WorkflowHarness,
) -> None:
    booking = await harness.submitted()
    _without_mail(harness, booking)
    await booking.place_hold()
    await booking.approve()
    assert await booking.mails() == []

    await _lose_and_give_back(harness, booking)

    authorized = f"Payment authorized — awaiting hotel confirmation ({booking.booking_id})"
    assert sorted(await booking.guest_subjects()) == [f"Booking Confirmed - {booking.booking_id}", authorized]
    assert await booking.staff_subjects() == [f"New booking request - {booking.booking_id}"]
    assert (await booking.row()).version == 4, "nothing has changed"


async def test_mails_that_were_sent_are_not_sent_by_the_next_one(harness: WorkflowHarness) -> None:
    booking = await harness.confirmed()
    await harness.wait_until_idle()
    mails, steps = await booking.mails(), harness.activity_faults.attempts_of[booking.booking_id].copy()

    await _lose_and_give_back(harness, booking)

    assert await booking.mails() == mails
    assert harness.activity_faults.attempts_of[booking.booking_id] == steps, "nothing is even tried"


async def test_booking_lost_at_its_end_tells_its_guest_and_comes_to_it_again(
    harness: WorkflowHarness,
) -> None:
    booking = await harness.held()
    _without_mail(harness, booking)
    await booking.decline(ReasonCode.RATE_ERROR)
    repeat = await booking.keep(Decision.DECLINE)

    await _lose_and_give_back(harness, booking)

    assert (await booking.guest_subjects())[-1] == f"Booking Update - {booking.booking_id}"
    assert await booking.is_over()
    assert await booking.recorded_outcome(repeat) == CommandOutcome.SETTLED, (
        "it stands where that would take it"
    )
    assert await booking.events() == [Event.AUTHORIZED, Event.DECLINED]


async def test_people_are_called_by_the_next_workflow_if_they_were_not_and_once(
    harness: WorkflowHarness,
) -> None:
    booking = await harness.submitted()
    _without_mail(harness, booking)
    await booking.fill_in(await booking.unnoted_page(amount_minor=TOTAL_MINOR - 1))
    await harness.webhooks.deliver()

    await _lose_and_give_back(harness, booking)

    assert f"Attention needed - {booking.booking_id}" in await booking.staff_subjects()
    assert (await booking.row()).needs_attention
    mails = await booking.mails()
    await _lose_and_give_back(harness, booking)
    assert await booking.mails() == mails


async def test_nobody_is_called_for_what_is_over(harness: WorkflowHarness) -> None:
    booking = await harness.submitted()
    _without_mail(harness, booking)
    await booking.fill_in(await booking.unnoted_page(amount_minor=TOTAL_MINOR - 1))
    await harness.webhooks.deliver()
    await booking.place_hold()
    assert not (await booking.row()).needs_attention

    await _lose_and_give_back(harness, booking)

    assert f"New booking request - {booking.booking_id}" in await booking.staff_subjects()
    assert f"Attention needed - {booking.booking_id}" not in await booking.staff_subjects()


# --- idempotency keys ---


async def test_page_opens_at_once_for_a_booking_whose_workflow_and_page_were_lost(
    harness: WorkflowHarness,
) -> None:
    """Its page has other parameters than the lost workflow's, which Stripe would refuse under that one's key."""
    booking = await harness.submitted()
    first = await booking.open_page()
    await harness.stripe.ask("POST", f"/_sandbox/dashboard/checkout/sessions/{first.session_id}/lapse")
    await harness.webhooks.lose()
    await booking.lose_workflow()
    await harness.advance(minutes=5)

    await booking.give_back_workflow()

    second = await booking.open_page()
    assert second.created
    assert second.session_id != first.session_id


async def test_a_capture_refused_to_the_lost_workflow_is_not_refused_to_its_successor(
    harness: WorkflowHarness,
) -> None:
    """Stripe keeps a 402 under its key for a day."""
    booking = await harness.held()
    await refuse(harness, CAPTURE, status=402)
    assert (await booking.approve()).outcome is CommandOutcome.NEEDS_ATTENTION
    await harness.wait_until_idle()
    await booking.lose_workflow()

    await booking.give_back_workflow()
    await harness.wait_until_idle()

    assert await booking.money() == ("succeeded", TOTAL_MINOR, 0)
    assert await booking.status() is Status.CONFIRMED
