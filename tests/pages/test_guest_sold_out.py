"""A guest whose hold found no room reads why, and gets links to other dates."""

from __future__ import annotations

from models import utc_now
from tests.api.hotels import HotelDriver, open_hotel
from tests.api.rows import edit
from tests.api.stack import PATIENCE_S, ApiStack
from tests.pages.guests import at, opened
from tests.pages.page_client import PageClients


async def test_page_of_a_hold_that_is_given_up(page_clients: PageClients, hotel: HotelDriver) -> None:
    """While Stripe takes its time to release it: nothing can be paid or cancelled any more."""
    guest = await hotel.submitted()
    await edit(hotel, guest, sold_out_at=utc_now())
    page = await (await opened(page_clients, guest)).open(at(guest))
    assert "No room left" in page.words
    assert "The hold on your card is being released; you pay nothing." in page.words
    assert f"/hotels/{hotel.slug}/" in page.links
    assert not {f"{at(guest)}pay/", f"{at(guest)}cancel/"} & set(page.links)
    assert "Enter card details" not in page.words


async def test_page_once_it_is_released(page_clients: PageClients, stack: ApiStack) -> None:
    hotel = await open_hotel(stack, rooms=1)
    guest = await hotel.submitted()
    await guest.open_page()
    await hotel.held()
    await guest.pay()
    await guest.until("DECLINED", timeout_s=PATIENCE_S)
    page = await (await opened(page_clients, guest)).open(at(guest))
    for words in (
        "Another guest took the last room of this type for your dates before your card was authorized.",
        "Your card was not charged.",
        "Choose other dates or another room",
    ):
        assert words in page.words, words
