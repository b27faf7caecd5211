"""A guest's booking: its link, what it tells, paying, cancelling, and who may listen to it."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import update
from sqlmodel import col

from api.services import GUESTS_AT_ONCE
from domain.booking import ActorKind, Decision
from domain.identifiers import new_command_id
from models import BookingCommand, utc_now
from models import Hotel as HotelRow
from sandbox.drivers import GOOD_CARD, wait_until
from storage.bookings import open_command
from tests.api.hotels import HotelDriver, open_hotel
from tests.api.stack import PATIENCE_S, ApiStack, flaky_api
from tests.pages.guests import at, link, opened, status_of
from tests.pages.page_client import PageClient, PageClients, PageContent

# --- the link ---------------------------------------------------------------------------------------------


async def test_the_links_token_becomes_a_cookie_for_this_booking(
    page_clients: PageClients, hotel: HotelDriver
) -> None:
    """No token stays in the address; the cookie is for no script and for no other page."""
    guest = await hotel.submitted()
    page = await page_clients.stranger().open(link(guest))
    assert (page.status, page.location) == (303, at(guest))
    [cookie] = [value for value in page.response.headers.get_list("set-cookie") if value.startswith("guest=")]
    for part in ("HttpOnly", f"Path={at(guest)}", "SameSite=lax"):
        assert part in cookie, cookie
    assert page.response.headers["referrer-policy"] == "same-origin"
    assert page.response.headers["cache-control"] == "no-store"


async def test_on_https_cookies_go_encrypted_only(stack: ApiStack, hotel: HotelDriver) -> None:
    """The API at a https:// address marks every cookie so."""
    guest = await hotel.submitted()
    response = await stack.http.get(stack.api + link(guest))
    cookies = response.headers.get_list("set-cookie")
    assert {cookie.partition("=")[0] for cookie in cookies} == {"__Secure-visitor", "__Secure-guest"}
    assert all("Secure" in cookie.split("; ") for cookie in cookies)


@pytest.mark.parametrize("token", ["", "wrong", "x" * 43, "\u00e9\u4e2d"])
async def test_without_the_right_token_the_page_stays_shut(
    page_clients: PageClients, hotel: HotelDriver, token: str
) -> None:
    """401, as a page that says what to do and nothing about the booking."""
    guest = await hotel.submitted()
    page_client = page_clients.stranger()
    page = await page_client.open(at(guest) + (f"?token={token}" if token else ""))
    assert page.status == 401
    assert "with the link in one of its e-mails" in page.words
    for path in ("part/", "cancel/"):
        assert (await page_client.open(at(guest, path))).status == 401
    for path in ("pay/", "cancel/", "submit/", "realtime/"):
        assert (await page_client.send(at(guest, path))).status == 401
    assert await status_of(guest) == "PENDING_PAYMENT"


async def test_one_bookings_cookie_opens_no_other(page_clients: PageClients, hotel: HotelDriver) -> None:
    """A guest with two bookings opens each by its own link."""
    first, second = await hotel.submitted(), await hotel.submitted()
    page_client = await opened(page_clients, first)
    assert (await page_client.open(at(second))).status == 401
    stolen = page_client.http.cookies.get("guest", path=at(first))
    page = PageContent(await page_client.http.get(at(second), headers={"Cookie": f"guest={stolen}"}))
    assert page.status == 401


async def test_until_when_to_pay_is_what_the_request_was_sent_with(
    page_clients: PageClients, stack: ApiStack
) -> None:
    """A hotel that gives less time afterwards gives it to those who come afterwards."""
    hotel = await open_hotel(stack, payment_window_s=3 * 86_400)
    guest = await hotel.submitted()
    page_client = await opened(page_clients, guest)
    [sent_at] = [
        step["at"] for step in (await guest.read_booking())["timeline"] if step["event"] == "submitted"
    ]
    ends_at = datetime.fromisoformat(sent_at).astimezone(ZoneInfo(hotel.timezone)) + timedelta(days=3)
    words = f"Please enter your card details by {ends_at:%A} {ends_at.day} {ends_at:%B %Y, %H:%M} (hotel time"
    async with stack.database.transaction() as db:
        await db.execute(update(HotelRow).where(col(HotelRow.id) == hotel.id).values(payment_window_s=60))
    page = await page_client.open(at(guest))
    assert words in page.words


# --- paying -----------------------------------------------------------------------------------------------


async def test_paying_leads_over_a_page_of_ours_to_the_one_payment_page(
    page_clients: PageClients, hotel: HotelDriver
) -> None:
    """Pressed twice, it is the same page at Stripe; once paid, the button leads back."""
    guest = await hotel.submitted()
    page_client = await opened(page_clients, guest)
    first, second = [await page_client.send(at(guest, "pay/")) for _ in range(2)]
    [there] = [address for address in first.links if "/c/pay/" in address]
    assert there in second.links
    assert f'content="0; url={there}"' in first.html
    await guest.open_page()
    assert guest.payment_url == there
    assert (await guest.pay()).status_code == 303
    await guest.until("PENDING_APPROVAL", timeout_s=PATIENCE_S)
    again = await page_client.send(at(guest, "pay/"))
    assert (again.status, again.location) == (303, at(guest))


