"""Refunds that the bank sends back: the guest is owed the money, and the booking needs attention until they have it."""

from __future__ import annotations

import pytest

from dispatch.names import NEEDS_ATTENTION
from domain.attention import AttentionCode
from domain.booking import ActorKind, Event, Status
from domain.decisions import CommandOutcome
from domain.identifiers import new_command_id
from domain.messages.signals import Command
from tests.workflows.activity_faults import FaultMode
from tests.workflows.attention import REFUNDED
from tests.workflows.booking_driver import BookingDriver
from tests.workflows.harness import WorkflowHarness
from tests.workflows.hotels import TOTAL_MINOR
from tests.workflows.refusals import REFUND, refuse
from tests.workflows.situations import fail_newest_refund, leave_unmatched_payment_stuck
from workflows.ended_booking import EndedBookingPaymentWorkflow

UNREFUNDED = ("succeeded", TOTAL_MINOR, 0)


async def _heard(harness: WorkflowHarness) -> None:
    await harness.webhooks.deliver()
    await harness.wait_until_idle()


async def _returned(harness: WorkflowHarness) -> BookingDriver:
    """A cancelled booking, its workflow completed, whose full refund came back."""
    booking = await harness.confirmed()
    await booking.cancel()
    await _heard(harness)
    assert await booking.money() == REFUNDED
    await fail_newest_refund(harness, booking)
    return booking


async def _resolve_after_end(
    harness: WorkflowHarness, booking: BookingDriver, paid_elsewhere_minor: int | None = None
) -> str | None:
    """Tell the workflow that waits what was done, and return the command's outcome."""
    command_id = await booking.keep_help()
    command = Command(command_id, ActorKind.OPERATOR, paid_elsewhere_minor=paid_elsewhere_minor)
    [waiting] = await harness.running_ended_booking_payments()
    await harness.client.get_workflow_handle(waiting).signal(EndedBookingPaymentWorkflow.resolve, command)
    await harness.wait_until_idle()
    return await booking.recorded_outcome(command_id)


async def test_refund_that_comes_back_is_told_and_calls_a_person(harness: WorkflowHarness) -> None:
    booking = await _returned(harness)
    row = await booking.row()
    assert (row.status, row.amount_refunded_minor) == (Status.CANCELLED, 0)
    assert (await booking.events())[-1] is Event.REFUND_RETURNED
    assert await booking.attention_codes() == [AttentionCode.REFUND_RETURNED]
    assert len(await harness.running_ended_booking_payments()) == 1, "two of them would refund it twice"
    texts = [mail["text"] for mail in await booking.mails() if "Payment notice" in mail["subject"]]
    assert texts
    assert all(
        "The guest's bank returned the refund, and the guest is still owed it." in text for text in texts
    )
    assert f"Attention needed - {booking.booking_id}" in await booking.staff_subjects()


async def test_operators_find_the_workflow_while_it_waits_for_them(harness: WorkflowHarness) -> None:
    """Not once it is done, although another one waits for them."""
    booking = await _returned(harness)
    [waiting] = await harness.running_ended_booking_payments()
    handle = harness.client.get_workflow_handle(waiting)
    assert (await handle.describe()).typed_search_attributes[NEEDS_ATTENTION]
    await leave_unmatched_payment_stuck(harness, booking)
    await handle.signal(EndedBookingPaymentWorkflow.retry, Command(new_command_id(), ActorKind.OPERATOR))
    await harness.wait_until_idle()
    assert await booking.attention_codes() == [AttentionCode.UNMATCHED_PAYMENT_KEPT]
    assert waiting not in await harness.running_ended_booking_payments()
    assert not (await handle.describe()).typed_search_attributes[NEEDS_ATTENTION]
    await harness.retry_ended_booking_payments()


async def test_retry_makes_a_returned_refund_anew_under_a_new_key(harness: WorkflowHarness) -> None:
    booking = await _returned(harness)
    [first] = await booking.keys("refund")
    await harness.retry_ended_booking_payments()
    await harness.wait_until_idle()
    assert await booking.money() == REFUNDED
    assert (await booking.row()).amount_refunded_minor == TOTAL_MINOR
    assert first not in (await booking.keys("refund"))[1:]
    assert (await booking.events())[-1] is Event.REFUND_RECORDED or not await booking.attention()
    assert not await booking.attention()
    assert await harness.running_ended_booking_payments() == []


