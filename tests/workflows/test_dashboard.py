"""Actions in Stripe's Dashboard, and changes of a payment without any request."""

from __future__ import annotations

import pytest

from domain.attention import AttentionCode
from domain.booking import ActorKind, Decision, Event, Status
from domain.decisions import CommandOutcome
from tests.workflows.booking_driver import BookingDriver
from tests.workflows.harness import WorkflowHarness
from tests.workflows.hotels import TOTAL_MINOR


async def _heard(harness: WorkflowHarness) -> None:
    """Let every webhook arrive."""
    await harness.webhooks.deliver()
    await harness.wait_until_idle()


async def _at_check_out(harness: WorkflowHarness) -> BookingDriver:
    booking = await harness.confirmed()
    await harness.advance_to(booking.terms.check_out_at)
    assert await booking.is_over()
    return booking


# --- while a decision is due ---


async def test_capture_in_full_confirms(harness: WorkflowHarness) -> None:
    booking = await harness.held()
    await booking.dashboard("capture")
    await _heard(harness)

    row = await booking.row()
    assert (row.status, row.amount_captured_minor) == (Status.CONFIRMED, TOTAL_MINOR)
    assert await booking.events() == [Event.AUTHORIZED, Event.CAPTURED_OUTSIDE]
    assert row.decision_made_by == await booking.last_actor() == ActorKind.STRIPE
    assert (await booking.guest_subjects())[-1] == f"Booking Confirmed - {booking.booking_id}"
    assert not await booking.is_over(), "it is kept until check-in like any other"


async def test_capture_in_part_is_refunded_and_declines(harness: WorkflowHarness) -> None:
    booking = await harness.held()
    await booking.dashboard("capture", {"amount": 5000})
    await _heard(harness)

    row = await booking.row()
    assert (row.status, row.reason_code) == (Status.DECLINED, "PAYMENT_MISMATCH")
    assert (row.amount_captured_minor, row.amount_refunded_minor) == (5000, 5000)
    assert await booking.money() == ("succeeded", 5000, 5000)
    assert (await booking.guest_subjects())[-1] == f"Booking Update - {booking.booking_id}"
    assert await booking.is_over()


@pytest.mark.parametrize("action", ["cancel", "lapse"])
async def test_hold_that_is_gone_declines(harness: WorkflowHarness, action: str) -> None:
    booking = await harness.held()
    await booking.dashboard(action)
    await _heard(harness)

    row = await booking.row()
    assert (row.status, row.reason_code) == (Status.DECLINED, "AUTHORIZATION_EXPIRED")
    assert await booking.last_actor() == ActorKind.STRIPE
    assert await booking.events() == [Event.AUTHORIZED, Event.AUTHORIZATION_LOST]
    assert (await booking.guest_subjects())[-1] == f"Booking Update - {booking.booking_id}"
    assert await booking.is_over()


async def test_hold_that_is_gone_before_the_workflow_looked_declines(harness: WorkflowHarness) -> None:
    """The guest pays, and the hotel cancels in the Dashboard, before any webhook arrives."""
    booking = await harness.submitted()
    await booking.open_page()
    await booking.pay()
    await booking.dashboard("cancel")
    await _heard(harness)
    assert await booking.status() is Status.PENDING_PAYMENT, "nothing is held: the guest may pay again"


async def test_payment_captured_before_the_workflow_looked_confirms(harness: WorkflowHarness) -> None:
    booking = await harness.submitted()
    await booking.open_page()
    await booking.pay()
    await booking.dashboard("capture")
    await _heard(harness)
    assert await booking.status() is Status.CONFIRMED
    assert await booking.events() == [Event.AUTHORIZED, Event.CAPTURED_OUTSIDE]


@pytest.mark.parametrize("refunded", [TOTAL_MINOR, 4000])
@pytest.mark.parametrize("held", [False, True])
async def test_payment_captured_and_refunded_before_the_workflow_looked_is_told_of_both(
    harness: WorkflowHarness, *, held: bool, refunded: int
) -> None:
    booking = await harness.submitted()
    await booking.open_page()
    if held:
        await booking.place_hold()
    else:
        await booking.pay()
    await booking.dashboard("capture")
    await booking.dashboard("refund", {"amount": refunded})
    await _heard(harness)

    row = await booking.row()
    assert (row.status, row.amount_captured_minor) == (Status.CONFIRMED, TOTAL_MINOR)
    assert row.amount_refunded_minor == refunded
    assert await booking.events() == [Event.AUTHORIZED, Event.CAPTURED_OUTSIDE, Event.REFUND_RECORDED]
    assert await booking.last_actor() == ActorKind.STRIPE
    # The mails of changes that follow one another at once may arrive in any order.
    assert f"Payment notice - {booking.booking_id}" in await booking.staff_subjects()


# --- unheard of, when someone decides ---


async def test_approval_of_what_was_captured_outside_is_carried_out_already(harness: WorkflowHarness) -> None:
    booking = await harness.held()
    await booking.dashboard("capture")
    assert (await booking.approve()).outcome is CommandOutcome.SETTLED
    await _heard(harness)
    assert await booking.events() == [Event.AUTHORIZED, Event.APPROVED]
    assert (await booking.intent())["captures"] == 1


async def test_decline_of_what_was_captured_outside_comes_too_late(harness: WorkflowHarness) -> None:
    booking = await harness.held()
    await booking.dashboard("capture")
    assert (await booking.decline()).outcome is CommandOutcome.ALREADY_DECIDED
    await _heard(harness)
    assert await booking.status() is Status.CONFIRMED
    assert (await booking.events())[-1] is Event.CAPTURED_OUTSIDE


