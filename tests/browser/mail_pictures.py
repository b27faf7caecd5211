"""Screenshots of e-mails: the newest of each kind that the stack has sent."""

from __future__ import annotations

from typing import Any, Final

from sandbox.evidence import read_sandbox
from tests.browser.gallery import Gallery

_SUBJECTS: Final = {
    "authorized": "Payment authorized",
    "confirmed": "Booking Confirmed",
    "declined": "Booking Update",
    "cancelled": "Booking Cancelled",
    "expired": "Booking Expired",
    "booking-link": "Your booking link",
    "staff-request": "New booking request",
    "staff-attention": "Attention needed",
    "invitation": "Invitation",
    "password-reset": "Reset your password",
}
"""The beginning of each kind's subject."""


async def take_mails(gallery: Gallery) -> None:
    """Photograph the HTML of each kind."""
    inbox = gallery.client.at.inbox
    mails: list[dict[str, Any]] = await read_sandbox(gallery.client.http, inbox, "messages")
    window = await gallery.windows.open()
    for kind, subject in _SUBJECTS.items():
        newest = max(mail["id"] for mail in mails if mail["subject"].startswith(subject))
        await window.page.goto(f"{inbox}/messages/{newest}/html")
        await gallery.take(window, f"mail-{kind}")