async def test_returned_refund_that_stripe_refuses_to_make_again_keeps_its_reason(
    harness: WorkflowHarness,
) -> None:
    booking = await _returned(harness)
    await refuse(harness, REFUND)
    await harness.retry_ended_booking_payments()
    await harness.wait_until_idle()
    assert await booking.attention_codes() == [AttentionCode.REFUND_RETURNED]
    await harness.retry_ended_booking_payments()
    await harness.wait_until_idle()
    assert await booking.money() == REFUNDED
    assert not await booking.attention()


async def test_refund_that_fails_while_the_workflow_is_still_there(harness: WorkflowHarness) -> None:
    """A mail that failed keeps the booking's own workflow; it hears the bank, and makes the refund anew."""
    booking = await harness.confirmed()
    rule = f"RCPT {booking.guest_email}"
    await harness.stand_ins.mail.order(rule, "error_before", status=550, times=None)
    await booking.cancel()
    await _heard(harness)
    await fail_newest_refund(harness, booking)
    assert set(await booking.attention_codes()) == {AttentionCode.EMAIL_FAILED, AttentionCode.REFUND_RETURNED}

    assert (await booking.resolve()).outcome is CommandOutcome.MONEY_AT_STAKE
    assert AttentionCode.REFUND_RETURNED in await booking.attention_codes()
    await harness.stand_ins.mail.clear_faults()
    assert (await booking.retry()).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()
    assert await booking.money() == REFUNDED
    assert len(set(await booking.keys("refund"))) == 2


async def test_refund_made_in_the_dashboard_ends_it(harness: WorkflowHarness) -> None:
    booking = await _returned(harness)
    await booking.dashboard("refund")
    assert await _resolve_after_end(harness, booking) is None, "who sent it closes it"
    await _heard(harness)
    assert not await booking.attention()
    assert (await booking.row()).amount_refunded_minor == TOTAL_MINOR
    assert await harness.running_ended_booking_payments() == []


async def test_resolve_does_not_close_what_is_owed(harness: WorkflowHarness) -> None:
    booking = await _returned(harness)
    assert await _resolve_after_end(harness, booking) == CommandOutcome.MONEY_AT_STAKE
    assert await booking.attention_codes() == [AttentionCode.REFUND_RETURNED]
    assert await booking.money() == UNREFUNDED


async def test_returned_refund_that_was_paid_elsewhere_ends(harness: WorkflowHarness) -> None:
    booking = await _returned(harness)
    too_much = await _resolve_after_end(harness, booking, TOTAL_MINOR + 1)
    assert too_much == CommandOutcome.MORE_THAN_OWED
    assert await _resolve_after_end(harness, booking, TOTAL_MINOR) == CommandOutcome.SETTLED
    row = await booking.row()
    assert (row.amount_paid_elsewhere_minor, row.amount_refunded_minor) == (TOTAL_MINOR, 0)
    assert await booking.money() == UNREFUNDED
    assert not await booking.attention()
    assert (await booking.events())[-1] is Event.PAID_ELSEWHERE
    assert await harness.running_ended_booking_payments() == []


async def test_part_paid_elsewhere_leaves_the_rest_to_be_refunded(harness: WorkflowHarness) -> None:
    booking = await _returned(harness)
    await _resolve_after_end(harness, booking, 5000)
    assert await booking.attention_codes() == [AttentionCode.REFUND_RETURNED]
    await harness.retry_ended_booking_payments()
    await harness.wait_until_idle()
    assert await booking.money() == ("succeeded", TOTAL_MINOR, TOTAL_MINOR - 5000)
    assert not await booking.attention()


async def test_lost_workflow_of_a_returned_refund_is_taken_up(harness: WorkflowHarness) -> None:
    booking = await _returned(harness)
    [waiting] = await harness.running_ended_booking_payments()
    await harness.client.get_workflow_handle(waiting).terminate("by mistake")
    await booking.give_back_workflow()
    assert await booking.attention_codes() == [AttentionCode.REFUND_RETURNED]
    assert (await booking.retry()).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()
    assert await booking.money() == REFUNDED


