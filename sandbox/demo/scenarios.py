"""The demo's eight scenarios: the actions of guest, hotel and Stripe in each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from sandbox.drivers import GuestDriver, RoomRequest, StackClient, StaffDriver
from sandbox.evidence import DecisionReply, Json

KILLARNEY: Final = "hotel-killarney"
KYOTO: Final = "kyoto-inn"

PAYMENT_WINDOW_S: Final = 20
"""How long Kyoto's guests may take to pay; long enough to book, short enough to watch."""
SHORT_HOLD_S: Final = 20
LAST_SUITE: Final = RoomRequest(KILLARNEY, "suite", days_ahead=75)
"""There are three."""
PAID: Final = 303
"""The payment page sends a guest who has paid back to the hotel."""


class ScenarioError(Exception):
    """A scenario cannot continue."""


Progress = Callable[[str], None]


@dataclass(frozen=True)
class ExpectedEnd:
    """The expected end of a scenario."""

    status: str
    reason_code: str | None = None


@dataclass
class DemoParticipants:
    """The participants, and the replies they got.

    Args:
        progress: called with one line about each step.
    """

    client: StackClient
    staff: dict[str, StaffDriver]
    progress: Progress
    answers: list[DecisionReply] = field(default_factory=list)

    async def decide(self, booking_id: str, decision: str, response: httpx.Response) -> Json:
        """Record the reply to a decision."""
        body: Json = response.raise_for_status().json()
        self.answers.append(DecisionReply(booking_id, decision, settled=bool(body["settled"])))
        return body


DriveBooking = Callable[[DemoParticipants, GuestDriver], Coroutine[Any, Any, None]]


@dataclass(frozen=True)
class DemoScenario:
    """One booking from beginning to end.

    Args:
        title: the heading for the hotelier.
        what: the point of the scenario.
        guest: the guest.
        room_request: the stay to book.
        drive: the steps after the booking was created.
        expected: the end.
    """

    title: str
    what: str
    guest: Json
    room_request: RoomRequest
    drive: DriveBooking
    expected: ExpectedEnd

    async def run(self, participants: DemoParticipants) -> ScenarioRun:
        """Run the scenario; an error is recorded, and the other scenarios continue."""
        guest: GuestDriver | None = None
        try:
            guest = await GuestDriver.book(participants.client, self.room_request, self.guest)
            participants.progress(f"{self.title}: booking {guest.booking_id} made")
            await self.drive(participants, guest)
            booking = await guest.until(self.expected.status)
        except (httpx.HTTPError, TimeoutError, ScenarioError) as error:
            participants.progress(f"{self.title}: went wrong: {error}")
            return ScenarioRun(self, guest, str(error))
        participants.progress(f"{self.title}: {booking['status']}")
        return ScenarioRun(self, guest, None)


@dataclass(frozen=True)
class ScenarioRun:
    """The result of a scenario.

    Args:
        guest: None if the booking could not be created.
        problem: the error that ended the scenario, if any.
    """

    scenario: DemoScenario
    guest: GuestDriver | None
    problem: str | None


async def _held(participants: DemoParticipants, guest: GuestDriver, *, hold_s: int | None = None) -> None:
    response = await guest.pay(hold_s=hold_s)
    if response.status_code != PAID:
        raise ScenarioError(f"the payment page answered {response.status_code}")
    await guest.until("PENDING_APPROVAL")
    participants.progress(f"{guest.booking_id}: card held, the hotel has been asked")


async def _approved(participants: DemoParticipants, guest: GuestDriver) -> None:
    await _held(participants, guest)
    staff = participants.staff[guest.hotel]
    await participants.decide(guest.booking_id, "approve", await staff.approve(guest.booking_id))


async def _declined(participants: DemoParticipants, guest: GuestDriver) -> None:
    await _held(participants, guest)
    note = "We are sorry: a burst pipe has closed this room for the week. Our sister house has rooms."
    response = await participants.staff[guest.hotel].decline(guest.booking_id, "NO_AVAILABILITY", note)
    await participants.decide(guest.booking_id, "decline", response)


async def _no_decision(participants: DemoParticipants, guest: GuestDriver) -> None:
    await _held(participants, guest, hold_s=SHORT_HOLD_S)
    await guest.until("DECLINED", timeout_s=3 * SHORT_HOLD_S)


async def _never_paid(participants: DemoParticipants, guest: GuestDriver) -> None:
    await guest.open_page()
    participants.progress(f"{guest.booking_id}: payment page opened, and left alone")
    await guest.until("EXPIRED", timeout_s=3 * PAYMENT_WINDOW_S)


async def _cancelled_while_held(participants: DemoParticipants, guest: GuestDriver) -> None:
    await _held(participants, guest)
    await participants.decide(guest.booking_id, "cancel", await guest.cancel())


