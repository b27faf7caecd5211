"""Screenshots of the pages of accounts, from an invitation to a log-in with a second factor."""

from __future__ import annotations

from typing import Final

from tests.browser.gallery import Gallery
from tests.browser.staff_console import link_to, log_in, set_up_second_factor
from tests.browser.window import Window
from tests.whole_stack import HOTEL, PASSWORD

_COLLEAGUE: Final = f"colleague@{HOTEL}.test"


async def take_account_pages(gallery: Gallery) -> None:
    """Invite a colleague, who chooses a password and sets up a second factor."""
    manager = await gallery.windows.staff("manager")
    await manager.go("/staff/people/")
    await manager.page.get_by_label("E-mail address").fill(_COLLEAGUE)
    await manager.press("Invite")
    await manager.reads("Invited.")
    colleague = await gallery.windows.open()
    link = await link_to(gallery.client, _COLLEAGUE)
    await gallery.take(manager, "staff-invited")
    await colleague.go(link)
    await gallery.take(colleague, "staff-set-password")
    await colleague.page.get_by_label("New password").fill(PASSWORD)
    await colleague.press("Set the password")
    await colleague.reads("Your password is set.")
    await gallery.take(colleague, "staff-password-set")
    await colleague.go(link)
    await gallery.take(colleague, "staff-link-over")
    await _forgotten_password(gallery, colleague)
    await log_in(colleague, "colleague", HOTEL)
    await _second_factor(gallery, colleague)
    await manager.go("/staff/people/")
    await manager.press(_COLLEAGUE, "link")
    await gallery.take(manager, "staff-person-second-factor")


async def _forgotten_password(gallery: Gallery, colleague: Window) -> None:
    await colleague.go("/staff/forgotten-password/")
    await gallery.take(colleague, "staff-forgotten-password")
    await colleague.page.get_by_label("E-mail address").fill(f"viewer@{HOTEL}.test")
    await colleague.press("Send the link")
    await colleague.reads("If viewer@")
    await gallery.take(colleague, "staff-forgotten-password-sent")
    await link_to(gallery.client, f"viewer@{HOTEL}.test")


async def _second_factor(gallery: Gallery, colleague: Window) -> None:
    await colleague.go("/staff/account/")
    await gallery.take(colleague, "staff-account")
    await colleague.go("/staff/account/second-factor/")
    await gallery.take(colleague, "staff-second-factor")
    await set_up_second_factor(colleague, PASSWORD)
    await gallery.take(colleague, "staff-recovery-codes")
    await colleague.go("/staff/account/second-factor/")
    await gallery.take(colleague, "staff-second-factor-set")
    await colleague.press("Log out")
    await colleague.page.get_by_label("E-mail address").fill(_COLLEAGUE)
    await colleague.page.get_by_label("Password").fill(PASSWORD)
    await colleague.press("Log in")
    await colleague.headline("Second factor")
    await gallery.take(colleague, "staff-log-in-code")
