"""Until when money can be held, as guests read it before and after they give a card."""

from __future__ import annotations

from datetime import timedelta

import pytest

from domain.booking import MailKind
from sandbox.drivers import GuestDriver
from tests.api.hotels import open_hotel
from tests.api.stack import ApiStack
from tests.pages.guests import opened
from tests.pages.hotel_form import at
from tests.pages.page_client import PageClients
from tests.pages.test_guest_emails import NOW, composed, letter

DAY_S = 86400


async def _words(page_clients: PageClients, guest: GuestDriver) -> str:
    page = (await opened(page_clients, guest)).page
    assert page is not None
    return page.words


@pytest.mark.parametrize(("days", "bounded"), [(2, False), (20, True)])
async def test_no_answer_is_promised_after_the_hold(
    page_clients: PageClients, stack: ApiStack, days: int, *, bounded: bool
) -> None:
    hotel = await open_hotel(stack, approval_sla_s=days * DAY_S)
    page = await page_clients.stranger().open(at(hotel))
    assert f"answers within {days} days" in page.words
    assert ("always before the hold on your card ends" in page.words) is bounded
    assert "long hold" not in page.words


async def test_a_hotel_that_asks_for_long_holds_says_so(page_clients: PageClients, stack: ApiStack) -> None:
    hotel = await open_hotel(stack, long_holds=True)
    page = await page_clients.stranger().open(at(hotel))
    assert "The hotel asks for a long hold" in page.words
    guest = await hotel.submitted()
    assert "Money can be held on your card until" in await _words(page_clients, guest)


async def test_the_page_of_a_held_booking_tells_the_holds_end(
    page_clients: PageClients, stack: ApiStack
) -> None:
    hotel = await open_hotel(stack)
    guest = await hotel.submitted()
    assert "Money can be held" not in await _words(page_clients, guest)
    guest = await hotel.held()
    assert "Money can be held on your card until" in await _words(page_clients, guest)


def test_the_mail_about_a_hold_tells_its_end_if_stripe_does() -> None:
    for capture_before, told in ((NOW + timedelta(days=30), True), (None, False)):
        mail = composed(letter(MailKind.AUTHORIZED, capture_before=capture_before))
        for part in ("plain", "html"):
            body = mail.get_body((part,))
            assert body is not None
            assert ("Money can be held on your card until" in body.get_content()) is told
