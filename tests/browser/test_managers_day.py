"""`docs/a-managers-day.md`, step by step: from an empty hotel to the first booking, and through a day."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
from playwright.async_api import expect

from sandbox.drivers import StackClient
from sandbox.stack.stack import Stack
from tests.browser.guest_pages import fill_in, hold
from tests.browser.staff_console import set_up_second_factor
from tests.browser.walk import Walk, read_steps
from tests.browser.window import ROOT, Window
from tests.browser.windows import Windows

_DOCUMENT: Final = ROOT / "docs" / "a-managers-day.md"
_HOTEL: Final = "abbey-house"
_ROOM: Final = "double-room"
_MANAGER: Final = f"manager@{_HOTEL}.test"
_COLLEAGUE: Final = f"colleague@{_HOTEL}.test"
_GUEST: Final = "aoife.brennan@example.com"
_PASSWORD: Final = "a long password of their own"
_INVITATION: Final = "Invitation to the staff console of Abbey House"


@dataclass
class ManagersDay:
    """The people of the walk, and the first booking."""

    walk: Walk
    client: StackClient
    manager: Window
    colleague: Window
    guest: Window

    async def first_booking(self) -> None:
        """From nothing to the first booking."""
        with self.walk.step("Choose a password and log in"):
            await self._choose_password(self.manager, _MANAGER, _INVITATION)
            await self._log_in(self.manager, _MANAGER)
            await self.walk.read(self.manager, "Nothing to decide.")
        with self.walk.step("Add a room type"):
            await self._add_room_type()
        with self.walk.step("Set policy and contact"):
            await self._set_policy()
        with self.walk.step("Watch a guest book"):
            await self._book()
        with self.walk.step("Approve the request"):
            await self._approve()

    async def day(self, folder: Path) -> None:
        """Through a day."""
        with self.walk.step("Decline a request"):
            await self._decline()
        with self.walk.step("Change a price"):
            await self._change_price()
        with self.walk.step("Close a room for a week"):
            await self._close_room()
        with self.walk.step("See who arrives"):
            await self._see_arrivals()
        with self.walk.step("Invite a colleague"):
            await self._invite()
        with self.walk.step("Reset a forgotten password"):
            await self._reset_password()
        with self.walk.step("Set up a second factor"):
            await self._set_up_second_factor()
        with self.walk.step("Cancel a confirmed booking"):
            await self._cancel()
        with self.walk.step("Help a booking that needs attention"):
            await self._help()
        with self.walk.step("Hand the month to the accountant"):
            await self._hand_over(folder)

    # From nothing to the first booking

    async def _choose_password(self, person: Window, email: str, subject: str) -> None:
        mail = await self.walk.mail(email, subject)
        [path] = set(re.findall(r"(/staff/set-password/\?code=\S+)", mail["text"]))
        await person.go(path)
        await self.walk.headline(person, "Choose a password")
        await self.walk.fill(person, {"New password": _PASSWORD})
        await self.walk.press(person, "Set the password")

    async def _log_in(self, person: Window, email: str) -> None:
        await self.walk.fill(person, {"E-mail address": email, "Password": _PASSWORD})
        await self.walk.press(person, "Log in")

    async def _add_room_type(self) -> None:
        manager, walk = self.manager, self.walk
        await walk.follow(manager, "Rooms and prices")
        await manager.reads("There are no room types yet.")
        await walk.fill(manager, {"Name": "Double room", "Price per night": "120"})
        await walk.fill(manager, {"Guests at most": "2", "Rooms of this type": "4"})
        await walk.press(manager, "Add")
        await manager.reads("Saved: Double room.")
        await walk.follow(manager, "See the guests' booking page")
        await manager.headline("Request a room at Abbey House")
        await manager.go("/staff/")

    async def _set_policy(self) -> None:
        manager, walk = self.manager, self.walk
        await walk.follow(manager, "Policy and contact")
        await walk.fill(manager, {"The hotel answers within": "2", "Guests pay within": "1"})
        await walk.fill(manager, {"Check-in from this hour": "16", "Check-out by this hour": "10"})
        cancellation = {"Free until, in days before check-in": "7", "Fee after that, in percent": "50"}
        await walk.fill(manager, cancellation)
        await walk.fill(manager, {"Telephone for guests": "+353 64 555 0100"})
        await walk.fill(manager, {"Address": "Abbey Lane 1\nKillarney", "Directions": "Past the cathedral."})
        await walk.fill(manager, {"Place on the map": "52.0599, -9.5044"})
        await walk.press(manager, "Save")
        await manager.reads("Saved.")
        await manager.is_accessible()

    async def _book(self) -> None:
        manager, guest, walk = self.manager, self.guest, self.walk
        await manager.go("/staff/")
        await manager.listens()
        await fill_in(guest, _HOTEL, days_ahead=3)
        await walk.press(guest, "Send request")
        await walk.press(guest, "Enter card details")
        await guest.pay()
        await walk.headline(guest, "Abbey House has your request")
        await walk.mail(_MANAGER, "New booking request")
        await walk.read(manager, "Requests", "Aoife Brennan")

    async def _approve(self) -> None:
        manager, guest, walk = self.manager, self.guest, self.walk
        await walk.follow(manager, "Aoife Brennan")
        await walk.follow(manager, "Approve…")
        await walk.press(manager, "Approve and capture €360.00")
        await manager.reads("Approved: €360.00 was captured")
        await walk.headline(guest, "Your stay is confirmed")
        await guest.reads("Abbey Lane 1")
        await guest.reads("from 16:00")
        mail = await walk.mail(_GUEST, "Booking Confirmed")
        [calendar] = mail["attachments"]
        for line in ("LOCATION:Abbey House\\, Abbey Lane 1\\, Killarney", "GEO:52.0599;-9.5044"):
            assert line in calendar["text"]

    # Through a day

    async def _request(self, guest: Window) -> None:
        """One more request, at the head of the queue."""
        await hold(guest, self.client, _HOTEL, room_type=_ROOM)
        await self.manager.go("/staff/")

    async def _decline(self) -> None:
        manager, walk = self.manager, self.walk
        await self._request(self.colleague)
        await walk.read(manager, "To decide")
        await walk.follow(manager, "Aoife Brennan")
        await walk.follow(manager, "Decline…")
        await walk.field(manager, "Reason").select_option("OTHER")
        await walk.fill(manager, {"Note to the guest": "We are painting that week."})
        await walk.read(manager, "The guest will read")
        await manager.page.locator("#letter").get_by_text("We are painting that week.").wait_for()
        await walk.press(manager, "Decline and release €360.00")
        await manager.reads("Declined: the hold was released")

    async def _change_price(self) -> None:
        manager, walk = self.manager, self.walk
        await walk.follow(manager, "Rooms and prices")
        await walk.follow(manager, "Double room")
        await walk.fill(manager, {"Price per night": "150"})
        await walk.press(manager, "Save")
        await manager.reads("Saved: Double room.")
        await self.guest.page.reload()
        await self.guest.reads("€360.00")

    async def _close_room(self) -> None:
        manager, walk = self.manager, self.walk
        await walk.follow(manager, "Calendar")
        await walk.follow(manager, "Block rooms")
        first = datetime.now(UTC).date() + timedelta(days=10)
        await walk.field(manager, "Room type").select_option(label="Double room")
        nights = {"First night": f"{first}", "Last night": f"{first + timedelta(days=6)}"}
        await walk.fill(manager, nights | {"Rooms to block": "1", "Note": "New bathroom"})
        await walk.press(manager, "Block")
        await walk.read(manager, "1 blocked")
        await expect(manager.page.locator(".calendar").get_by_text("1 blocked")).to_have_count(7)
        await walk.press(manager, "Unblock")
        await manager.reads("The rooms are back in service.")

    async def _see_arrivals(self) -> None:
        manager, walk = self.manager, self.walk
        await walk.follow(manager, "Arrivals")
        await walk.follow(manager, "Tomorrow")
        await walk.follow(manager, "Today")
        await walk.follow(manager, "Next 7 days")
        await manager.reads("A quiet room, please.")
        await walk.follow(manager, "Aoife Brennan")
        await manager.headline("Aoife Brennan")

    async def _invite(self) -> None:
        manager, walk = self.manager, self.walk
        await walk.follow(manager, "Staff")
        await walk.fill(manager, {"E-mail address": _COLLEAGUE})
        await walk.field(manager, "Role").select_option("approver")
        await walk.press(manager, "Invite")
        await manager.reads("Invited.")
        await self._choose_password(self.colleague, _COLLEAGUE, _INVITATION)
        await self._log_in(self.colleague, _COLLEAGUE)
        await self.colleague.reads("Nothing to decide.")

    async def _reset_password(self) -> None:
        colleague, walk = self.colleague, self.walk
        await colleague.press("Log out")
        await walk.follow(colleague, "Forgot your password?")
        await walk.fill(colleague, {"E-mail address": _COLLEAGUE})
        await walk.press(colleague, "Send the link")
        await colleague.reads("a link is on its way")
        await self._choose_password(colleague, _COLLEAGUE, "Reset your password")
        await self._log_in(colleague, _COLLEAGUE)
        await colleague.reads("Nothing to decide.")
        await walk.read(self.manager, "Staff")

    async def _set_up_second_factor(self) -> None:
        manager, colleague, walk = self.manager, self.colleague, self.walk
        for person in (colleague, manager):
            await walk.follow(person, "Your account")
            await walk.follow(person, "Set up a second factor")
            await walk.read(person, "Code", "Current password", "Set up")
            await set_up_second_factor(person, _PASSWORD)
            await walk.read(person, "Recovery codes")
        code = await manager.page.locator(".codes li").first.inner_text()
        await walk.follow(manager, "Staff")
        await walk.field(manager, "Managers log in").select_option(label="With a second factor")
        await walk.press(manager, "Save")
        await walk.read(manager, "Managers log in", "With a second factor")
        await walk.follow(manager, _COLLEAGUE)
        await walk.press(manager, "Reset the second factor")
        await manager.reads("Saved")
        await manager.press("Log out")
        await self._log_in(manager, _MANAGER)
        await walk.fill(manager, {"Code": code})
        await walk.press(manager, "Log in")
        await manager.reads("Nothing to decide.")

    async def _cancel(self) -> None:
        manager, walk = self.manager, self.walk
        await walk.follow(manager, "Requests")
        await walk.follow(manager, "Confirmed")
        await walk.follow(manager, "Aoife Brennan")
        await walk.follow(manager, "Cancel the booking…")
        await walk.fill(manager, {"Total refund, in EUR": "360.00"})
        await walk.fill(manager, {"Note to the guest": "A pipe has burst."})
        await manager.page.locator("#letter").get_by_text("A pipe has burst.").wait_for()
        await manager.is_accessible()
        await walk.press(manager, "Cancel and refund")
        await manager.reads("Cancelled: €360.00 is refunded to the guest")
        await walk.mail(_GUEST, "Booking Cancelled")

    async def _help(self) -> None:
        manager, walk, stripe = self.manager, self.walk, self.client.at.stripe
        await self._request(self.guest)
        match = "POST /v1/payment_intents/*/capture"
        await self.client.fault(stripe, match=match, kind="error_before", status=400, times=50)
        await manager.press("Aoife Brennan", role="link")
        await manager.press("Approve…", role="link")
        await manager.press("Approve and capture €450.00")
        await manager.reads("Your approval could not be carried out.")
        await walk.mail(_MANAGER, "Attention needed")
        await self.client.http.delete(f"{stripe}/_sandbox/faults")
        await walk.follow(manager, "Attention")
        await walk.read(manager, "What to do", "Until when", "Technical details", "I have resolved it…")
        await walk.press(manager, "Try again")
        await self.guest.headline("Your stay is confirmed")

    async def _hand_over(self, folder: Path) -> None:
        manager, walk = self.manager, self.walk
        await walk.follow(manager, "Figures")
        await walk.follow(manager, "Last month")
        await walk.follow(manager, "This month")
        totals = {}
        for name in ("Bookings (CSV)", "Money movements (CSV)"):
            async with manager.page.expect_download() as download:
                await walk.follow(manager, name)
            await (await download.value).save_as(folder / "book.csv")
            rows = list(csv.DictReader((folder / "book.csv").read_text("utf-8-sig").splitlines()))
            totals[name] = len(rows)
        assert totals == {"Bookings (CSV)": 3, "Money movements (CSV)": 3}
        await manager.reads("€810.00")


@pytest.mark.timeout(600)
async def test_the_document_can_be_followed(
    stack: Stack, windows: Windows, guest: Window, client: StackClient, tmp_path: Path
) -> None:
    """The two commands are the installer's; a manager alone does the rest, and every word is where the text says."""
    terms = ("--name", "Abbey House", "--currency", "EUR", "--timezone", "Europe/Dublin")
    stack.manage("hotel", "add", _HOTEL, *terms)
    stack.manage("staff", "invite", "--hotel", _HOTEL, "--email", _MANAGER, "--role", "manager")
    walk = Walk(client, read_steps(_DOCUMENT))
    day = ManagersDay(walk, client, await windows.open(), await windows.open(), guest)
    await day.first_booking()
    await day.day(tmp_path)
    assert walk.taken == list(walk.steps)
