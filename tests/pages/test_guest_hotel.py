"""A hotel's page: rooms, prices, and a form that books once however often it is sent."""

from __future__ import annotations

import pytest
from sqlalchemy import update
from sqlmodel import col

from api.app import create_app
from api.pages.guest.form import LABELS
from models import Hotel as HotelRow
from sandbox.drivers import wait_until
from sandbox.serving import listener
from tests.api.hotels import HotelDriver, open_hotel
from tests.api.rows import count_bookings
from tests.api.serving import address, serving
from tests.api.stack import PATIENCE_S, ApiStack, flaky_api, working
from tests.pages.hotel_form import at, form, price
from tests.pages.page_client import PageClient, PageClients, PageContent

PERSON = {"first_name": "Aoife", "last_name": "Brennan", "email": "aoife.brennan@example.com", "phone": ""}


@pytest.fixture
def page_client(page_clients: PageClients) -> PageClient:
    """Someone who looks for a room."""
    return page_clients.stranger()


async def test_the_page_tells_rooms_prices_policy_and_the_promise(
    page_client: PageClient, stack: ApiStack
) -> None:
    """Everything a guest has to know before giving a card, in the hotel's own terms."""
    hotel = await open_hotel(
        stack,
        price_minor=12_345,
        free_cancel_days=3,
        late_cancel_fee_percent=40,
        approval_sla_s=2 * 86400,
        contact_email="desk@example.com",
        contact_phone="+353 1 555 0100",
    )
    page = await page_client.open(at(hotel))
    assert page.status == 200
    for words in (
        "Your card is held, not charged, until the hotel confirms.",
        "A double for up to 2 guests €123.45 a night",
        "A suite for up to 4 guests €246.90 a night",
        "answers within 2 days",
        "three days before check-in; after that the hotel keeps 40% of the total.",
        "Europe/Dublin",
    ):
        assert words in page.words, words
    assert {"mailto:desk@example.com", "tel:+35315550100"} <= set(page.links)


async def test_an_unknown_hotel_is_a_page_not_found(page_client: PageClient, hotel: HotelDriver) -> None:
    """404, as a page; an address without its slash is mended."""
    page = await page_client.open("/hotels/nowhere/")
    assert page.status == 404
    assert "text/html" in page.response.headers["content-type"]
    assert "There is no such hotel." in page.words
    assert (await page_client.open(f"/hotels/{hotel.slug}")).location == at(hotel)


async def test_the_price_is_the_nights_in_the_currencys_own_format(
    page_client: PageClient, stack: ApiStack
) -> None:
    """Decimals, sign and separators are the currency's; the free days are counted on the hotel's calendar."""
    euros = await open_hotel(stack, price_minor=75_050, late_cancel_fee_percent=50, free_cancel_days=2)
    words = await price(page_client, euros, check_out=euros.wish(nights=3)["check_out"])
    assert "A double, 3 nights at €750.50 €2,251.50" in words
    assert "00:00 (hotel time, Europe/Dublin); after that it costs €1,125.75." in words
    yen = await open_hotel(stack, currency="JPY", price_minor=18_000, timezone="Asia/Tokyo")
    assert "A double, 2 nights at ¥18,000 ¥36,000" in await price(page_client, yen)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"room_type": ""}, "Choose a room and your dates to see the price."),
        ({"room_type": "castle"}, "Choose a room and your dates to see the price."),
        ({"check_out": ""}, "Choose a room and your dates to see the price."),
        ({"check_out": "20270101"}, "Choose a room and your dates to see the price."),
        ({"adults": "0"}, "Choose a room and your dates to see the price."),
        ({"adults": "x"}, "Choose a room and your dates to see the price."),
        ({"check_in": "2020-01-01", "check_out": "2020-01-02"}, "Check-in is in the past"),
        ({"adults": "2", "children": "1"}, "This room takes at most 2 guests."),
        ({"check_in": "2099-01-01", "check_out": "2099-03-01"}, "A stay has 1 to 30 nights, not 59."),
    ],
)
async def test_a_stay_without_price_says_why(
    page_client: PageClient, hotel: HotelDriver, changes: dict[str, str], words: str
) -> None:
    """The same refusals as booking, shown while the guest still chooses."""
    assert words in await price(page_client, hotel, **changes)


