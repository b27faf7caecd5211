"""A manager who cancels reads the guest's e-mail before it is sent."""

from __future__ import annotations

from html import unescape

import pytest

from models import Hotel as HotelRow
from sandbox.drivers import GuestDriver, wait_until
from tests.api.hotels import HotelDriver
from tests.api.rows import commands_of
from tests.api.stack import ApiStack
from tests.pages.page_client import PageClient, PageContent

NOTE = "A pipe burst in your room <tonight>.\nWe have found you a room next door."


@pytest.fixture
async def guest(hotel: HotelDriver, stack: ApiStack) -> GuestDriver:
    """A guest with a confirmed booking; cancelling it would cost 30%."""
    async with stack.database.transaction() as db:
        row = await db.get_one(HotelRow, hotel.id)
        row.free_cancel_days, row.late_cancel_fee_percent = 60, 30
    return await hotel.confirmed(days_ahead=30)


def letter_in(page: PageContent) -> str:
    """The text of the e-mail that a page shows, up to the guest's link."""
    shown = page.html.split('<div class="as-written">')[1].split("</div>")[0]
    return " ".join(unescape(shown).split("See your booking")[0].split())


async def test_the_guest_reads_what_the_manager_was_shown(
    manager: PageClient, guest: GuestDriver, stack: ApiStack
) -> None:
    path = f"/staff/bookings/{guest.booking_id}/cancel/"
    first = await manager.open(path)
    assert "The guest will read" in first.words
    assert "€150.00" in letter_in(first), "everything is refunded unless the manager chooses less"
    form = {"refund_amount": "120.00", "reason_note": NOTE.replace("\n", "\r\n")}
    shown = await manager.send(f"{path}preview/", **form)
    assert "<tonight>" not in shown.html
    assert "€120.00 of the €150.00 you paid is on its way back" in letter_in(shown)
    assert 'value="120.00"' in shown.html
    kinds = {each.kind for each in await commands_of(stack, guest.booking_id)}
    assert "cancel" not in kinds, "a preview cancels nothing"
    assert (await manager.send(path, **form)).status == 303

    async def mails() -> list[str]:
        subject = f"Booking Cancelled - {guest.booking_id}"
        return [m["text"] for m in await stack.client.mails(guest.booking_id) if m["subject"] == subject]

    [text] = await wait_until(mails, len, what="the mail")
    assert " ".join(text.split("See your booking")[0].split()) == letter_in(shown)


async def test_a_part_follows_the_input_and_names_what_is_wrong(
    manager: PageClient, guest: GuestDriver
) -> None:
    path = f"/staff/bookings/{guest.booking_id}/cancel/"
    await manager.open(path)
    manager.http.headers["HX-Request"] = "true"
    part = await manager.send(f"{path}preview/", refund_amount="not yet", reason_note=NOTE)
    assert part.html.startswith('<div id="letter"')
    assert "next door." in letter_in(part)
    too_long = await manager.send(f"{path}preview/", reason_note="x" * 1001)
    assert 'class="error"' in too_long.html
