"""A guest who will not be able to cancel once the hotel has confirmed is told before paying."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.api.hotels import midday_zone, open_hotel
from tests.api.stack import ApiStack
from tests.pages.guests import opened
from tests.pages.hotel_form import price
from tests.pages.page_client import PageClients

STARTED = "The stay has started: once the hotel has confirmed, you cannot cancel."
MAY_START = "You cannot cancel once the stay has started, and the hotel may confirm only after that."


@pytest.mark.parametrize(
    ("days_ahead", "check_in_hour", "notice"),
    [(0, 0, STARTED), (0, 15, MAY_START), (1, 0, MAY_START), (30, 15, None)],
)
async def test_who_cannot_cancel_once_confirmed_is_told_before_paying(
    stack: ApiStack, page_clients: PageClients, days_ahead: int, check_in_hour: int, notice: str | None
) -> None:
    """On the form with the price, for a draft, and where card details are entered; all others read no such thing."""
    hotel = await open_hotel(
        stack, timezone=midday_zone(), check_in_hour=check_in_hour, cutoff_hour=24, free_cancel_days=0
    )
    day = hotel.today() + timedelta(days=days_ahead)
    dates = {"check_in": f"{day}", "check_out": f"{day + timedelta(days=1)}"}
    shown = [await price(page_clients.stranger(), hotel, **dates)]
    for guest in (await hotel.draft(**dates), await hotel.submitted(**dates)):
        page = (await opened(page_clients, guest)).page
        assert page is not None
        shown.append(page.words)
    told = [[words for words in (STARTED, MAY_START) if words in page] for page in shown]
    assert told == [[notice] if notice else []] * 3
