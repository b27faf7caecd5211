"""E-mails to guests who have not paid: two minutes after submission, and before the payment window ends."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import update
from sqlmodel import col

from domain.booking import Event, Status
from models import Booking
from tests.workflows.activity_faults import FaultMode
from tests.workflows.booking_driver import BookingDriver
from tests.workflows.harness import WorkflowHarness
from tests.workflows.hotels import TOTAL_MINOR
from tests.workflows.long_histories import fill_history

HOUR_S, DAY_S = 3600, 86400


def finish(booking: BookingDriver) -> str:
    return f"Finish your request - {booking.booking_id}"


def reminder(booking: BookingDriver) -> str:
    return f"Your request expires soon - {booking.booking_id}"


async def move_to(harness: WorkflowHarness, booking: BookingDriver, email: str) -> None:
    """Let another guest's booking have this address."""
    change = update(Booking).where(col(Booking.booking_id) == booking.booking_id)
    async with harness.database.transaction() as db:
        await db.execute(change.values(guest_email=email))
    booking.guest_email = email


async def ends_at(booking: BookingDriver) -> datetime:
    closes_at = (await booking.view()).payment_deadline
    assert closes_at is not None
    return closes_at


# --- when they come ---


async def test_a_guest_who_does_not_pay_gets_both_mails_once(harness: WorkflowHarness) -> None:
    booking = await harness.submitted()
    await harness.advance(seconds=110)
    assert await booking.guest_subjects() == []
    await harness.advance(seconds=20)
    assert await booking.guest_subjects() == [finish(booking)]
    closes_at = await ends_at(booking)
    await harness.advance_to(closes_at - timedelta(minutes=61))
    assert await booking.guest_subjects() == [finish(booking)]
    await harness.advance_to(closes_at - timedelta(minutes=59))
    assert await booking.guest_subjects() == [finish(booking), reminder(booking)]
    await harness.advance_to(closes_at + timedelta(minutes=1))
    expired = f"Booking Expired - {booking.booking_id}"
    assert await booking.guest_subjects() == [finish(booking), reminder(booking), expired]
    assert await booking.events() == [Event.PAYMENT_WINDOW_CLOSED]


async def test_the_mails_hold_the_link_and_nothing_that_was_typed(harness: WorkflowHarness) -> None:
    booking = await harness.submitted(payment_window_s=HOUR_S)
    await harness.advance(minutes=31)
    mails = await booking.mails(booking.guest_email)
    assert [mail["subject"] for mail in mails] == [finish(booking), reminder(booking)]
    row = await booking.row()
    typed = (row.guest_first_name, row.guest_last_name, row.special_requests or "-")
    for mail in mails:
        assert f"/bookings/{booking.booking_id}/?token=" in mail["text"]
        assert "Hello," in mail["text"]
        whole = mail["subject"] + mail["text"] + mail["html"] + str(mail["headers"])
        assert [text for text in typed if text in whole] == []


async def test_the_reminder_comes_halfway_through_a_short_window(harness: WorkflowHarness) -> None:
    booking = await harness.submitted(payment_window_s=HOUR_S)
    await harness.advance(minutes=29)
    assert reminder(booking) not in await booking.guest_subjects()
    await harness.advance(minutes=2)
    assert (await booking.guest_subjects()).count(reminder(booking)) == 1


# --- who gets none ---


async def test_a_guest_who_pays_within_two_minutes_gets_neither(harness: WorkflowHarness) -> None:
    booking = await harness.submitted(approval_sla_s=3 * DAY_S)
    await harness.advance(seconds=60)
    await booking.place_hold()
    await harness.advance(hours=24)
    assert [subject[:18] for subject in await booking.guest_subjects()] == ["Payment authorized"]


async def test_a_guest_who_cancels_in_time_gets_neither(harness: WorkflowHarness) -> None:
    booking = await harness.submitted()
    await booking.open_page()
    await booking.cancel()
    await harness.advance(hours=25)
    assert await booking.guest_subjects() == []


async def test_a_hold_without_a_webhook_is_found_before_a_mail_is_sent(harness: WorkflowHarness) -> None:
    """The guest has paid: Stripe is asked before anyone is told that a step is left."""
    booking = await harness.submitted()
    await booking.open_page()
    await booking.pay()
    await harness.webhooks.lose()
    harness.webhooks.is_paused = True
    await harness.advance(minutes=3)
    assert await booking.status() is Status.PENDING_APPROVAL
    assert finish(booking) not in await booking.guest_subjects()


