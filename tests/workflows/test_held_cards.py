"""A held card is described in PostgreSQL, and in no history."""

from __future__ import annotations

import re

from storage.card_details import cards_of
from tests.workflows.harness import WorkflowHarness
from tests.workflows.invariants import collect

HIGHEST_CARD = "4000000000004954"
# Ids are random and times have fractions: neither is a card's number.
LAST_FOUR = re.compile(r"(?<![\w.-])4954(?![\w-])")


async def test_card_is_stored_for_staff_and_enters_no_history(harness: WorkflowHarness) -> None:
    booking = await harness.submitted()
    await booking.place_hold(HIGHEST_CARD)
    async with harness.database.reading() as db:
        card = (await cards_of(db, [booking.booking_id]))[booking.booking_id]
    assert (card.last4, card.cvc_check, card.risk_level) == ("4954", "fail", "highest")
    await booking.approve()
    await harness.wait_until_idle()
    evidence = await collect(harness)
    assert evidence.histories
    for id_, history in evidence.histories.items():
        assert not LAST_FOUR.search(history), id_
        assert not {"last4", "risk_level", "cvc_check"} & set(re.findall(r"\w+", history)), id_
    requests = [mail for mail in await booking.mails() if "New booking request" in mail["subject"]]
    assert len(requests) == 2
    for mail in requests:
        assert "Stripe's risk level for the payment: highest." in mail["text"]
        assert f"/staff/bookings/{booking.booking_id}/" in mail["text"]
        assert "4954" not in mail["text"].replace(booking.booking_id, "")
