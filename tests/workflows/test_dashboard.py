"""What people do in Stripe's Dashboard, and what happens to money by itself."""

from __future__ import annotations

import pytest

from domain.booking import ActorKind, Decision, Event, Status
from domain.decisions import Verdict
from tests.workflows.hotels import TOTAL_MINOR
from tests.workflows.reservation import Reservation
from tests.workflows.world import World


async def _heard(world: World) -> None:
    """Let every webhook arrive."""
    await world.postman.deliver()
    await world.settle()


async def _at_check_in(world: World) -> Reservation:
    stay = await world.confirmed()
    await world.advance_to(stay.terms.check_in_at)
    assert await stay.is_over()
    return stay


# --- while a decision is due ---


async def test_capture_in_full_confirms(world: World) -> None:
    stay = await world.held()
    await stay.dashboard("capture")
    await _heard(world)

    row = await stay.row()
    assert (row.status, row.amount_captured_minor) == (Status.CONFIRMED, TOTAL_MINOR)
    assert await stay.events() == [Event.AUTHORIZED, Event.CAPTURED_OUTSIDE]
    assert row.decision_made_by == await stay.last_actor() == ActorKind.STRIPE
    assert (await stay.told())[-1] == f"Booking Confirmed - {stay.booking_id}"
    assert not await stay.is_over(), "it is kept until check-in like any other"


async def test_capture_in_part_is_refunded_and_declines(world: World) -> None:
    stay = await world.held()
    await stay.dashboard("capture", {"amount": 5000})
    await _heard(world)

    row = await stay.row()
    assert (row.status, row.reason_code) == (Status.DECLINED, "PAYMENT_MISMATCH")
    assert (row.amount_captured_minor, row.amount_refunded_minor) == (5000, 5000)
    assert await stay.money() == ("succeeded", 5000, 5000)
    assert (await stay.told())[-1] == f"Booking Update - {stay.booking_id}"
    assert await stay.is_over()


@pytest.mark.parametrize("action", ["cancel", "lapse"])
async def test_hold_that_is_gone_declines(world: World, action: str) -> None:
    stay = await world.held()
    await stay.dashboard(action)
    await _heard(world)

    row = await stay.row()
    assert (row.status, row.reason_code) == (Status.DECLINED, "AUTHORIZATION_EXPIRED")
    assert await stay.last_actor() == ActorKind.STRIPE
    assert await stay.events() == [Event.AUTHORIZED, Event.AUTHORIZATION_LOST]
    assert (await stay.told())[-1] == f"Booking Update - {stay.booking_id}"
    assert await stay.is_over()


async def test_hold_that_is_gone_before_the_workflow_looked_declines(world: World) -> None:
    """The guest pays, and the hotel cancels in the Dashboard, before any webhook arrives."""
    stay = await world.submitted()
    await stay.open_page()
    await stay.pay()
    await stay.dashboard("cancel")
    await _heard(world)
    assert await stay.status() is Status.PENDING_PAYMENT, "nothing is held: the guest may pay again"


async def test_payment_captured_before_the_workflow_looked_confirms(world: World) -> None:
    stay = await world.submitted()
    await stay.open_page()
    await stay.pay()
    await stay.dashboard("capture")
    await _heard(world)
    assert await stay.status() is Status.CONFIRMED
    assert await stay.events() == [Event.AUTHORIZED, Event.CAPTURED_OUTSIDE]


@pytest.mark.parametrize("refunded", [TOTAL_MINOR, 4000])
@pytest.mark.parametrize("held", [False, True])
async def test_payment_captured_and_refunded_before_the_workflow_looked_is_told_of_both(
    world: World, *, held: bool, refunded: int
) -> None:
    stay = await world.submitted()
    await stay.open_page()
    if held:
        await stay.place_hold()
    else:
        await stay.pay()
    await stay.dashboard("capture")
    await stay.dashboard("refund", {"amount": refunded})
    await _heard(world)

    row = await stay.row()
    assert (row.status, row.amount_captured_minor) == (Status.CONFIRMED, TOTAL_MINOR)
    assert row.amount_refunded_minor == refunded
    assert await stay.events() == [Event.AUTHORIZED, Event.CAPTURED_OUTSIDE, Event.REFUND_RECORDED]
    assert await stay.last_actor() == ActorKind.STRIPE
    assert (await stay.staff_told())[-1] == f"Payment notice - {stay.booking_id}"


# --- unheard of, when somebody decides ---


