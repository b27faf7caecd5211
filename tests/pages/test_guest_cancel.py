"""Cancelling by the guest: what it costs is told first, and that is what it costs."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from models import utc_now
from sandbox.people import Guest, wait_until
from tests.api.hotels import Hotel, open_hotel
from tests.api.outcomes import money, settled
from tests.api.rows import commands_of, edit
from tests.api.stack import PATIENCE_S, Stack
from tests.pages.guests import at, opened, status_of
from tests.pages.visitor import Visitors


async def test_cancelling_before_the_hotel_confirms_costs_nothing(visitors: Visitors, hotel: Hotel) -> None:
    """Asked first, then done; the hold is gone, and a second press changes nothing."""
    guest = await hotel.held()
    visitor = await opened(visitors, guest)
    asked = await visitor.open(at(guest, "cancel/"))
    assert "Cancelling costs nothing: the hold of €150.00 on your card is released." in asked.words
    assert await status_of(guest) == "PENDING_APPROVAL"
    for _ in range(2):
        seen = await visitor.send(at(guest, "cancel/"))
        assert (seen.status, seen.location) == (303, at(guest))
    assert await status_of(guest) == "CANCELLED"
    assert "You have cancelled this booking" in (await visitor.open(at(guest))).words
    assert (await visitor.open(at(guest, "cancel/"))).location == at(guest)


@pytest.mark.parametrize(
    ("percent", "words"),
    [
        (0, "Cancelling costs nothing: the full €150.00 goes back to your card."),
        (30, "Cancelling costs €45.00: the hotel keeps it, and €105.00 goes back to your card."),
        (100, "Nothing is refunded: the hotel keeps the €150.00 you paid."),
    ],
)
async def test_what_cancelling_a_confirmed_booking_costs_is_told_first(
    visitors: Visitors, stack: Stack, percent: int, words: str
) -> None:
    """By the policy the booking was made under; what was told is what is done."""
    hotel = await open_hotel(stack, free_cancel_days=60, late_cancel_fee_percent=percent)
    guest = await hotel.confirmed()
    visitor = await opened(visitors, guest)
    asked = await visitor.open(at(guest, "cancel/"))
    assert words in asked.words
    assert (await visitor.send(at(guest, "cancel/"))).status == 303
    booking = await guest.look()
    assert booking["status"] == "CANCELLED"
    assert booking["amount_refunded"] == f"{150 - 150 * percent / 100:.2f}"


async def test_a_cost_that_changed_is_told_again_before_anything_happens(
    visitors: Visitors, stack: Stack
) -> None:
    """Midnight has passed, or the hotel confirmed, while the guest hesitated."""
    hotel = await open_hotel(stack, free_cancel_days=60, late_cancel_fee_percent=30)
    guest = await hotel.held()
    visitor = await opened(visitors, guest)
    await visitor.open(at(guest, "cancel/"))
    await (await hotel.staff()).approve(guest.booking_id)
    seen = await visitor.send(at(guest, "cancel/"))
    assert seen.status == 409
    assert "What cancelling costs has changed since you last looked." in seen.words
    assert "Cancelling costs €45.00" in seen.words
    assert await status_of(guest) == "CONFIRMED"
    visitor.page = seen
    assert (await visitor.send(at(guest, "cancel/"))).status == 303
    assert await status_of(guest) == "CANCELLED"


async def test_from_check_in_on_the_page_offers_no_cancelling(visitors: Visitors, hotel: Hotel) -> None:
    """The stay has begun by the hotel's calendar: neither link nor form does anything."""
    guest = await hotel.confirmed()
    visitor = await opened(visitors, guest)
    await visitor.open(at(guest, "cancel/"))
    yesterday = utc_now().date() - timedelta(days=1)
    await edit(hotel, guest, check_in=yesterday)
    assert (await visitor.send(at(guest, "cancel/"))).location == at(guest)
    seen = await visitor.open(at(guest))
    assert at(guest, "cancel/") not in seen.links
    assert await status_of(guest) == "CONFIRMED"


async def test_cancelling_at_the_moment_of_approval_tells_how_it_came_out(
    visitors: Visitors, hotel: Hotel, stack: Stack
) -> None:
    """While the capture is under way a cancel is refused, and the page says so."""
    guest = await hotel.held()
    visitor = await opened(visitors, guest)
    await visitor.open(at(guest, "cancel/"))
    await stack.stand_ins.stripe.order("POST /v1/payment_intents/*/capture", "delay", delay_s=4, times=1)
    staff = await hotel.staff()
    approval = asyncio.create_task(staff.approve(guest.booking_id))

    async def decision() -> str | None:
        pending = (await guest.look())["pending_decision"]
        return None if pending is None else str(pending)

    await wait_until(decision, lambda kind: kind == "approve", timeout_s=PATIENCE_S, what="the approval")
    seen = await visitor.send(at(guest, "cancel/"))
    assert seen.status == 409
    assert "Your booking could not be cancelled" in seen.words
    assert at(guest) in seen.links
    assert (await approval).status_code == 200
    assert await status_of(guest) == "CONFIRMED"


async def test_a_cancellation_behind_an_approval_costs_nothing_or_is_not_done(
    visitors: Visitors, stack: Stack
) -> None:
    """The booking is busy asking Stripe; staff approve, then the guest cancels for nothing, and both have to wait."""
    hotel = await open_hotel(stack, free_cancel_days=60, late_cancel_fee_percent=100)
    guest, staff = await hotel.held(), await hotel.staff()
    visitor = await opened(visitors, guest)
    asked = await visitor.open(at(guest, "cancel/"))
    assert "Cancelling costs nothing" in asked.words
    slow = await stack.stand_ins.stripe.order("GET /v1/payment_intents/*", "delay", delay_s=4, times=1)
    looking = asyncio.create_task(guest.verify())
    await wait_until(lambda: stack.stand_ins.stripe.hits(slow), bool, what="the booking to be busy")
    approval = asyncio.create_task(staff.approve(guest.booking_id))
    await wait_until(lambda: _decisions_kept(stack, guest), lambda count: count == 1, what="the approval")
    seen = await visitor.send(at(guest, "cancel/"))
    assert seen.status == 409
    assert "Your booking could not be cancelled" in seen.words
    assert settled(await approval)["status"] == "CONFIRMED"
    await looking
    assert await money(hotel, guest) == ("succeeded", 15000, 0, 1)
    page = await visitor.open(at(guest))
    assert "the hotel's confirmation came first: nothing has been cancelled" in page.words
    # Asked again, at what it costs now, it is done.
    await visitor.open(at(guest, "cancel/"))
    assert (await visitor.send(at(guest, "cancel/"))).status == 303
    assert await status_of(guest) == "CANCELLED"


async def _decisions_kept(stack: Stack, guest: Guest) -> int:
    return len(await commands_of(stack, guest.booking_id))
