"""A guest with a browser, come by the link of an e-mail."""

from __future__ import annotations

from domain.identifiers import status_page
from sandbox.people import Guest
from tests.api.stack import AUTH_SECRET
from tests.pages.visitor import Visitor, Visitors


def at(guest: Guest, path: str = "") -> str:
    """An address of a guest's booking."""
    return f"/bookings/{guest.booking_id}/{path}"


def link(guest: Guest) -> str:
    """The link of the e-mails."""
    return status_page("", AUTH_SECRET, guest.booking_id)


async def opened(visitors: Visitors, guest: Guest) -> Visitor:
    """The guest, come by their link; their booking's page is open."""
    visitor = visitors.stranger()
    seen = await visitor.follow(link(guest))
    assert seen.status == 200, seen.words
    return visitor


async def status_of(guest: Guest) -> str:
    """The booking's status, by the API."""
    return str((await guest.look())["status"])
