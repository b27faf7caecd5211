"""The participants of the end-to-end tests, and the messages about a booking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sandbox.drivers import GuestDriver, StackClient, StaffDriver, wait_until
from sandbox.evidence import Json

GUEST: Final = {
    "first_name": "Philippa",
    "last_name": "Quarshie",
    "email": "philippa.quarshie@example.com",
    "phone": "+353 1 496 0199",
}


@dataclass(frozen=True)
class HotelTeam:
    """The people of one hotel."""

    viewer: StaffDriver
    approver: StaffDriver
    manager: StaffDriver


def events(booking: Json) -> list[str]:
    """The timeline's events, oldest first."""
    return [row["event"] for row in booking["timeline"]]


def last_step(booking: Json) -> tuple[str, str, str, str]:
    """The last row of the timeline: from, to, event, actor."""
    row = booking["timeline"][-1]
    return row["from"], row["to"], row["event"], row["actor"]


async def mail(client: StackClient, booking_id: str, subject: str) -> Json:
    """The one e-mail about a booking with this subject, once it is there."""

    async def look() -> list[Json]:
        return [mail for mail in await client.mails(booking_id) if mail["subject"] == subject]

    found = await wait_until(look, len, what=f"the mail {subject!r}")
    assert len({mail["message_id"] for mail in found}) == 1, f"{subject!r} bears several Message-IDs"
    sent: Json = found[0]
    assert sent["message_id"], f"{subject!r} has no Message-ID"
    assert booking_id in sent["text"], "the mail does not name its booking"
    assert sent["html"], "the mail has no HTML part"
    return sent


async def staff_mails(client: StackClient, booking_id: str, subject: str) -> set[str]:
    """To whom the staff's mail with this subject went, once both people have it."""

    async def look() -> set[str]:
        mails = await client.mails(booking_id)
        return {to for mail in mails if mail["subject"] == subject for to in mail["to"]}

    return await wait_until(look, lambda seen: len(seen) >= 2, what=f"the mails {subject!r}")


async def published(client: StackClient, booking: Json) -> None:
    """Wait until every version since the submission was published, on the hotel's and booking's channels."""
    booking_id, hotel = booking["booking_id"], booking["hotel"]
    rows = booking["timeline"][1:]
    expected = {
        (channel, row["version"], row["to"])
        for channel in (f"hotel-{hotel}", f"private-booking-{booking_id}")
        for row in rows
    }

    async def look() -> set[tuple[str, int, str]]:
        return {
            (message["channel"], message["data"]["version"], message["data"]["status"])
            for message in await client.messages(booking_id)
            if message["name"] == "booking-updated"
        }

    await wait_until(look, lambda seen: expected <= seen, what=f"the realtime events of {booking_id}")


async def staff_events(client: StackClient, booking_id: str, name: str) -> list[Json]:
    """The staff's own realtime events of this name, once there is one."""

    async def look() -> list[Json]:
        return [message for message in await client.messages(booking_id) if message["name"] == name]

    return await wait_until(look, len, what=f"the event {name}")


async def held(guest: GuestDriver, **how: Any) -> Json:
    """Let the guest pay, and wait until the hotel has been asked."""
    answer = await guest.pay(**how)
    assert answer.status_code == 303, answer.text
    return await guest.until("PENDING_APPROVAL")


def nothing_held(payment: Json) -> bool:
    """Whether a PaymentIntent of the ledger holds and keeps no money."""
    kept_minor = payment["amount_received"] - payment["refunded"]
    return (
        payment["status"] in {"canceled", "succeeded"}
        and kept_minor == 0
        and payment["amount_capturable"] == 0
    )
