"""Worker, PostgreSQL, mail server and Pusher are away for a while: bookings wait or go on, and nothing is lost."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from domain.booking import ActorKind, Decision, Event, Status
from domain.decisions import Verdict
from tests.workflows.hotels import TOTAL_MINOR
from tests.workflows.refusals import READ_PAGE, refuse
from tests.workflows.reservation import Reservation
from tests.workflows.servers import PUSHER
from tests.workflows.tales import (
    cancelled_while_the_approval_is_written,
    held_and_mail_refused,
    notice_refused,
)
from tests.workflows.wire import Trouble
from tests.workflows.world import World

CAPTURED = ("succeeded", TOTAL_MINOR, 0)
A_DAY_OF_ATTEMPTS = 1000


async def _confirmed(stay: Reservation) -> None:
    """Approve it: nobody waits for a mail or an event."""
    assert (await stay.approve()).verdict is Verdict.SETTLED
    assert await stay.status() is Status.CONFIRMED
    assert await stay.money() == CAPTURED


# --- our own parts ---


async def test_change_waits_for_the_database_and_is_dated_when_it_was_decided(world: World) -> None:
    stay = await world.held()
    world.wire.order("bookings.record", Trouble.BEFORE, times=20, booking_id=stay.booking_id)
    asked_at = await world.now()
    outcome = world.later(stay.outcome(await stay.send(Decision.APPROVE)))
    await world.advance(minutes=2)
    assert await stay.money() == CAPTURED, "Stripe is there"
    row = await stay.row()
    assert (row.status, row.version, row.needs_attention) == (Status.PENDING_APPROVAL, 3, None)
    assert await stay.published() == [(2, "PENDING_PAYMENT"), (3, "PENDING_APPROVAL")], "nobody is told yet"

    await world.advance(minutes=8)

    assert (await outcome).verdict is Verdict.SETTLED
    assert await stay.events() == [Event.AUTHORIZED, Event.APPROVED]
    assert (await stay.timeline())[-1].at - asked_at < timedelta(minutes=1)
    assert (await stay.intent())["captures"] == 1


@pytest.mark.forgetful
async def test_booking_goes_on_with_another_worker(world: World) -> None:
    stay = await world.submitted()
    await stay.open_page()
    await world.restart_worker()
    assert not (await stay.open_page()).created, "it knows the page that is open"
    await stay.place_hold()
    await world.restart_worker()
    await _confirmed(stay)
    await world.settle()  # a mail that is cut off would be sent again in a minute
    await world.restart_worker()
    assert (await stay.cancel()).verdict is Verdict.SETTLED
    await world.settle()
    assert await stay.events() == [Event.AUTHORIZED, Event.APPROVED, Event.CANCELLED_BY_GUEST]
    assert await stay.money() == ("succeeded", TOTAL_MINOR, TOTAL_MINOR)
    assert (await stay.intent())["captures"] == 1


# --- a cancellation that waits for a worker ---

A_WHILE = timedelta(minutes=10)


async def _cancelled_late(world: World, stay: Reservation, asked_at: datetime) -> tuple[str | None, int]:
    """A worker comes back and finds that the guest has cancelled; the verdict, and what was refunded.

    The server's clock stands while a signal waits: this one is brought once the time has passed.
    """
    command_id = await stay.send(Decision.CANCEL, ActorKind.GUEST, asked_at=asked_at)
    world.crew.start()
    await world.settle()
    return await stay.verdict(command_id), (await stay.money())[2]


@pytest.mark.forgetful
async def test_cancellation_costs_what_it_did_when_the_guest_asked(world: World) -> None:
    stay = await world.confirmed()
    limit = stay.terms.free_cancel_until
    await world.crew.stop()
    await world.advance_to(limit + A_WHILE)
    assert await _cancelled_late(world, stay, limit - A_WHILE) == (Verdict.SETTLED, TOTAL_MINOR)
    assert await stay.status() is Status.CANCELLED


@pytest.mark.forgetful
async def test_cancellation_that_waited_past_check_in_is_carried_out(world: World) -> None:
    stay = await world.confirmed()
    check_in_at = stay.terms.check_in_at
    await world.without_worker_until(check_in_at)
    fee = TOTAL_MINOR * 30 // 100
    assert await _cancelled_late(world, stay, check_in_at - A_WHILE) == (Verdict.SETTLED, TOTAL_MINOR - fee)
    assert await stay.status() is Status.CANCELLED
    assert await stay.is_over()


async def test_cancellation_is_never_dated_later_than_it_arrived(world: World) -> None:
    """A fast clock of the API's makes nothing dearer."""
    stay = await world.confirmed()
    limit = stay.terms.free_cancel_until
    await world.advance_to(limit - A_WHILE)
    command_id = await stay.send(Decision.CANCEL, ActorKind.GUEST, asked_at=limit + A_WHILE)
    assert (await stay.outcome(command_id)).verdict is Verdict.SETTLED
    assert await stay.money() == ("succeeded", TOTAL_MINOR, TOTAL_MINOR)


