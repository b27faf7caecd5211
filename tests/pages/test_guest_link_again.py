"""A guest whose link opens nothing has it sent again, to the address with which the booking was made."""

from __future__ import annotations

import re
from typing import Any

import pytest

from sandbox.drivers import GuestDriver, wait_until
from tests.api.hotels import PERSON, HotelDriver
from tests.api.stack import ApiStack
from tests.pages.guests import at, link
from tests.pages.page_client import PageClient, PageClients
from tests.workflows.servers import Json

SENT = "If a booking was made with that address, its link is on its way there."
CANARY = {"first_name": "Zephyrine", "last_name": "Quillfeather", "phone": "+353 1 496 7788"}
REQUESTS = "Zebra-striped pillows"


async def guest_of(hotel: HotelDriver, name: str = "guest", **wish: Any) -> tuple[GuestDriver, str]:
    """Someone who has to pay, and their address, which no other test uses."""
    email = f"{name}@{hotel.slug}.example.com"
    return await hotel.submitted(guest=PERSON | CANARY | {"email": email}, **wish), email


async def links_to(stack: ApiStack, email: str, count: int = 1) -> list[Json]:
    """The mails with a link to an address, as soon as there are so many."""

    async def look() -> list[Json]:
        found: list[Json] = await stack.stand_ins.mail.ask("GET", "/_sandbox/messages", params={"to": email})
        return [mail for mail in found if mail["subject"].startswith("Your booking link")]

    return await wait_until(look, lambda found: len(found) == count, what="the link")


async def ask(page_client: PageClient, email: str, path: str = "/booking-link/") -> str:
    """Ask on a page of ours; returns the answer's status and words."""
    await page_client.open(path)
    page = await page_client.send("/booking-link/", email=email)
    words = (await page_client.open(page.location)).words if page.status == 303 else page.words
    return f"{page.status} {words}"


async def workflows(stack: ApiStack) -> list[str]:
    """The histories of the workflows that send links."""
    found = stack.temporal.list_workflows("WorkflowType = 'BookingLinkWorkflow'")
    return [
        (await stack.temporal.get_workflow_handle(each.id).fetch_history()).to_json() async for each in found
    ]


async def test_every_page_of_an_unknown_link_offers_it(page_clients: PageClients, hotel: HotelDriver) -> None:
    """The booking in the address is the one that is meant, if its id is one."""
    guest, _ = await guest_of(hotel)
    mine = guest.booking_id
    paths = {
        at(guest): mine,
        at(guest, "part/"): mine,
        at(guest, "cancel/"): mine,
        link(guest)[:-2]: mine,
        f"{at(guest)}?code={'x' * 43}": mine,
        "/bookings/BK-00000-00000-00000/": "BK-00000-00000-00000",
        "/bookings/nonsense/": None,
        "/bookings/%22%3E%3Cb%3E/?token=x": None,
        "/bookings/%00/": None,
    }
    for path, booking_id in paths.items():
        page = await page_clients.stranger().open(path)
        assert (page.status, "Send me the link again" in page.words) == (401, True), path
        assert page.hidden.get("booking_id") == booking_id, path


async def test_a_guest_with_half_a_link_gets_back_to_the_booking(
    page_clients: PageClients, hotel: HotelDriver, stack: ApiStack
) -> None:
    """As often as they ask, each time by another mail; the address may be written in capitals."""
    guest, email = await guest_of(hotel)
    await guest_of(hotel)
    person = page_clients.stranger()
    for count in (1, 2):
        assert (await ask(person, email.upper(), link(guest)[:-2])).startswith("303")
        assert SENT in (await person.open("/booking-link/?sent=yes")).words
        mails = await links_to(stack, email, count)
    assert len({mail["message_id"] for mail in mails}) == 2
    assert mails[0]["subject"] == f"Your booking link - {guest.booking_id}"
    assert mails[0]["headers"]["From"].startswith(f"The {hotel.slug} <")
    [path] = re.findall(r"^https://hotels\.test(/bookings/\S+)\s*$", mails[0]["text"], re.MULTILINE)
    page = await person.follow(path)
    assert (page.status, guest.booking_id in page.words) == (200, True)


async def test_nothing_that_was_typed_stands_in_the_mail(
    page_clients: PageClients, hotel: HotelDriver, stack: ApiStack
) -> None:
    """Not after a hold either."""
    guest, email = await guest_of(hotel, special_requests=REQUESTS)
    await guest.pay()
    await guest.until("PENDING_APPROVAL", timeout_s=30)
    await ask(page_clients.stranger(), email, at(guest))
    [mail] = await links_to(stack, email)
    whole = mail["subject"] + mail["text"] + mail["html"] + str(mail["headers"])
    assert [text for text in (*CANARY.values(), REQUESTS) if text in whole] == []
    assert "Hello," in mail["text"]


async def test_nobody_learns_which_addresses_have_a_booking(
    page_clients: PageClients, hotel: HotelDriver, stack: ApiStack
) -> None:
    """Page and work are the same for a stranger's address; the booking's id alone gets nobody its link."""
    guest, email = await guest_of(hotel)
    unknown = f"nobody@{hotel.slug}.example.com"
    before = len(await workflows(stack))
    said = [await ask(page_clients.stranger(), each, at(guest)) for each in (unknown, email)]
    assert said[0] == said[1]
    assert SENT in said[0]
    await links_to(stack, email)

    async def begun() -> int:
        return len(await workflows(stack)) - before

    assert await wait_until(begun, lambda count: count >= 2, what="the workflows") == 2
    assert await links_to(stack, unknown, 0) == []
    histories = " ".join(await workflows(stack))
    assert [word for word in (email, unknown, hotel.slug) if word in histories] == []


async def test_links_are_limited_for_an_address_and_for_a_client(
    page_clients: PageClients, hotel: HotelDriver, stack: ApiStack
) -> None:
    """Known and unknown addresses alike, however they are written."""
    most = stack.settings.rate_limit_link_per_hour
    _, known = await guest_of(hotel)
    for name, domain in (each.split("@") for each in (known, f"nobody@{hotel.slug}.example.com")):
        said = [await ask(page_clients.stranger(), f"{name}+{n}@{domain}") for n in range(most + 1)]
        assert [each[:3] for each in said] == ["303"] * most + ["429"], "an hour may have turned"
    person = page_clients.stranger()
    said = [await ask(person, f"{n}@{hotel.slug}.example.com") for n in range(3 * most + 1)]
    assert [each[:3] for each in said] == ["303"] * 3 * most + ["429"]
    assert "The link was asked for too often" in said[-1]
    page = await person.send("/booking-link/", email=known)
    assert 1 <= int(page.response.headers["retry-after"]) <= 3600


@pytest.mark.parametrize("email", ["nobody", "a@b", "x" * 400, "\x00@example.com", ""])
async def test_addresses_that_are_none_are_told(
    page_clients: PageClients, hotel: HotelDriver, email: str
) -> None:
    """The booking that is meant stays in the form."""
    guest, _ = await guest_of(hotel)
    person = page_clients.stranger()
    await person.open(at(guest))
    page = await person.send("/booking-link/", email=email)
    assert (page.status, "Enter an e-mail address" in page.words) == (422, True)
    assert page.hidden["booking_id"] == guest.booking_id


async def test_a_form_of_another_site_sends_nothing(page_clients: PageClients) -> None:
    page = await page_clients.stranger().http.post("/booking-link/", data={"email": "ada@example.com"})
    assert page.status_code == 403