async def test_guest_back_from_paying_reads_the_current_status_at_once(
    page_clients: PageClients, hotel: HotelDriver, stack: ApiStack
) -> None:
    """Stripe is asked: that its webhook never comes makes no difference."""
    await stack.stand_ins.stripe.order("WEBHOOK *", "drop", times=10)
    guest = await hotel.submitted()
    page_client = await opened(page_clients, guest)
    await guest.open_page()
    assert (await guest.pay(GOOD_CARD)).status_code == 303
    back = f"{link(guest)}&session_id={guest.session_id}"
    page = await page_client.open(back)
    assert page.location == f"{at(guest)}?session_id={guest.session_id}"
    page = await page_client.follow(page.location)
    assert "Waiting for the hotel" in page.words
    assert str(page.response.url).endswith(at(guest))


async def test_while_stripe_cannot_be_asked_the_page_says_so_and_asks_again(
    page_clients: PageClients, hotel: HotelDriver, stack: ApiStack
) -> None:
    """No second payment is offered meanwhile; the page's own look asks again."""
    await stack.stand_ins.stripe.order("WEBHOOK *", "drop", times=10)
    guest = await hotel.submitted()
    page_client = await opened(page_clients, guest)
    await guest.open_page()
    assert (await guest.pay(GOOD_CARD)).status_code == 303
    await stack.stand_ins.stripe.order("GET /v1/*", "error_before", times=500)
    page = await page_client.follow(f"{at(guest)}?session_id={guest.session_id}")
    assert page.status == 200
    assert "We could not reach Stripe to check your payment." in page.words
    assert "Enter card details" not in page.words
    assert f'name="session_id" value="{guest.session_id}"' in page.html
    await stack.stand_ins.clear_faults()

    async def look() -> str:
        return (await page_client.open(at(guest, f"part/?session_id={guest.session_id}"))).words

    await wait_until(
        look, lambda words: "Waiting for the hotel" in words, timeout_s=PATIENCE_S, what="Stripe's word"
    )


async def test_a_session_of_another_booking_is_asked_nothing(
    page_clients: PageClients, hotel: HotelDriver
) -> None:
    """Made-up and foreign sessions only lead to the page as it is."""
    mine, other = await hotel.submitted(), await hotel.submitted()
    await other.open_page()
    page_client = await opened(page_clients, mine)
    for session_id in (other.session_id, "cs_made_up", "%00"):
        page = await page_client.open(f"{at(mine)}?session_id={session_id}")
        assert (page.status, page.location) == (303, at(mine))


async def test_asking_for_the_payment_page_too_often_is_told(
    page_clients: PageClients, hotel: HotelDriver, stack: ApiStack
) -> None:
    """429 as a page, with the way back."""
    guest = await hotel.submitted()
    page_client = await opened(page_clients, guest)
    limit = stack.settings.rate_limit_session_per_min
    statuses = [(await page_client.send(at(guest, "pay/"))).status for _ in range(limit + 1)]
    if 429 not in statuses:
        # A minute began in between, and with it the count.
        statuses = [(await page_client.send(at(guest, "pay/"))).status for _ in range(limit + 1)]
    assert statuses[-1] == 429
    assert at(guest) in (await page_client.send(at(guest, "pay/"))).links


# --- what it tells ----------------------------------------------------------------------------------------


async def test_a_held_request_tells_deadline_money_and_story(
    page_clients: PageClients, stack: ApiStack
) -> None:
    """Times are in the hotel's time zone; the page shows the decision deadline."""
    hotel = await open_hotel(
        stack, timezone="Asia/Tokyo", currency="JPY", price_minor=18_000, approval_sla_s=7200
    )
    guest = await hotel.held(special_requests="Twin beds,\nplease.")
    page = (await opened(page_clients, guest)).page
    assert page is not None
    booking = await guest.read_booking()
    hour = wall_clock(booking["decision_deadline"])
    for words in (
        "Waiting for the hotel",
        guest.booking_id,
        "¥36,000 is held on your card, and not charged.",
        f"{hour} (hotel time, Asia/Tokyo) at the latest",
        "Held on your card ¥36,000",
        "Charged ¥0",
        "You made the request",
        "The hotel received your request; the amount is held on your card, not charged",
        "Twin beds, please.",
        "Cancelling costs nothing until the hotel confirms.",
    ):
        assert words in page.words, words
    assert "attention" not in page.words


