"""The lists: what is in them, in which order, how full the hotel is, search and pages in the address."""

from __future__ import annotations

from datetime import timedelta

from domain.booking import Status
from models import utc_now
from tests.api.hotels import PERSON, HotelDriver, open_hotel
from tests.api.rows import edit
from tests.api.stack import ApiStack
from tests.pages.page_client import PageClient, PageClients, PageContent


def listed(page: PageContent) -> list[str]:
    """The bookings of a list, in its order."""
    parts = [link.split("/") for link in page.links if link.startswith("/staff/bookings/")]
    return list(dict.fromkeys(part[3] for part in parts))


async def test_requests_come_by_their_deadline_with_the_time_left_in_words(
    viewer: PageClient, hotel: HotelDriver
) -> None:
    late, soon, overdue = [await hotel.held() for _ in range(3)]
    now = utc_now()
    await edit(hotel, late, decision_deadline=now + timedelta(days=2, hours=3, minutes=5))
    await edit(hotel, soon, decision_deadline=now + timedelta(hours=2, minutes=10, seconds=50))
    await edit(hotel, overdue, decision_deadline=now - timedelta(minutes=12, seconds=5))
    page = await viewer.open("/staff/")
    assert listed(page) == [overdue.booking_id, soon.booking_id, late.booking_id]
    for words in (
        "Overdue by 12 min",
        "Soon: answer within 2 h 10 min",
        "Answer within 2 days 3 h",
        "Philippa Quarshie",
        "2 nights, 2 adults",
        "A double",
        "€150.00",
        "3 of 30 rooms taken",
    ):
        assert words in page.words
    assert page.title.startswith("(3) To decide")


async def test_amounts_are_written_as_their_currency_is(page_clients: PageClients, stack: ApiStack) -> None:
    hotel = await open_hotel(stack, currency="JPY", price_minor=18000, timezone="Asia/Tokyo")
    await hotel.held()
    page = await (await page_clients.staff(hotel, "viewer")).open("/staff/")
    assert "¥36,000" in page.words
    assert "36,000.00" not in page.words


async def test_the_fullest_night_is_counted(page_clients: PageClients, stack: ApiStack) -> None:
    hotel = await open_hotel(stack, rooms=3)
    approver = await page_clients.staff(hotel, "approver")
    # One after the other they take one room; the third lies over both.
    await hotel.confirmed(days_ahead=40, nights=1)
    await hotel.confirmed(days_ahead=41, nights=1)
    guest = await hotel.held(days_ahead=40, nights=2)
    assert "2 of 3 rooms taken" in (await approver.open("/staff/")).words
    await hotel.confirmed(days_ahead=41, nights=1)
    assert "Full: 3 of 3 taken" in (await approver.open("/staff/")).words
    page = await approver.open(f"/staff/bookings/{guest.booking_id}/approve/")
    assert (
        "Full: 3 of 3 taken on the busiest night of the stay (A double), including this request."
        in page.words
    )


async def test_lists_by_status_and_search_live_in_the_address(viewer: PageClient, hotel: HotelDriver) -> None:
    waiting = await hotel.held(
        guest=PERSON | {"first_name": "Noor", "last_name": "Quarci\u0301a", "email": "noor@example.com"}
    )
    confirmed = await hotel.confirmed()
    unpaid = await hotel.submitted()
    for path, expected in (
        ("/staff/?view=confirmed", [confirmed]),
        ("/staff/?view=unpaid", [unpaid]),
        ("/staff/?view=all", [unpaid, confirmed, waiting]),
        ("/staff/?view=all&q=noor+q", [waiting]),
        ("/staff/?q=NOOR%40", [waiting]),
        ("/staff/?q=quarc%C3%ADa", [waiting]),
        (f"/staff/?view=all&q={unpaid.booking_id[3:9].lower()}", [unpaid]),
        ("/staff/?view=all&q=100%25", []),
        ("/staff/?view=no-such-list", [waiting]),
    ):
        assert listed(await viewer.open(path)) == [guest.booking_id for guest in expected], path


async def test_a_long_list_has_pages_without_gaps(viewer: PageClient, hotel: HotelDriver) -> None:
    guests = [await hotel.draft() for _ in range(27)]
    for guest in guests:
        # Only how many there are and when they came counts here: nobody has to own them.
        await edit(hotel, guest, status=Status.PENDING_PAYMENT)
    first = await viewer.open("/staff/?view=unpaid")
    [following] = [link for link in first.links if "cursor=" in link]
    second = await viewer.open(following)
    assert listed(first) + listed(second) == [guest.booking_id for guest in reversed(guests)]
    assert not [link for link in second.links if "cursor=" in link]
    assert listed(await viewer.open("/staff/?view=unpaid&cursor=nonsense")) == listed(first)


async def test_another_hotels_bookings_are_not_there(
    viewer: PageClient, page_clients: PageClients, hotel: HotelDriver, stack: ApiStack
) -> None:
    guest = await hotel.held()
    other = await page_clients.staff(await open_hotel(stack), "manager")
    assert listed(await other.open("/staff/?view=all")) == []
    path = f"/staff/bookings/{guest.booking_id}/"
    assert (await viewer.open(path)).status == 200
    for address in (path, f"{path}approve/", f"{path}decline/", f"{path}cancel/"):
        assert (await other.open(address)).status == 404, address
    await other.open("/staff/policy/")
    for address in ("approve/", "decline/", "decline/preview/", "cancel/", "help/"):
        page = await other.send(f"{path}{address}", kind="retry", reason_code="OTHER", refund="1")
        assert page.status == 404, address
    assert (await guest.read_booking())["status"] == "PENDING_APPROVAL"


async def test_special_requests_and_others_who_wait_for_the_same_nights(
    viewer: PageClient, hotel: HotelDriver
) -> None:
    await hotel.held(days_ahead=40, nights=2, special_requests="A quiet room,\nplease. " + "x" * 200)
    assert "for the same nights" not in (await viewer.open("/staff/")).words
    await hotel.held(days_ahead=41, nights=2)
    await hotel.confirmed(days_ahead=40, nights=1)
    last = await hotel.held(days_ahead=42, nights=1)
    page = await viewer.open("/staff/")
    assert "“A quiet room, please. xxx" in page.words
    assert "x…”" in page.words
    # The second request overlaps with both others, which do not overlap.
    assert page.words.count("2 others wait for the same nights") == 1
    assert page.words.count("1 other waits for the same nights") == 2
    assert f"/staff/bookings/{last.booking_id}/approve/" not in page.links, "viewers do not decide"


async def test_a_receptionist_goes_through_the_requests(approver: PageClient, hotel: HotelDriver) -> None:
    first, second = await hotel.held(), await hotel.held(guest=PERSON | {"first_name": "Noor"})
    path = f"/staff/bookings/{first.booking_id}/"
    assert f"{path}approve/" in (await approver.open("/staff/")).links
    asked = await approver.open(f"{path}approve/")
    assert "Approve and capture €150.00" in asked.words
    page = await approver.send(f"{path}approve/")
    page = await approver.follow(page.location)
    assert "Next request: Noor Quarshie" in page.words
    following = f"/staff/bookings/{second.booking_id}/"
    assert following in page.links
    page = await approver.submit(f"{following}decline/", reason_code="OTHER")
    assert "No other request waits for a decision." in page.words
