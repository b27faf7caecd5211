"""A guest's whole way in a browser: request, pay, wait, read the decision, cancel."""

from __future__ import annotations

from datetime import UTC, datetime

from playwright.async_api import Browser, Route, expect

from sandbox.drivers import StackClient, StaffDriver, wait_until
from sandbox.stack.stack import Stack
from tests.browser.guest_pages import booked, come_by_link, drafted, fill_in, give_up, hold, set_off_to_pay
from tests.browser.window import PATIENCE_MS, Window
from tests.browser.windows import Windows
from tests.whole_stack import HOTEL


async def mark(window: Window) -> None:
    """Leave a mark that a reload would wipe out."""
    await window.page.evaluate("window.mark = 'here'")


async def is_marked(window: Window) -> bool:
    return bool(await window.page.evaluate("window.mark === 'here'"))


async def test_from_asking_to_the_refund(guest: Window, client: StackClient, approver: StaffDriver) -> None:
    """The price appears while choosing; the truth is there at once after paying; approval arrives by itself."""
    page = guest.page
    await fill_in(guest, HOTEL, days_ahead=1, nights=2)
    await expect(page.locator("#price")).to_contain_text("Double room, 2 nights at €150.00")
    await expect(page.locator("#price")).to_contain_text("€300.00")
    await guest.press("Send request")
    await guest.headline("One step left: your card details")
    await guest.press("Enter card details")
    await guest.pay()
    await guest.headline("Hotel Killarney has your request")
    assert "?" not in page.url, "no token and no session id is left in the address"
    await guest.listens()
    await mark(guest)
    booking_id = page.url.rstrip("/").rpartition("/")[2]
    assert (await approver.approve(booking_id)).status_code == 200
    await guest.headline("Your stay is confirmed")
    assert await is_marked(guest), "it changed without a reload"
    await expect(page).to_have_title("Confirmed - Hotel Killarney")
    await expect(page.locator("#announcer")).to_have_text("Your booking: Confirmed")
    await guest.press("Cancel this booking", "link")
    await guest.reads("Cancelling costs €90.00: the hotel keeps it, and €210.00 goes back to your card.")
    await guest.press("Yes, cancel: it costs €90.00")
    await guest.headline("You have cancelled this booking")
    await guest.reads("€210.00 of the €300.00 you paid is on its way back to your card")
    payment = await client.payment(booking_id)
    assert (payment["amount_received"], payment["refunded"]) == (30000, 21000)


async def test_a_decline_arrives_by_itself_with_the_hotels_words(
    guest: Window, client: StackClient, approver: StaffDriver
) -> None:
    """Reason and note; what staff type is shown as text."""
    booking_id = await hold(guest, client, HOTEL)
    await guest.listens()
    await mark(guest)
    note = "Our <img src=x> boiler is out.\nPerhaps in May?"
    assert (await approver.decline(booking_id, "NO_AVAILABILITY", note)).status_code == 200
    await guest.headline("We are sorry: your stay could not be confirmed")
    await guest.reads("The hotel has no rooms of this type left for your dates.")
    await expect(guest.page.locator("blockquote")).to_have_text(note)
    await guest.reads("The hold of €450.00 has been released")
    assert await is_marked(guest)


async def test_a_page_that_missed_the_news_catches_up(
    windows: Windows, client: StackClient, approver: StaffDriver
) -> None:
    """Realtime is shut off for this browser: looking at the page again is enough, and so is waiting."""
    guest = await windows.of_its_own()
    await guest.page.route_web_socket("**/*", lambda socket: socket.close())
    booking_id = await hold(guest, client, HOTEL)
    assert (await approver.approve(booking_id)).status_code == 200
    await guest.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    await guest.headline("Your stay is confirmed")


