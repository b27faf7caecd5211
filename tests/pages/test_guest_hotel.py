"""A hotel's page: rooms, prices, and a form that books once however often it is sent."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from sqlalchemy import update
from sqlmodel import col

from models import Hotel as HotelRow
from sandbox.people import wait_until
from tests.api.hotels import Hotel, open_hotel
from tests.api.rows import count_bookings
from tests.api.stack import PATIENCE_S, Stack, shaky_api, working
from tests.pages.visitor import Seen, Visitor, Visitors

PERSON = {"first_name": "Aoife", "last_name": "Brennan", "email": "aoife.brennan@example.com", "phone": ""}


@pytest.fixture
def visitor(visitors: Visitors) -> Visitor:
    """Somebody who looks for a room."""
    return visitors.stranger()


def at(hotel: Hotel) -> str:
    return f"/hotels/{hotel.slug}/"


def stay(hotel: Hotel, **changes: Any) -> dict[str, str]:
    """The fields about the stay, for 30 days from now."""
    wish = {name: hotel.wish()[name] for name in ("room_type", "check_in", "check_out", "adults")}
    return {name: str(value) for name, value in ({**wish, "children": 0} | changes).items()}


def form(hotel: Hotel, **changes: Any) -> dict[str, str]:
    """The whole form."""
    filled = {**stay(hotel), **PERSON, "special_requests": "A quiet room.", "do": "book", **changes}
    return {name: str(value) for name, value in filled.items()}


async def price(visitor: Visitor, hotel: Hotel, **changes: Any) -> str:
    """What the live price says."""
    query = httpx.QueryParams(stay(hotel, **changes))
    seen = await visitor.open(f"{at(hotel)}price/?{query}")
    return seen.words


async def test_the_page_tells_rooms_prices_policy_and_the_promise(visitor: Visitor, stack: Stack) -> None:
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
    seen = await visitor.open(at(hotel))
    assert seen.status == 200
    for words in (
        "Your card is held, not charged, until the hotel confirms.",
        "A double for up to 2 guests €123.45 a night",
        "A suite for up to 4 guests €246.90 a night",
        "answers within 2 days",
        "Free cancellation until 3 days before check-in (00:00 hotel time); after that 40 % of the total is kept.",
        "Europe/Dublin",
    ):
        assert words in seen.words, words
    assert {"mailto:desk@example.com", "tel:+35315550100"} <= set(seen.links)


async def test_an_unknown_hotel_is_a_page_not_found(visitor: Visitor, hotel: Hotel) -> None:
    """404, as a page; an address without its slash is mended."""
    seen = await visitor.open("/hotels/nowhere/")
    assert seen.status == 404
    assert "text/html" in seen.response.headers["content-type"]
    assert "There is no such hotel." in seen.words
    assert (await visitor.open(f"/hotels/{hotel.slug}")).location == at(hotel)


async def test_the_price_is_the_nights_in_the_currencys_own_format(visitor: Visitor, stack: Stack) -> None:
    """Decimals, sign and separators are the currency's; the free days are counted on the hotel's calendar."""
    euros = await open_hotel(stack, price_minor=75_050, late_cancel_fee_percent=50, free_cancel_days=2)
    words = await price(visitor, euros, check_out=euros.wish(nights=3)["check_out"])
    assert "A double, 3 nights at €750.50 €2,251.50" in words
    assert "00:00 (hotel time, Europe/Dublin); after that it costs €1,125.75." in words
    yen = await open_hotel(stack, currency="JPY", price_minor=18_000, timezone="Asia/Tokyo")
    assert "A double, 2 nights at ¥18,000 ¥36,000" in await price(visitor, yen)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"room_type": ""}, "Choose a room and your dates to see the price."),
        ({"room_type": "castle"}, "Choose a room and your dates to see the price."),
        ({"check_out": ""}, "Choose a room and your dates to see the price."),
        ({"check_out": "20270101"}, "Choose a room and your dates to see the price."),
        ({"adults": "0"}, "Choose a room and your dates to see the price."),
        ({"adults": "x"}, "Choose a room and your dates to see the price."),
        ({"check_in": "2020-01-01", "check_out": "2020-01-02"}, "Check-in lies in the past"),
        ({"adults": "2", "children": "1"}, "This room takes 2 guests at most."),
        ({"check_in": "2099-01-01", "check_out": "2099-03-01"}, "A stay has 1 to 30 nights, not 59."),
    ],
)
async def test_a_stay_without_price_says_why(
    visitor: Visitor, hotel: Hotel, changes: dict[str, str], words: str
) -> None:
    """The same refusals as booking, told while the guest still chooses."""
    assert words in await price(visitor, hotel, **changes)


async def test_the_price_comes_without_script_too(visitor: Visitor, hotel: Hotel) -> None:
    """A button shows it, keeps what was typed, and books nothing."""
    await visitor.open(at(hotel))
    seen = await visitor.send(at(hotel), **form(hotel, do="price", first_name="", email="Ao"))
    assert seen.status == 200
    assert "€150.00" in seen.words
    assert 'value="Ao"' in seen.html
    assert "Please fill this in" not in seen.words
    assert await count_bookings(hotel) == 0


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("room_type", "", "Please choose a room."),
        ("room_type", "castle", "This hotel has no such room type; its page lists them."),
        ("check_in", "", "Please choose the day you arrive."),
        ("check_in", "soon", "Please give a date."),
        ("check_in", "2027-02-30", "There is no such date."),
        ("check_in", "2020-01-01", "Check-in lies in the past, by the hotel's calendar."),
        ("check_out", "", "Please choose the day you leave."),
        ("adults", "", "Please fill this in."),
        ("adults", "two", "Please give a number."),
        ("adults", "0", "At least one adult has to come."),
        ("adults", "999", "That is more than any room takes."),
        ("adults", "3", "This room takes 2 guests at most."),
        ("first_name", "", "Please fill this in."),
        ("last_name", "x" * 101, "That is too long; it may have 100 characters."),
        ("email", "aoife", "This is not an e-mail address."),
        ("phone", "call me", "This is not a telephone number; write it like +353 1 234 5678."),
        ("special_requests", "x" * 2001, "That is too long; it may have 2000 characters."),
    ],
)
async def test_what_is_wrong_stands_next_to_its_field(
    visitor: Visitor, hotel: Hotel, field: str, value: str, words: str
) -> None:
    """422 with plain words, tied to the field for those who cannot see it; the rest stays as typed."""
    await visitor.open(at(hotel))
    changes = {"check_out": "2020-01-02"} if value == "2020-01-01" else {}
    seen = await visitor.send(at(hotel), **form(hotel, **{field: value, **changes}))
    assert seen.status == 422
    assert f'id="{field}-error"' in seen.html
    assert f'href="#{field}"' in seen.html
    assert f'id="{field}"' in seen.html
    # In the summary and at the field; a refusal of the price stands there, too.
    assert seen.words.count(words) >= 2
    assert "A quiet room." in seen.html or field == "special_requests"
    assert await count_bookings(hotel) == 0


def booked(seen: Seen) -> str:
    """The address of the booking a form led to."""
    assert seen.status == 303, seen.words
    assert seen.location.startswith("/bookings/BK-")
    assert "token" not in seen.location
    return str(seen.location)


async def test_the_form_books_and_leads_to_the_bookings_page(visitor: Visitor, hotel: Hotel) -> None:
    """Submitted at once; the page is open to this browser alone, without a token in its address."""
    await visitor.open(at(hotel))
    path = booked(await visitor.send(at(hotel), **form(hotel)))
    seen = await visitor.open(path)
    assert "Waiting for your card" in seen.words
    assert "€150.00" in seen.words
    assert "A quiet room." in seen.words


async def test_a_form_sent_again_leads_to_the_same_booking(visitor: Visitor, hotel: Hotel) -> None:
    """Double clicks, reloads and the back button book once."""
    await visitor.open(at(hotel))
    paths = {booked(await visitor.send(at(hotel), **form(hotel))) for _ in range(3)}
    assert len(paths) == 1
    assert await count_bookings(hotel) == 1


async def test_a_form_used_up_can_book_something_else(visitor: Visitor, hotel: Hotel) -> None:
    """Back, other dates, send: the guest is told, and sending again makes a second booking."""
    await visitor.open(at(hotel))
    first = booked(await visitor.send(at(hotel), **form(hotel)))
    seen = await visitor.send(at(hotel), **form(hotel, adults=1))
    assert seen.status == 409
    assert "You have already booked with this form." in seen.words
    visitor.page = seen
    second = booked(await visitor.send(at(hotel), **form(hotel, adults=1)))
    assert second != first
    assert await count_bookings(hotel) == 2


async def test_the_same_request_from_a_fresh_form_is_asked_about_first(
    visitor: Visitor, hotel: Hotel
) -> None:
    """The back button shows a fresh form: sent, it leads to the booking there is, or to a second on purpose."""
    await visitor.open(at(hotel))
    first = booked(await visitor.send(at(hotel), **form(hotel)))
    await visitor.open(at(hotel))
    seen = await visitor.send(at(hotel), **form(hotel))
    assert seen.status == 409
    assert "You have sent this very request already." in seen.words
    assert first in seen.links
    assert await count_bookings(hotel) == 1
    visitor.page = seen
    for _ in range(2):
        second = booked(await visitor.send(at(hotel), **form(hotel)))
        assert second != first
    assert await count_bookings(hotel) == 2


async def test_a_hotels_cutoff_refuses_the_stay_at_its_field(visitor: Visitor, hotel: Hotel) -> None:
    """Too late for this check-in: the words stand at check-in."""
    change = update(HotelRow).where(col(HotelRow.id) == hotel.id).values(cutoff_days_before=300)
    async with hotel.stack.database.transaction() as db:
        await db.execute(change)
    await visitor.open(at(hotel))
    seen = await visitor.send(at(hotel), **form(hotel))
    assert seen.status == 422
    assert seen.words.count("The hotel takes no more requests for this check-in.") >= 2


async def test_while_the_service_is_away_nothing_typed_is_lost(hotel: Hotel, stack: Stack) -> None:
    """503 with the form as it was; sent again once things work, it books once."""
    async with shaky_api(stack, public_base_url="http://127.0.0.1") as shaky:
        visitors = Visitors(shaky.url)
        visitor = visitors.stranger()
        await visitor.open(at(hotel))
        await shaky.temporal.shut()
        seen = await visitor.send(at(hotel), **form(hotel))
        assert seen.status == 503
        assert "Nothing you typed is lost" in seen.words
        assert 'value="aoife.brennan@example.com"' in seen.html
        visitor.page = seen
        await shaky.temporal.open()
        async with working(stack, shaky.task_queue):

            async def send() -> Seen:
                return await visitor.send(at(hotel), **form(hotel))

            again = await wait_until(
                send, lambda seen: seen.status == 303, timeout_s=PATIENCE_S, what="the booking"
            )
            assert "Waiting for your card" in (await visitor.follow(again.location)).words
        await visitors.leave()
    assert await count_bookings(hotel) == 1