def wall_clock(instant: str) -> str:
    """The hour at a hotel in Tokyo."""
    return datetime.fromisoformat(instant).astimezone(ZoneInfo("Asia/Tokyo")).strftime("%H:%M")


async def test_what_changes_is_sent_again_only_when_it_has_changed(
    page_clients: PageClients, hotel: HotelDriver
) -> None:
    """204 for who has seen it; the new part once the hotel has decided."""
    guest = await hotel.held()
    page_client = await opened(page_clients, guest)
    assert page_client.page is not None
    page = page_client.page.html.partition('name="seen" value="')[2].partition('"')[0]
    address = at(guest, f"part/?seen={page}")
    assert (await page_client.http.get(address)).status_code == 204
    await (await hotel.staff()).approve(guest.booking_id)
    part = await page_client.open(address)
    assert part.status == 200
    assert "Your stay is confirmed" in part.words
    assert "<html" not in part.html


@pytest.mark.parametrize(
    ("actor", "age", "words", "may_ask_again"),
    [
        (ActorKind.GUEST, timedelta(0), "Your cancellation is in progress", False),
        ("manager@hotel.test", timedelta(0), "The hotel is cancelling your booking", False),
        # The process that took it may have died before the workflow received it.
        (ActorKind.GUEST, timedelta(minutes=2), "is not finished yet", True),
    ],
)
async def test_a_cancellation_under_way_is_told(
    page_clients: PageClients,
    hotel: HotelDriver,
    actor: str,
    age: timedelta,
    words: str,
    *,
    may_ask_again: bool,
) -> None:
    guest = await hotel.confirmed()
    command = BookingCommand(
        command_id=new_command_id(),
        booking_id=guest.booking_id,
        kind=Decision.CANCEL,
        actor=actor,
        created_at=utc_now() - age,
    )
    async with hotel.stack.database.transaction() as db:
        await open_command(db, command)
    page = (await opened(page_clients, guest)).page
    assert page is not None
    assert words in page.words
    assert (at(guest, "cancel/") in page.links) is may_ask_again


async def test_a_draft_is_sent_from_its_page(page_clients: PageClients, hotel: HotelDriver) -> None:
    """A draft's page has the button that submits it; pressed twice it submits once."""
    guest = await hotel.draft()
    page_client = await opened(page_clients, guest)
    assert page_client.page is not None
    assert "Your request has not been sent yet" in page_client.page.words
    for _ in range(2):
        page = await page_client.send(at(guest, "submit/"))
        assert (page.status, page.location) == (303, at(guest))
    assert await status_of(guest) == "PENDING_PAYMENT"


async def test_one_clients_drafts_leave_others_half_of_the_places(hotel: HotelDriver) -> None:
    """As for the API's callers: no worker is there, so each submission keeps its place for seconds."""
    changes = {"public_base_url": "http://hotels.test", "rate_limit_booking_per_hour": 900}
    async with flaky_api(hotel.stack, **changes) as flaky:
        page_clients = PageClients(flaky.url)
        crowd_client, other_client = page_clients.stranger(), page_clients.stranger()

        async def sending(page_client: PageClient) -> asyncio.Task[PageContent]:
            guest = await hotel.draft()
            fields = (await page_client.follow(link(guest))).hidden
            return asyncio.create_task(page_client.send(at(guest, "submit/"), **fields))

        crowd = [await sending(crowd_client) for _ in range(GUESTS_AT_ONCE + 4)]
        assert (await (await sending(other_client))).status == 503
        assert sum(sent.done() for sent in crowd) <= GUESTS_AT_ONCE // 2
        assert {sent.status for sent in await asyncio.gather(*crowd)} == {503}
        await page_clients.leave()


# --- listening --------------------------------------------------------------------------------------------


async def test_the_page_may_listen_to_its_own_booking_only(
    page_clients: PageClients, hotel: HotelDriver
) -> None:
    """The cookie and the page's token sign for one channel; no bearer token is in any script's reach."""
    guest, other = await hotel.submitted(), await hotel.submitted()
    page_client = await opened(page_clients, guest)
    assert page_client.page is not None
    csrf = page_client.page.html.partition('data-csrf="')[2].partition('"')[0]
    assert guest.token not in page_client.page.html
    wish = {"socket_id": "12.34", "channel_name": f"private-booking-{guest.booking_id}"}

    async def ask(token: str, **changes: str) -> int:
        headers = {"X-CSRF-Token": token} if token else {}
        response = await page_client.http.post(at(guest, "realtime/"), data=wish | changes, headers=headers)
        return response.status_code

    assert await ask(csrf) == 200
    assert await ask("") == 403
    assert await ask("0" * 64) == 403
    assert await ask(csrf, channel_name=f"private-booking-{other.booking_id}") == 403
    assert await ask(csrf, channel_name=f"private-staff-{hotel.slug}") == 403
    assert await ask(csrf, socket_id="1:2") == 403