async def test_the_price_comes_without_script_too(page_client: PageClient, hotel: HotelDriver) -> None:
    """A button shows it, keeps what was typed, and books nothing."""
    await page_client.open(at(hotel))
    page = await page_client.send(at(hotel), **form(hotel, do="price", first_name="", email="Ao"))
    assert page.status == 200
    assert "€150.00" in page.words
    assert 'value="Ao"' in page.html
    assert "Please fill this in" not in page.words
    assert await count_bookings(hotel) == 0


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("room_type", "", "Please choose a room."),
        ("room_type", "castle", "This hotel has no such room type; its page lists the room types."),
        ("check_in", "", "Please choose the day you arrive."),
        ("check_in", "soon", "Please give a date."),
        ("check_in", "2027-02-30", "There is no such date."),
        ("check_in", "2020-01-01", "Check-in is in the past by the hotel's calendar."),
        ("check_out", "", "Please choose the day you leave."),
        ("adults", "", "Please fill this in."),
        ("adults", "two", "Please give a number."),
        ("adults", "0", "There has to be at least one adult."),
        ("adults", "999", "That is more than any room takes."),
        ("adults", "3", "This room takes at most 2 guests."),
        ("first_name", "", "Please fill this in."),
        ("last_name", "x" * 101, "This is too long; it may have 100 characters."),
        ("first_name", "see https://evil.test", "Please write a name only, without a web or e-mail address."),
        ("last_name", "\u202egnp", "This contains characters that cannot be shown; please type it again."),
        ("last_name", "\u200d", "Please write a name with visible letters."),
        ("email", "aoife", "This is not an e-mail address."),
        ("phone", "call me", "This is not a telephone number; write it like +353 1 234 5678."),
        ("special_requests", "x" * 2001, "This is too long; it may have 2000 characters."),
    ],
)
async def test_what_is_wrong_stands_next_to_its_field(
    page_client: PageClient, hotel: HotelDriver, field: str, value: str, words: str
) -> None:
    """422 with plain words, tied to the field for those who cannot see it; the rest stays as typed."""
    await page_client.open(at(hotel))
    changes = {"check_out": "2020-01-02"} if value == "2020-01-01" else {}
    page = await page_client.send(at(hotel), **form(hotel, **{field: value, **changes}))
    assert page.status == 422
    assert f'id="{field}-error"' in page.html
    assert f'href="#{field}"' in page.html
    assert f'id="{field}"' in page.html
    # In the summary and at the field; a refusal of the price stands there, too.
    assert page.words.count(words) >= 2
    assert "A quiet room." in page.html or field == "special_requests"
    assert await count_bookings(hotel) == 0


def booked(page: PageContent) -> str:
    """The address of the booking a form led to."""
    assert page.status == 303, page.words
    assert page.location.startswith("/bookings/BK-")
    assert "token" not in page.location
    return str(page.location)


async def test_too_many_bookings_are_told_and_nothing_typed_is_lost(
    stack: ApiStack, hotel: HotelDriver
) -> None:
    """The form answers 429 with when to come back; it can be sent again as it is."""
    listening = listener()
    site = address(listening)
    settings = stack.settings_with(rate_limit_booking_per_hour=3, public_base_url=site)
    async with serving(create_app(settings), listening):
        page_clients = PageClients(site)
        page_client = page_clients.stranger()
        await page_client.open(at(hotel))
        booked(await page_client.send(at(hotel), **form(hotel, email=f"a@{hotel.slug}.example.com")))
        await page_client.open(at(hotel))
        page = await page_client.send(at(hotel), **form(hotel, email=f"a@{hotel.slug}.example.com", adults=1))
        await page_clients.leave()
    assert (page.status, await count_bookings(hotel)) == (429, 1)
    assert 1 <= int(page.response.headers["retry-after"]) <= 3600
    assert "Too many bookings were requested within an hour" in page.words
    assert "A quiet room." in page.html


