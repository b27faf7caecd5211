"""`python -m tests.browser.pictures`: every page, wide and narrow, as the README and docs/ show them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Final

import httpx
import typer
from playwright.async_api import async_playwright, expect

from bench.booking_rows import insert_bookings
from sandbox.drivers import Addresses, GuestDriver, RoomRequest, StackClient, StaffDriver, wait_until
from sandbox.stack.stack import Stack
from tests.browser import chromium
from tests.browser.account_pictures import take_account_pages
from tests.browser.gallery import Gallery
from tests.browser.guest_pages import (
    PERSON,
    REQUESTS,
    booked,
    come_by_link,
    drafted,
    fill_in,
    give_up,
    hold,
    set_off_to_pay,
)
from tests.browser.mail_pictures import take_mails
from tests.browser.window import ROOT, Window
from tests.browser.windows import Windows
from tests.whole_stack import HOTEL, PASSWORD

_OTHERS: Final = "kyoto-inn"
_SUITES: Final = 3
_MAILS: Final = 3
_PEOPLE: Final = (
    # Who, days until they come, nights, minutes until the answer is due, room.
    ("Mateo", "García", 45, 5, -6, "double"),
    ("Kenji", "Tanaka", 60, 2, 83, "suite"),
    ("Philippa", "Quarshie", 2, 1, 1139, "double"),
    ("Lena", "Schmidt", 90, 2, 1379, "double"),
)
_PAST: Final = insert_bookings(
    {
        "booking_id": "'BK-PAST-' || n",
        "hotel_id": "h.id",
        "room_type_id": "r.id",
        "check_in": "current_date + 30",
        "check_out": "current_date + 32",
        "guest_first_name": "'Past'",
        "guest_last_name": "'Guest'",
        "guest_email": "'past@example.com'",
        "amount_minor": "30000",
        "amount_captured_minor": "CASE WHEN luck < 7 THEN 30000 ELSE 0 END",
        "late_cancel_fee_percent": "30",
        "cutoff_at": "now() + interval '30 days'",
        "status": "CASE WHEN luck < 7 THEN 'CONFIRMED' ELSE 'DECLINED' END",
        "reason_code": "CASE luck WHEN 9 THEN 'APPROVAL_TIMEOUT' WHEN 8 THEN 'OTHER' WHEN 7 THEN 'NO_AVAILABILITY' END",
        "payment_authorized_at": "now() - ago * interval '1 day' - (20 + n * 37 % 240) * interval '1 minute'",
        "decision_made_at": "now() - ago * interval '1 day'",
        "decision_made_by": "CASE WHEN luck < 9 THEN 'approver@' || $1 || '.test' ELSE 'system' END",
        "version": "4",
        "created_at": "now() - ago * interval '1 day'",
        "updated_at": "now() - ago * interval '1 day'",
    },
    "day JOIN hotel h ON h.slug = $1 JOIN room_type r ON r.hotel_id = h.id AND r.code = 'double'",
    before="""WITH day AS (SELECT n, n / 6 + 1 AS ago, n * 7 % 10 AS luck FROM generate_series(0, 170) AS n
        WHERE n * 13 % 17 > n / 6 % 7)""",
)

_PAST_STEPS: Final = """
    INSERT INTO booking_timeline (booking_id, version, at, from_status, to_status, event, actor)
    SELECT booking_id, 4, decision_made_at, 'PENDING_APPROVAL', status,
        CASE WHEN status = 'CONFIRMED' THEN 'approved' WHEN reason_code = 'APPROVAL_TIMEOUT' THEN 'approval_timed_out'
             ELSE 'declined' END, decision_made_by
    FROM booking WHERE booking_id LIKE 'BK-PAST-%'
"""

_PAST_MONEY: Final = """
    INSERT INTO money_movement (hotel_id, booking_id, at, kind, amount_minor, currency)
    SELECT hotel_id, booking_id, decision_made_at, 'captured', amount_captured_minor, currency
    FROM booking WHERE booking_id LIKE 'BK-PAST-%' AND amount_captured_minor > 0
