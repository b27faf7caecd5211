"""Worker, PostgreSQL, mail server and Pusher are away for a while: bookings wait or go on, and nothing is lost."""

from __future__ import annotations

from datetime import timedelta

import pytest

from domain.booking import Decision, Event, Status
from domain.decisions import Verdict
from tests.workflows.hotels import TOTAL_MINOR
from tests.workflows.reservation import Reservation
from tests.workflows.servers import PUSHER
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