async def test_where_pusher_is_reached_over_tls_pages_listen_encrypted(
    browser: Browser, stack: Stack, client: StackClient
) -> None:
    """The stack's own Pusher has no TLS; a page configured with TLS uses only TLS."""
    booking = await booked(client, HOTEL)
    page = await browser.new_page()

    async def tell_otherwise(route: Route) -> None:
        answer = await route.fetch()
        html = (await answer.text()).replace('data-pusher-tls="no"', 'data-pusher-tls="yes"')
        policy = answer.headers["content-security-policy"].replace("ws://", "wss://")
        await route.fulfill(
            response=answer, body=html, headers={**answer.headers, "content-security-policy": policy}
        )

    await page.goto(f"{stack.url['api']}/bookings/{booking.booking_id}/?token={booking.token}")
    await page.route("**/bookings/*/", tell_otherwise)
    async with page.expect_websocket(timeout=PATIENCE_MS) as opening:
        await page.reload()
    assert (await opening.value).url.startswith("wss://127.0.0.1:")
    await page.close()


async def test_without_script_everything_can_be_done(windows: Windows, approver: StaffDriver) -> None:
    """Forms, links and reloads do."""
    guest = await windows.of_its_own(java_script_enabled=False)
    await fill_in(guest, HOTEL)
    await guest.press("Show the price")
    await guest.reads("€450.00")
    await guest.press("Send request")
    await guest.headline("One step left: your card details")
    await guest.press("Enter card details")
    await guest.pay()
    await guest.headline("Hotel Killarney has your request")
    booking_id = guest.page.url.rstrip("/").rpartition("/")[2]
    assert (await approver.approve(booking_id)).status_code == 200
    await guest.page.reload()
    await guest.headline("Your stay is confirmed")
    await guest.press("Cancel this booking", "link")
    await guest.press("Yes, cancel: it costs nothing")
    await guest.headline("You have cancelled this booking")


async def test_double_clicks_and_the_back_button_book_once(guest: Window, approver: StaffDriver) -> None:
    """However often the form is sent, there is one booking."""
    await fill_in(guest, HOTEL, days_ahead=77)
    await guest.page.get_by_role("button", name="Send request").dblclick()
    await guest.page.wait_for_url("**/bookings/*/")
    first = guest.page.url
    await guest.page.go_back()
    await guest.press("Send request")
    await guest.reads("You have already sent this request.")
    await guest.press("See the booking you have made", "link")
    await guest.page.wait_for_url(first)
    room_request = (await approver.read_booking(first.rstrip("/").rpartition("/")[2]))["check_in"]
    listed = (await approver.ask("GET", "", params={"limit": 100})).json()["items"]
    assert len([booking for booking in listed if booking["check_in"] == room_request]) == 1


async def test_the_keyboard_alone_gets_to_the_payment_page(guest: Window) -> None:
    """Skip link, fields in their order, Enter sends; what is wrong gets the focus."""
    page = guest.page
    await guest.go(f"/hotels/{HOTEL}/")
    await page.keyboard.press("Tab")
    await expect(page.locator(":focus")).to_have_text("Skip to the content")
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    await expect(page.locator(":focus")).to_have_attribute("name", "room_type")
    await page.get_by_label("First name").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator(":focus")).to_contain_text("Please correct these")
    await page.keyboard.press("Tab")
    await expect(page.locator(":focus")).to_have_text("Room: Please choose a room.")
    await page.keyboard.press("Enter")
    await expect(page.locator(":focus")).to_have_attribute("value", "double")
    await page.keyboard.press("Space")
    await expect(page.locator(":focus")).to_be_checked()


async def test_a_page_waits_for_the_service_to_come_back(
    guest: Window, client: StackClient, stack: Stack
) -> None:
    """503 says so, and the page goes on by itself once the database answers."""
    await come_by_link(guest, await booked(client, HOTEL))
    stack.pause("postgres")
    try:
        await guest.page.reload()
        await guest.headline("We will be right back")
        await guest.reads("Trying again")
        await guest.is_accessible()
    finally:
        stack.resume("postgres")
    await guest.headline("One step left: your card details")


async def test_another_window_of_the_same_booking_follows(
    windows: Windows, guest: Window, client: StackClient
) -> None:
    """Cancelled on the phone, the page at home says so."""
    booking_id = await hold(guest, client, HOTEL)
    await guest.listens()
    phone = await windows.open()
    await phone.context.add_cookies(
        [
            {**cookie, "sameSite": "Lax"}  # type: ignore[typeddict-item]
            for cookie in await guest.context.cookies(guest.page.url)
        ]
    )
    await phone.go(f"/bookings/{booking_id}/cancel/")
    await phone.press("Yes, cancel: it costs nothing")
    await guest.headline("You have cancelled this booking")


