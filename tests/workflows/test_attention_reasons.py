"""Several reasons at once: a later one never hides an earlier one, and each ends by itself."""

from __future__ import annotations

import pytest

from domain.attention import AttentionCode
from domain.booking import Event, MailKind, Status
from domain.decisions import CommandOutcome
from tests.workflows.booking_driver import BookingDriver
from tests.workflows.harness import WorkflowHarness
from tests.workflows.hotels import TOTAL_MINOR
from tests.workflows.refusals import CANCEL, CAPTURE, REFUND, refuse
from tests.workflows.situations import leave_unmatched_payment_stuck

UNSENT = (AttentionCode.EMAIL_FAILED, "confirmed")


async def _keys(booking: BookingDriver) -> list[tuple[AttentionCode, str]]:
    return [reason.key for reason in await booking.attention()]


async def _unsent_and_unrefunded(harness: WorkflowHarness) -> tuple[BookingDriver, tuple[AttentionCode, str]]:
    """The guest's mailbox refuses the confirmation; then they cancel, and Stripe refuses the refund."""
    booking = await harness.held()
    rule = f"RCPT {booking.guest_email}"
    await harness.stand_ins.mail.order(rule, "error_before", status=550, times=None)
    await booking.approve()
    await harness.wait_until_idle()
    assert await _keys(booking) == [UNSENT]
    await refuse(harness, REFUND, times=None)
    assert (await booking.cancel()).outcome is CommandOutcome.NEEDS_ATTENTION
    await harness.wait_until_idle()
    unrefunded = (AttentionCode.STRIPE_REFUSED, str((await booking.row()).payment_intent_id))
    assert await _keys(booking) == [UNSENT, unrefunded]
    return booking, unrefunded


async def test_failed_email_and_refused_refund_are_two_reasons(harness: WorkflowHarness) -> None:
    """Each calls people once; the workflow tells both, and so does the Temporal UI."""
    booking, _ = await _unsent_and_unrefunded(harness)
    assert (await booking.events())[-2:] == [Event.ATTENTION_NEEDED] * 2
    called = [mail for mail in await booking.mails() if f".{MailKind.STAFF_ATTENTION}." in mail["message_id"]]
    texts = [mail["text"] for mail in called]
    assert sum("An e-mail about this booking could not be sent." in text for text in texts) == len(texts)
    assert sum("Stripe refused " in text for text in texts) == len(texts) / 2
    assert list((await booking.view()).attention) == await booking.attention()
    harness.excused = "M8"


async def test_email_that_is_sent_leaves_the_refused_refund(harness: WorkflowHarness) -> None:
    booking, unrefunded = await _unsent_and_unrefunded(harness)
    await harness.stand_ins.mail.clear_faults()
    assert (await booking.retry()).outcome is CommandOutcome.NEEDS_ATTENTION
    await harness.wait_until_idle()
    assert f"Booking Confirmed - {booking.booking_id}" in await booking.guest_subjects()
    assert await _keys(booking) == [unrefunded]
    assert (await booking.events())[-1] is Event.ATTENTION_CLEARED
    assert (await booking.evidence_of_search())["NeedsAttention"] is True

    await harness.stand_ins.clear_faults()
    assert (await booking.retry()).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()
    assert await booking.money() == ("succeeded", TOTAL_MINOR, TOTAL_MINOR)
    assert (await booking.evidence_of_search())["NeedsAttention"] is False


async def test_refund_that_is_made_leaves_the_failed_email(harness: WorkflowHarness) -> None:
    booking, _ = await _unsent_and_unrefunded(harness)
    await harness.stripe.clear_faults()
    await booking.retry()
    await harness.wait_until_idle()
    assert await booking.status() is Status.CANCELLED
    assert await booking.money() == ("succeeded", TOTAL_MINOR, TOTAL_MINOR)
    assert AttentionCode.STRIPE_REFUSED not in await booking.attention_codes()
    assert UNSENT in await _keys(booking)
    harness.excused = "M8"


async def test_two_unmatched_payments_are_two_reasons_and_each_ends_by_itself(
    harness: WorkflowHarness,
) -> None:
    booking = await harness.held()
    for _ in range(2):
        await leave_unmatched_payment_stuck(harness, booking)
    [first, second] = await _keys(booking)
    assert {first[0], second[0]} == {AttentionCode.UNMATCHED_PAYMENT_KEPT}
    assert (await booking.events())[-2:] == [Event.ATTENTION_NEEDED] * 2

    await refuse(harness, CANCEL)
    await booking.retry()
    await harness.wait_until_idle()
    assert await _keys(booking) == [first], "which was tried first, and refused once more"
    assert (await booking.retry()).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()
    assert not await booking.attention()


@pytest.mark.parametrize("lose", [False, True])
async def test_refused_capture_hides_no_unmatched_payment(harness: WorkflowHarness, *, lose: bool) -> None:
    """The approval settles its own reason alone, also where the workflow was lost in between."""
    booking = await harness.held()
    await leave_unmatched_payment_stuck(harness, booking)
    [kept] = await _keys(booking)
    await refuse(harness, CAPTURE)
    assert (await booking.approve()).outcome is CommandOutcome.NEEDS_ATTENTION
    await harness.wait_until_idle()
    own = str((await booking.row()).payment_intent_id)
    assert await _keys(booking) == [kept, (AttentionCode.STRIPE_REFUSED, own)]
    if lose:
        await booking.lose_workflow()
        await booking.give_back_workflow()
    else:
        await booking.approve()
    await harness.wait_until_idle()
    assert await booking.status() is Status.CONFIRMED
    assert await _keys(booking) == [kept]

    assert (await booking.retry()).outcome is CommandOutcome.SETTLED
    await harness.wait_until_idle()
    assert await booking.intents() == [("succeeded", TOTAL_MINOR, 0), ("canceled", 0, 0)]
