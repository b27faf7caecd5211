"""Arrivals: whose guests come today, tomorrow or within a week, by the hotel's own calendar."""

from __future__ import annotations

from datetime import timedelta

import pytest

from domain.booking import Status
from tests.api.hotels import HotelDriver, midday_zone, open_hotel
from tests.api.rows import edit
from tests.api.stack import ApiStack
from tests.pages.page_client import PageClient, PageClients
from tests.pages.test_staff_queue import listed
from wording.values import short_day

ARRIVALS = "/staff/arrivals/"


@pytest.mark.parametrize("timezone", ["Pacific/Kiritimati", "Pacific/Pago_Pago", "Europe/Dublin"])
async def test_arrivals_by_day_at_the_hotel(
    stack: ApiStack, page_clients: PageClients, timezone: str
) -> None:
    """A week begins today. Bookings that have no room are not expected."""
    hotel = await open_hotel(stack, timezone=timezone)
    viewer, today = await page_clients.staff(hotel, "viewer"), hotel.today()
    made = []
    for days in (7, 6, 1, 0, -1):
        guest = await hotel.draft(days_ahead=30)
        day = today + timedelta(days=days)
        # Only when they come and their status count here.
        await edit(hotel, guest, status=Status.CONFIRMED, check_in=day, check_out=day + timedelta(days=2))
        made.append(guest)
    _, sixth, tomorrow, first, _ = made
    for status in (Status.CANCELLED, Status.DECLINED, Status.EXPIRED, Status.PENDING_PAYMENT, Status.DRAFT):
        guest = await hotel.draft(days_ahead=30)
        await edit(hotel, guest, status=status, check_in=today, check_out=today + timedelta(days=1))
    for period, expected in (
        ("", [first]),
        ("?period=today", [first]),
        ("?period=tomorrow", [tomorrow]),
        ("?period=week", [first, tomorrow, sixth]),
        ("?period=year&cursor=nonsense", [first]),
    ):
        page = await viewer.open(ARRIVALS + period)
        assert listed(page) == [guest.booking_id for guest in expected], period
    assert short_day(today) in (await viewer.open(ARRIVALS)).words


async def test_an_arrival_tells_what_the_guest_asked_for(stack: ApiStack, page_clients: PageClients) -> None:
    hotel = await open_hotel(stack, timezone=midday_zone(), check_in_hour=16, cutoff_hour=24)
    viewer = await page_clients.staff(hotel, "viewer")
    assert "No arrivals." in (await viewer.open(ARRIVALS)).words
    waiting = await hotel.held(
        days_ahead=0, nights=3, children=1, room_type="suite", special_requests="A cot, please. <b>Thanks</b>"
    )
    await hotel.confirmed(days_ahead=0, nights=1)
    page = await viewer.open(ARRIVALS)
    until = short_day(hotel.today() + timedelta(days=3))
    assert "Check-in from 16:00." in page.words
    assert (
        f"Philippa Quarshie To decide A suite, 2 adults, 1 child, 3 nights until {until} "
        f"Special requests: A cot, please. <b>Thanks</b> {waiting.booking_id} · Telephone +353 1 496 0199"
    ) in page.words
    assert "Philippa Quarshie Confirmed A double, 2 adults, 1 night until" in page.words
    assert page.words.count("Special requests") == 1
    assert ARRIVALS in (await viewer.open("/staff/")).links


async def test_many_arrivals_have_pages_without_gaps(viewer: PageClient, hotel: HotelDriver) -> None:
    today = hotel.today()
    guests = [await hotel.draft() for _ in range(52)]
    for guest in guests:
        await edit(hotel, guest, status=Status.CONFIRMED, check_in=today, check_out=today + timedelta(days=1))
    first = await viewer.open(f"{ARRIVALS}?period=week")
    [following] = [link for link in first.links if "cursor=" in link]
    second = await viewer.open(following)
    assert listed(first) + listed(second) == [guest.booking_id for guest in guests]
    assert not [link for link in second.links if "cursor=" in link]
