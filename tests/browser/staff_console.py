"""The actions of staff at the console."""

from __future__ import annotations

from tests.browser.window import Window
from tests.whole_stack import PASSWORD


async def log_in(window: Window, role: str, slug: str, path: str = "/staff/") -> None:
    """Go to a page of the console and log in on the way."""
    await window.go(path)
    await window.page.get_by_label("E-mail address").fill(f"{role}@{slug}.test")
    await window.page.get_by_label("Password").fill(PASSWORD)
    await window.press("Log in")
    await window.page.wait_for_url(f"{window.site}{path}")


async def look_at(window: Window, booking_id: str) -> None:
    """Open a booking's page."""
    await window.go(f"/staff/bookings/{booking_id}/")
    await window.listens()


async def ask_to(window: Window, decision: str, booking_id: str) -> None:
    """Open the page that asks before it decides."""
    await window.go(f"/staff/bookings/{booking_id}/{decision}/")
    await window.listens()
