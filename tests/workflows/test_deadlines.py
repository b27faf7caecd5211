"""Every clock that can run out, on the test server's skipped time."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import update

from dispatch.client import start_booking
from domain.booking import Decision, Event, Status
from domain.decisions import Verdict
from models import Hotel
from reconciliation.queries import terms_to_go_on
from tests.workflows.reservation import UNTIMED_CARD, Reservation
from tests.workflows.wire import Trouble
from tests.workflows.world import World

HOUR_S, DAY_S = 3600, 86400
LONG_SLA_S = 30 * DAY_S
A_MOMENT = timedelta(seconds=10)


async def _sessions(stay: Reservation) -> list[str]:
    return [session["status"] for session in (await stay.ledger())["sessions"]]


async def _ended(stay: Reservation) -> tuple[str, str | None, datetime]:
    last = (await stay.timeline())[-1]
    return last.event, (await stay.row()).reason_code, last.at


# --- the payment window ---


async def test_booking_nobody_pays_expires_with_its_session(world: World) -> None:
    stay = await world.submitted()
    submitted_at = (await stay.timeline())[-1].at
    await stay.open_page()

    await world.advance(hours=24, minutes=1)

    assert await stay.status() is Status.EXPIRED
    assert await _sessions(stay) == ["expired"]
    assert await stay.told() == [f"Booking Expired - {stay.booking_id}"]
    assert timedelta(0) <= (await stay.timeline())[-1].at - submitted_at - timedelta(days=1) < A_MOMENT
    assert await stay.is_over()


async def test_booking_whose_page_was_never_opened_expires_as_well(world: World) -> None:
    stay = await world.submitted(payment_window_s=HOUR_S)
    await world.advance(minutes=59)
    assert await stay.status() is Status.PENDING_PAYMENT
    await world.advance(minutes=2)
    assert await stay.status() is Status.EXPIRED


async def test_window_shorter_than_stripe_allows_is_ended_by_us(world: World) -> None:
    stay = await world.submitted(payment_window_s=600)
    opened_at = await world.now()
    await stay.open_page()
    [session] = (await stay.ledger())["sessions"]
    assert session["expires_at"] >= opened_at.timestamp() + 31 * 60 - 1

    await world.advance(minutes=11)

    assert await stay.status() is Status.EXPIRED
    assert await _sessions(stay) == ["expired"]
    assert (await stay.pay()).status_code == 410


async def test_window_longer_than_a_session_takes_a_second_one(world: World) -> None:
    stay = await world.submitted(payment_window_s=2 * DAY_S)
    first = await stay.open_page()
    await world.advance(hours=24)
    assert await _sessions(stay) == ["expired"], "a session lasts a day at most"
    assert await stay.status() is Status.PENDING_PAYMENT

    second = await stay.open_page()
    await stay.place_hold()

    assert second.created
    assert second.session_id != first.session_id
    assert await stay.status() is Status.PENDING_APPROVAL


async def test_long_window_ends_at_its_own_end(world: World) -> None:
    stay = await world.submitted(payment_window_s=2 * DAY_S)
    await stay.open_page()
    await world.advance(hours=47, minutes=59)
    assert await stay.status() is Status.PENDING_PAYMENT
    await world.advance(minutes=2)
    assert await stay.status() is Status.EXPIRED


async def test_completed_session_wins_over_the_windows_end(world: World) -> None:
    """The guest paid in time, every webhook got lost, and no poll came between."""
    stay = await world.submitted(payment_window_s=HOUR_S)
    await stay.open_page()
    world.postman.on_strike = True
    await stay.pay()
    await world.postman.lose()

    await world.advance(hours=1, minutes=1)

    assert await stay.status() is Status.PENDING_APPROVAL
    assert await stay.events() == [Event.AUTHORIZED]


@pytest.mark.forgetful
async def test_page_is_not_payable_once_the_window_is_over(world: World) -> None:
    stay = await world.submitted(payment_window_s=HOUR_S)
    await stay.open_page()
    closes_at = (await stay.view()).payment_deadline
    assert closes_at is not None
    await world.without_worker_until(closes_at)
    asked = world.later(stay.open_page())
    world.crew.start()
    answer = await asked
    assert not answer.payable
    await world.settle()
    assert await stay.status() is Status.EXPIRED


# --- the decision ---


@pytest.mark.parametrize(
    ("options", "hold_s", "after", "event", "reason"),
    [
        ({}, None, timedelta(days=1), Event.APPROVAL_TIMED_OUT, "APPROVAL_TIMEOUT"),
        ({"approval_sla_s": HOUR_S}, None, timedelta(hours=1), Event.APPROVAL_TIMED_OUT, "APPROVAL_TIMEOUT"),
        (
            {"approval_sla_s": LONG_SLA_S},
            7 * DAY_S,
            timedelta(days=7, hours=-1),
            Event.AUTHORIZATION_LOST,
            "AUTHORIZATION_EXPIRED",
        ),
        # The margin is a tenth of a short hold.
        ({}, HOUR_S, timedelta(minutes=54), Event.AUTHORIZATION_LOST, "AUTHORIZATION_EXPIRED"),
        (
            {"authorization_margin_s": 600},
            12 * HOUR_S,
            timedelta(hours=12, minutes=-10),
            Event.AUTHORIZATION_LOST,
            "AUTHORIZATION_EXPIRED",
        ),
    ],
)
async def test_hold_nobody_decides_on_is_released(
    world: World, options: dict[str, int], hold_s: int | None, after: timedelta, event: Event, reason: str
) -> None:
    stay = await world.held(hold_s=hold_s, **options)
    row = await stay.row()
    assert row.payment_authorized_at
    deadline = row.payment_authorized_at + after
    assert row.decision_deadline == deadline

    await world.advance_to(deadline - timedelta(minutes=1))
    assert await stay.status() is Status.PENDING_APPROVAL
    await world.advance(minutes=2)

    happened, code, at = await _ended(stay)
    assert (happened, code) == (event, reason)
    assert timedelta(0) <= at - deadline < A_MOMENT
    intent = await stay.intent()
    assert (intent["status"], intent["cancellation_reason"]) == ("canceled", "abandoned"), "released by us"
    assert (await stay.told())[-1] == f"Booking Update - {stay.booking_id}"


async def test_hotels_cutoff_ends_the_wait(world: World) -> None:
    stay = await world.held(check_in_days=3, cutoff_days_before=2, cutoff_hour=23, approval_sla_s=LONG_SLA_S)
    assert (await stay.row()).decision_deadline == stay.terms.cutoff_at
    assert stay.terms.cutoff_at is not None

    await world.advance_to(stay.terms.cutoff_at + timedelta(minutes=1))

    assert (await _ended(stay))[:2] == (Event.APPROVAL_TIMED_OUT, "APPROVAL_TIMEOUT")


async def test_without_capture_before_the_shortest_hold_is_assumed(world: World) -> None:
    stay = await world.submitted(approval_sla_s=LONG_SLA_S)
    await stay.place_hold(card=UNTIMED_CARD)
    row = await stay.row()
    assert row.payment_authorized_at
    assert row.decision_deadline == row.payment_authorized_at + timedelta(days=4, hours=17)

    await world.advance(days=4, hours=17, minutes=1)

    assert (await _ended(stay))[:2] == (Event.AUTHORIZATION_LOST, "AUTHORIZATION_EXPIRED")


async def test_staff_are_reminded_when_a_quarter_of_the_time_is_left(world: World) -> None:
    stay = await world.held()
    await world.advance(hours=17, minutes=59)
    assert "booking-deadline-near" not in await stay.staff_events()
    await world.advance(minutes=2)
    assert (await stay.staff_told())[-1] == f"Decision due - {stay.booking_id}"
    assert await stay.staff_events() == ["booking-requested", "booking-deadline-near"]
    reminded = [mail["to"] for mail in await stay.mails() if mail["subject"].startswith("Decision due")]
    assert sorted(reminded) == [[f"{role}@{stay.terms.hotel_slug}.test"] for role in ("approver", "manager")]

    await world.advance(hours=3)
    assert (await stay.staff_told()).count(f"Decision due - {stay.booking_id}") == 1


async def test_decided_booking_reminds_nobody(world: World) -> None:
    stay = await world.confirmed()
    await world.advance(hours=30)
    assert await stay.staff_events() == ["booking-requested"]


@pytest.mark.forgetful
async def test_decision_after_the_deadline_counts_until_the_release_has_begun(world: World) -> None:
    """The worker was down when the deadline passed; timer and decision reach it together."""
    stay = await world.held()
    await world.advance(hours=20)
    assert "booking-deadline-near" in await stay.staff_events(), "no timer is left but the deadline's"
    await world.without_worker_until(await stay.deadline())
    command_id = await stay.send(Decision.APPROVE)

    world.crew.start()
    await world.settle()

    assert await stay.verdict(command_id) == Verdict.SETTLED
    assert await stay.status() is Status.CONFIRMED


@pytest.mark.parametrize("stripe_is_late", [False, True])
async def test_approval_after_capture_before_never_confirms(world: World, *, stripe_is_late: bool) -> None:
    """The approval waited behind other news while Stripe was away.

    Stripe may be late to let a hold lapse; the bank need not be.
    """
    stay = await world.held(hold_s=HOUR_S)
    world.wire.order("payments.read", Trouble.BEFORE, times=1000)
    world.clock.stripe_follows = not stripe_is_late
    world.postman.on_strike = True
    await stay.hint("payment_intent.succeeded")
    command_id = await stay.send(Decision.APPROVE)
    await world.advance(hours=2)
    assert await stay.status() is Status.PENDING_APPROVAL

    world.wire.heal()
    await world.advance(minutes=6)

    assert (await stay.outcome(command_id)).verdict is Verdict.ALREADY_DECIDED
    assert (await _ended(stay))[:2] == (Event.AUTHORIZATION_LOST, "AUTHORIZATION_EXPIRED")
    intent = await stay.intent()
    assert (intent["status"], intent["captures"]) == ("canceled", 0)
    assert intent["cancellation_reason"] == ("abandoned" if stripe_is_late else "automatic")


# --- check-in ---


async def test_confirmed_booking_can_be_cancelled_up_to_check_in(world: World) -> None:
    stay = await world.confirmed()
    await world.advance_to(stay.terms.check_in_at - timedelta(minutes=1))
    assert (await stay.cancel()).verdict is Verdict.SETTLED


@pytest.mark.forgetful
async def test_cancellation_that_meets_check_in_is_too_late(world: World) -> None:
    stay = await world.confirmed()
    await world.without_worker_until(stay.terms.check_in_at)
    command_id = await stay.send(Decision.CANCEL)

    world.crew.start()
    await world.settle()

    # The workflow has ended with this answer; from then on the books give it, and no update is taken.
    assert await stay.is_over()
    assert await stay.verdict(command_id) == Verdict.TOO_LATE
    assert await stay.status() is Status.CONFIRMED


async def test_hold_placed_when_the_cutoff_is_over_goes_back_at_once(world: World) -> None:
    stay = await world.submitted(
        check_in_days=3, cutoff_days_before=2, cutoff_hour=23, payment_window_s=4 * DAY_S
    )
    assert stay.terms.cutoff_at is not None
    await world.advance_to(stay.terms.cutoff_at + timedelta(minutes=1))
    assert await stay.status() is Status.PENDING_PAYMENT
    await stay.place_hold()
    assert await stay.events() == [Event.AUTHORIZED, Event.APPROVAL_TIMED_OUT]
    assert await stay.money() == ("canceled", 0, 0)
    assert (await stay.told())[-1] == f"Booking Update - {stay.booking_id}"


async def test_a_lost_booking_keeps_the_deadline_that_was_told(world: World) -> None:
    """The hotel gives itself more time since; guest and staff were told otherwise."""
    stay = await world.held(approval_sla_s=2 * 3600)
    told = await stay.deadline()
    await stay.handle.terminate("lost")
    async with world.database.transaction() as db:
        await db.execute(update(Hotel).values(approval_sla_s=50 * 3600))
    async with world.database.transaction() as db:
        terms = await terms_to_go_on(
            db, stay.booking_id, (await stay.row()).version, authorization_margin_s=3600, payment_poll_s=300
        )
    assert terms is not None
    assert terms.approval_sla_s == 50 * 3600
    await start_booking(world.client, terms, world.task_queue)
    await world.settle()
    assert (await stay.view()).decision_deadline == told
    await world.advance(hours=2, minutes=1)
    row = await stay.row()
    assert (row.status, row.reason_code) == (Status.DECLINED, "APPROVAL_TIMEOUT")
