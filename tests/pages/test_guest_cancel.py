"""Cancelling by the guest: the page shows the cost first, and the guest pays that."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from models import utc_now
from sandbox.drivers import wait_until
from tests.api.hotels import HotelDriver, open_hotel
from tests.api.outcomes import money, settled
from tests.api.rows import edit, set_terms
from tests.api.stack import ApiStack
from tests.pages.guests import at, opened, status_of
from tests.pages.page_client import PageClients


async def test_cancelling_before_the_hotel_confirms_costs_nothing(
    page_clients: PageClients, hotel: HotelDriver
) -> None:
    """Asked first, then done; the hold is gone, and a second press changes nothing."""
    guest = await hotel.held()
    page_client = await opened(page_clients, guest)
    preview = await page_client.open(at(guest, "cancel/"))
    assert "Cancelling costs nothing: the hold of €150.00 on your card is released." in preview.words
    assert "Cancelling is free until the hotel confirms. After that, the hotel's" in preview.words
    assert "Yes, cancel: it costs nothing" in preview.words
    assert await status_of(guest) == "PENDING_APPROVAL"
    for _ in range(2):
        page = await page_client.send(at(guest, "cancel/"))
        assert (page.status, page.location) == (303, at(guest))
    assert await status_of(guest) == "CANCELLED"
    assert "You have cancelled this booking" in (await page_client.open(at(guest))).words
    assert (await page_client.open(at(guest, "cancel/"))).location == at(guest)


@pytest.mark.parametrize(
    ("percent", "price", "words", "policy"),
    [
        (
            0,
            "nothing",
            "Cancelling costs nothing: the full €150.00 goes back to your card.",
            "Cancel free of charge until check-in.",
        ),
        (
            30,
            "€45.00",
            "Cancelling costs €45.00: the hotel keeps it, and €105.00 goes back to your card.",
            "Free cancellation has ended for this stay: cancelling costs €45.00.",
        ),
        (
            100,
            "€150.00",
            "Nothing is refunded: the hotel keeps the €150.00 you paid.",
            "after that the hotel keeps the full amount.",
        ),
    ],
)
async def test_what_cancelling_a_confirmed_booking_costs_is_told_first(
    page_clients: PageClients, stack: ApiStack, percent: int, price: str, words: str, policy: str
) -> None:
    """By the policy the booking was made under; the cost shown is the cost charged."""
    hotel = await open_hotel(stack, free_cancel_days=60, late_cancel_fee_percent=percent)
    guest = await hotel.confirmed()
    page_client = await opened(page_clients, guest)
    preview = await page_client.open(at(guest, "cancel/"))
    assert words in preview.words
    assert policy in preview.words
    assert f"Yes, cancel: it costs {price}" in preview.words
    assert "until the hotel confirms" not in preview.words, "it has"
    assert (await page_client.send(at(guest, "cancel/"))).status == 303
    booking = await guest.read_booking()
    assert booking["status"] == "CANCELLED"
    assert booking["amount_refunded"] == f"{150 - 150 * percent / 100:.2f}"


async def test_a_hotel_that_changes_its_terms_alters_nothing_for_a_booking(
    page_clients: PageClients, stack: ApiStack
) -> None:
    """Page, refund and the API's refusals go by the time zone and the policy that the guest saw.

    Midnight of one day comes 25 hours later to Pago Pago than to Kiritimati: there cancelling would still be free.
    """
    hotel = await open_hotel(
        stack, timezone="Pacific/Kiritimati", free_cancel_days=2, late_cancel_fee_percent=30
    )
    guest = await hotel.confirmed(days_ahead=2)
    await set_terms(
        hotel, timezone="Pacific/Pago_Pago", free_cancel_days=1, late_cancel_fee_percent=100, cutoff_hour=3
    )
    page_client = await opened(page_clients, guest)
    assert "Pacific/Kiritimati" in (await page_client.open(at(guest))).words
    preview = await page_client.open(at(guest, "cancel/"))
    assert "two days before check-in; after that the hotel keeps 30% of the total." in preview.words
    assert "Cancelling costs €45.00" in preview.words
    assert (await page_client.send(at(guest, "cancel/"))).status == 303
    booking = await guest.read_booking()
    assert (booking["status"], booking["amount_refunded"]) == ("CANCELLED", "105.00")
    assert await money(hotel, guest) == ("succeeded", 15000, 10500, 1)


async def test_a_cost_that_changed_is_told_again_before_anything_happens(
    page_clients: PageClients, stack: ApiStack
) -> None:
    """Midnight has passed, or the hotel confirmed, while the guest hesitated."""
    hotel = await open_hotel(stack, free_cancel_days=60, late_cancel_fee_percent=30)
    guest = await hotel.held()
    page_client = await opened(page_clients, guest)
    await page_client.open(at(guest, "cancel/"))
    await (await hotel.staff()).approve(guest.booking_id)
    page = await page_client.send(at(guest, "cancel/"))
    assert page.status == 409
    assert "The cost of cancelling has changed since you opened this page." in page.words
    assert "Cancelling costs €45.00" in page.words
    assert await status_of(guest) == "CONFIRMED"
    page_client.page = page
    assert (await page_client.send(at(guest, "cancel/"))).status == 303
    assert await status_of(guest) == "CANCELLED"


async def test_from_check_in_on_the_page_offers_no_cancelling(
    page_clients: PageClients, hotel: HotelDriver
) -> None:
    """The stay has begun by the hotel's calendar: neither link nor form does anything."""
    guest = await hotel.confirmed()
    page_client = await opened(page_clients, guest)
    await page_client.open(at(guest, "cancel/"))
    yesterday = utc_now().date() - timedelta(days=1)
    await edit(hotel, guest, check_in=yesterday)
    assert (await page_client.send(at(guest, "cancel/"))).location == at(guest)
    page = await page_client.open(at(guest))
    assert at(guest, "cancel/") not in page.links
    assert await status_of(guest) == "CONFIRMED"


