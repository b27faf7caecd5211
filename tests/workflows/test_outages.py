"""Worker, PostgreSQL, mail server and Pusher are away for a while: bookings wait or go on, and nothing is lost."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from domain.attention import AttentionCode
from domain.booking import ActorKind, Decision, Event, Status
from domain.decisions import CommandOutcome
from tests.workflows.activity_faults import FaultMode
from tests.workflows.booking_driver import BookingDriver
from tests.workflows.harness import WorkflowHarness
from tests.workflows.hotels import TOTAL_MINOR
from tests.workflows.refusals import READ_PAGE, refuse
from tests.workflows.servers import PUSHER
from tests.workflows.situations import (
    cancelled_while_the_approval_is_written,
    held_and_mail_refused,
    notice_refused,
)

CAPTURED = ("succeeded", TOTAL_MINOR, 0)
A_DAY_OF_ATTEMPTS = 1000


async def _confirmed(booking: BookingDriver) -> None:
    """Approve it: no step waits for a mail or an event."""
    assert (await booking.approve()).outcome is CommandOutcome.SETTLED
    assert await booking.status() is Status.CONFIRMED
    assert await booking.money() == CAPTURED


# --- our own parts ---


async def test_change_waits_for_the_database_and_is_dated_when_it_was_decided(
    harness: WorkflowHarness,
) -> None:
    booking = await harness.held()
    harness.activity_faults.order(
        "bookings.record", FaultMode.BEFORE, times=20, booking_id=booking.booking_id
    )
    issued_at = await harness.now()
    result = harness.later(booking.outcome(await booking.send(Decision.APPROVE)))
    await harness.advance(minutes=2)
    assert await booking.money() == CAPTURED, "Stripe is there"
    row = await booking.row()
    assert (row.status, row.version, row.needs_attention) == (Status.PENDING_APPROVAL, 3, False)
    assert await booking.published() == [(2, "PENDING_PAYMENT"), (3, "PENDING_APPROVAL")], (
        "nobody is told yet"
    )

    await harness.advance(minutes=8)

    assert (await result).outcome is CommandOutcome.SETTLED
    assert await booking.events() == [Event.AUTHORIZED, Event.APPROVED]
    assert (await booking.timeline())[-1].at - issued_at < timedelta(minutes=1)
    assert (await booking.intent())["captures"] == 1


@pytest.mark.forgetful
async def test_booking_goes_on_with_another_worker(harness: WorkflowHarness) -> None:
    booking = await harness.submitted()
    await booking.open_page()
    await harness.restart_worker()
    assert not (await booking.open_page()).created, "it knows the page that is open"
    await booking.place_hold()
    await harness.restart_worker()
    await _confirmed(booking)
    await harness.wait_until_idle()  # a mail that is cut off would be sent again in a minute
    await harness.restart_worker()
    assert (await booking.cancel()).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()
    assert await booking.events() == [Event.AUTHORIZED, Event.APPROVED, Event.CANCELLED_BY_GUEST]
    assert await booking.money() == ("succeeded", TOTAL_MINOR, TOTAL_MINOR)
    assert (await booking.intent())["captures"] == 1


# --- a cancellation that waits for a worker ---

A_WHILE = timedelta(minutes=10)


async def _cancelled_late(
    harness: WorkflowHarness, booking: BookingDriver, issued_at: datetime
) -> tuple[str | None, int]:
    """A worker comes back and finds that the guest has cancelled; the outcome, and what was refunded.

    The server's clock stands while a signal waits: this one is brought once the time has passed.
    """
    command_id = await booking.send(Decision.CANCEL, ActorKind.GUEST, issued_at=issued_at)
    harness.product_worker.start()
    await harness.wait_until_idle()
    return await booking.recorded_outcome(command_id), (await booking.money())[2]


@pytest.mark.forgetful
async def test_cancellation_costs_what_it_did_when_the_guest_asked(harness: WorkflowHarness) -> None:
    booking = await harness.confirmed()
    limit = booking.terms.free_cancel_until
    await harness.product_worker.stop()
    await harness.advance_to(limit + A_WHILE)
    assert await _cancelled_late(harness, booking, limit - A_WHILE) == (CommandOutcome.SETTLED, TOTAL_MINOR)
    assert await booking.status() is Status.CANCELLED


@pytest.mark.forgetful
async def test_cancellation_that_waited_past_check_in_is_carried_out(harness: WorkflowHarness) -> None:
    booking = await harness.confirmed()
    check_in_at = booking.terms.check_in_at
    await harness.without_worker_until(booking.terms.check_out_at)
    fee = TOTAL_MINOR * 30 // 100
    assert await _cancelled_late(harness, booking, check_in_at - A_WHILE) == (
        CommandOutcome.SETTLED,
        TOTAL_MINOR - fee,
    )
    assert await booking.status() is Status.CANCELLED
    assert await booking.is_over()


async def test_cancellation_is_never_dated_later_than_it_arrived(harness: WorkflowHarness) -> None:
    """A fast clock of the API's makes nothing dearer."""
    booking = await harness.confirmed()
    limit = booking.terms.free_cancel_until
    await harness.advance_to(limit - A_WHILE)
    command_id = await booking.send(Decision.CANCEL, ActorKind.GUEST, issued_at=limit + A_WHILE)
    assert (await booking.outcome(command_id)).outcome is CommandOutcome.SETTLED
    assert await booking.money() == ("succeeded", TOTAL_MINOR, TOTAL_MINOR)