async def test_only_what_was_due_is_refunded_anew(harness: WorkflowHarness) -> None:
    booking = await harness.confirmed(late_cancel_fee_percent=30)
    await harness.advance_to(booking.terms.free_cancel_until)
    await booking.cancel()
    await _heard(harness)
    due = TOTAL_MINOR * 70 // 100
    assert await booking.money() == ("succeeded", TOTAL_MINOR, due)
    await fail_newest_refund(harness, booking)
    await harness.retry_ended_booking_payments()
    await harness.wait_until_idle()
    assert await booking.money() == ("succeeded", TOTAL_MINOR, due)
    assert not await booking.attention()


async def test_refund_answered_as_succeeded_that_the_charge_does_not_show(harness: WorkflowHarness) -> None:
    """The refund is made and sent back before it is read: the next try must not hear the old answer."""
    booking = await harness.confirmed()
    await harness.stripe.order(REFUND, "error_after", status=500, times=None)
    cancelling = harness.later(booking.cancel())
    await harness.wait_until_idle()
    await harness.stand_ins.clear_faults()
    await cancelling
    await harness.wait_until_idle()
    assert await booking.status() is Status.CANCELLED
    await fail_newest_refund(harness, booking)
    await harness.retry_ended_booking_payments()
    await harness.wait_until_idle()
    assert await booking.money() == REFUNDED


async def _late_money_returned(harness: WorkflowHarness) -> BookingDriver:
    """An expired booking whose guest paid too late; someone captured that, and it was refunded."""
    booking = await harness.submitted(payment_window_s=3600)
    await harness.advance(minutes=61)
    assert await booking.status() is Status.EXPIRED
    await booking.fill_in(await booking.unnoted_page())
    await booking.dashboard("capture")
    await _heard(harness)
    assert await booking.money() == REFUNDED
    return booking


@pytest.mark.parametrize("paid", [False, True])
async def test_refund_of_late_money_that_comes_back_calls_a_person(
    harness: WorkflowHarness, *, paid: bool
) -> None:
    """It is refunded anew, or was paid elsewhere; no event of the payment refunds it a second time."""
    booking = await _late_money_returned(harness)
    await fail_newest_refund(harness, booking)
    assert (await booking.row()).status == Status.EXPIRED
    assert await booking.attention_codes() == [AttentionCode.REFUND_RETURNED]
    assert (await booking.events())[1:] == [Event.UNMATCHED_PAYMENT_RETURNED, Event.REFUND_RETURNED]
    assert await booking.money() == UNREFUNDED
    notice = [mail["text"] for mail in await booking.mails() if "Payment notice" in mail["subject"]][-1]
    assert (
        "returned the refund of a payment that this booking cannot use, and the guest is still owed it."
        in notice
    )
    assert "€0.00" not in notice

    if paid:
        assert await _resolve_after_end(harness, booking, TOTAL_MINOR) == CommandOutcome.SETTLED
    else:
        await harness.retry_ended_booking_payments()
    await _heard(harness)
    await booking.hint("payment_intent.succeeded")
    await harness.wait_until_idle()
    assert not await booking.attention()
    assert await booking.money() == (UNREFUNDED if paid else REFUNDED)
    assert (await booking.row()).amount_paid_elsewhere_minor == (TOTAL_MINOR if paid else 0)


async def test_refund_that_fails_while_an_earlier_one_is_being_recorded_is_not_forgotten(
    harness: WorkflowHarness,
) -> None:
    """The reason that is about to be cleared does not stand for a refund that has just been returned."""
    booking = await harness.held()
    await booking.dashboard("capture", {"amount": 5000})
    await _heard(harness)
    assert await booking.status() is Status.DECLINED
    await fail_newest_refund(harness, booking)
    await booking.dashboard("refund")
    harness.activity_faults.order("bookings.record", FaultMode.BEFORE, times=1, booking_id=booking.booking_id)
    await harness.webhooks.deliver("charge.refunded")
    await harness.webhooks.lose()
    await harness.wait_until_idle()
    made = (await booking.ledger())["refunds"][0]
    await harness.stripe.ask("POST", f"/_sandbox/dashboard/refunds/{made['id']}/fail", json={})
    await harness.webhooks.deliver("refund.failed")
    await harness.webhooks.lose()
    await harness.advance(seconds=30)
    assert await booking.money() == ("succeeded", 5000, 0)
    assert await booking.attention_codes() == [AttentionCode.REFUND_RETURNED]
    await harness.retry_ended_booking_payments()
    await harness.wait_until_idle()
    assert await booking.money() == ("succeeded", 5000, 5000)
    assert not await booking.attention()
