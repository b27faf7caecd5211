"""Held cards and Stripe's risk level are shown only to those who decide."""

from __future__ import annotations

from dataclasses import replace
from html import unescape

import pytest
from sqlalchemy import update
from sqlmodel import col

from domain.booking import MailKind
from domain.payment_card import RISK_LEVELS, PaymentCard
from storage.tables import CardDetails
from tests.api.hotels import HotelDriver
from tests.api.stack import ApiStack
from tests.pages.page_client import PageClient
from tests.pages.test_guest_emails import composed, letter
from tests.pages.test_staff_queue import listed

HIGHEST_CARD, WALLET_CARD = "4000000000004954", "5200828282828210"

HIGHEST_IN_WORDS = (
    "Stripe's risk level: highest",
    "Visa ending in 4954",
    "Type: credit",
    "Issued in: Ireland",
    "Security code (CVC): failed",
    "Postal code: failed",
    "3-D Secure: not used",
    "Wallet: none",
)
WALLET_IN_WORDS = (
    "Stripe's risk level: not available",
    "Mastercard ending in 8210",
    "Type: debit",
    "Issued in: Ireland",
    "Security code (CVC): not available",
    "Postal code: not available",
    "3-D Secure: not used",
    "Wallet: Apple Pay",
)


async def _held(hotel: HotelDriver, card: str) -> str:
    guest = await hotel.submitted()
    assert (await guest.pay(card)).status_code == 303
    await guest.until("PENDING_APPROVAL")
    return guest.booking_id


async def test_those_who_decide_see_the_card(
    approver: PageClient, manager: PageClient, hotel: HotelDriver
) -> None:
    cards = ((HIGHEST_CARD, HIGHEST_IN_WORDS), (WALLET_CARD, WALLET_IN_WORDS))
    shown = [(await _held(hotel, card), words) for card, words in cards]
    for client in (approver, manager):
        queue = (await client.open("/staff/")).words
        for booking_id, expected in shown:
            page = (await client.open(f"/staff/bookings/{booking_id}/")).words.replace("⚠ ", "")
            for words in expected:
                assert words in queue
                assert words.replace(": ", " ") in page


RISK_WORDS = {
    "normal": "normal",
    "elevated": "elevated",
    "highest": "highest",
    "not_assessed": "not assessed",
    "unknown": "unknown",
    None: "not available",
}


@pytest.mark.parametrize("level", RISK_WORDS)
async def test_each_risk_level_has_plain_words_on_page_and_mail(
    approver: PageClient, hotel: HotelDriver, stack: ApiStack, level: str | None
) -> None:
    guest = await hotel.held()
    async with stack.database.transaction() as db:
        card = update(CardDetails).where(col(CardDetails.booking_id) == guest.booking_id)
        await db.execute(card.values(risk_level=level))
    page = await approver.open(f"/staff/bookings/{guest.booking_id}/")
    warning = "⚠ " if level in {"elevated", "highest"} else ""
    assert f"Stripe's risk level {warning}{RISK_WORDS[level]} Card Visa" in page.words
    mail = composed(replace(letter(MailKind.STAFF_REQUEST), card=PaymentCard(risk_level=level)))
    for part in ("plain", "html"):
        body = mail.get_body((part,))
        assert body is not None
        assert f"Stripe's risk level for the payment: {RISK_WORDS[level]}." in unescape(body.get_content())


def test_each_of_stripes_risk_levels_is_tested() -> None:
    assert RISK_WORDS.keys() == {*RISK_LEVELS, None}


async def test_viewers_do_not_see_the_card(viewer: PageClient, hotel: HotelDriver) -> None:
    booking_id = await _held(hotel, HIGHEST_CARD)
    for path in ("/staff/", f"/staff/bookings/{booking_id}/"):
        page = await viewer.open(path)
        assert "Philippa Quarshie" in page.words
        assert "risk level" not in page.words
        assert "ending in" not in page.words


async def test_requests_by_risk(
    approver: PageClient, viewer: PageClient, hotel: HotelDriver, stack: ApiStack
) -> None:
    """Approvers sort by a link that keeps its order on the next page and in a search; viewers learn nothing."""
    unrated, risky = await _held(hotel, WALLET_CARD), await _held(hotel, HIGHEST_CARD)
    page = await approver.open("/staff/")
    assert listed(page) == [unrated, risky]
    assert "/staff/?sort=risk" in page.links
    for address in ("/staff/?sort=risk", "/staff/?sort=risk&q=quarshie"):
        page = await approver.open(address)
        assert listed(page) == [risky, unrated], address
        assert '<input type="hidden" name="sort" value="risk">' in page.html
    assert {"/staff/?q=quarshie", "/staff/?q=quarshie&sort=risk"} <= set(page.links)
    page = await viewer.open("/staff/?sort=risk")
    assert listed(page) == [unrated, risky]
    assert not [link for link in page.links if "risk" in link]
    path = f"{stack.client.at.api}/api/staff/hotel/{hotel.slug}/room-bookings/?sort=risk"
    token = (await hotel.staff()).token
    answer = await stack.client.http.get(path, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 422


async def test_the_queue_shows_cards_of_requests_that_wait(approver: PageClient, hotel: HotelDriver) -> None:
    """Once it is decided, the booking's page still does."""
    booking_id = await _held(hotel, HIGHEST_CARD)
    assert (await (await hotel.staff()).approve(booking_id)).status_code == 200
    assert "ending in" not in (await approver.open("/staff/?view=all")).words
    assert "Visa ending in 4954" in (await approver.open(f"/staff/bookings/{booking_id}/")).words
