"""The straight ways through a booking's life: the rows of the status table that need no deadline."""

from __future__ import annotations

from domain.booking import ActorKind, Event, ReasonCode, Status
from domain.decisions import Verdict
from tests.workflows.world import World


async def test_approved_booking_is_paid_and_kept_until_check_in(world: World) -> None:
    stay = await world.submitted()
    assert await stay.status() is Status.PENDING_PAYMENT
    await stay.place_hold()
    assert await stay.status() is Status.PENDING_APPROVAL
    assert await stay.money() == ("requires_capture", 0, 0)

    outcome = await stay.approve()
    await world.settle()

    assert outcome.verdict is Verdict.SETTLED
    assert outcome.status is Status.CONFIRMED
    assert await stay.events() == [Event.AUTHORIZED, Event.APPROVED]
    assert await stay.money() == ("succeeded", 15000, 0)
    assert await stay.told() == [
        f"Payment authorized — awaiting hotel confirmation ({stay.booking_id})",
        f"Booking Confirmed - {stay.booking_id}",
    ]
    assert await stay.staff_told() == [f"New booking request - {stay.booking_id}"]
    assert await stay.published() == [(2, "PENDING_PAYMENT"), (3, "PENDING_APPROVAL"), (4, "CONFIRMED")]
    assert await stay.staff_events() == ["booking-requested"]

    row = await stay.row()
    assert row.amount_captured_minor == row.amount_minor == 15000
    assert row.paid_at
    assert row.decision_made_by == f"approver@{stay.terms.hotel_slug}.test"

    await world.advance_to(stay.terms.check_in_at)
    assert await stay.is_over()
    assert await stay.status() is Status.CONFIRMED


async def test_declined_booking_is_released_with_reason_and_note(world: World) -> None:
    stay = await world.held()
    world.private_words.append(note := "Zqxnote all rooms flooded")

    outcome = await stay.decline(ReasonCode.NO_AVAILABILITY, note)
    await world.settle()

    assert outcome.verdict is Verdict.SETTLED
    row = await stay.row()
    assert (row.status, row.reason_code, row.reason_note) == ("DECLINED", "NO_AVAILABILITY", note)
    assert await stay.money() == ("canceled", 0, 0)
    assert (await stay.told())[-1] == f"Booking Update - {stay.booking_id}"
    assert await stay.is_over()


async def test_decline_without_a_reason_is_other(world: World) -> None:
    stay = await world.held()
    await stay.decline()
    assert (await stay.row()).reason_code == "OTHER"


async def test_guest_cancels_before_paying(world: World) -> None:
    stay = await world.submitted()
    await stay.open_page()

    outcome = await stay.cancel()
    await world.settle()

    assert outcome.verdict is Verdict.SETTLED
    assert await stay.status() is Status.CANCELLED
    [session] = (await stay.ledger())["sessions"]
    assert session["status"] == "expired"
    assert (await stay.pay()).status_code == 410
    assert await stay.told() == [f"Booking Cancelled - {stay.booking_id}"]
    assert await stay.is_over()


async def test_guest_cancels_without_ever_opening_the_page(world: World) -> None:
    stay = await world.submitted()
    assert (await stay.cancel()).verdict is Verdict.SETTLED
    assert (await stay.ledger())["sessions"] == []


async def test_guest_cancels_a_held_booking(world: World) -> None:
    stay = await world.held()

    outcome = await stay.cancel()
    await world.settle()

    assert outcome.verdict is Verdict.SETTLED
    assert await stay.events() == [Event.AUTHORIZED, Event.CANCELLED_BY_GUEST]
    assert await stay.money() == ("canceled", 0, 0)
    assert (await stay.told())[-1] == f"Booking Cancelled - {stay.booking_id}"


async def test_guest_cancels_a_confirmed_booking_in_time_and_pays_nothing(world: World) -> None:
    stay = await world.confirmed()

    outcome = await stay.cancel()
    await world.settle()

    assert outcome.verdict is Verdict.SETTLED
    assert await stay.money() == ("succeeded", 15000, 15000)
    row = await stay.row()
    assert (row.status, row.amount_refunded_minor) == ("CANCELLED", 15000)
    [mail] = [mail for mail in await stay.mails() if mail["subject"].startswith("Booking Cancelled")]
    assert "150.00" in mail["text"]
    assert await stay.is_over()


async def test_late_cancellation_costs_what_the_policy_says(world: World) -> None:
    stay = await world.confirmed(free_cancel_days=2, late_cancel_fee_percent=30)
    await world.advance_to(stay.terms.free_cancel_until)

    await stay.cancel()
    await world.settle()

    assert await stay.money() == ("succeeded", 15000, 10500)
    assert (await stay.row()).amount_refunded_minor == 10500


async def test_cancellation_that_costs_everything_refunds_nothing(world: World) -> None:
    stay = await world.confirmed(free_cancel_days=30, late_cancel_fee_percent=100)

    assert (await stay.cancel()).verdict is Verdict.SETTLED
    await world.settle()

    assert await stay.money() == ("succeeded", 15000, 0)
    assert await stay.status() is Status.CANCELLED


async def test_staff_cancel_a_confirmed_booking(world: World) -> None:
    stay = await world.confirmed()
    assert (await stay.cancel(ActorKind.STAFF)).verdict is Verdict.SETTLED
    await world.settle()
    assert (await stay.events())[-1] is Event.CANCELLED_BY_STAFF
    assert await stay.last_actor() == f"manager@{stay.terms.hotel_slug}.test"


async def test_staff_cannot_cancel_what_is_not_confirmed(world: World) -> None:
    stay = await world.held()
    assert (await stay.cancel(ActorKind.STAFF)).verdict is Verdict.NOT_CANCELLABLE
    assert await stay.status() is Status.PENDING_APPROVAL


async def test_yen_are_held_and_captured_without_decimals(world: World) -> None:
    stay = await world.confirmed(currency="JPY")
    assert await stay.money() == ("succeeded", 15000, 0)
    assert (await stay.intent())["currency"] == "jpy"
