"""What a guest reads about a booking that was declined."""

from __future__ import annotations

import pytest

from domain.booking import ReasonCode
from tests.api.hotels import HotelDriver
from tests.pages.guests import opened
from tests.pages.page_client import PageClients
from wording.guest import REASONS


@pytest.mark.parametrize("code", [ReasonCode.SUSPECTED_FRAUD, ReasonCode.OTHER])
async def test_guest_reads_no_suspicion_of_fraud(
    page_clients: PageClients, hotel: HotelDriver, code: ReasonCode
) -> None:
    """The page says the same as where staff gave no reason."""
    guest = await hotel.held()
    assert (await (await hotel.staff()).decline(guest.booking_id, code)).status_code == 200
    page = (await opened(page_clients, guest)).page
    assert page is not None
    assert REASONS[ReasonCode.OTHER] in page.words
    assert "fraud" not in page.html.lower()