async def test_a_cancellation_during_a_capture_is_refused_and_the_page_says_so(
    page_clients: PageClients, stack: ApiStack
) -> None:
    """Staff approve, and the guest cancels for nothing while the capture is under way."""
    hotel = await open_hotel(stack, free_cancel_days=60, late_cancel_fee_percent=100)
    guest, staff = await hotel.held(), await hotel.staff()
    page_client = await opened(page_clients, guest)
    preview = await page_client.open(at(guest, "cancel/"))
    assert "Cancelling costs nothing" in preview.words
    slow = await stack.stand_ins.stripe.order(
        "POST /v1/payment_intents/*/capture", "delay", delay_s=3, times=1
    )
    approval = asyncio.create_task(staff.approve(guest.booking_id))
    await wait_until(lambda: stack.stand_ins.stripe.hits(slow), bool, what="the capture to be under way")
    page = await page_client.send(at(guest, "cancel/"))
    assert page.status == 409
    assert "Your booking could not be cancelled" in page.words
    assert at(guest) in page.links
    assert settled(await approval)["status"] == "CONFIRMED"
    assert await money(hotel, guest) == ("succeeded", 15000, 0, 1)
    page = await page_client.open(at(guest))
    assert "The hotel confirmed before your cancellation arrived: nothing has been cancelled" in page.words
    # Asked again, at what it costs now, it is done.
    await page_client.open(at(guest, "cancel/"))
    assert (await page_client.send(at(guest, "cancel/"))).status == 303
    assert await status_of(guest) == "CANCELLED"


async def test_a_refund_that_came_back_is_told_as_still_owed(
    page_clients: PageClients, hotel: HotelDriver, stack: ApiStack
) -> None:
    """Never as money that the hotel keeps by its policy."""
    guest = await hotel.confirmed()
    assert settled(await guest.cancel())
    await stack.temporal.get_workflow_handle(f"booking-{guest.booking_id}").result()
    [refund] = (await stack.client.ledger(guest.booking_id))["refunds"]
    await stack.client.dashboard(f"refunds/{refund['id']}/fail")

    async def flagged() -> bool:
        return bool((await guest.read_booking())["needs_attention"])

    await wait_until(flagged, bool, what="the booking to need a person")
    page_client = await opened(page_clients, guest)
    words = (await page_client.open(at(guest))).words
    assert "€150.00 is still owed to you" in words
    assert "Your bank returned the refund" in words
    assert "we still owe it" not in words, "the page says so only where it is owed"
    assert "Still owed to you" in words
    assert "cancellation policy" not in words
    booking = await guest.read_booking()
    assert booking["timeline"][-1]["event"] == "refund_returned"
    assert (booking["amount_refunded"], booking["amount_paid_elsewhere"]) == ("0.00", "0.00")


async def test_a_withdrawn_cancellation_is_told_and_costs_no_more_later(
    page_clients: PageClients, stack: ApiStack
) -> None:
    """The fee applies by now; the page shows the cost of their first cancellation."""
    hotel = await open_hotel(stack, free_cancel_days=60, late_cancel_fee_percent=30)
    guest = await hotel.confirmed()
    await edit(hotel, guest, cancellation_counts_from=utc_now() - timedelta(days=365), reason_note="Call us.")
    page_client = await opened(page_clients, guest)
    words = (await page_client.open(at(guest))).words
    assert "Your cancellation was not carried out, and your stay is still confirmed." in words
    assert "Call us." in words
    preview = await page_client.open(at(guest, "cancel/"))
    assert "Cancelling costs nothing: the full €150.00 goes back to your card." in preview.words
