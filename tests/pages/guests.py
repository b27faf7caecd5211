"""A guest with a browser, come by the link of an e-mail."""

from __future__ import annotations

from domain.identifiers import status_page
from sandbox.drivers import GuestDriver
from tests.api.stack import AUTH_SECRET
from tests.pages.page_client import PageClient, PageClients


def at(guest: GuestDriver, path: str = "") -> str:
    """An address of a guest's booking."""
    return f"/bookings/{guest.booking_id}/{path}"


def link(guest: GuestDriver) -> str:
    """The link of the e-mails."""
    return status_page("", AUTH_SECRET, guest.booking_id)


async def opened(page_clients: PageClients, guest: GuestDriver) -> PageClient:
    """The guest, come by their link; their booking's page is open."""
    page_client = page_clients.stranger()
    page = await page_client.follow(link(guest))
    assert page.status == 200, page.words
    return page_client


async def status_of(guest: GuestDriver) -> str:
    """The booking's status, by the API."""
    return str((await guest.read_booking())["status"])