@pytest.mark.forgetful
async def test_a_hold_that_comes_as_the_mail_is_due_wins(harness: WorkflowHarness) -> None:
    """The signal and the timer are handed to the worker at once."""
    booking = await harness.submitted()
    await booking.open_page()
    due_at = await harness.now() + timedelta(minutes=2)
    await booking.pay()
    await harness.without_worker_until(due_at + timedelta(seconds=10))
    await harness.webhooks.deliver()
    harness.product_worker.start()
    await harness.wait_until_idle()
    assert await booking.status() is Status.PENDING_APPROVAL
    await harness.advance(minutes=5)
    assert finish(booking) not in await booking.guest_subjects()


async def test_a_hold_that_comes_while_stripe_is_asked_wins(harness: WorkflowHarness) -> None:
    """Its event and Stripe's answer tell the same."""
    booking = await harness.submitted()
    await booking.open_page()
    slow = await harness.stripe.order("GET /v1/checkout/sessions/*", "delay", delay_s=1.5)
    passing = harness.later(harness.advance(seconds=130))
    await harness.until(lambda: harness.stripe.hits(slow))
    await booking.pay()
    await harness.webhooks.deliver()
    await passing
    await harness.wait_until_idle()
    assert await booking.status() is Status.PENDING_APPROVAL
    assert finish(booking) not in await booking.guest_subjects()


async def test_a_mail_that_waits_for_the_mail_server_is_dropped_once_the_guest_has_paid(
    harness: WorkflowHarness,
) -> None:
    booking = await harness.submitted()
    harness.activity_faults.order("emails.send", FaultMode.BEFORE, 3, booking_id=booking.booking_id)
    await harness.advance(seconds=121)
    await booking.place_hold()
    await harness.advance(minutes=15)
    subjects = await booking.guest_subjects()
    assert [subject[:18] for subject in subjects] == ["Payment authorized"]


# --- Stripe and the mail server away ---


async def test_while_stripe_does_not_answer_the_mail_waits(harness: WorkflowHarness) -> None:
    booking = await harness.submitted(payment_poll_s=300)
    await booking.open_page()
    harness.activity_faults.order("payments.read", FaultMode.BEFORE, times=3)
    await harness.advance(seconds=150)
    assert await booking.guest_subjects() == []
    await harness.advance(seconds=310)
    assert await booking.guest_subjects() == [finish(booking)]


async def test_an_address_that_takes_no_mail_calls_nobody(harness: WorkflowHarness) -> None:
    """Anyone may have typed it."""
    booking = await harness.submitted(payment_window_s=3 * HOUR_S)
    await harness.stand_ins.mail.order(f"RCPT {booking.guest_email}", "error_before", status=550)
    await harness.advance(minutes=5)
    assert await booking.guest_subjects() == []
    assert not (await booking.row()).needs_attention
    assert await booking.staff_subjects() == []


# --- one a day ---


async def test_a_mailbox_gets_mails_about_one_unpaid_request_a_day(harness: WorkflowHarness) -> None:
    """However its address is written, and however many requests name it."""
    first, second = [await harness.submitted(payment_window_s=4 * HOUR_S) for _ in range(2)]
    name, _, domain = first.guest_email.partition("@")
    await move_to(harness, second, f"{name.upper()}+more@{domain}")
    await harness.advance(minutes=3)
    assert sum([len(await booking.guest_subjects()) for booking in (first, second)]) == 1
    await harness.advance(hours=3, minutes=2)
    subjects = [await booking.guest_subjects() for booking in (first, second)]
    assert sorted(subjects, key=len) in (
        [[], [finish(booking), reminder(booking)]] for booking in (first, second)
    )


# --- runs and lost workflows ---


async def test_the_next_run_sends_what_is_left_and_nothing_twice(harness: WorkflowHarness) -> None:
    booking = await harness.submitted()
    closes_at = await ends_at(booking)
    await fill_history(harness, booking)
    await harness.advance(minutes=3)
    await fill_history(harness, booking)
    assert await booking.guest_subjects() == [finish(booking)]
    await harness.advance_to(closes_at - timedelta(minutes=59))
    assert await booking.guest_subjects() == [finish(booking), reminder(booking)]


async def test_a_lost_workflows_mail_is_not_sent_again(harness: WorkflowHarness) -> None:
    booking = await harness.submitted()
    await harness.advance(minutes=3)
    await booking.fill_in(await booking.unnoted_page(amount_minor=TOTAL_MINOR - 1))
    await harness.webhooks.deliver()  # the booking has another version now
    await harness.wait_until_idle()
    await booking.lose_workflow()
    await booking.give_back_workflow()
    assert await booking.guest_subjects() == [finish(booking)]
    await harness.advance_to(await ends_at(booking) - timedelta(minutes=50))
    assert await booking.guest_subjects() == [finish(booking), reminder(booking)]