async def test_all_that_is_wrong_is_told_at_once(page_client: PageClient, hotel: HotelDriver) -> None:
    """Typing mistakes and the hotel's refusals appear together."""
    wrong = {
        "email": "nobody",
        "phone": "x",
        "adults": "9",
        "check_in": "2020-01-02",
        "check_out": "2020-01-02",
    }
    page = await page_client.submit(at(hotel), **form(hotel, **wrong))
    assert page.status == 422
    assert [field for field in LABELS if f'id="{field}-error"' in page.html] == [
        "check_in", "check_out", "adults", "email", "phone"
    ]  # fmt: skip


async def test_the_form_books_and_leads_to_the_bookings_page(
    page_client: PageClient, hotel: HotelDriver
) -> None:
    """Submitted at once; the page is open to this browser alone, without a token in its address."""
    await page_client.open(at(hotel))
    path = booked(await page_client.send(at(hotel), **form(hotel)))
    page = await page_client.open(path)
    assert "Waiting for your card" in page.words
    assert "€150.00" in page.words
    assert "A quiet room." in page.words


async def test_a_form_sent_again_leads_to_the_same_booking(
    page_client: PageClient, hotel: HotelDriver
) -> None:
    """Double clicks, reloads and the back button book once."""
    await page_client.open(at(hotel))
    paths = {booked(await page_client.send(at(hotel), **form(hotel))) for _ in range(3)}
    assert len(paths) == 1
    assert await count_bookings(hotel) == 1


async def test_a_form_used_up_can_book_something_else(page_client: PageClient, hotel: HotelDriver) -> None:
    """Back, other dates, send: the guest reads so, and sending again makes a second booking."""
    await page_client.open(at(hotel))
    first = booked(await page_client.send(at(hotel), **form(hotel)))
    page = await page_client.send(at(hotel), **form(hotel, adults=1))
    assert page.status == 409
    assert "You have already booked with this form." in page.words
    page_client.page = page
    second = booked(await page_client.send(at(hotel), **form(hotel, adults=1)))
    assert second != first
    assert await count_bookings(hotel) == 2


async def test_the_same_request_from_a_fresh_form_is_asked_about_first(
    page_client: PageClient, hotel: HotelDriver
) -> None:
    """The back button shows a fresh form: sent, it leads to the booking there is, or to a second on purpose."""
    await page_client.open(at(hotel))
    first = booked(await page_client.send(at(hotel), **form(hotel)))
    await page_client.open(at(hotel))
    page = await page_client.send(at(hotel), **form(hotel))
    assert page.status == 409
    assert "You have already sent this request." in page.words
    assert first in page.links
    assert await count_bookings(hotel) == 1
    page_client.page = page
    for _ in range(2):
        second = booked(await page_client.send(at(hotel), **form(hotel)))
        assert second != first
    assert await count_bookings(hotel) == 2


async def test_a_hotels_cutoff_refuses_the_stay_at_its_field(
    page_client: PageClient, hotel: HotelDriver
) -> None:
    """Too late for this check-in: the words stand at check-in."""
    change = update(HotelRow).where(col(HotelRow.id) == hotel.id).values(cutoff_days_before=300)
    async with hotel.stack.database.transaction() as db:
        await db.execute(change)
    await page_client.open(at(hotel))
    page = await page_client.send(at(hotel), **form(hotel))
    assert page.status == 422
    assert page.words.count("The hotel accepts no more requests for this check-in.") >= 2


async def test_while_the_service_is_away_nothing_typed_is_lost(hotel: HotelDriver, stack: ApiStack) -> None:
    """503 with the form as it was; sent again once things work, it books once."""
    async with flaky_api(stack, public_base_url="http://127.0.0.1") as flaky:
        page_clients = PageClients(flaky.url)
        page_client = page_clients.stranger()
        await page_client.open(at(hotel))
        await flaky.temporal.shut()
        page = await page_client.send(at(hotel), **form(hotel))
        assert page.status == 503
        assert "Your entries are kept" in page.words
        assert 'value="aoife.brennan@example.com"' in page.html
        page_client.page = page
        await flaky.temporal.open()
        async with working(stack, flaky.task_queue):

            async def send() -> PageContent:
                return await page_client.send(at(hotel), **form(hotel))

            again = await wait_until(
                send, lambda page: page.status == 303, timeout_s=PATIENCE_S, what="the booking"
            )
            assert "Waiting for your card" in (await page_client.follow(again.location)).words
        await page_clients.leave()
    assert await count_bookings(hotel) == 1