# --- a cancellation that waits behind an approval ---


async def _cancelled_behind_an_approval(harness: WorkflowHarness, booking: BookingDriver) -> str | None:
    """No worker runs while staff approve and the guest, whose page still says that it costs nothing, cancels."""
    await harness.product_worker.stop()
    approve = await booking.send(Decision.APPROVE)
    cancel = await booking.send(Decision.CANCEL, ActorKind.GUEST)
    harness.product_worker.start()
    await harness.wait_until_idle()
    assert await booking.recorded_outcome(approve) == CommandOutcome.SETTLED
    return await booking.recorded_outcome(cancel)


@pytest.mark.forgetful
async def test_cancellation_that_an_approval_made_dearer_is_refused(harness: WorkflowHarness) -> None:
    booking = await harness.held(check_in_days=1, late_cancel_fee_percent=100)
    assert await _cancelled_behind_an_approval(harness, booking) == CommandOutcome.IN_PROGRESS
    assert await booking.status() is Status.CONFIRMED
    assert await booking.money() == CAPTURED
    assert f"Booking Cancelled - {booking.booking_id}" not in await booking.guest_subjects()
    # A guest who asks again has seen the current cost.
    assert (await booking.cancel()).outcome is CommandOutcome.SETTLED
    assert await booking.money() == CAPTURED
    assert await booking.status() is Status.CANCELLED


@pytest.mark.forgetful
async def test_cancellation_that_costs_nothing_even_once_approved_is_carried_out(
    harness: WorkflowHarness,
) -> None:
    booking = await harness.held()
    assert await _cancelled_behind_an_approval(harness, booking) == CommandOutcome.SETTLED
    assert await booking.status() is Status.CANCELLED
    assert await booking.money() == ("succeeded", TOTAL_MINOR, TOTAL_MINOR)


async def test_cancellation_that_comes_while_the_approval_is_written_is_refused(
    harness: WorkflowHarness,
) -> None:
    booking, command_id = await cancelled_while_the_approval_is_written(harness)
    assert await booking.recorded_outcome(command_id) == CommandOutcome.IN_PROGRESS
    assert await booking.status() is Status.CONFIRMED
    assert await booking.money() == CAPTURED


@pytest.mark.forgetful
async def test_cancellation_before_a_capture_in_the_dashboard_is_refused(
    harness: WorkflowHarness,
) -> None:
    booking = await harness.held(check_in_days=1)
    await harness.product_worker.stop()
    await booking.dashboard("capture")
    await harness.webhooks.deliver()
    cancel = await booking.send(Decision.CANCEL, ActorKind.GUEST)
    harness.product_worker.start()
    await harness.wait_until_idle()
    assert await booking.recorded_outcome(cancel) == CommandOutcome.IN_PROGRESS
    assert await booking.status() is Status.CONFIRMED
    assert await booking.money() == CAPTURED


# --- mails ---


async def test_mail_that_is_refused_asks_for_a_person_and_is_sent_by_retry(harness: WorkflowHarness) -> None:
    booking = await harness.held()
    await harness.stand_ins.mail.order(f"RCPT {booking.guest_email}", "error_before", status=550)
    await _confirmed(booking)
    await harness.wait_until_idle()
    assert [reason.key for reason in await booking.attention()] == [(AttentionCode.EMAIL_FAILED, "confirmed")]
    assert await booking.money() == CAPTURED
    assert f"Booking Confirmed - {booking.booking_id}" not in await booking.guest_subjects()

    assert (await booking.retry()).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()
    assert (await booking.guest_subjects())[-1] == f"Booking Confirmed - {booking.booking_id}"
    assert not (await booking.row()).needs_attention


async def _misses_the_notice(booking: BookingDriver) -> bool:
    reasons = [reason.key for reason in await booking.attention()]
    return (AttentionCode.EMAIL_FAILED, "staff_payment_notice") in reasons


async def test_mail_that_is_refused_while_payment_is_due_is_sent_by_retry(harness: WorkflowHarness) -> None:
    booking = await notice_refused(harness)
    assert await _misses_the_notice(booking)
    await harness.stand_ins.mail.clear_faults()
    assert (await booking.retry()).outcome is CommandOutcome.NEEDS_ATTENTION
    await harness.wait_until_idle()
    assert f"Payment notice - {booking.booking_id}" in await booking.staff_subjects()
    assert (await booking.events())[-1] is Event.ATTENTION_CLEARED
    assert await booking.attention_codes() == [AttentionCode.PAYMENT_MISMATCH_RETURNED], (
        "that is another reason"
    )
    assert (await booking.resolve()).outcome is CommandOutcome.SETTLED
    assert not (await booking.row()).needs_attention

    await booking.place_hold()
    assert await booking.status() is Status.PENDING_APPROVAL, "the right amount may still be paid"


