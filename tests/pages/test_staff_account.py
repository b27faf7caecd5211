"""A person's own account in the console: the log-ins they have, and another password."""

from __future__ import annotations

import re

from tests.api.hotels import PASSWORD, HotelDriver
from tests.pages.page_client import PageClient, PageClients

ANOTHER = "another long password"


async def test_a_log_in_is_listed_with_its_address_and_ended_alone(
    viewer: PageClient, page_clients: PageClients, hotel: HotelDriver
) -> None:
    elsewhere, third = [await page_clients.staff(hotel, "viewer") for _ in range(2)]
    page = await viewer.open("/staff/account/")
    address = elsewhere.http.headers["X-Forwarded-For"]
    assert address in page.words
    assert page.words.count("This browser") == 1
    [path] = re.findall(r'action="([^"]+/end/)">(?:(?!</form>).)*from ' + re.escape(address), page.html)
    ended = await viewer.send(path)
    assert ended.location == "/staff/account/?saved=log-in"
    assert (await elsewhere.open("/staff/")).status == 303
    assert (await third.open("/staff/")).status == 200
    page = await viewer.open(ended.location)
    assert "That log-in has ended." in page.words
    assert address not in page.words
    assert (await viewer.send(path)).status == 303, "a repeat finds nothing to do"


async def test_all_other_log_ins_are_ended_at_once(
    viewer: PageClient, approver: PageClient, page_clients: PageClients, hotel: HotelDriver
) -> None:
    others = [await page_clients.staff(hotel, "viewer") for _ in range(2)]
    await viewer.open("/staff/account/")
    await viewer.send("/staff/account/log-ins/end-others/")
    assert [(await each.open("/staff/")).status for each in others] == [303, 303]
    assert (await viewer.open("/staff/")).status == 200
    assert (await approver.open("/staff/")).status == 200, "a colleague's goes on"


async def test_a_colleagues_log_in_is_not_ended(viewer: PageClient, approver: PageClient) -> None:
    await approver.open("/staff/account/")
    elsewhere = await viewer.open("/staff/account/")
    assert approver.http.headers["X-Forwarded-For"] not in elsewhere.words
    for path in ("0" * 32, "nothing"):
        page = await viewer.send(f"/staff/account/log-ins/{path}/end/")
        assert page.status in {303, 422}
    assert (await approver.open("/staff/")).status == 200


async def test_a_person_changes_their_own_password(
    viewer: PageClient, page_clients: PageClients, hotel: HotelDriver
) -> None:
    elsewhere = await page_clients.staff(hotel, "viewer")
    await viewer.open("/staff/account/")
    page = await viewer.send("/staff/account/password/", current=PASSWORD, password=ANOTHER)
    page = await viewer.open(page.location)
    assert "Your password is changed. Your other log-ins have ended." in page.words
    assert (await elsewhere.open("/staff/")).status == 303
    email = f"viewer@{hotel.slug}.test"
    assert (await page_clients.stranger().log_in(email)).status == 401
    assert (await page_clients.stranger().log_in(email, ANOTHER)).status == 303


async def test_another_password_needs_the_current_one(
    viewer: PageClient, page_clients: PageClients, hotel: HotelDriver
) -> None:
    await viewer.open("/staff/account/")
    page = await viewer.send("/staff/account/password/", current="wrong", password=ANOTHER)
    assert (page.status, "This is not your current password." in page.words) == (401, True)
    page = await viewer.send("/staff/account/password/", current=PASSWORD, password="short")
    assert (page.status, "8 to 200 characters" in page.words) == (422, True)
    assert (await viewer.open("/staff/")).status == 200, "nothing has ended"
    assert (await page_clients.staff(hotel, "viewer")).page is not None, "the password is the same"
