"""Every clock that can run out, on the test server's skipped time."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from domain.booking import ActorKind, Decision, Event, Status
from domain.decisions import CommandOutcome
from tests.workflows.activity_faults import FaultMode
from tests.workflows.booking_driver import UNTIMED_CARD, BookingDriver
from tests.workflows.harness import WorkflowHarness

HOUR_S, DAY_S = 3600, 86400
LONG_SLA_S = 30 * DAY_S
A_MOMENT = timedelta(seconds=10)


async def _sessions(booking: BookingDriver) -> list[str]:
    return [session["status"] for session in (await booking.ledger())["sessions"]]


async def _ended(booking: BookingDriver) -> tuple[str, str | None, datetime]:
    last = (await booking.timeline())[-1]
    return last.event, (await booking.row()).reason_code, last.at


# --- the payment window ---


async def test_unpaid_booking_expires_with_its_session(harness: WorkflowHarness) -> None:
    booking = await harness.submitted()
    submitted_at = (await booking.timeline())[-1].at
    await booking.open_page()

    await harness.advance(hours=24, minutes=1)

    assert await booking.status() is Status.EXPIRED
    assert await _sessions(booking) == ["expired"]
    assert (await booking.guest_subjects())[-1] == f"Booking Expired - {booking.booking_id}"
    assert timedelta(0) <= (await booking.timeline())[-1].at - submitted_at - timedelta(days=1) < A_MOMENT
    assert await booking.is_over()


async def test_booking_whose_page_was_never_opened_expires_as_well(harness: WorkflowHarness) -> None:
    booking = await harness.submitted(payment_window_s=HOUR_S)
    await harness.advance(minutes=59)
    assert await booking.status() is Status.PENDING_PAYMENT
    await harness.advance(minutes=2)
    assert await booking.status() is Status.EXPIRED


async def test_window_shorter_than_stripe_allows_is_ended_by_us(harness: WorkflowHarness) -> None:
    booking = await harness.submitted(payment_window_s=600)
    opened_at = await harness.now()
    await booking.open_page()
    [session] = (await booking.ledger())["sessions"]
    assert session["expires_at"] >= opened_at.timestamp() + 31 * 60 - 1

    await harness.advance(minutes=11)

    assert await booking.status() is Status.EXPIRED
    assert await _sessions(booking) == ["expired"]
    assert (await booking.pay()).status_code == 410


async def test_window_longer_than_a_session_takes_a_second_one(harness: WorkflowHarness) -> None:
    booking = await harness.submitted(payment_window_s=2 * DAY_S)
    first = await booking.open_page()
    await harness.advance(hours=24)
    assert await _sessions(booking) == ["expired"], "a session lasts a day at most"
    assert await booking.status() is Status.PENDING_PAYMENT

    second = await booking.open_page()
    await booking.place_hold()

    assert second.created
    assert second.session_id != first.session_id
    assert await booking.status() is Status.PENDING_APPROVAL


async def test_long_window_ends_at_its_own_end(harness: WorkflowHarness) -> None:
    booking = await harness.submitted(payment_window_s=2 * DAY_S)
    await booking.open_page()
    await harness.advance(hours=47, minutes=59)
    assert await booking.status() is Status.PENDING_PAYMENT
    await harness.advance(minutes=2)
    assert await booking.status() is Status.EXPIRED


async def test_completed_session_wins_over_the_windows_end(harness: WorkflowHarness) -> None:
    """The guest paid in time, every webhook got lost, and no poll came between."""
    booking = await harness.submitted(payment_window_s=HOUR_S)
    await booking.open_page()
    harness.webhooks.is_paused = True
    await booking.pay()
    await harness.webhooks.lose()

    await harness.advance(hours=1, minutes=1)

    assert await booking.status() is Status.PENDING_APPROVAL
    assert await booking.events() == [Event.AUTHORIZED]


@pytest.mark.forgetful
async def test_page_is_not_payable_once_the_window_is_over(harness: WorkflowHarness) -> None:
    booking = await harness.submitted(payment_window_s=HOUR_S)
    await booking.open_page()
    closes_at = (await booking.view()).payment_deadline
    assert closes_at is not None
    await harness.without_worker_until(closes_at)
    opening = harness.later(booking.open_page())
    harness.product_worker.start()
    answer = await opening
    assert not answer.payable
    await harness.wait_until_idle()
    assert await booking.status() is Status.EXPIRED


async def test_no_page_opens_at_the_windows_end_and_an_open_one_stays(harness: WorkflowHarness) -> None:
    paying, late = [await harness.submitted(payment_window_s=HOUR_S) for _ in range(2)]
    await paying.open_page()
    await harness.advance(minutes=55, seconds=30)
    assert not (await late.open_page()).payable
    answer = await paying.open_page()
    assert (answer.payable, answer.created) == (True, False)


# --- the decision ---


@pytest.mark.parametrize(
    ("options", "hold_s", "after", "reason"),
    [
        ({}, None, timedelta(days=1), "APPROVAL_TIMEOUT"),
        ({"approval_sla_s": HOUR_S}, None, timedelta(hours=1), "APPROVAL_TIMEOUT"),
        (
            {"approval_sla_s": LONG_SLA_S},
            7 * DAY_S,
            timedelta(days=7, hours=-1),
            "AUTHORIZATION_EXPIRED",
        ),
        # The margin is a tenth of a short hold.
        ({}, HOUR_S, timedelta(minutes=54), "AUTHORIZATION_EXPIRED"),
        (
            {"authorization_margin_s": 600},
            12 * HOUR_S,
            timedelta(hours=12, minutes=-10),
            "AUTHORIZATION_EXPIRED",
        ),
    ],
)
async def test_undecided_hold_is_released(
    harness: WorkflowHarness,
    options: dict[str, int],
    hold_s: int | None,
    after: timedelta,
    reason: str,
) -> None:
    """Whether the hotel's own limit comes first or the hold's end: the system does it, because staff did not decide."""
    booking = await harness.held(hold_s=hold_s, **options)
    row = await booking.row()
    assert row.payment_authorized_at
    deadline = row.payment_authorized_at + after
    assert row.decision_deadline == deadline

    await harness.advance_to(deadline - timedelta(minutes=1))
    assert await booking.status() is Status.PENDING_APPROVAL
    await harness.advance(minutes=2)

    happened, code, at = await _ended(booking)
    assert (happened, code) == (Event.APPROVAL_TIMED_OUT, reason)
    assert (await booking.row()).decision_made_by == ActorKind.SYSTEM
    assert timedelta(0) <= at - deadline < A_MOMENT
    intent = await booking.intent()
    assert (intent["status"], intent["cancellation_reason"]) == ("canceled", "abandoned"), "released by us"
    [*_, mail] = await booking.mails(booking.guest_email)
    assert mail["subject"] == f"Booking Update - {booking.booking_id}"
    assert "did not answer in time" in mail["text"]


async def test_hotels_cutoff_ends_the_wait(harness: WorkflowHarness) -> None:
    booking = await harness.held(
        check_in_days=3, cutoff_days_before=2, cutoff_hour=23, approval_sla_s=LONG_SLA_S
    )
    assert (await booking.row()).decision_deadline == booking.terms.cutoff_at

    await harness.advance_to(booking.terms.cutoff_at + timedelta(minutes=1))

    assert (await _ended(booking))[:2] == (Event.APPROVAL_TIMED_OUT, "APPROVAL_TIMEOUT")


async def test_without_capture_before_the_shortest_hold_is_assumed(harness: WorkflowHarness) -> None:
    booking = await harness.submitted(approval_sla_s=LONG_SLA_S)
    await booking.place_hold(card=UNTIMED_CARD)
    row = await booking.row()
    assert row.payment_authorized_at
    assert row.decision_deadline == row.payment_authorized_at + timedelta(days=4, hours=17)

    await harness.advance(days=4, hours=17, minutes=1)

    assert (await _ended(booking))[:2] == (Event.APPROVAL_TIMED_OUT, "AUTHORIZATION_EXPIRED")


async def test_staff_are_reminded_when_a_quarter_of_the_time_is_left(harness: WorkflowHarness) -> None:
    booking = await harness.held()
    await harness.advance(hours=17, minutes=59)
    assert "booking-deadline-near" not in await booking.staff_events()
    await harness.advance(minutes=2)
    assert (await booking.staff_subjects())[-1] == f"Decision due - {booking.booking_id}"
    assert await booking.staff_events() == ["booking-requested", "booking-deadline-near"]
    reminded = [mail["to"] for mail in await booking.mails() if mail["subject"].startswith("Decision due")]
    assert sorted(reminded) == [
        [f"{role}@{booking.terms.hotel_slug}.test"] for role in ("approver", "manager")
    ]

    await harness.advance(hours=3)
    assert (await booking.staff_subjects()).count(f"Decision due - {booking.booking_id}") == 1


async def test_decided_booking_sends_no_reminder(harness: WorkflowHarness) -> None:
    booking = await harness.confirmed()
    await harness.advance(hours=30)
    assert await booking.staff_events() == ["booking-requested"]


@pytest.mark.forgetful
async def test_decision_after_the_deadline_counts_until_the_release_has_begun(
    harness: WorkflowHarness,
) -> None:
    """The worker was down when the deadline passed; timer and decision reach it together."""
    booking = await harness.held()
    await harness.advance(hours=20)
    assert "booking-deadline-near" in await booking.staff_events(), "no timer is left but the deadline's"
    await harness.without_worker_until(await booking.deadline())
    command_id = await booking.send(Decision.APPROVE)

    harness.product_worker.start()
    await harness.wait_until_idle()

    assert await booking.recorded_outcome(command_id) == CommandOutcome.SETTLED
    assert await booking.status() is Status.CONFIRMED


@pytest.mark.parametrize("stripe_is_late", [False, True])
async def test_approval_after_capture_before_never_confirms(
    harness: WorkflowHarness, *, stripe_is_late: bool
) -> None:
    """The approval waited behind other events while Stripe was away.

    Stripe may be late to let a hold lapse; the bank need not be: a hold that stands is released.
    """
    booking = await harness.held(hold_s=HOUR_S)
    harness.activity_faults.order("payments.read", FaultMode.BEFORE, times=1000)
    harness.clock.stripe_follows = not stripe_is_late
    harness.webhooks.is_paused = True
    await booking.hint("payment_intent.succeeded")
    command_id = await booking.send(Decision.APPROVE)
    await harness.advance(hours=2)
    assert await booking.status() is Status.PENDING_APPROVAL

    harness.activity_faults.clear_faults()
    await harness.advance(minutes=6)

    assert (await booking.outcome(command_id)).outcome is CommandOutcome.ALREADY_DECIDED
    assert (await _ended(booking))[:2] == (
        (Event.APPROVAL_TIMED_OUT, "APPROVAL_TIMEOUT")
        if stripe_is_late
        else (Event.AUTHORIZATION_LOST, "AUTHORIZATION_EXPIRED")
    )
    intent = await booking.intent()
    assert (intent["status"], intent["captures"]) == ("canceled", 0)
    assert intent["cancellation_reason"] == ("abandoned" if stripe_is_late else "automatic")


@pytest.mark.parametrize("captured_unheard", [False, True])
async def test_capture_is_tried_until_check_out_and_no_longer(
    harness: WorkflowHarness, *, captured_unheard: bool
) -> None:
    """No guest pays for a stay that is over. Stripe's answer counts: captured all the same, or released."""
    booking = await harness.held(check_in_days=1, approval_sla_s=LONG_SLA_S)
    fault = FaultMode.AFTER if captured_unheard else FaultMode.BEFORE
    harness.activity_faults.order("payments.capture", fault, times=100_000)
    harness.webhooks.is_paused = True
    command_id = await booking.send(Decision.APPROVE)
    await harness.advance_to(booking.terms.check_out_at - timedelta(minutes=1))
    assert await booking.status() is Status.PENDING_APPROVAL

    await harness.advance(minutes=3)

    result = await booking.outcome(command_id)
    if captured_unheard:
        assert result.outcome is CommandOutcome.SETTLED
        assert await booking.money() == ("succeeded", 15000, 0)
    else:
        assert result.outcome is CommandOutcome.ALREADY_DECIDED
        assert (await _ended(booking))[:2] == (Event.APPROVAL_TIMED_OUT, "APPROVAL_TIMEOUT")
        assert await booking.money() == ("canceled", 0, 0)
