"""A manager reads the calendar, blocks a room from it and puts it back; everyone reads arrivals."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from playwright.async_api import Page, expect

from sandbox.drivers import StackClient
from tests.browser.guest_pages import hold
from tests.browser.window import PATIENCE_MS, PHONE, Window
from tests.browser.windows import Windows
from tests.whole_stack import HOTEL


@pytest.mark.timeout(300)
async def test_a_night_leads_to_its_bookings_and_a_room_is_blocked(
    windows: Windows, guest: Window, client: StackClient
) -> None:
    """By keyboard where it matters, all of it accessibly, on a phone, too."""
    manager = await windows.staff("manager")
    page = manager.page
    await manager.go("/staff/")
    await manager.press("Calendar", role="link")
    await manager.headline("Calendar")
    await manager.listens()
    booking_id = await hold(guest, client, HOTEL, days_ahead=3)
    cell = page.locator(".calendar a").filter(has_text="waiting").first
    await expect(cell).to_be_visible(timeout=PATIENCE_MS)
    await manager.is_accessible()
    await cell.focus()
    await page.keyboard.press("Enter")
    await manager.reads("Bookings with a room on the night of")
    await manager.reads(booking_id)
    await manager.is_accessible()
    await manager.press("Back to the calendar", role="link")

    await page.set_viewport_size(PHONE)
    today = datetime.now(UTC).date()
    await _fill_in(page, today + timedelta(days=4))
    await page.get_by_label("Rooms to block").fill("1000")
    await manager.press("Block")
    await manager.reads("Too few rooms would be left")
    await expect(page.get_by_role("link", name=booking_id, exact=True)).to_be_visible()
    await manager.is_accessible()
    night = today + timedelta(days=100)
    await _fill_in(page, night)
    await page.get_by_label("Rooms to block").fill("1")
    await page.get_by_label("Note").fill("Painting")
    await manager.press("Block")
    await manager.reads("The rooms are blocked.")
    await manager.reads("Painting")
    await expect(page.locator(".calendar").get_by_text("1 blocked")).to_have_count(2)
    await manager.is_accessible()
    await page.get_by_role("button", name="Unblock").click()
    await manager.reads("The rooms are back in service.")
    await manager.press("Later", role="link")
    await page.wait_for_url(f"**first={night + timedelta(days=30)}")


async def _fill_in(page: Page, first: date) -> None:
    await page.get_by_label("First night", exact=True).fill(f"{first}")
    await page.get_by_label("Last night").fill(f"{first + timedelta(days=1)}")


@pytest.mark.timeout(300)
async def test_arrivals_show_what_guests_asked_for(
    windows: Windows, guest: Window, client: StackClient
) -> None:
    """A new one appears by itself."""
    viewer = await windows.staff("viewer")
    await viewer.go("/staff/arrivals/?period=week")
    await viewer.headline("Arrivals")
    await viewer.listens()
    booking_id = await hold(guest, client, HOTEL, days_ahead=3)
    line = viewer.page.get_by_role("listitem").filter(has_text=booking_id)
    await expect(line).to_contain_text("A quiet room, please.", timeout=PATIENCE_MS)
    await viewer.is_accessible()
    await line.get_by_role("link", name="Aoife Brennan").click()
    await viewer.headline("Aoife Brennan")
