"""Guest and staff at the same time, each in a browser of their own: every decision, seen from both sides."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from sandbox.drivers import StackClient, StaffDriver
from tests.browser.guest_pages import booked, come_by_link, hold
from tests.browser.staff_console import ask_to, log_in, look_at
from tests.browser.window import PATIENCE_MS, Window
from tests.browser.windows import Windows
from tests.whole_stack import HASTY, HOTEL, PASSWORD


@pytest.fixture
async def approver(windows: Windows) -> Window:
    """Someone who decides."""
    return await windows.staff("approver")


@pytest.fixture
async def manager(windows: Windows) -> Window:
    """A manager."""
    return await windows.staff("manager")


async def test_a_request_appears_by_itself_and_is_approved(
    guest: Window, approver: Window, client: StackClient
) -> None:
    await approver.go("/staff/")
    await approver.listens()
    booking_id = await hold(guest, client, HOTEL)
    row = approver.page.get_by_role("row").filter(has_text=booking_id)
    await expect(row).to_contain_text("Answer within 23 h 59 min", timeout=PATIENCE_MS)
    await expect(row).to_contain_text("€450.00")
    await expect(approver.page).to_have_title(re.compile(r"^\(\d+\) To decide"))
    await row.get_by_role("link", name="Aoife Brennan", exact=True).click()
    await approver.headline("Aoife Brennan")
    await approver.press("Approve…", role="link")
    await approver.headline("Approve this booking?")
    await approver.press("Approve and capture €450.00")
    await approver.reads("Approved: €450.00 was captured")
    await guest.headline("Your stay is confirmed")
    payment = await client.payment(booking_id)
    assert (payment["status"], payment["captures"]) == ("succeeded", 1)


async def test_a_decline_is_previewed_while_it_is_written_and_read_by_the_guest(
    guest: Window, approver: Window, client: StackClient
) -> None:
    booking_id = await hold(guest, client, HOTEL)
    await ask_to(approver, "decline", booking_id)
    await approver.reads("(the reason you choose)")
    await approver.page.get_by_label("Reason").select_option("OTHER")
    await approver.reads("The hotel cannot take this booking.")
    note = approver.page.get_by_label("Note to the guest")
    await note.press_sequentially("We are closed that week.")
    letter = approver.page.locator("#letter")
    await expect(letter).to_contain_text("We are closed that week.", timeout=PATIENCE_MS)
    await expect(note).to_be_focused()
    await approver.press("Decline and release €450.00")
    await approver.reads("Declined: the hold was released")
    await guest.reads("We are closed that week.")


async def test_a_note_outlives_the_session(guest: Window, approver: Window, client: StackClient) -> None:
    """It is there again after the log-in, and forgotten once another page was opened."""
    booking_id = await hold(guest, client, HOTEL)
    await ask_to(approver, "decline", booking_id)
    note = approver.page.get_by_label("Note to the guest")
    await note.press_sequentially("We are closed that week.")
    path = f"/staff/bookings/{booking_id}/decline/"
    await approver.page.context.clear_cookies()
    await approver.page.goto(f"{approver.site}/staff/log-in/?next={path}&ended=yes")
    await approver.reads("You were logged out after 8 hours.")
    await approver.page.get_by_label("E-mail address").fill(f"approver@{HOTEL}.test")
    await approver.page.get_by_label("Password").fill(PASSWORD)
    await approver.press("Log in")
    await expect(note).to_have_value("We are closed that week.", timeout=PATIENCE_MS)
    await expect(approver.page.locator("#letter")).to_contain_text("We are closed that week.")
    await approver.go("/staff/")
    await approver.go(path)
    await expect(note).to_have_value("")


async def test_a_cancellation_shows_the_refund_first(
    guest: Window, manager: Window, client: StackClient
) -> None:
    booking_id = await hold(guest, client, HOTEL)
    await ask_to(manager, "approve", booking_id)
    await manager.press("Approve and capture €450.00")
    await manager.reads("Approved: €450.00 was captured")
    await manager.press("Cancel the booking…", role="link")
    await manager.headline("Cancel this booking?")
    await expect(manager.page.locator("#least")).to_have_text("€450.00")
    await manager.press("Cancel and refund")
    await manager.reads("Cancelled: €450.00 is refunded to the guest")
    await guest.reads("€450.00")
    await guest.reads("cancelled")


async def test_a_press_is_not_lost_while_the_page_renews_itself(
    guest: Window, approver: Window, client: StackClient
) -> None:
    await look_at(approver, await hold(guest, client, HOTEL))
    page = approver.page
    # The press takes the focus from an element, and does not end there.
    await page.get_by_role("link", name="Attention").focus()
    await page.get_by_role("link", name="Approve…", exact=True).hover()
    await page.mouse.down()
    await page.evaluate(
        """new Promise((arrived) => {
            document.body.addEventListener("htmx:afterOnLoad", arrived, { once: true });
            document.body.dispatchEvent(new CustomEvent("live"));
        })"""
    )
    await page.mouse.up()
    await approver.headline("Approve this booking?")


async def test_a_guests_cancellation_reaches_the_colleague_who_decides(
    guest: Window, approver: Window, client: StackClient
) -> None:
    booking_id = await hold(guest, client, HOTEL)
    await ask_to(approver, "approve", booking_id)
    await guest.press("Cancel this request", role="link")
    await guest.press("Yes, cancel: it costs nothing")
    await expect(approver.page.locator("#standing")).to_contain_text(
        "Cancelled by the guest", timeout=PATIENCE_MS
    )
    await approver.press("Approve and capture €450.00")
    await approver.reads("Your approval came too late: cancelled by the guest")


async def test_deadlines_arrive_by_themselves(windows: Windows, guest: Window, client: StackClient) -> None:
    """Unpaid and undecided bookings: all open pages show the end at the moment it comes, accessibly."""
    unpaid, approver = await windows.open(), await windows.staff("approver", HASTY)
    booking_id = await hold(guest, client, HASTY)
    await ask_to(approver, "approve", booking_id)
    await come_by_link(unpaid, await booked(client, HASTY))
    await guest.reads("The hotel did not answer in time, so")
    await guest.reads("The hold of ¥54,000 has been released")
    await expect(approver.page.locator("#standing")).to_contain_text(
        "Declined because no decision came in time", timeout=PATIENCE_MS
    )
    await look_at(approver, booking_id)
    await expect(approver.page.get_by_role("link", name="Approve…")).to_have_count(0)
    await unpaid.headline("Your request has expired")
    await unpaid.is_accessible()


async def test_a_colleague_who_was_quicker_is_named(
    guest: Window, approver: Window, manager: Window, client: StackClient
) -> None:
    booking_id = await hold(guest, client, HOTEL)
    await ask_to(manager, "decline", booking_id)
    await ask_to(approver, "approve", booking_id)
    await approver.press("Approve and capture €450.00")
    named = re.compile(rf"Approved by approver@{HOTEL}\.test at \d\d:\d\d")
    await expect(manager.page.locator("#standing")).to_contain_text(named, timeout=PATIENCE_MS)
    await manager.page.get_by_label("Reason").select_option("OTHER")
    await manager.press("Decline and release €450.00")
    too_late = re.compile(rf"Your decline came too late: approved by approver@{HOTEL}\.test at \d\d:\d\d")
    await expect(manager.page.locator("#notice")).to_contain_text(too_late)
    await guest.headline("Your stay is confirmed")


async def test_a_slow_capture_ends_by_itself(guest: Window, approver: Window, client: StackClient) -> None:
    booking_id = await hold(guest, client, HOTEL)
    await ask_to(approver, "approve", booking_id)
    await client.fault(client.at.stripe, match="POST /v1/payment_intents/*/capture", kind="delay", delay_s=7)
    await approver.press("Approve and capture €450.00")
    await approver.reads("Your approval is safe. Capturing…")
    await approver.reads("Approved: €450.00 was captured")


async def test_back_button_and_second_press_do_no_harm(
    guest: Window, approver: Window, client: StackClient
) -> None:
    booking_id = await hold(guest, client, HOTEL)
    await ask_to(approver, "approve", booking_id)
    await approver.page.get_by_role("button", name="Approve and capture").dblclick()
    await approver.reads("Approved: €450.00 was captured")
    await approver.page.go_back()
    again = approver.page.get_by_role("button", name="Approve and capture")
    if await again.count():
        await again.click()
        await approver.reads("Approved: €450.00 was captured")
    assert (await client.payment(booking_id))["captures"] == 1


async def test_deciding_needs_no_mouse(guest: Window, approver: Window, client: StackClient) -> None:
    booking_id = await hold(guest, client, HOTEL)
    await look_at(approver, booking_id)
    page = approver.page
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    await page.keyboard.press("Enter")
    for _ in range(2):
        await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Approve…")).to_be_focused()
    await page.keyboard.press("Enter")
    await approver.headline("Approve this booking?")
    await page.get_by_role("button", name="Approve and capture").focus()
    await page.keyboard.press("Enter")
    await approver.reads("Approved: €450.00 was captured")


async def test_a_request_is_approved_from_the_list_without_a_mouse(
    guest: Window, approver: Window, client: StackClient
) -> None:
    """Two keys after the link: the page that asks has the focus at its question."""
    await hold(guest, client, HOTEL)
    page = approver.page
    await page.set_viewport_size({"width": 320, "height": 640})
    await approver.go("/staff/")
    link = page.get_by_role("link", name="Approve…").first
    assert await page.evaluate("document.documentElement.scrollWidth") == 320
    await link.focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Approve this booking?")).to_be_focused()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await approver.reads("Approved: €450.00 was captured")


@pytest.mark.parametrize("width", [320, 768, 1280])
async def test_every_place_of_the_console_is_in_view(manager: Window, width: int) -> None:
    """No entry is clipped, no bar scrolls sideways, and the keyboard reaches each entry in the order of sight."""
    page = manager.page
    await page.set_viewport_size({"width": width, "height": 640})
    await manager.go("/staff/")
    header = page.locator("header.top")
    assert await header.evaluate(
        "(top) => [top, ...top.querySelectorAll('*')].every((part) => part.scrollWidth <= part.clientWidth + 1 "
        "|| getComputedStyle(part).overflowX === 'visible' || part.classList.contains('unseen'))"
    )
    await page.get_by_role("link", name="Skip to the content").focus()
    boxes = []
    entries = await header.locator("a, button").all()
    for entry in entries:
        await page.keyboard.press("Tab")
        await expect(entry).to_be_focused()
        box = await entry.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        boxes.append((round(box["y"] / 30), box["x"]))
    assert boxes == sorted(boxes)
    assert len(entries) == 11


async def test_a_session_that_ends_leads_to_the_log_in_and_back(approver: Window) -> None:
    await approver.go("/staff/?view=confirmed")
    await approver.listens()
    await approver.context.clear_cookies(name="staff")
    # Later: the event leads to another page, and an answer from this one would then be lost.
    await approver.page.evaluate(
        "void setTimeout(() => document.body.dispatchEvent(new CustomEvent('live')))"
    )
    await approver.headline("Staff log-in")
    await approver.page.get_by_label("E-mail address").fill(f"approver@{HOTEL}.test")
    await approver.page.get_by_label("Password").fill(PASSWORD)
    await approver.press("Log in")
    await approver.headline("Confirmed")


async def test_without_script_everything_still_works(
    guest: Window, windows: Windows, client: StackClient
) -> None:
    booking_id = await hold(guest, client, HOTEL)
    plain = await windows.of_its_own(java_script_enabled=False)
    await log_in(plain, "approver", HOTEL)
    await plain.go(f"/staff/bookings/{booking_id}/decline/")
    await plain.page.get_by_label("Note to the guest").fill("No script, no room.")
    await plain.press("Show the e-mail again")
    await expect(plain.page.locator("#letter")).to_contain_text("No script, no room.")
    await plain.page.get_by_label("Reason").select_option("NO_AVAILABILITY")
    await plain.press("Decline and release €450.00")
    await plain.reads("Declined: the hold was released")


@pytest.mark.timeout(300)
async def test_every_page_about_bookings_is_accessible(
    guest: Window, windows: Windows, manager: Window, client: StackClient
) -> None:
    outside = await windows.open()
    await outside.go("/staff/")
    await outside.is_accessible()
    waiting = await hold(guest, client, HOTEL)
    decided = await hold(guest, client, HOTEL)
    approver = await StaffDriver.log_in(client, HOTEL, f"approver@{HOTEL}.test", PASSWORD)
    assert (await approver.approve(decided)).status_code == 200
    stuck = await _stuck(guest, manager, client)
    for path in (
        "",
        "?view=all",
        "?q=nobody",
        f"bookings/{waiting}/",
        f"bookings/{waiting}/approve/",
        f"bookings/{waiting}/decline/",
        f"bookings/{decided}/?decision=decline",
        f"bookings/{decided}/cancel/",
        f"bookings/{stuck}/",
        "attention/",
        "bookings/BK-00000-00000-00000/",
    ):
        await manager.go(f"/staff/{path}")
        await manager.is_accessible()
    await client.http.delete(f"{client.at.stripe}/_sandbox/faults")


@pytest.mark.timeout(300)
async def test_every_page_of_managers_is_accessible(
    guest: Window, manager: Window, client: StackClient
) -> None:
    await hold(guest, client, HOTEL)
    for path in ("figures/", "policy/", "people/"):
        await manager.go(f"/staff/{path}")
        await manager.is_accessible()
    await manager.press(f"approver@{HOTEL}.test", role="link")
    await manager.is_accessible()
    await manager.go("/staff/figures/")
    for table in await manager.page.get_by_text("Show as a table").all():
        await table.click()
    await manager.is_accessible()
    await manager.go("/staff/people/")
    await manager.page.evaluate("for (const form of document.forms) form.noValidate = true")
    await manager.press("Invite")
    await manager.reads("Please correct this")
    await manager.is_accessible()


async def _stuck(guest: Window, manager: Window, client: StackClient) -> str:
    """A booking whose capture Stripe refuses."""
    booking_id = await hold(guest, client, HOTEL)
    await client.fault(
        client.at.stripe,
        match="POST /v1/payment_intents/*/capture",
        kind="error_before",
        status=400,
        times=50,
    )
    await ask_to(manager, "approve", booking_id)
    await manager.press("Approve and capture €450.00")
    await manager.reads("Your approval could not be carried out.")
    return booking_id
