"""A manager adds a room type and changes its price, and guests read it."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from sandbox.drivers import StackClient
from tests.browser.guest_pages import booked, come_by_link
from tests.browser.window import Window
from tests.browser.windows import Windows
from tests.whole_stack import HOTEL


@pytest.mark.timeout(300)
async def test_a_price_is_changed_by_hand_and_holds_for_later_bookings(
    windows: Windows, guest: Window, client: StackClient
) -> None:
    """All of it accessibly, on a phone, too."""
    manager = await windows.staff("manager")
    await manager.go("/staff/")
    await manager.press("Rooms and prices", role="link")
    await manager.headline("Rooms and prices")
    await manager.page.evaluate("for (const form of document.forms) form.noValidate = true")
    await manager.press("Add")
    await manager.reads("Please correct these")
    await manager.is_accessible()
    page = manager.page
    await page.get_by_label("Name").fill("Tower room")
    await page.get_by_label("Price per night").fill("99.50")
    await page.get_by_label("Guests at most").fill("2")
    await page.get_by_label("Rooms of this type").fill("1000")
    await manager.press("Add")
    await manager.reads("Saved: Tower room.")
    await manager.is_accessible()
    await page.get_by_label("Overbooking allowance").fill("2")
    await manager.press("Save the allowance")
    await manager.reads("The overbooking allowance is now 2.")
    before = await booked(client, HOTEL, room_type="tower-room")

    await manager.press("Tower room", role="link")
    await manager.headline("Tower room")
    await manager.is_accessible()
    await page.get_by_label("Price per night").fill("120")
    await manager.press("Save")
    await expect(page.get_by_role("row").filter(has_text="Tower room")).to_contain_text("€120.00")
    await come_by_link(guest, before)
    await guest.reads("€298.50")
    await guest.go(f"/hotels/{HOTEL}/")
    await guest.reads("€120.00")
