"""The actions of staff at the console."""

from __future__ import annotations

import re

import pyotp

from sandbox.drivers import StackClient, wait_until
from sandbox.evidence import Json, read_sandbox
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


async def link_to(client: StackClient, email: str) -> str:
    """The path and query of the link in the newest mail about an account."""

    async def look() -> list[str]:
        mails: list[Json] = await read_sandbox(client.http, client.at.inbox, "messages", to=email)
        found = (re.search(r"https?://\S+?(/staff/set-password/\?code=\S+)", mail["text"]) for mail in mails)
        return [match[1] for match in found if match]

    return (await wait_until(look, bool, what="the mail"))[-1]


async def set_up_second_factor(window: Window, password: str) -> str:
    """Fill in the page of the second factor; returns the code of the authenticator app, which is used up."""
    app = pyotp.TOTP((await window.page.locator(".key").inner_text()).replace(" ", ""))
    code = app.now()
    await window.page.get_by_role("textbox", name="Code").fill(code)
    await window.page.get_by_label("Current password").fill(password)
    await window.press("Set up")
    await window.headline("Recovery codes")
    return code
