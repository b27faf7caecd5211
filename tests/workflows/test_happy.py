"""The straight ways through a booking's life: the rows of the status table that need no deadline."""

from __future__ import annotations

from temporalio.api.enums.v1 import EventType

from domain.booking import ActorKind, Decision, Event, ReasonCode, Status
from domain.decisions import CommandOutcome
from tests.workflows.harness import WorkflowHarness

_OF_TASKS = (
    EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED,
    EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED,
    EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED,
)


async def test_approved_booking_is_paid_and_kept_until_check_out(harness: WorkflowHarness) -> None:
    booking = await harness.submitted()
    assert await booking.status() is Status.PENDING_PAYMENT
    await booking.place_hold()
    assert await booking.status() is Status.PENDING_APPROVAL
    assert await booking.money() == ("requires_capture", 0, 0)

    result = await booking.approve()
    await harness.wait_until_idle()

    assert result.outcome is CommandOutcome.SETTLED
    assert result.status is Status.CONFIRMED
    assert await booking.events() == [Event.AUTHORIZED, Event.APPROVED]
    assert await booking.money() == ("succeeded", 15000, 0)
    assert await booking.guest_subjects() == [
        f"Payment authorized — awaiting hotel confirmation ({booking.booking_id})",
        f"Booking Confirmed - {booking.booking_id}",
    ]
    assert await booking.staff_subjects() == [f"New booking request - {booking.booking_id}"]
    assert await booking.published() == [(2, "PENDING_PAYMENT"), (3, "PENDING_APPROVAL"), (4, "CONFIRMED")]
    assert await booking.staff_events() == ["booking-requested"]

    row = await booking.row()
    assert row.amount_captured_minor == row.amount_minor == 15000
    assert row.paid_at
    assert row.decision_made_by == f"approver@{booking.terms.hotel_slug}.test"

    await harness.advance_to(booking.terms.check_in_at)
    assert not await booking.is_over()
    await harness.advance_to(booking.terms.check_out_at)
    assert await booking.is_over()
    assert await booking.status() is Status.CONFIRMED


async def test_history_of_an_approved_booking_does_not_grow(harness: WorkflowHarness) -> None:
    """Each event and each workflow task is work for the engine. How many messages share a task is left to chance."""
    booking = await harness.confirmed()
    events = [event.event_type for event in (await booking.handle.fetch_history()).events]
    assert len([event for event in events if event not in _OF_TASKS]) <= 35
    assert events.count(EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED) <= 18


async def test_declined_booking_is_released_with_reason_and_note(harness: WorkflowHarness) -> None:
    booking = await harness.held()
    harness.private_words.append(note := "Zqxnote all rooms flooded")

    result = await booking.decline(ReasonCode.NO_AVAILABILITY, note)
    await harness.wait_until_idle()

    assert result.outcome is CommandOutcome.SETTLED
    row = await booking.row()
    assert (row.status, row.reason_code, row.reason_note) == ("DECLINED", "NO_AVAILABILITY", note)
    assert await booking.money() == ("canceled", 0, 0)
    assert (await booking.guest_subjects())[-1] == f"Booking Update - {booking.booking_id}"
    assert await booking.is_over()


async def test_decline_without_a_reason_is_other(harness: WorkflowHarness) -> None:
    booking = await harness.held()
    await booking.decline()
    assert (await booking.row()).reason_code == "OTHER"


async def test_guest_cancels_before_paying(harness: WorkflowHarness) -> None:
    booking = await harness.submitted()
    await booking.open_page()

    result = await booking.cancel()
    await harness.wait_until_idle()

    assert result.outcome is CommandOutcome.SETTLED
    assert await booking.status() is Status.CANCELLED
    [session] = (await booking.ledger())["sessions"]
    assert session["status"] == "expired"
    assert (await booking.pay()).status_code == 410
    assert await booking.guest_subjects() == [], "the address may be a stranger's"
    assert await booking.is_over()