async def test_guests_cancellation_of_what_was_captured_outside_comes_too_early(
    harness: WorkflowHarness,
) -> None:
    """The guest meant the hold; what they would get back now is another question, to be asked again."""
    booking = await harness.held()
    await booking.dashboard("capture")
    assert (await booking.cancel()).outcome is CommandOutcome.ALREADY_DECIDED
    assert await booking.status() is Status.CONFIRMED
    assert (await booking.cancel()).outcome is CommandOutcome.SETTLED
    await _heard(harness)
    assert await booking.money() == ("succeeded", TOTAL_MINOR, TOTAL_MINOR)


async def test_approval_of_what_was_captured_and_refunded_outside_is_told_of_both(
    harness: WorkflowHarness,
) -> None:
    booking = await harness.held()
    await booking.dashboard("capture")
    await booking.dashboard("refund")
    assert (await booking.approve()).outcome is CommandOutcome.SETTLED
    await _heard(harness)
    assert await booking.events() == [Event.AUTHORIZED, Event.APPROVED, Event.REFUND_RECORDED]
    assert (await booking.staff_subjects())[-1] == f"Payment notice - {booking.booking_id}"


@pytest.mark.parametrize("action", ["cancel", "lapse"])
async def test_approval_of_a_hold_that_is_gone_declines(harness: WorkflowHarness, action: str) -> None:
    booking = await harness.held()
    await booking.dashboard(action)
    command_id = await booking.send(Decision.APPROVE)
    assert (await booking.outcome(command_id)).outcome is CommandOutcome.ALREADY_DECIDED
    await _heard(harness)
    row = await booking.row()
    assert (row.status, row.reason_code) == (Status.DECLINED, "AUTHORIZATION_EXPIRED")
    assert await booking.recorded_outcome(command_id) == CommandOutcome.ALREADY_DECIDED


async def test_decline_of_a_hold_that_was_cancelled_outside_is_carried_out_already(
    harness: WorkflowHarness,
) -> None:
    booking = await harness.held()
    await booking.dashboard("cancel")
    assert (await booking.decline()).outcome is CommandOutcome.SETTLED
    await _heard(harness)
    assert (await booking.events())[-1] is Event.DECLINED


async def test_person_who_looks_sees_the_truth_before_any_webhook(harness: WorkflowHarness) -> None:
    booking = await harness.held()
    await booking.dashboard("capture")
    assert (await booking.come_back()).status is Status.CONFIRMED


# --- after the confirmation ---


@pytest.mark.parametrize("after_check_in", [False, True])
async def test_refund_is_recorded_and_staff_are_told(
    harness: WorkflowHarness, *, after_check_in: bool
) -> None:
    booking = await (_at_check_out(harness) if after_check_in else harness.confirmed())
    await booking.dashboard("refund", {"amount": 4000})
    await _heard(harness)

    row = await booking.row()
    assert (row.status, row.amount_refunded_minor) == (Status.CONFIRMED, 4000)
    assert (await booking.events())[2:] == [Event.REFUND_RECORDED], "several events tell of one refund"
    assert await booking.last_actor() == ActorKind.STRIPE
    assert len(await booking.staff_subjects()) == 2, "the request, and the refund"
    assert len(await booking.guest_subjects()) == 2

    await booking.dashboard("refund", {"amount": 1000})
    await _heard(harness)
    assert (await booking.row()).amount_refunded_minor == 5000
    assert await booking.money() == ("succeeded", TOTAL_MINOR, 5000)


@pytest.mark.parametrize("after_check_in", [False, True])
@pytest.mark.parametrize("won", [False, True])
async def test_dispute_is_recorded_when_it_opens_and_when_it_closes(
    harness: WorkflowHarness, *, won: bool, after_check_in: bool
) -> None:
    booking = await (_at_check_out(harness) if after_check_in else harness.confirmed())
    await booking.dispute()
    await _heard(harness)
    assert (await booking.events())[2:] == [Event.DISPUTE_RECORDED]
    await booking.close_dispute(won=won)
    await _heard(harness)
    assert (await booking.events())[2:] == [Event.DISPUTE_RECORDED, Event.DISPUTE_RECORDED]
    assert await booking.status() is Status.CONFIRMED
    assert (await booking.row()).amount_refunded_minor == 0


async def test_refund_that_fails_at_the_bank_is_recorded(harness: WorkflowHarness) -> None:
    booking = await harness.confirmed()
    made = await booking.dashboard("refund")
    await _heard(harness)
    assert (await booking.row()).amount_refunded_minor == TOTAL_MINOR

    await harness.stripe.ask("POST", f"/_sandbox/dashboard/refunds/{made['id']}/fail", json={})
    await _heard(harness)

    assert (await booking.row()).amount_refunded_minor == 0
    assert (await booking.events())[2:] == [Event.REFUND_RECORDED, Event.REFUND_RETURNED]
    assert not await booking.attention(), "nothing is owed to a guest who has not cancelled"


async def test_cancellation_of_a_disputed_stay_asks_for_a_person(harness: WorkflowHarness) -> None:
    booking = await harness.confirmed()
    await booking.dispute()
    await _heard(harness)
    assert (await booking.cancel()).outcome is CommandOutcome.NEEDS_ATTENTION
    await harness.wait_until_idle()
    row = await booking.row()
    assert row.status == Status.CONFIRMED
    [reason] = await booking.attention()
    assert (reason.code, "charge_disputed" in reason.detail) == (AttentionCode.STRIPE_REFUSED, True)
    assert await booking.money() == ("succeeded", TOTAL_MINOR, 0)
    assert any(subject.startswith("Attention needed") for subject in await booking.staff_subjects())
