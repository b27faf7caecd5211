"""`booking show`, `booking retry`, `booking resolve`: what operators see, and what comes of what they do."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlmodel import col

from dispatch.events import start_ended_booking_payment
from domain.booking import ActorKind, Decision, Status
from domain.decisions import CommandOutcome
from domain.messages.signals import StripeEventHint
from domain.messages.starts import EndedBookingEvent
from models import BookingCommand
from tests.management.booking_driver import ManagementBookingDriver
from tests.management.harness import ManagementHarness, eventually
from workflows.booking import BookingWorkflow

CAPTURE = "POST /v1/payment_intents/*/capture"
CANCEL = "POST /v1/payment_intents/*/cancel"
REFUND = "POST /v1/refunds"
UNKNOWN = "BK-00000-00000-00000"


@pytest.fixture(autouse=True)
async def no_faults_left(shared_harness: ManagementHarness) -> None:
    await shared_harness.stripe.clear_faults()


async def _refuse(harness: ManagementHarness, what: str) -> None:
    await harness.stripe.order(what, "error_before", status=403, code="not_allowed", times=None)


async def _stuck_approval(harness: ManagementHarness) -> ManagementBookingDriver:
    """Staff approved, and Stripe will not have it."""
    booking = await harness.held()
    await _refuse(harness, CAPTURE)
    assert (await booking.decide(Decision.APPROVE)).outcome is CommandOutcome.NEEDS_ATTENTION
    await eventually("a call for help", lambda: _asks_for_help(booking))
    return booking


async def _stuck_ended_booking_payment(
    harness: ManagementHarness, *, captured: bool = False
) -> ManagementBookingDriver:
    """The guest paid after the booking's end, and Stripe refuses the refund."""
    booking = await harness.declined()
    await booking.pay(await booking.strange_page())
    if captured:
        await booking.dashboard("capture")
    await _refuse(harness, REFUND if captured else CANCEL)
    late = "succeeded" if captured else "requires_capture"
    [payment] = [found for found in await booking.payments() if found["status"] == late]
    hint = StripeEventHint("evt_late", "payment_intent.amount_capturable_updated", None, payment["id"])
    news_of_payment = EndedBookingEvent(booking.booking_id, booking.hotel.slug, hint)
    await start_ended_booking_payment(harness.client, harness.settings.temporal_task_queue, news_of_payment)
    await eventually("a call for help", lambda: _asks_for_help(booking))
    return booking


async def _asks_for_help(booking: ManagementBookingDriver) -> bool:
    return (await booking.row()).needs_attention


# --- show ---


async def test_show_names_no_deadline_after_the_decision(shared_harness: ManagementHarness) -> None:
    booking = await shared_harness.confirmed()
    said = await shared_harness.done("booking", "show", booking.booking_id)
    assert "CONFIRMED" in said
    assert "Decision deadline" not in said


async def test_show_names_a_dispute(shared_harness: ManagementHarness) -> None:
    booking = await shared_harness.confirmed()
    [payment] = await booking.payments()
    path = f"/_sandbox/dashboard/charges/{payment['charge']}/dispute"
    made = await shared_harness.stripe.ask("POST", path, json={})
    hint = StripeEventHint("evt_dispute", "charge.dispute.created", None, payment["id"])
    await booking.handle.signal(BookingWorkflow.payment_changed, hint)
    await eventually("the dispute", lambda: _is_disputed(booking))
    said = " ".join((await shared_harness.done("booking", "show", booking.booking_id)).split())
    assert f"Dispute {made['id']} Disputed amount: €150.00; Reason: the guest says they did not" in said
    assert "Outcome: open: the bank waits for the hotel's evidence; Evidence due: " in said
    assert "(hotel time, Europe/Dublin)" in said


async def _is_disputed(booking: ManagementBookingDriver) -> bool:
    return "dispute_recorded" in await booking.events()


async def test_show_tells_the_story_and_keeps_the_guest_out_of_it(shared_harness: ManagementHarness) -> None:
    booking = await shared_harness.held()
    said = await shared_harness.done("booking", "show", booking.booking_id.lower())
    [payment] = await booking.payments()
    for expected in (
        f"Booking {booking.booking_id}",
        "PENDING_APPROVAL, version 3",
        "150.00 EUR: held, 0.00 captured, 0.00 refunded",
        f"https://dashboard.stripe.com/test/payments/{payment['id']}",
        "Decision deadline",
        "running: PENDING_APPROVAL, version 3, waits for the hotel's decision",
        "authorized",
        payment["session"],
        "Nothing: it waits for the hotel's decision.",
    ):
        assert expected in said
    for private in booking.private:
        assert private not in said
    assert "g…@example.com" in said