"""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def pictures(
    out: Annotated[Path, typer.Option(help="Where they go.")] = ROOT / "docs" / "screenshots",
) -> None:
    """Start a stack of its own, stage a few bookings, and photograph every page at two widths."""
    program = chromium.find()
    if program is None:
        raise typer.BadParameter(chromium.NONE)
    out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as folder, Stack(Path(folder), ui=True) as stack:
        stack.manage("demo-data", DEMO_PASSWORD=PASSWORD)
        # More requests for the same nights than the demo's hotel has suites.
        stack.manage("room-type", "set", "--hotel", HOTEL, "--code", "suite", "--rooms", "6")
        stack.manage("hotel", "set", HOTEL, "--late-cancel-fee-percent", "30")
        stack.manage("hotel", "set", _OTHERS, "--payment-window-s", "3")
        asyncio.run(_take_all(program, stack, out))


async def _take_all(program: Path, stack: Stack, out: Path) -> None:
    url = stack.url
    async with (
        async_playwright() as playwright,
        httpx.AsyncClient(timeout=30, trust_env=False) as http,
    ):
        browser = await playwright.chromium.launch(executable_path=program, args=chromium.ARGUMENTS)
        client = StackClient(http, Addresses(url["api"], url["stripe"], url["pusher"], url["inbox"]))
        gallery = PageGallery(stack, client, Windows(browser, stack), out)
        await gallery.guests()
        await gallery.staff()
        await take_account_pages(gallery)
        await take_mails(gallery)
        await browser.close()


class PageGallery(Gallery):
    """Prepares pages and takes screenshots of them."""

    async def guests(self) -> None:
        """From the front page to every end."""
        guest, client = await self.windows.open(), self.client
        approver = await StaffDriver.log_in(client, HOTEL, f"approver@{HOTEL}.test", PASSWORD)
        for name, path in (
            ("guest-front", "/"),
            ("docs", "/docs"),
            ("guest-not-found", "/hotels/nowhere/"),
            ("guest-locked", "/bookings/BK-00000-00000-00000/"),
            ("guest-link-sent", "/booking-link/?sent=yes"),
            ("guest-link", "/booking-link/"),
        ):
            await guest.go(path)
            await guest.page.wait_for_load_state("networkidle")
            await self.take(guest, name)
        await guest.go(f"/hotels/{HOTEL}/")
        await guest.press("Send request")
        await guest.reads("Please correct these")
        await self.take(guest, "guest-errors")
        await fill_in(guest, HOTEL)
        await expect(guest.page.locator("#price")).to_contain_text("€450.00")
        await self.take(guest, "guest-hotel")
        unpaid = await booked(client, _OTHERS)
        late = await booked(client, HOTEL)
        await give_up(self.stack, late.booking_id, at=datetime.now(UTC))
        await come_by_link(guest, late)
        await self.take(guest, "guest-sold-out")
        await come_by_link(guest, await booked(client, HOTEL))
        await self.take(guest, "guest-to-pay")
        await set_off_to_pay(guest)
        await self.take(guest, "guest-to-payment")
        await come_by_link(guest, await drafted(client, HOTEL))
        await self.take(guest, "guest-draft")
        await approver.decline(
            await hold(guest, client, HOTEL),
            "NO_AVAILABILITY",
            "We are painting that week, sorry.\nCome in May?",
        )
        await guest.headline("We are sorry: your stay could not be confirmed")
        await self.take(guest, "guest-declined")
        booking_id = await hold(guest, client, HOTEL, days_ahead=1)
        await self.take(guest, "guest-waiting")
        await approver.approve(booking_id)
        await guest.headline("Your stay is confirmed")
        await self.take(guest, "guest-confirmed")
        await guest.press("Cancel this booking", "link")
        await guest.headline("Cancel your booking?")
        await self.take(guest, "guest-cancel")
        await guest.press("Yes, cancel: it costs €135.00")
        await guest.headline("You have cancelled this booking")
        await self.take(guest, "guest-cancelled")
        await guest.go("/booking-link/")
        await guest.page.get_by_label("E-mail address").fill(PERSON["email"])
        await guest.press("Send the link")
        await guest.reads("If a booking was made with that address")
        await unpaid.until("EXPIRED")
        await come_by_link(guest, unpaid)
        await self.take(guest, "guest-expired")
        await self.sql("UPDATE booking SET currency = 'ZZZ' WHERE booking_id = $1", unpaid.booking_id)
        await guest.page.reload()
        await self.take(guest, "guest-broken")
        self.stack.pause("postgres")
        await guest.page.reload()
        await guest.reads("Trying again")
        await self.take(guest, "guest-away")
        self.stack.resume("postgres")

    async def staff(self) -> None:
        """The console, with a queue, a booking that needs attention, and a month of figures."""
        approver = await StaffDriver.log_in(self.client, HOTEL, f"approver@{HOTEL}.test", PASSWORD)
        outside = await self.windows.open()
        await outside.go("/staff/log-in/")
        await self.take(outside, "staff-log-in")
        await self.sql(_PAST, HOTEL)
        await self.sql(_PAST_STEPS)
        await self.sql(_PAST_MONEY)
        waiting, stuck = await self._queue(approver)
        manager = await self.windows.staff("manager")
        for name, path in (
            ("staff-queue", ""),
            ("staff-booking", f"bookings/{waiting}/"),
            ("staff-approve", f"bookings/{waiting}/approve/"),
            ("staff-attention", "attention/"),
            ("staff-stuck", f"bookings/{stuck}/"),
            ("staff-calendar", "calendar/"),
            ("staff-arrivals", "arrivals/?period=week"),
            ("staff-figures", "figures/"),
            ("staff-rooms", "rooms/"),
            ("staff-room-type", "rooms/double/"),
            ("staff-policy", "policy/"),
            ("staff-people", "people/"),
        ):
            await manager.go(f"/staff/{path}")
            await self.take(manager, name)
        await manager.press(f"approver@{HOTEL}.test", "link")
        await manager.headline(f"approver@{HOTEL}.test")
        await self.take(manager, "staff-person")
        await self._decisions(manager, waiting)

    async def _decisions(self, manager: Window, waiting: str) -> None:
        await manager.go(f"/staff/bookings/{waiting}/decline/")
        await manager.page.get_by_label("Reason").select_option("RATE_ERROR")
        note = "The price online was last year's. We would love to have you at 175 a night."
        await manager.page.get_by_label("Note to the guest").fill(note)
        await expect(manager.page.locator("#letter")).to_contain_text(note[:30])
        await self.take(manager, "staff-decline")
        await manager.go(f"/staff/bookings/{waiting}/approve/")
        await manager.press("Approve and capture €450.00")
        await manager.reads("Approved: €450.00 was captured")
        await self.take(manager, "staff-booking-confirmed")
        await manager.go(f"/staff/bookings/{waiting}/cancel/")
        await self.take(manager, "staff-cancel")
        await manager.go("/staff/?view=confirmed")
        await self.take(manager, "staff-confirmed")

    async def _queue(self, approver: StaffDriver) -> tuple[str, str]:
        """Let requests wait; returns the one that is decided later, and one whose capture Stripe refuses."""
        for _ in range(_SUITES):
            await approver.approve(await self._held("Ada", "Byrne", 60, 2, 600, "suite"))
        for person in _PEOPLE:
            await self._held(*person)
        stuck = await self._held("Tomás", "Walsh", 33, 2, 1439)
        match = "POST /v1/payment_intents/*/capture"
        await self.client.fault(self.client.at.stripe, match=match, kind="error_before", status=400, times=50)
        await approver.approve(stuck)
        await wait_until(
            lambda: approver.read_booking(stuck), lambda found: found["needs_attention"], what="a stuck one"
        )
        await self.client.http.delete(f"{self.client.at.stripe}/_sandbox/faults")
        waiting = await self._held("Aoife", "Brennan", 24, 3, 311)

        async def mails() -> int:
            return len(await self.client.mails(waiting))

        await wait_until(mails, lambda count: count >= _MAILS, what="the mails")
        return waiting, stuck

    async def _held(
        self, first: str, last: str, days: int, nights: int, due: int, room: str = "double"
    ) -> str:
        person = {"first_name": first, "last_name": last, "phone": "+353 1 496 0199"}
        person["email"] = f"{first}.{last}@example.com".lower().encode("ascii", "ignore").decode()
        room_request = RoomRequest(HOTEL, room, days_ahead=days, nights=nights, special_requests=REQUESTS)
        guest = await GuestDriver.book(self.client, room_request, person)
        await guest.pay()
        await guest.until("PENDING_APPROVAL")
        await self.sql(
            "UPDATE booking SET decision_deadline = now() + $2 * interval '1 minute' WHERE booking_id = $1",
            guest.booking_id,
            due,
        )
        return guest.booking_id


if __name__ == "__main__":
    app()