async def _cancelled_after_confirmation(participants: DemoParticipants, guest: GuestDriver) -> None:
    await _approved(participants, guest)
    await guest.until("CONFIRMED")
    participants.progress(f"{guest.booking_id}: confirmed; now the guest changes their mind")
    await participants.decide(guest.booking_id, "cancel", await guest.cancel())


async def _error_after_capture(participants: DemoParticipants, guest: GuestDriver) -> None:
    await _held(participants, guest)
    intent = await participants.client.payment(guest.booking_id)
    await participants.client.fault(
        participants.client.at.stripe,
        match=f"POST /v1/payment_intents/{intent['id']}/capture",
        kind="error_after",
        status=500,
    )
    participants.progress(f"{guest.booking_id}: Stripe will capture, and answer an error all the same")
    staff = participants.staff[guest.hotel]
    await participants.decide(guest.booking_id, "approve", await staff.approve(guest.booking_id))
    await guest.until("CONFIRMED", timeout_s=60)


async def _last_room(participants: DemoParticipants, guest: GuestDriver) -> None:
    """The payment page is open while others take every suite there is; later they cancel."""
    await guest.open_page()
    others = [
        await GuestDriver.book(participants.client, LAST_SUITE, _guest(first_name, "O'Connor"))
        for first_name in ("Liam", "Niamh", "Conor")
    ]
    for other in others:
        await _held(participants, other)
    participants.progress(f"{guest.booking_id}: pays as well, and no room is left")
    await guest.pay()
    await guest.until("DECLINED")
    for other in others:
        await participants.decide(other.booking_id, "cancel", await other.cancel())


def _guest(first_name: str, last_name: str) -> Json:
    address = f"{first_name}.{last_name}@example.com".lower().replace("'", "")
    return {"first_name": first_name, "last_name": last_name, "email": address, "phone": "+353 1 496 0123"}


SCENARIOS: Final = (
    DemoScenario(
        "1 Approved",
        "Staff look at the request and approve it: the hold becomes a payment.",
        _guest("Aoife", "Brennan"),
        RoomRequest(KILLARNEY, special_requests="A quiet room, please: we bring a small baby."),
        _approved,
        ExpectedEnd("CONFIRMED"),
    ),
    DemoScenario(
        "2 Declined with a note",
        "Staff decline and say why: the hold is released, nothing was charged.",
        _guest("Matteo", "Ferrari"),
        RoomRequest(KILLARNEY, "suite", days_ahead=10, nights=3),
        _declined,
        ExpectedEnd("DECLINED", "NO_AVAILABILITY"),
    ),
    DemoScenario(
        "3 Nobody decides",
        f"The card is held for {SHORT_HOLD_S} s only. Nobody answers; the hold is released before it lapses.",
        _guest("Ingrid", "Solberg"),
        RoomRequest(KILLARNEY, days_ahead=45),
        _no_decision,
        ExpectedEnd("DECLINED", "AUTHORIZATION_EXPIRED"),
    ),
    DemoScenario(
        "4 Never paid",
        f"The guest opens the payment page and leaves. After {PAYMENT_WINDOW_S} s the page is closed.",
        _guest("Kenji", "Watanabe"),
        RoomRequest(KYOTO, days_ahead=20),
        _never_paid,
        ExpectedEnd("EXPIRED"),
    ),
    DemoScenario(
        "5 Cancelled while held",
        "The guest cancels before the hotel has answered: the hold is released.",
        _guest("Charlotte", "Dubois"),
        RoomRequest(KILLARNEY, days_ahead=60, nights=1),
        _cancelled_while_held,
        ExpectedEnd("CANCELLED"),
    ),
    DemoScenario(
        "6 Cancelled after confirmation",
        "The guest cancels a confirmed stay in good time: the full amount is refunded.",
        _guest("Rajesh", "Kulkarni"),
        RoomRequest(KYOTO, "suite", days_ahead=90),
        _cancelled_after_confirmation,
        ExpectedEnd("CANCELLED"),
    ),
    DemoScenario(
        "7 Approved, though Stripe answered an error",
        "Stripe captures the money, then answers 500. Reading the payment shows the truth: charged once.",
        _guest("Zofia", "Kowalczyk"),
        RoomRequest(KILLARNEY, days_ahead=15, nights=4),
        _error_after_capture,
        ExpectedEnd("CONFIRMED"),
    ),
    DemoScenario(
        "8 The last room",
        "Others take the last suite while this guest pays: no room is sold twice, the hold is released at once.",
        _guest("Hanna", "Virtanen"),
        LAST_SUITE,
        _last_room,
        ExpectedEnd("DECLINED", "SOLD_OUT"),
    ),
)


async def drive_all(participants: DemoParticipants) -> list[ScenarioRun]:
    """Run all scenarios concurrently; returns the results in the scenarios' order."""
    return await asyncio.gather(*(scenario.run(participants) for scenario in SCENARIOS))