async def test_guest_cancels_without_ever_opening_the_page(harness: WorkflowHarness) -> None:
    booking = await harness.submitted()
    assert (await booking.cancel()).outcome is CommandOutcome.SETTLED
    assert (await booking.ledger())["sessions"] == []


async def test_guest_cancels_a_held_booking(harness: WorkflowHarness) -> None:
    booking = await harness.held()

    result = await booking.cancel()
    await harness.wait_until_idle()

    assert result.outcome is CommandOutcome.SETTLED
    assert await booking.events() == [Event.AUTHORIZED, Event.CANCELLED_BY_GUEST]
    assert await booking.money() == ("canceled", 0, 0)
    assert (await booking.guest_subjects())[-1] == f"Booking Cancelled - {booking.booking_id}"


async def test_guest_cancels_a_confirmed_booking_in_time_and_pays_nothing(harness: WorkflowHarness) -> None:
    booking = await harness.confirmed()

    result = await booking.cancel()
    await harness.wait_until_idle()

    assert result.outcome is CommandOutcome.SETTLED
    assert await booking.money() == ("succeeded", 15000, 15000)
    row = await booking.row()
    assert (row.status, row.amount_refunded_minor) == ("CANCELLED", 15000)
    [mail] = [mail for mail in await booking.mails() if mail["subject"].startswith("Booking Cancelled")]
    assert "150.00" in mail["text"]
    assert await booking.is_over()


async def test_late_cancellation_costs_what_the_policy_says(harness: WorkflowHarness) -> None:
    booking = await harness.confirmed(free_cancel_days=2, late_cancel_fee_percent=30)
    await harness.advance_to(booking.terms.free_cancel_until)

    await booking.cancel()
    await harness.wait_until_idle()

    assert await booking.money() == ("succeeded", 15000, 10500)
    assert (await booking.row()).amount_refunded_minor == 10500


async def test_cancellation_that_costs_everything_refunds_nothing(harness: WorkflowHarness) -> None:
    booking = await harness.confirmed(free_cancel_days=30, late_cancel_fee_percent=100)

    assert (await booking.cancel()).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()

    assert await booking.money() == ("succeeded", 15000, 0)
    assert await booking.status() is Status.CANCELLED


async def test_staff_cancel_a_stay_that_has_started_and_refund_all_of_it(harness: WorkflowHarness) -> None:
    booking = await harness.confirmed(check_in_days=3)
    await harness.advance_to(booking.terms.check_in_at)
    assert (await booking.cancel()).outcome is CommandOutcome.TOO_LATE
    assert (await booking.cancel(ActorKind.STAFF)).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()
    assert await booking.money() == ("succeeded", 15000, 15000)
    assert (await booking.events())[-1] is Event.CANCELLED_BY_STAFF
    assert await booking.last_actor() == f"manager@{booking.terms.hotel_slug}.test"


async def test_staff_choose_what_goes_back_and_never_less_than_the_policy_says(
    harness: WorkflowHarness,
) -> None:
    """The API refuses less; the workflow does not rely on that."""
    for chosen, refunded in ((12_000, 12_000), (0, 10_500)):
        booking = await harness.confirmed(free_cancel_days=30, late_cancel_fee_percent=30)
        command_id = await booking.send(Decision.CANCEL, ActorKind.STAFF, refund_minor=chosen)
        assert (await booking.outcome(command_id)).outcome is CommandOutcome.SETTLED
        assert await booking.money() == ("succeeded", 15000, refunded)


async def test_staff_cannot_cancel_what_is_not_confirmed(harness: WorkflowHarness) -> None:
    booking = await harness.held()
    assert (await booking.cancel(ActorKind.STAFF)).outcome is CommandOutcome.NOT_CANCELLABLE
    assert await booking.status() is Status.PENDING_APPROVAL


async def test_yen_are_held_and_captured_without_decimals(harness: WorkflowHarness) -> None:
    booking = await harness.confirmed(currency="JPY")
    assert await booking.money() == ("succeeded", 15000, 0)
    assert (await booking.intent())["currency"] == "jpy"