async def test_approval_of_what_was_captured_outside_is_carried_out_already(world: World) -> None:
    stay = await world.held()
    await stay.dashboard("capture")
    assert (await stay.approve()).verdict is Verdict.SETTLED
    await _heard(world)
    assert await stay.events() == [Event.AUTHORIZED, Event.APPROVED]
    assert (await stay.intent())["captures"] == 1


async def test_decline_of_what_was_captured_outside_comes_too_late(world: World) -> None:
    stay = await world.held()
    await stay.dashboard("capture")
    assert (await stay.decline()).verdict is Verdict.ALREADY_DECIDED
    await _heard(world)
    assert await stay.status() is Status.CONFIRMED
    assert (await stay.events())[-1] is Event.CAPTURED_OUTSIDE


async def test_guests_cancellation_of_what_was_captured_outside_comes_too_early(world: World) -> None:
    """The guest meant the hold; what they would get back now is another question, to be asked again."""
    stay = await world.held()
    await stay.dashboard("capture")
    assert (await stay.cancel()).verdict is Verdict.ALREADY_DECIDED
    assert await stay.status() is Status.CONFIRMED
    assert (await stay.cancel()).verdict is Verdict.SETTLED
    await _heard(world)
    assert await stay.money() == ("succeeded", TOTAL_MINOR, TOTAL_MINOR)


async def test_approval_of_what_was_captured_and_refunded_outside_is_told_of_both(world: World) -> None:
    stay = await world.held()
    await stay.dashboard("capture")
    await stay.dashboard("refund")
    assert (await stay.approve()).verdict is Verdict.SETTLED
    await _heard(world)
    assert await stay.events() == [Event.AUTHORIZED, Event.APPROVED, Event.REFUND_RECORDED]
    assert (await stay.staff_told())[-1] == f"Payment notice - {stay.booking_id}"


@pytest.mark.parametrize("action", ["cancel", "lapse"])
async def test_approval_of_a_hold_that_is_gone_declines(world: World, action: str) -> None:
    stay = await world.held()
    await stay.dashboard(action)
    command_id = await stay.send(Decision.APPROVE)
    assert (await stay.outcome(command_id)).verdict is Verdict.ALREADY_DECIDED
    await _heard(world)
    row = await stay.row()
    assert (row.status, row.reason_code) == (Status.DECLINED, "AUTHORIZATION_EXPIRED")
    assert await stay.verdict(command_id) == Verdict.ALREADY_DECIDED


async def test_decline_of_a_hold_that_was_cancelled_outside_is_carried_out_already(world: World) -> None:
    stay = await world.held()
    await stay.dashboard("cancel")
    assert (await stay.decline()).verdict is Verdict.SETTLED
    await _heard(world)
    assert (await stay.events())[-1] is Event.DECLINED


async def test_person_who_looks_sees_the_truth_before_any_webhook(world: World) -> None:
    stay = await world.held()
    await stay.dashboard("capture")
    assert (await stay.come_back()).status is Status.CONFIRMED


# --- after the confirmation ---


@pytest.mark.parametrize("after_check_in", [False, True])
async def test_refund_is_recorded_and_staff_are_told(world: World, *, after_check_in: bool) -> None:
    stay = await (_at_check_in(world) if after_check_in else world.confirmed())
    await stay.dashboard("refund", {"amount": 4000})
    await _heard(world)

    row = await stay.row()
    assert (row.status, row.amount_refunded_minor) == (Status.CONFIRMED, 4000)
    assert (await stay.events())[2:] == [Event.REFUND_RECORDED], "several events tell of one refund"
    assert await stay.last_actor() == ActorKind.STRIPE
    assert len(await stay.staff_told()) == 2, "the request, and the refund"
    assert len(await stay.told()) == 2

    await stay.dashboard("refund", {"amount": 1000})
    await _heard(world)
    assert (await stay.row()).amount_refunded_minor == 5000
    assert await stay.money() == ("succeeded", TOTAL_MINOR, 5000)


@pytest.mark.parametrize("after_check_in", [False, True])
@pytest.mark.parametrize("won", [False, True])
async def test_dispute_is_recorded_when_it_opens_and_when_it_closes(
    world: World, *, won: bool, after_check_in: bool
) -> None:
    stay = await (_at_check_in(world) if after_check_in else world.confirmed())
    await stay.dispute()
    await _heard(world)
    assert (await stay.events())[2:] == [Event.DISPUTE_RECORDED]
    await stay.close_dispute(won=won)
    await _heard(world)
    assert (await stay.events())[2:] == [Event.DISPUTE_RECORDED, Event.DISPUTE_RECORDED]
    assert await stay.status() is Status.CONFIRMED
    assert (await stay.row()).amount_refunded_minor == 0


