"""The seven bookings of the demo: what guest, hotel and Stripe do in each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from sandbox.evidence import Answer, Json
from sandbox.people import Guest, Staff, Stay, World

KILLARNEY: Final = "hotel-killarney"
KYOTO: Final = "kyoto-inn"

PAYMENT_WINDOW_S: Final = 20
"""How long Kyoto's guests may take to pay; long enough to book, short enough to watch."""
SHORT_HOLD_S: Final = 20
PAID: Final = 303
"""The payment page sends a guest who has paid back to the hotel."""


class StoryError(Exception):
    """A story cannot go on."""


Progress = Callable[[str], None]


@dataclass(frozen=True)
class Expected:
    """How a story has to end."""

    status: str
    reason_code: str | None = None


@dataclass
class Cast:
    """Everybody who takes part, and what they were told.

    Args:
        progress: told in one line what just happened.
    """

    world: World
    staff: dict[str, Staff]
    progress: Progress
    answers: list[Answer] = field(default_factory=list)

    async def decide(self, booking_id: str, decision: str, response: httpx.Response) -> Json:
        """Note what somebody was told about a decision."""
        body: Json = response.raise_for_status().json()
        self.answers.append(Answer(booking_id, decision, settled=bool(body["settled"])))
        return body


Play = Callable[[Cast, Guest], Coroutine[Any, Any, None]]


@dataclass(frozen=True)
class Story:
    """One booking from beginning to end.

    Args:
        title: as the hotelier reads it.
        what: what the demo shows here.
        guest: who books.
        stay: what they book.
        play: what happens after the booking was made.
        expected: the end.
    """

    title: str
    what: str
    guest: Json
    stay: Stay
    play: Play
    expected: Expected

    async def run(self, cast: Cast) -> Performance:
        """Play the story to its end; what goes wrong is kept, and the other stories go on."""
        guest: Guest | None = None
        try:
            guest = await Guest.book(cast.world, self.stay, self.guest)
            cast.progress(f"{self.title}: booking {guest.booking_id} made")
            await self.play(cast, guest)
            booking = await guest.until(self.expected.status)
        except (httpx.HTTPError, TimeoutError, StoryError) as error:
            cast.progress(f"{self.title}: went wrong: {error}")
            return Performance(self, guest, str(error))
        cast.progress(f"{self.title}: {booking['status']}")
        return Performance(self, guest, None)


@dataclass(frozen=True)
class Performance:
    """A story as it was played.

    Args:
        guest: None where not even the booking could be made.
        problem: what went wrong on the way, if anything.
    """

    story: Story
    guest: Guest | None
    problem: str | None


async def _held(cast: Cast, guest: Guest, *, hold_s: int | None = None) -> None:
    response = await guest.pay(hold_s=hold_s)
    if response.status_code != PAID:
        raise StoryError(f"the payment page answered {response.status_code}")
    await guest.until("PENDING_APPROVAL")
    cast.progress(f"{guest.booking_id}: card held, the hotel has been asked")


async def _approved(cast: Cast, guest: Guest) -> None:
    await _held(cast, guest)
    staff = cast.staff[guest.hotel]
    await cast.decide(guest.booking_id, "approve", await staff.approve(guest.booking_id))


async def _declined(cast: Cast, guest: Guest) -> None:
    await _held(cast, guest)
    note = "We are sorry: a burst pipe has closed this room for the week. Our sister house has rooms."
    response = await cast.staff[guest.hotel].decline(guest.booking_id, "NO_AVAILABILITY", note)
    await cast.decide(guest.booking_id, "decline", response)


async def _nobody_decides(cast: Cast, guest: Guest) -> None:
    await _held(cast, guest, hold_s=SHORT_HOLD_S)
    await guest.until("DECLINED", timeout_s=3 * SHORT_HOLD_S)


async def _never_paid(cast: Cast, guest: Guest) -> None:
    await guest.open_page()
    cast.progress(f"{guest.booking_id}: payment page opened, and left alone")
    await guest.until("EXPIRED", timeout_s=3 * PAYMENT_WINDOW_S)


