"""What a guest reads about a booking that was declined, or that ended undecided or unpaid."""

from __future__ import annotations

import asyncio

import pytest

from domain.attention import Attention, AttentionCode
from domain.booking import ReasonCode
from tests.api.hotels import HotelDriver, open_hotel
from tests.api.rows import call_for_attention
from tests.api.stack import PATIENCE_S, ApiStack
from tests.pages.guests import at, opened
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


async def test_a_decline_tells_reason_note_and_money(page_clients: PageClients, hotel: HotelDriver) -> None:
    """The hotel's own words are shown as it wrote them, and as nothing but text."""
    guest = await hotel.held()
    approver = await hotel.staff()
    note = "Our <b>boiler</b> is out.\nPerhaps in May?"
    assert (await approver.decline(guest.booking_id, "NO_AVAILABILITY", note)).status_code == 200
    page = (await opened(page_clients, guest)).page
    assert page is not None
    for words in (
        "We are sorry: your stay could not be confirmed",
        "The hotel has no rooms of this type left for your dates.",
        "Our <b>boiler</b> is out. Perhaps in May?",
        "Your card was not charged. The hold of €150.00 has been released",
        "The hotel declined, and the hold was released",
    ):
        assert words in page.words, words
    assert "<b>" not in page.html
    assert approver.email not in page.html
    assert at(guest, "cancel/") not in page.links


async def test_unpaid_and_undecided_requests_tell_how_they_ended(
    page_clients: PageClients, stack: ApiStack
) -> None:
    """Expired and timed out: nothing was charged, and there is a way to begin anew."""
    hasty = await open_hotel(stack, payment_window_s=2, approval_sla_s=3600)
    slow = await open_hotel(stack, approval_sla_s=2)
    unpaid, undecided = await asyncio.gather(hasty.submitted(), slow.held())
    await unpaid.until("EXPIRED", timeout_s=PATIENCE_S)
    page = (await opened(page_clients, unpaid)).page
    assert page is not None
    assert "Your request has expired" in page.words
    assert "Nothing was charged, and nothing is held on your card." in page.words
    assert f"/hotels/{hasty.slug}/" in page.links
    await undecided.until("DECLINED", timeout_s=PATIENCE_S)
    page = (await opened(page_clients, undecided)).page
    assert page is not None
    assert "The hotel did not answer in time, so your request has ended." in page.words


async def test_a_late_payment_whose_refund_came_back_is_told_as_still_owed(
    page_clients: PageClients, stack: ApiStack
) -> None:
    hotel = await open_hotel(stack, payment_window_s=2, approval_sla_s=3600)
    guest = await hotel.submitted()
    await guest.until("EXPIRED", timeout_s=PATIENCE_S)
    await call_for_attention(hotel, guest, Attention(AttentionCode.REFUND_RETURNED, "pi_late"))
    page = (await opened(page_clients, guest)).page
    assert page is not None
    assert "your bank returned its refund. It is still owed to you" in page.words
    assert "Nothing was charged" not in page.words