async def test_refund_that_fails_at_the_bank_is_recorded(world: World) -> None:
    stay = await world.confirmed()
    made = await stay.dashboard("refund")
    await _heard(world)
    assert (await stay.row()).amount_refunded_minor == TOTAL_MINOR

    await world.stripe.ask("POST", f"/_sandbox/dashboard/refunds/{made['id']}/fail", json={})
    await _heard(world)

    assert (await stay.row()).amount_refunded_minor == 0
    assert (await stay.events())[2:] == [Event.REFUND_RECORDED, Event.REFUND_RECORDED]


async def test_refund_of_a_cancelled_booking_that_fails_at_the_bank_asks_for_a_person(world: World) -> None:
    stay = await world.confirmed()
    await stay.cancel()
    await _heard(world)
    assert (await stay.row()).amount_refunded_minor == TOTAL_MINOR
    [made] = (await stay.ledger())["refunds"]
    told = len(await stay.staff_told())

    await world.stripe.ask("POST", f"/_sandbox/dashboard/refunds/{made['id']}/fail", json={})
    await _heard(world)

    row = await stay.row()
    assert (row.status, row.amount_refunded_minor) == (Status.CANCELLED, 0)
    assert (await stay.events())[-2:] == [Event.REFUND_RECORDED, Event.ATTENTION_NEEDED]
    assert "came back from the guest's bank" in str(row.needs_attention)
    assert len(await stay.staff_told()) == told + 2, "somebody has to pay the guest by other means"

    await world.retry_stray()
    await world.settle()
    assert (await stay.row()).needs_attention is None
    world.excused = "M3"  # which the bank has broken


async def _late_money_returned(world: World) -> Reservation:
    """An expired booking whose guest paid too late; somebody captured that, and it was refunded."""
    stay = await world.submitted(payment_window_s=3600)
    await world.advance(minutes=61)
    assert await stay.status() is Status.EXPIRED
    await stay.fill_in(await stay.unnoted_page())
    await stay.dashboard("capture")
    await _heard(world)
    assert await stay.money() == ("succeeded", TOTAL_MINOR, TOTAL_MINOR)
    return stay


async def test_refund_of_late_money_that_fails_at_the_bank_asks_for_a_person(world: World) -> None:
    """Stripe answers the same refund from memory for a day; that is no proof that anything went back."""
    stay = await _late_money_returned(world)
    [made] = (await stay.ledger())["refunds"]

    await world.stripe.ask("POST", f"/_sandbox/dashboard/refunds/{made['id']}/fail", json={})
    await _heard(world)

    row = await stay.row()
    assert (row.status, row.needs_attention) == (Status.EXPIRED, "The refund did not go through.")
    assert (await stay.events())[1:] == [Event.STRAY_PAYMENT_RETURNED, Event.ATTENTION_NEEDED]
    assert await stay.money() == ("succeeded", TOTAL_MINOR, 0)
    assert (await stay.staff_told())[-1] == f"Attention needed - {stay.booking_id}"

    await stay.dashboard("refund")
    await world.retry_stray()
    await _heard(world)
    assert (await stay.row()).needs_attention is None
    assert Event.STRAY_PAYMENT_RETURNED not in (await stay.events())[2:]


async def test_refund_of_late_money_that_failed_is_made_anew_a_day_later(world: World) -> None:
    stay = await _late_money_returned(world)
    [made] = (await stay.ledger())["refunds"]
    await world.stripe.ask("POST", f"/_sandbox/dashboard/refunds/{made['id']}/fail", json={})
    await _heard(world)

    await world.advance(hours=25)
    await world.retry_stray()
    await _heard(world)

    assert await stay.money() == ("succeeded", TOTAL_MINOR, TOTAL_MINOR)
    assert (await stay.row()).needs_attention is None


async def test_cancellation_of_a_disputed_stay_asks_for_a_person(world: World) -> None:
    stay = await world.confirmed()
    await stay.dispute()
    await _heard(world)
    assert (await stay.cancel()).verdict is Verdict.NEEDS_ATTENTION
    await world.settle()
    row = await stay.row()
    assert row.status == Status.CONFIRMED
    assert "charge_disputed" in str(row.needs_attention)
    assert await stay.money() == ("succeeded", TOTAL_MINOR, 0)
    assert any(subject.startswith("Attention needed") for subject in await stay.staff_told())