async def _cancelled_while_held(cast: Cast, guest: Guest) -> None:
    await _held(cast, guest)
    await cast.decide(guest.booking_id, "cancel", await guest.cancel())


async def _cancelled_after_confirmation(cast: Cast, guest: Guest) -> None:
    await _approved(cast, guest)
    await guest.until("CONFIRMED")
    cast.progress(f"{guest.booking_id}: confirmed; now the guest changes their mind")
    await cast.decide(guest.booking_id, "cancel", await guest.cancel())


async def _error_after_capture(cast: Cast, guest: Guest) -> None:
    await _held(cast, guest)
    intent = await cast.world.payment(guest.booking_id)
    await cast.world.fault(
        cast.world.at.stripe,
        match=f"POST /v1/payment_intents/{intent['id']}/capture",
        kind="error_after",
        status=500,
    )
    cast.progress(f"{guest.booking_id}: Stripe will capture, and answer an error all the same")
    staff = cast.staff[guest.hotel]
    await cast.decide(guest.booking_id, "approve", await staff.approve(guest.booking_id))
    await guest.until("CONFIRMED", timeout_s=60)


def _guest(first_name: str, last_name: str) -> Json:
    address = f"{first_name}.{last_name}@example.com".lower().replace("'", "")
    return {"first_name": first_name, "last_name": last_name, "email": address, "phone": "+353 1 496 0123"}


STORIES: Final = (
    Story(
        "1 Approved",
        "Staff look at the request and approve it: the hold becomes a payment.",
        _guest("Aoife", "Brennan"),
        Stay(KILLARNEY, special_requests="A quiet room, please: we bring a small baby."),
        _approved,
        Expected("CONFIRMED"),
    ),
    Story(
        "2 Declined with a note",
        "Staff decline and say why: the hold is released, nothing was charged.",
        _guest("Matteo", "Ferrari"),
        Stay(KILLARNEY, "suite", days_ahead=10, nights=3),
        _declined,
        Expected("DECLINED", "NO_AVAILABILITY"),
    ),
    Story(
        "3 Nobody decides",
        f"The card is held for {SHORT_HOLD_S} s only. Nobody answers; the hold is released before it lapses.",
        _guest("Ingrid", "Solberg"),
        Stay(KILLARNEY, days_ahead=45),
        _nobody_decides,
        Expected("DECLINED", "AUTHORIZATION_EXPIRED"),
    ),
    Story(
        "4 Never paid",
        f"The guest opens the payment page and leaves. After {PAYMENT_WINDOW_S} s the page is closed.",
        _guest("Kenji", "Watanabe"),
        Stay(KYOTO, days_ahead=20),
        _never_paid,
        Expected("EXPIRED"),
    ),
    Story(
        "5 Cancelled while held",
        "The guest cancels before the hotel has answered: the hold is released.",
        _guest("Charlotte", "Dubois"),
        Stay(KILLARNEY, days_ahead=60, nights=1),
        _cancelled_while_held,
        Expected("CANCELLED"),
    ),
    Story(
        "6 Cancelled after confirmation",
        "The guest cancels a confirmed stay in good time: the policy gives everything back.",
        _guest("Rajesh", "Kulkarni"),
        Stay(KYOTO, "suite", days_ahead=90),
        _cancelled_after_confirmation,
        Expected("CANCELLED"),
    ),
    Story(
        "7 Approved, though Stripe answered an error",
        "Stripe captures the money, then answers 500. Reading the payment shows the truth: charged once.",
        _guest("Zofia", "Kowalczyk"),
        Stay(KILLARNEY, days_ahead=15, nights=4),
        _error_after_capture,
        Expected("CONFIRMED"),
    ),
)


async def play_all(cast: Cast) -> list[Performance]:
    """Play all stories at the same time; they come back in their own order."""
    return await asyncio.gather(*(story.run(cast) for story in STORIES))