async def test_show_says_why_a_booking_needs_a_person_and_what_to_do(
    shared_harness: ManagementHarness,
) -> None:
    booking = await _stuck_approval(shared_harness)
    said = await shared_harness.done("booking", "show", booking.booking_id)
    assert "Stripe: HTTP 403, not_allowed" in said
    assert "stripe_key_rejected, since" in said
    assert "Correct STRIPE_SECRET_KEY, restart the workers, then `booking retry`" in said
    # The approval is still open: whoever settles this settles it as well.
    assert "approve" in said
    assert "not yet" in said


async def test_show_says_that_a_workflow_is_lost(shared_harness: ManagementHarness) -> None:
    booking = await shared_harness.submitted()
    await booking.lose_workflow()
    said = await shared_harness.done("booking", "show", booking.booking_id)
    assert "Its workflow is lost: `reconcile` starts it again." in said


async def test_show_of_no_booking(shared_harness: ManagementHarness) -> None:
    result = await shared_harness.run("booking", "show", UNKNOWN)
    assert (result.exit_code, result.stderr) == (1, f"There is no booking {UNKNOWN}.\n")
    result = await shared_harness.run("booking", "show", "7")
    assert result.exit_code == 2
    assert "no booking id" in result.stderr


async def test_show_without_temporal_shows_what_the_database_has(shared_harness: ManagementHarness) -> None:
    booking = await shared_harness.held()
    result = await shared_harness.run("booking", "show", booking.booking_id, TEMPORAL_ADDRESS="127.0.0.1:9")
    assert result.exit_code == 3
    assert "PENDING_APPROVAL, version 3" in result.stdout
    assert "Temporal at 127.0.0.1:9 does not answer" in result.stdout


# --- retry and resolve ---


async def test_retry_carries_the_stuck_decision_out(shared_harness: ManagementHarness) -> None:
    booking = await _stuck_approval(shared_harness)
    result = await shared_harness.run("booking", "retry", booking.booking_id)
    assert result.exit_code == 1
    assert "still needs attention (PENDING_APPROVAL" in result.stderr
    await shared_harness.stripe.clear_faults()

    said = await shared_harness.done("booking", "retry", booking.booking_id)

    assert "done, nothing left to do. It is CONFIRMED" in said
    row = await booking.row()
    assert (row.status, row.needs_attention, row.decision_made_by) == (
        "CONFIRMED",
        False,
        booking.person.email,
    )
    [payment] = await booking.payments()
    assert (payment["captures"], payment["amount_received"]) == (1, 15000)
    said = await shared_harness.done("booking", "show", booking.booking_id)
    assert "operator" in said
    assert "not yet" not in said


async def test_retry_refunds_what_was_captured_in_part_while_the_booking_had_no_workflow(
    shared_harness: ManagementHarness,
) -> None:
    """Reconciliation gives it one back, whose first look is refused the refund."""
    booking = await shared_harness.held()
    await booking.lose_workflow()
    await booking.dashboard("capture", {"amount": 5000})
    await _refuse(shared_harness, REFUND)
    await shared_harness.reconcile()
    await eventually("a call for help", lambda: _asks_for_help(booking))
    await shared_harness.stripe.clear_faults()

    said = await shared_harness.done("booking", "retry", booking.booking_id)

    assert "done, nothing left to do. It is DECLINED" in said
    assert (await booking.row()).reason_code == "PAYMENT_MISMATCH"
    [payment] = await booking.payments()
    assert (payment["amount_received"], payment["refunded"]) == (5000, 5000)


async def test_resolve_follows_what_was_done_in_the_dashboard(shared_harness: ManagementHarness) -> None:
    booking = await _stuck_approval(shared_harness)
    await booking.dashboard("cancel")
    said = await shared_harness.done("booking", "resolve", booking.booking_id)
    assert "done, nothing left to do. It is DECLINED" in said
    assert (await booking.row()).reason_code == "AUTHORIZATION_EXPIRED"


async def test_resolve_drops_a_stuck_decision_while_the_hold_stands(
    shared_harness: ManagementHarness,
) -> None:
    booking = await _stuck_approval(shared_harness)
    said = await shared_harness.done("booking", "resolve", booking.booking_id)
    assert "It is PENDING_APPROVAL" in said
    assert await booking.payments()
    await shared_harness.stripe.clear_faults()
    await booking.decide(Decision.DECLINE)
    assert await booking.status() is Status.DECLINED


async def test_resolve_of_a_guests_stuck_cancellation_follows_the_hold_they_cancelled_in_the_dashboard(
    shared_harness: ManagementHarness,
) -> None:
    booking = await shared_harness.held()
    await _refuse(shared_harness, CANCEL)
    assert (await booking.decide(Decision.CANCEL, ActorKind.GUEST)).outcome is CommandOutcome.NEEDS_ATTENTION
    await eventually("a call for help", lambda: _asks_for_help(booking))
    result = await shared_harness.run("booking", "resolve", booking.booking_id)
    assert result.exit_code == 1
    assert "still needs attention (PENDING_APPROVAL" in result.stderr

    await booking.dashboard("cancel")
    said = await shared_harness.done("booking", "resolve", booking.booking_id)

    assert "done, nothing left to do. It is CANCELLED" in said


