"""A colleague is invited, chooses a password, sets up a second factor and logs in with it."""

from __future__ import annotations

import secrets

import pytest

from sandbox.drivers import StackClient
from tests.browser.staff_console import link_to, set_up_second_factor
from tests.browser.window import Window
from tests.browser.windows import Windows

PASSWORD = "a long password of their own"


async def give_password(colleague: Window, email: str) -> None:
    """The first step of the log-in."""
    await colleague.page.get_by_label("E-mail address").fill(email)
    await colleague.page.get_by_label("Password").fill(PASSWORD)
    await colleague.press("Log in")


@pytest.mark.timeout(300)
async def test_from_the_invitation_to_a_log_in_with_a_code(windows: Windows, client: StackClient) -> None:
    """All of it accessibly, on a phone, too."""
    email = f"colleague-{secrets.token_hex(4)}@hotel-killarney.test"
    manager, colleague = await windows.staff("manager"), await windows.open()
    await manager.go("/staff/people/")
    await manager.page.get_by_label("E-mail address").fill(email)
    await manager.page.get_by_label("Role").select_option("viewer")
    await manager.press("Invite")
    await manager.reads("Invited. A link to choose a password is on its way")
    await manager.is_accessible()

    await colleague.go(await link_to(client, email))
    await colleague.headline("Choose a password")
    await colleague.is_accessible()
    await colleague.page.get_by_label("New password").fill(PASSWORD)
    await colleague.press("Set the password")
    await colleague.reads("Your password is set.")
    await give_password(colleague, email)
    await colleague.press("Your account", role="link")
    await colleague.headline("Your account")
    await colleague.reads("This browser")
    await colleague.is_accessible()

    await colleague.press("Set up a second factor", role="link")
    await colleague.headline("Second factor")
    await colleague.is_accessible()
    used_code = await set_up_second_factor(colleague, PASSWORD)
    await colleague.is_accessible()
    recovery_code = await colleague.page.locator(".codes li").first.inner_text()

    await colleague.press("Log out")
    await give_password(colleague, email)
    await colleague.headline("Second factor")
    await colleague.is_accessible()
    await colleague.page.get_by_role("textbox", name="Code").fill(used_code)
    await colleague.press("Log in")
    await colleague.reads("This code is wrong, or was used before.")
    await colleague.page.get_by_role("textbox", name="Code").fill(recovery_code)
    await colleague.press("Log in")
    await colleague.page.wait_for_url(f"{colleague.site}/staff/")

    outside = await windows.open()
    await outside.go("/staff/log-in/")
    await outside.press("Forgot your password?", role="link")
    await outside.headline("Forgotten password")
    await outside.is_accessible()
    await outside.page.get_by_label("E-mail address").fill("nobody@hotel-killarney.test")
    await outside.press("Send the link")
    await outside.reads("If nobody@hotel-killarney.test has an account")
    await outside.is_accessible()


@pytest.mark.timeout(300)
async def test_accounts_with_a_second_factor_and_links_that_end_are_accessible(
    windows: Windows, client: StackClient
) -> None:
    """Also the forms with everything wrong."""
    email = f"colleague-{secrets.token_hex(4)}@hotel-killarney.test"
    manager, colleague = await windows.staff("manager"), await windows.open()
    await manager.go("/staff/people/")
    await manager.page.get_by_label("E-mail address").fill(email)
    await manager.press("Invite")
    await manager.reads("Invited.")
    link = await link_to(client, email)
    await colleague.go(link)
    await colleague.page.get_by_label("New password").fill("short")
    await colleague.press("Set the password")
    await colleague.is_accessible()
    await colleague.page.get_by_label("New password").fill(PASSWORD)
    await colleague.press("Set the password")
    await colleague.reads("Your password is set.")
    await colleague.is_accessible()
    await colleague.go(link)
    await colleague.headline("This link no longer works")
    await colleague.is_accessible()

    await colleague.go("/staff/account/second-factor/")
    await give_password(colleague, email)
    await colleague.headline("Second factor")
    await colleague.page.get_by_role("textbox", name="Code").fill("1")
    await colleague.page.get_by_label("Current password").fill("wrong")
    await colleague.press("Set up")
    await colleague.is_accessible()
    await set_up_second_factor(colleague, PASSWORD)
    await colleague.go("/staff/account/second-factor/")
    await colleague.is_accessible()
    await colleague.go("/staff/account/")
    await colleague.page.get_by_label("Current password").fill("wrong")
    await colleague.page.get_by_label("New password").fill("short")
    await colleague.press("Change the password")
    await colleague.reads("Please correct")
    await colleague.is_accessible()
    await manager.go("/staff/people/")
    await manager.press(email, role="link")
    await manager.reads("Reset the second factor")
    await manager.is_accessible()
