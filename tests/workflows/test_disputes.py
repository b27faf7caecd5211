"""A dispute's details reach PostgreSQL and staff's mail, and no history."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest

from domain.booking import Event
from domain.dispute import Dispute
from storage.disputes import disputes_of
from tests.workflows.booking_driver import BookingDriver
from tests.workflows.harness import WorkflowHarness
from tests.workflows.hotels import TOTAL_MINOR
from tests.workflows.invariants import collect
from wording.values import instant_in_words

DISPUTES = "GET /v1/disputes"


async def _heard(harness: WorkflowHarness) -> None:
    await harness.webhooks.deliver()
    await harness.wait_until_idle()


async def _stored(harness: WorkflowHarness, booking: BookingDriver) -> Sequence[Dispute]:
    async with harness.database.reading() as db:
        return await disputes_of(db, booking.booking_id)


async def _at_stripe(harness: WorkflowHarness, booking: BookingDriver) -> Any:
    found = await harness.stripe.ask("GET", "/_sandbox/ledger", params={"booking_id": booking.booking_id})
    return [(each["id"], each["amount"], each["reason"], each["status"]) for each in found["disputes"]]


async def _last_notice(booking: BookingDriver) -> str:
    notices = [mail for mail in await booking.mails() if mail["subject"].startswith("Payment notice")]
    return " ".join(notices[-1]["text"].split())


@pytest.mark.parametrize(("won", "after_check_out"), [(True, False), (False, True)])
async def test_dispute_is_stored_and_told_from_its_opening_to_its_outcome(
    harness: WorkflowHarness, *, won: bool, after_check_out: bool
) -> None:
    booking = await harness.confirmed()
    if after_check_out:
        await harness.advance_to(booking.terms.check_out_at)
        assert await booking.is_over()

    await booking.dispute()
    await _heard(harness)
    [opened] = await _stored(harness, booking)
    [row] = await _at_stripe(harness, booking)
    assert row == (opened.dispute_id, TOTAL_MINOR, "fraudulent", "needs_response")
    assert (opened.amount_minor, opened.currency, opened.reason, opened.status) == (
        TOTAL_MINOR,
        "EUR",
        "fraudulent",
        "needs_response",
    )
    assert opened.evidence_due_by is not None
    assert (opened.evidence_due_by - opened.opened_at).days == 7
    due = instant_in_words(opened.evidence_due_by, "Europe/Dublin")
    notice = await _last_notice(booking)
    for words in (
        "Disputed amount: €150.00",
        "Reason: the guest says they did not make the payment",
        "Outcome: open: the bank waits for the hotel's evidence",
        f"Evidence due: {due}",
    ):
        assert words in notice

    told = len(await booking.mails())
    await booking.submit_evidence()
    await _heard(harness)
    assert [each.status for each in await _stored(harness, booking)] == ["under_review"]
    assert (await booking.events())[2:] == [Event.DISPUTE_RECORDED], "an update is no step of the booking"
    assert len(await booking.mails()) == told

    await booking.close_dispute(won=won)
    await _heard(harness)
    [decided] = await _stored(harness, booking)
    assert (decided.dispute_id, decided.status) == (opened.dispute_id, "won" if won else "lost")
    notice = await _last_notice(booking)
    expected = "won: the hotel keeps the money" if won else "lost: the money went back to the guest"
    assert f"The dispute is {expected}. What to do: Nothing" in notice
    assert "Evidence due" not in notice


async def test_dispute_enters_no_history(harness: WorkflowHarness) -> None:
    booking = await harness.confirmed()
    await booking.dispute()
    await _heard(harness)
    evidence = await collect(harness)
    assert evidence.histories
    for id_, history in evidence.histories.items():
        assert not {"fraudulent", "needs_response", "due_by"} & set(re.findall(r"\w+", history)), id_


async def test_dispute_is_stored_once_stripe_lists_it(harness: WorkflowHarness) -> None:
    """Stripe fails at first: the event waits, and nothing is recorded without its details."""
    booking = await harness.confirmed()
    await harness.stripe.order(DISPUTES, "error_before", status=500, times=3)
    await booking.dispute()
    await _heard(harness)
    assert await booking.events() == [Event.AUTHORIZED, Event.APPROVED]
    await harness.advance(minutes=2)
    assert (await booking.events())[2:] == [Event.DISPUTE_RECORDED]
    assert [each.status for each in await _stored(harness, booking)] == ["needs_response"]
    assert "Disputed amount: €150.00" in await _last_notice(booking)
