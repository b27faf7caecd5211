"""A dispute on a booking's page: amount, reason, outcome, and until when evidence is due."""

from __future__ import annotations

import pytest

from sandbox.drivers import wait_until
from storage.disputes import disputes_of
from tests.api.hotels import HotelDriver
from tests.pages.page_client import PageClient
from wording.values import instant_in_words


@pytest.mark.parametrize("won", [True, False])
async def test_a_dispute_is_shown_from_its_opening_to_its_outcome(
    viewer: PageClient, hotel: HotelDriver, *, won: bool
) -> None:
    guest = await hotel.confirmed()
    client = hotel.stack.client
    charge = (await client.payment(guest.booking_id))["charge"]

    async def page_saying(words: str) -> str:
        async def read() -> str:
            return (await viewer.open(f"/staff/bookings/{guest.booking_id}/")).words

        return await wait_until(read, lambda page: words in page, what=f"the page to say {words!r}")

    assert "Disputed amount" not in (await viewer.open(f"/staff/bookings/{guest.booking_id}/")).words
    await client.dashboard(f"charges/{charge}/dispute", {"amount": 9000})
    page = await page_saying("Outcome open: the bank waits for the hotel's evidence")
    async with hotel.stack.database.reading() as db:
        [stored] = await disputes_of(db, guest.booking_id)
    due = instant_in_words(stored.evidence_due_by, hotel.timezone)
    assert "Disputed amount €90.00" in page
    assert "Reason the guest says they did not make the payment" in page
    assert f"Evidence due {due}" in page
    assert (
        f"What to do In the Stripe Dashboard, send evidence for the stay or accept the dispute, by {due}."
        in page
    )

    await client.dashboard(f"charges/{charge}/dispute/evidence")
    page = await page_saying("Outcome under review: the bank has the hotel's evidence")
    assert "Evidence due" not in page
    await client.dashboard(f"charges/{charge}/dispute/close", {"won": won})
    await page_saying(
        "Outcome won: the hotel keeps the money"
        if won
        else "Outcome lost: the money went back to the guest What to do Nothing. Do not refund the guest as well"
    )