# --- a cancellation that waits behind an approval ---


async def _cancelled_behind_an_approval(world: World, stay: Reservation) -> str | None:
    """Nobody works while staff approve and the guest, whose page still says that it costs nothing, cancels."""
    await world.crew.stop()
    approve = await stay.send(Decision.APPROVE)
    cancel = await stay.send(Decision.CANCEL, ActorKind.GUEST)
    world.crew.start()
    await world.settle()
    assert await stay.verdict(approve) == Verdict.SETTLED
    return await stay.verdict(cancel)


@pytest.mark.forgetful
async def test_cancellation_that_an_approval_made_dearer_is_refused(world: World) -> None:
    stay = await world.held(check_in_days=1, late_cancel_fee_percent=100)
    assert await _cancelled_behind_an_approval(world, stay) == Verdict.IN_PROGRESS
    assert await stay.status() is Status.CONFIRMED
    assert await stay.money() == CAPTURED
    assert f"Booking Cancelled - {stay.booking_id}" not in await stay.told()
    # Who asks again has been shown what it costs now.
    assert (await stay.cancel()).verdict is Verdict.SETTLED
    assert await stay.money() == CAPTURED
    assert await stay.status() is Status.CANCELLED


@pytest.mark.forgetful
async def test_cancellation_that_costs_nothing_even_once_approved_is_carried_out(world: World) -> None:
    stay = await world.held()
    assert await _cancelled_behind_an_approval(world, stay) == Verdict.SETTLED
    assert await stay.status() is Status.CANCELLED
    assert await stay.money() == ("succeeded", TOTAL_MINOR, TOTAL_MINOR)


async def test_cancellation_that_comes_while_the_approval_is_written_is_refused(world: World) -> None:
    stay, command_id = await cancelled_while_the_approval_is_written(world)
    assert await stay.verdict(command_id) == Verdict.IN_PROGRESS
    assert await stay.status() is Status.CONFIRMED
    assert await stay.money() == CAPTURED


@pytest.mark.forgetful
async def test_cancellation_asked_before_somebody_captured_in_the_dashboard_is_refused(world: World) -> None:
    stay = await world.held(check_in_days=1)
    await world.crew.stop()
    await stay.dashboard("capture")
    await world.postman.deliver()
    cancel = await stay.send(Decision.CANCEL, ActorKind.GUEST)
    world.crew.start()
    await world.settle()
    assert await stay.verdict(cancel) == Verdict.IN_PROGRESS
    assert await stay.status() is Status.CONFIRMED
    assert await stay.money() == CAPTURED


# --- mails ---


async def test_mail_that_is_refused_asks_for_a_person_and_is_sent_by_retry(world: World) -> None:
    stay = await world.held()
    await world.stand_ins.mail.order(f"RCPT {stay.guest_email}", "error_before", status=550)
    await _confirmed(stay)
    await world.settle()
    assert "The e-mail 'confirmed' could not be sent" in str((await stay.row()).needs_attention)
    assert await stay.money() == CAPTURED
    assert f"Booking Confirmed - {stay.booking_id}" not in await stay.told()

    assert (await stay.retry()).verdict is Verdict.SETTLED
    await world.settle()
    assert (await stay.told())[-1] == f"Booking Confirmed - {stay.booking_id}"
    assert (await stay.row()).needs_attention is None


async def _misses_the_notice(stay: Reservation) -> bool:
    reason = "The e-mail 'staff_payment_notice' could not be sent"
    return reason in str((await stay.row()).needs_attention)