async def test_a_healthy_booking_has_nothing_to_retry(shared_harness: ManagementHarness) -> None:
    booking = await shared_harness.held()
    said = await shared_harness.done("booking", "retry", booking.booking_id)
    assert "nothing to do" in said
    assert await booking.status() is Status.PENDING_APPROVAL


async def test_retry_reaches_the_workflow_that_returns_an_unmatched_payment(
    shared_harness: ManagementHarness,
) -> None:
    booking = await _stuck_ended_booking_payment(shared_harness)
    exit_status, document = await shared_harness.reconcile()
    [found] = [row for row in document["findings"] if row["booking_id"] == booking.booking_id]
    assert (exit_status, found["outcome"]) == (1, "left")
    assert "waits for `booking retry`" in found["detail"]

    result = await shared_harness.run("booking", "retry", booking.booking_id)
    assert result.exit_code == 1
    assert "still needs attention (DECLINED" in result.stderr
    await shared_harness.stripe.clear_faults()
    said = await shared_harness.done("booking", "retry", booking.booking_id)

    assert "done, nothing left to do. It is DECLINED" in said
    assert {payment["status"] for payment in await booking.payments()} == {"canceled"}
    assert "unmatched_payment_returned" in await booking.events()


async def test_resolve_leaves_an_unmatched_payment_alone_that_was_returned_by_hand(
    shared_harness: ManagementHarness,
) -> None:
    booking = await _stuck_ended_booking_payment(shared_harness)
    await booking.dashboard("cancel")
    said = await shared_harness.done("booking", "resolve", booking.booking_id)
    assert "done" in said
    assert not (await booking.row()).needs_attention


@pytest.mark.parametrize("command", ["retry", "resolve"])
async def test_unmatched_payment_that_was_refunded_in_the_dashboard_is_settled(
    shared_harness: ManagementHarness, command: str
) -> None:
    booking = await _stuck_ended_booking_payment(shared_harness, captured=True)
    await booking.dashboard("refund")
    # Stripe refuses refunds still: nothing is asked of it, the payment is only read.
    assert "done" in await shared_harness.done("booking", command, booking.booking_id)
    assert not (await booking.row()).needs_attention
    assert sum(payment["refunded"] for payment in await booking.payments()) == 15000
    _, document = await shared_harness.reconcile()
    assert [row for row in document["findings"] if row["booking_id"] == booking.booking_id] == []


async def test_without_a_workflow_the_operator_is_sent_to_reconcile(
    shared_harness: ManagementHarness,
) -> None:
    booking = await shared_harness.submitted()
    await booking.lose_workflow()
    result = await shared_harness.run("booking", "retry", booking.booking_id)
    assert result.exit_code == 1
    assert "has no running workflow" in result.stderr
    assert "reconcile" in result.stderr


async def test_a_draft_cannot_be_stuck(shared_harness: ManagementHarness) -> None:
    booking = await shared_harness.draft()
    result = await shared_harness.run("booking", "resolve", booking.booking_id)
    assert result.exit_code == 1
    assert "is a draft" in result.stderr


async def test_retry_of_no_booking_and_of_no_temporal(shared_harness: ManagementHarness) -> None:
    result = await shared_harness.run("booking", "retry", UNKNOWN)
    assert (result.exit_code, result.stderr) == (1, f"There is no booking {UNKNOWN}.\n")
    booking = await shared_harness.held()
    result = await shared_harness.run("booking", "retry", booking.booking_id, TEMPORAL_ADDRESS="127.0.0.1:9")
    assert result.exit_code == 3
    assert result.stderr.startswith("Temporal at 127.0.0.1:9 does not answer as it should: ")
    assert result.stderr.count("\n") == 1


async def test_without_a_worker_retry_is_safe_and_says_so(shared_harness: ManagementHarness) -> None:
    booking = await _stuck_approval(shared_harness)
    await shared_harness.stop_worker()
    try:
        result = await shared_harness.run("booking", "retry", booking.booking_id, "--wait-s", "1")
        assert result.exit_code == 4
        assert "is safe with its workflow" in result.stderr
    finally:
        await shared_harness.stripe.clear_faults()
        shared_harness.start_worker()

    async def confirmed() -> bool:
        return await booking.status() is Status.CONFIRMED

    await eventually("the retry to be carried out", confirmed)


async def test_a_draft_has_nothing_to_retry(shared_harness: ManagementHarness) -> None:
    """Refused before anything is kept: a command's row would outlive the draft."""
    booking = await shared_harness.draft()
    for command in ("retry", "resolve"):
        result = await shared_harness.run("booking", command, booking.booking_id)
        assert result.exit_code == 1
        assert "is a draft" in result.stderr
    async with shared_harness.database.transaction() as db:
        query = select(BookingCommand).where(col(BookingCommand.booking_id) == booking.booking_id)
        assert (await db.scalars(query)).all() == []