async def test_mail_that_is_refused_again_asks_for_a_person_again(harness: WorkflowHarness) -> None:
    booking = await notice_refused(harness)
    await booking.retry()
    await harness.wait_until_idle()
    assert await booking.staff_subjects() == []
    assert await _misses_the_notice(booking)


async def test_mail_sent_by_retry_leaves_the_flag_to_what_else_needs_a_person(
    harness: WorkflowHarness,
) -> None:
    booking = await notice_refused(harness)
    await harness.stand_ins.mail.clear_faults()
    await refuse(harness, READ_PAGE, times=None)
    assert (await booking.retry()).outcome is CommandOutcome.NEEDS_ATTENTION
    await harness.wait_until_idle()
    assert f"Payment notice - {booking.booking_id}" in await booking.staff_subjects()
    codes = await booking.attention_codes()
    assert codes == [AttentionCode.PAYMENT_MISMATCH_RETURNED, AttentionCode.PAYMENT_UNREAD]


async def test_mail_that_was_refused_is_sent_with_the_next_change_of_status(harness: WorkflowHarness) -> None:
    """That change clears the reason; otherwise no one would be asked to try again."""
    booking = await held_and_mail_refused(harness)
    [reason] = await booking.attention()
    assert reason.key == (AttentionCode.EMAIL_FAILED, "authorized, staff_request")

    assert (await booking.decline()).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()

    authorized = f"Payment authorized — awaiting hotel confirmation ({booking.booking_id})"
    assert sorted(await booking.guest_subjects()) == [f"Booking Update - {booking.booking_id}", authorized]
    assert not (await booking.row()).needs_attention


async def test_mail_server_that_is_away_for_hours_holds_up_nothing(harness: WorkflowHarness) -> None:
    booking = await _confirmed_without_mail(harness)
    await harness.advance(hours=5)
    assert not (await booking.row()).needs_attention
    harness.activity_faults.clear_faults()
    await harness.advance(minutes=11)
    assert (await booking.guest_subjects()).count(f"Booking Confirmed - {booking.booking_id}") == 1


async def test_mail_that_could_not_be_sent_in_a_day_asks_for_a_person(harness: WorkflowHarness) -> None:
    booking = await _confirmed_without_mail(harness)
    await harness.advance(hours=23)
    assert not (await booking.row()).needs_attention
    await harness.advance(hours=1, minutes=10)
    assert [reason.key for reason in await booking.attention()] == [(AttentionCode.EMAIL_FAILED, "confirmed")]

    harness.activity_faults.clear_faults()
    assert (await booking.retry()).outcome is CommandOutcome.SETTLED
    await harness.advance(minutes=11)
    assert (await booking.guest_subjects())[-1] == f"Booking Confirmed - {booking.booking_id}"
    assert not (await booking.row()).needs_attention


async def _confirmed_without_mail(harness: WorkflowHarness) -> BookingDriver:
    """A booking that is confirmed while no mail can be sent for it."""
    booking = await harness.held()
    harness.activity_faults.order(
        "emails.send", FaultMode.BEFORE, A_DAY_OF_ATTEMPTS, booking_id=booking.booking_id
    )
    await _confirmed(booking)
    return booking


# --- realtime events ---


@pytest.mark.parametrize("status", [401, 403, 503])
async def test_event_is_published_once_pusher_is_back(harness: WorkflowHarness, status: int) -> None:
    """A key that is being replaced and a quota are over after a while, too."""
    booking = await harness.held()
    await _pusher_goes_away(harness, status)
    await _confirmed(booking)
    await harness.advance(minutes=30)
    assert (await booking.published())[-1] == (3, "PENDING_APPROVAL")
    await harness.stand_ins.pusher.clear_faults()
    await harness.advance(minutes=2)
    assert (await booking.published())[-1] == (4, "CONFIRMED")


@pytest.mark.parametrize("status", [401, 403, 503])
async def test_event_is_dropped_after_an_hour_without_attention(
    harness: WorkflowHarness, status: int
) -> None:
    booking = await harness.held()
    await _pusher_goes_away(harness, status)
    await _confirmed(booking)
    await harness.advance(minutes=65)
    await harness.stand_ins.pusher.clear_faults()
    await harness.advance(minutes=5)
    assert not (await booking.row()).needs_attention
    assert "realtime event dropped: version 4, " in harness.worker_log.getvalue()
    assert (await booking.cancel()).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()
    assert [version for version, _ in await booking.published()] == [2, 3, 5], "the fourth is old news"
    harness.excused = "M6"  # which cannot see that the drop was logged


async def _pusher_goes_away(harness: WorkflowHarness, status: int = 503) -> None:
    batch = f"POST /apps/{PUSHER.app_id}/batch_events"
    await harness.stand_ins.pusher.order(batch, "error_before", status=status, times=None)