async def test_the_link_in_the_mail_opens_the_page_anywhere(
    guest: Window, windows: Windows, client: StackClient
) -> None:
    """Another browser, nobody logged in: the mail's link is enough, and leaves no token in the address."""
    booking_id = await hold(guest, client, HOTEL)

    async def mailed() -> list[str]:
        return [mail["text"] for mail in await client.mails(booking_id) if "Dear Aoife" in mail["text"]]

    [text] = await wait_until(mailed, len, what="the mail to the guest")
    link = next(word for word in text.split() if "token=" in word)
    elsewhere = await windows.open()
    await elsewhere.page.goto(link)
    await elsewhere.headline("Hotel Killarney has your request")
    assert elsewhere.page.url == guest.page.url


async def test_a_decline_and_a_cancellation_are_accessible(
    guest: Window, client: StackClient, approver: StaffDriver
) -> None:
    """No serious finding of axe-core, wide and narrow."""
    await approver.decline(await hold(guest, client, HOTEL), "OTHER", "Sorry.\nIn May, perhaps?")
    await guest.headline("We are sorry: your stay could not be confirmed")
    await guest.is_accessible()
    await hold(guest, client, HOTEL)
    await guest.press("Cancel this request", "link")
    await guest.headline("Cancel your booking?")
    await guest.is_accessible()
    await guest.press("Yes, cancel: it costs nothing")
    await guest.headline("You have cancelled this booking")
    await guest.is_accessible()


async def test_every_page_on_the_way_is_accessible(guest: Window, approver: StaffDriver) -> None:
    """Also the form with everything wrong, and the pages for links that lead nowhere."""
    await guest.go("/")
    await guest.is_accessible()
    await guest.go(f"/hotels/{HOTEL}/")
    await guest.is_accessible()
    await guest.press("Send request")
    await guest.reads("Please correct these")
    await guest.is_accessible()
    await fill_in(guest, HOTEL)
    await guest.reads("€450.00")
    await guest.is_accessible()
    await guest.press("Send request")
    await guest.headline("One step left: your card details")
    await guest.is_accessible()
    await guest.press("Enter card details")
    await guest.pay()
    await guest.headline("Hotel Killarney has your request")
    await guest.is_accessible()
    await approver.approve(guest.page.url.rstrip("/").rpartition("/")[2])
    await guest.headline("Your stay is confirmed")
    await guest.is_accessible()
    nowhere = ("/hotels/nowhere/", "/bookings/BK-00000-00000-00000/")
    for path in (*nowhere, "/booking-link/", "/booking-link/?sent=yes"):
        await guest.go(path)
        await guest.is_accessible()


async def test_a_draft_and_the_way_to_stripe_are_accessible(guest: Window, client: StackClient) -> None:
    await come_by_link(guest, await drafted(client, HOTEL))
    await guest.headline("Your request has not been sent yet")
    await guest.is_accessible()
    await come_by_link(guest, await booked(client, HOTEL))
    await set_off_to_pay(guest)
    await guest.is_accessible()


async def test_a_hold_without_a_room_is_accessible(guest: Window, client: StackClient, stack: Stack) -> None:
    """While Stripe takes its time to release it."""
    booking = await booked(client, HOTEL)
    await give_up(stack, booking.booking_id, at=datetime.now(UTC))
    try:
        await come_by_link(guest, booking)
        await guest.headline("We are sorry: no room is left for your dates")
        await guest.is_accessible()
    finally:
        await give_up(stack, booking.booking_id, at=None)


async def test_the_documentation_loads_nothing_from_elsewhere(guest: Window) -> None:
    """Its viewer works under the policy, and is accessible."""
    await guest.go("/docs")
    await guest.reads("/api/public/hotel/{slug}/room-bookings/")
    await guest.is_accessible()
