"""A manager takes a new hotel from its first log-in to its first approved booking, with the console alone."""

from __future__ import annotations

from typing import Final

import pytest

from sandbox.stack.stack import Stack
from tests.browser.guest_pages import fill_in
from tests.browser.staff_console import log_in
from tests.browser.window import Window
from tests.browser.windows import Windows
from tests.whole_stack import PASSWORD

NEW: Final = "abbey-house"


@pytest.mark.timeout(300)
async def test_a_new_hotel_takes_its_first_booking(stack: Stack, windows: Windows, guest: Window) -> None:
    """The two commands are the installer's; `docs/a-managers-day.md` tells the rest step by step."""
    terms = ("--name", "Abbey House", "--currency", "EUR", "--timezone", "Europe/Dublin")
    stack.manage("hotel", "add", NEW, *terms)
    person = ("--hotel", NEW, "--email", f"manager@{NEW}.test", "--role", "manager")
    stack.manage("staff", "add", *person, "--password", PASSWORD)
    manager = await windows.open()
    await log_in(manager, "manager", NEW)
    await manager.reads("Nothing to decide.")
    await manager.press("Rooms and prices", role="link")
    await _add_rooms(manager)
    await manager.press("Policy and contact", role="link")
    await _set_contact(manager)

    await fill_in(guest, NEW)
    await guest.press("Send request")
    await guest.press("Enter card details")
    await guest.pay()
    await guest.headline("Abbey House has your request")

    await manager.go("/staff/")
    await manager.press("Aoife Brennan", role="link")
    await manager.press("Approve…", role="link")
    await manager.press("Approve and capture €360.00")
    await manager.reads("Approved: €360.00 was captured")
    await guest.headline("Your stay is confirmed")
    await guest.reads("Abbey Lane 1")
    await _cancel_page(manager)


async def _add_rooms(manager: Window) -> None:
    await manager.reads("There are no room types yet.")
    page = manager.page
    await page.get_by_label("Name").fill("Double room")
    await page.get_by_label("Price per night").fill("120")
    await page.get_by_label("Guests at most").fill("2")
    await page.get_by_label("Rooms of this type").fill("4")
    await manager.press("Add")
    await manager.reads("Saved: Double room.")


async def _set_contact(manager: Window) -> None:
    page = manager.page
    await page.get_by_label("Check-in from this hour").fill("16")
    await page.get_by_label("Telephone for guests").fill("+353 64 555 0100")
    await page.get_by_label("Address (optional)", exact=True).fill("Abbey Lane 1\nKillarney")
    await page.get_by_label("Directions").fill("Past the cathedral, then left.")
    await manager.press("Save")
    await manager.reads("Saved.")
    await manager.is_accessible()


async def _cancel_page(manager: Window) -> None:
    """The e-mail's preview follows the note as it is written."""
    await manager.press("Cancel the booking…", role="link")
    await manager.headline("Cancel this booking?")
    await manager.page.get_by_label("Note to the guest").fill("A pipe has burst.")
    await manager.page.locator("#letter").get_by_text("A pipe has burst.").wait_for()
    await manager.is_accessible()