async def test_mail_that_is_refused_while_payment_is_due_is_sent_by_retry(world: World) -> None:
    stay = await notice_refused(world)
    assert await _misses_the_notice(stay)
    await world.stand_ins.mail.heal()
    assert (await stay.retry()).verdict is Verdict.SETTLED
    await world.settle()
    assert await stay.staff_told() == [f"Payment notice - {stay.booking_id}"]
    assert (await stay.row()).needs_attention is None
    assert (await stay.events())[-1] is Event.ATTENTION_CLEARED

    await stay.place_hold()
    assert await stay.status() is Status.PENDING_APPROVAL, "the right amount may still be paid"


async def test_mail_that_is_refused_again_asks_for_a_person_again(world: World) -> None:
    stay = await notice_refused(world)
    await stay.retry()
    await world.settle()
    assert await stay.staff_told() == []
    assert await _misses_the_notice(stay)


async def test_mail_sent_by_retry_leaves_the_flag_to_what_else_needs_a_person(world: World) -> None:
    stay = await notice_refused(world)
    await world.stand_ins.mail.heal()
    await refuse(world, READ_PAGE, times=None)
    assert (await stay.retry()).verdict is Verdict.NEEDS_ATTENTION
    await world.settle()
    assert f"Payment notice - {stay.booking_id}" in await stay.staff_told()
    assert str((await stay.row()).needs_attention).startswith("Stripe: HTTP 400")


async def test_mail_that_was_refused_is_sent_with_the_next_change_of_status(world: World) -> None:
    """The flag that told of it comes down with that change: nobody would be asked to try again."""
    stay = await held_and_mail_refused(world)
    assert "The e-mail 'authorized, staff_request' could not be sent" in str(
        (await stay.row()).needs_attention
    )

    assert (await stay.decline()).verdict is Verdict.SETTLED
    await world.settle()

    authorized = f"Payment authorized — awaiting hotel confirmation ({stay.booking_id})"
    assert sorted(await stay.told()) == [f"Booking Update - {stay.booking_id}", authorized]
    assert (await stay.row()).needs_attention is None


async def test_mail_server_that_is_away_for_hours_holds_up_nothing(world: World) -> None:
    stay = await _confirmed_without_mail(world)
    await world.advance(hours=5)
    assert (await stay.row()).needs_attention is None
    world.wire.heal()
    await world.advance(minutes=11)
    assert (await stay.told()).count(f"Booking Confirmed - {stay.booking_id}") == 1


async def test_mail_that_could_not_be_sent_in_a_day_asks_for_a_person(world: World) -> None:
    stay = await _confirmed_without_mail(world)
    await world.advance(hours=23)
    assert (await stay.row()).needs_attention is None
    await world.advance(hours=1, minutes=10)
    assert "The e-mail 'confirmed' could not be sent" in str((await stay.row()).needs_attention)

    world.wire.heal()
    assert (await stay.retry()).verdict is Verdict.SETTLED
    await world.advance(minutes=11)
    assert (await stay.told())[-1] == f"Booking Confirmed - {stay.booking_id}"
    assert (await stay.row()).needs_attention is None


async def _confirmed_without_mail(world: World) -> Reservation:
    """A booking that is confirmed while no mail can be sent for it."""
    stay = await world.held()
    world.wire.order("emails.send", Trouble.BEFORE, A_DAY_OF_ATTEMPTS, booking_id=stay.booking_id)
    await _confirmed(stay)
    return stay


# --- realtime events ---


async def test_event_is_published_once_pusher_is_back(world: World) -> None:
    stay = await world.held()
    await _pusher_goes_away(world)
    await _confirmed(stay)
    await world.advance(minutes=30)
    assert (await stay.published())[-1] == (3, "PENDING_APPROVAL")
    await world.stand_ins.pusher.heal()
    await world.advance(minutes=2)
    assert (await stay.published())[-1] == (4, "CONFIRMED")


async def test_event_is_dropped_after_an_hour_and_nobody_is_called(world: World) -> None:
    stay = await world.held()
    await _pusher_goes_away(world)
    await _confirmed(stay)
    await world.advance(minutes=65)
    await world.stand_ins.pusher.heal()
    await world.advance(minutes=5)
    assert (await stay.row()).needs_attention is None
    assert (await stay.cancel()).verdict is Verdict.SETTLED
    await world.settle()
    assert [version for version, _ in await stay.published()] == [2, 3, 5], "the fourth is old news"
    world.excused = "M6"  # which cannot see that the drop was logged


async def _pusher_goes_away(world: World) -> None:
    batch = f"POST /apps/{PUSHER.app_id}/batch_events"
    await world.stand_ins.pusher.order(batch, "error_before", status=503, times=None)
