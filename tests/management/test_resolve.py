"""`booking resolve` in its three forms: an operator reports what was done, and reads what does not match."""

from __future__ import annotations

import pytest

from dispatch.events import start_ended_booking_payment
from domain.booking import ActorKind, Decision, Status
from domain.decisions import CommandOutcome
from domain.messages.signals import StripeEventHint
from domain.messages.starts import EndedBookingEvent
from tests.management.booking_driver import TOTAL_MINOR, ManagementBookingDriver
from tests.management.harness import ManagementHarness, eventually

REFUND = "POST /v1/refunds"
NOTE = "Philippa, please call us about the rate."


@pytest.fixture(autouse=True)
async def no_faults_left(shared_harness: ManagementHarness) -> None:
    await shared_harness.stripe.clear_faults()


async def _asks_for_help(booking: ManagementBookingDriver) -> bool:
    return (await booking.row()).needs_attention


async def _unrefunded(harness: ManagementHarness) -> ManagementBookingDriver:
    """The guest has cancelled a confirmed booking, and Stripe refuses the refund."""
    booking = await harness.held()
    assert (await booking.decide(Decision.APPROVE)).outcome is CommandOutcome.SETTLED
    await harness.stripe.order(REFUND, "error_before", status=403, code="not_allowed", times=None)
    assert (await booking.decide(Decision.CANCEL, ActorKind.GUEST)).outcome is CommandOutcome.NEEDS_ATTENTION
    await eventually("a call for help", lambda: _asks_for_help(booking))
    return booking


async def test_resolve_asks_what_was_done_with_the_money(shared_harness: ManagementHarness) -> None:
    booking = await _unrefunded(shared_harness)
    result = await shared_harness.run("booking", "resolve", booking.booking_id)
    assert result.exit_code == 1
    assert "nothing was changed. The guest is still owed money" in result.stderr

    result = await shared_harness.run("booking", "resolve", booking.booking_id, "--paid-elsewhere", "150.01")
    assert result.exit_code == 1
    assert "nothing was changed. The guest is owed less than that." in result.stderr

    said = await shared_harness.done("booking", "resolve", booking.booking_id, "--paid-elsewhere", "150.00")
    assert "done" in said
    assert "It is CANCELLED" in said
    row = await booking.row()
    assert (row.amount_paid_elsewhere_minor, row.amount_refunded_minor) == (TOTAL_MINOR, 0)
    shown = await shared_harness.done("booking", "show", booking.booking_id)
    assert "0.00 refunded, 150.00 paid elsewhere" in shown


async def test_withdrawn_cancellation_takes_its_note_along(shared_harness: ManagementHarness) -> None:
    booking = await _unrefunded(shared_harness)
    said = await shared_harness.done("booking", "resolve", booking.booking_id, "--withdraw", "--note", NOTE)
    assert "done" in said
    row = await booking.row()
    assert (row.status, row.reason_note) == (Status.CONFIRMED, NOTE)
    history = await booking.handle.fetch_history()
    assert NOTE not in str(history.to_json())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--withdraw"], "--withdraw and --note go together"),
        (["--note", "why"], "--withdraw and --note go together"),
        (["--withdraw", "--note", "why", "--paid-elsewhere", "1.00"], "Give one of"),
        (["--paid-elsewhere", "1.001"], "--paid-elsewhere: "),
        (["--paid-elsewhere", "0.00"], "--paid-elsewhere: "),
        (["--withdraw", "--note", "x" * 1001], "at most 1000"),
    ],
)
async def test_resolve_that_is_not_understood(
    shared_harness: ManagementHarness, options: list[str], words: str
) -> None:
    booking = await shared_harness.held()
    result = await shared_harness.run("booking", "resolve", booking.booking_id, *options)
    assert result.exit_code == 2
    assert words in result.stderr


async def test_returned_refund_of_an_ended_booking_is_paid_elsewhere(
    shared_harness: ManagementHarness,
) -> None:
    booking = await shared_harness.held()
    await booking.decide(Decision.APPROVE)
    await booking.decide(Decision.CANCEL, ActorKind.GUEST)
    await booking.handle.result()
    [payment] = await booking.payments()
    [refund] = (
        await shared_harness.stripe.ask("GET", "/_sandbox/ledger", params={"payment_intent": payment["id"]})
    )["refunds"]
    await shared_harness.stripe.ask("POST", f"/_sandbox/dashboard/refunds/{refund['id']}/fail", json={})
    hint = StripeEventHint("evt_failed", "refund.failed", None, payment["id"])
    news = EndedBookingEvent(booking.booking_id, booking.hotel.slug, hint)
    await start_ended_booking_payment(
        shared_harness.client, shared_harness.settings.temporal_task_queue, news
    )
    await eventually("a call for help", lambda: _asks_for_help(booking))
    shown = await shared_harness.done("booking", "show", booking.booking_id)
    assert "150.00 still owed" in shown
    assert "The guest's bank returned the refund, and the guest is still owed it." in shown

    result = await shared_harness.run("booking", "resolve", booking.booking_id)
    assert "nothing was changed. The guest is still owed money" in result.stderr
    said = await shared_harness.done("booking", "resolve", booking.booking_id, "--paid-elsewhere", "150.00")
    assert "done" in said
    assert not (await booking.row()).needs_attention
    assert (await booking.row()).amount_paid_elsewhere_minor == TOTAL_MINOR
