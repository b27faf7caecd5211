"""Guests and staff who book, pay, decide and cancel, and retry when a service is away."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import httpx

from sandbox.drivers import GuestDriver, RoomRequest, StackClient, StaffDriver
from sandbox.evidence import DecisionReply

Result = TypeVar("Result")

APPROVED_HOTEL: Final = "hotel-killarney"
HASTY_HOTEL: Final = "kyoto-inn"
"""Gives its guests a few seconds to pay."""

HASTY_WINDOW_S: Final = 20
ROOM_TYPES: Final = ("double", "suite")
ROOMS: Final = 2
"""So few of each type that every night is sold out soon; then people ask for the next ones."""
_FIRST_NIGHT: Final = 10
_NIGHTS_ASKED_FOR: Final = 4
_NIGHT_OPENS_EVERY_S: Final = 3
_DECLINED_CARD: Final = "4000000000000002"
_TRIES: Final = 8
_PAUSE_S: Final = (0.3, 2.0)
_SETTLED, _TAKEN, _CONFLICT = 200, 202, 409


@dataclass
class ChaosDriver:
    """All guests and staff, the replies they got, and the results of their scenarios.

    Args:
        clients: one for each API process; each request uses any of them.
        staff: by hotel and role, for the first client; the other clients share the tokens.
    """

    clients: list[StackClient]
    staff: dict[tuple[str, str], StaffDriver]
    chance: random.Random
    answers: list[DecisionReply] = field(default_factory=list)
    begun: Counter[str] = field(default_factory=Counter)
    given_up: Counter[str] = field(default_factory=Counter)
    began: float = field(default_factory=time.monotonic)

    def client(self) -> StackClient:
        """One of the API processes."""
        return self.chance.choice(self.clients)

    async def run_scenarios(self, *, at_once: int, until: Callable[[], bool]) -> None:
        """Run scenarios, a fixed number at a time, until the time is over."""

        async def place() -> None:
            while not until():
                await self._run_one()

        await asyncio.gather(*(place() for _ in range(at_once)))

    async def _run_one(self) -> None:
        name = self.chance.choices(list(_SCENARIOS), [weight for weight, _ in _SCENARIOS.values()])[0]
        self.begun[name] += 1
        try:
            await _SCENARIOS[name][1](self)
        except (httpx.HTTPError, TimeoutError, KeyError, ValueError) as error:
            # A booking whose guest gave up must reach a correct end all the same.
            self.given_up[type(error).__name__] += 1

    # --- steps ---

    async def book(self, hotel: str = APPROVED_HOTEL) -> GuestDriver:
        """Create a booking."""
        guest = {"first_name": "Chaos", "last_name": "Guest", "email": "chaos.guest@example.com"}
        opened = int((time.monotonic() - self.began) / _NIGHT_OPENS_EVERY_S)
        days_ahead = _FIRST_NIGHT + opened + self.chance.randint(0, _NIGHTS_ASKED_FOR)
        room_request = RoomRequest(hotel, self.chance.choice(ROOM_TYPES), days_ahead=days_ahead)
        return await self.retry(lambda: GuestDriver.book(self.client(), room_request, guest))

    async def pay(self, guest: GuestDriver, **how: Any) -> None:
        """Pay, and wait a while for PENDING_APPROVAL."""
        await self.retry(guest.open_page)
        await self.retry(lambda: guest.pay(**how))
        if self.chance.random() < 0.5:
            await guest.verify()
        await guest.until("PENDING_APPROVAL", "CONFIRMED", "DECLINED", "EXPIRED", timeout_s=60)

    async def decide(self, guest: GuestDriver, decision: str) -> None:
        """Send a decision until it, or another decision, is settled."""
        for _ in range(_TRIES):
            response = await self._ask(guest, decision)
            if response is None or response.status_code not in {_SETTLED, _TAKEN, _CONFLICT}:
                await self._pause()
                continue
            if response.status_code == _CONFLICT:
                return
            settled = bool(response.json()["settled"])
            self.answers.append(DecisionReply(guest.booking_id, decision, settled=settled))
            if settled:
                return
            await self._pause()

    async def _ask(self, guest: GuestDriver, decision: str) -> httpx.Response | None:
        approver = self.staff[guest.hotel, "approver"].at(self.client())
        try:
            match decision:
                case "approve":
                    return await approver.approve(guest.booking_id)
                case "decline":
                    return await approver.decline(guest.booking_id, "NO_AVAILABILITY", "No room is left.")
                case _ if self.chance.random() < 0.3:
                    manager = self.staff[guest.hotel, "manager"].at(self.client())
                    return await manager.cancel(guest.booking_id)
                case _:
                    return await guest.cancel()
        except httpx.HTTPError:
            return None

    async def retry(self, act: Callable[[], Awaitable[Result]]) -> Result:
        """Retry a step a few times, unless the answer is final."""
        for _ in range(_TRIES - 1):
            try:
                return await act()
            except httpx.HTTPError as error:
                if isinstance(error, httpx.HTTPStatusError) and error.response.status_code == _CONFLICT:
                    raise  # sold out, or over: trying again makes no room
                await self._pause()
        return await act()

    async def _pause(self) -> None:
        await asyncio.sleep(self.chance.uniform(*_PAUSE_S))


# --- scenarios ------------------------------------------------------------------------------------------


async def _approved(driver: ChaosDriver) -> None:
    guest = await driver.book()
    await driver.pay(guest)
    await driver.decide(guest, "approve")


async def _declined(driver: ChaosDriver) -> None:
    guest = await driver.book()
    await driver.pay(guest)
    await driver.decide(guest, "decline")


async def _fought_over(driver: ChaosDriver) -> None:
    guest = await driver.book()
    await driver.pay(guest)
    await asyncio.gather(*(driver.decide(guest, decision) for decision in ("approve", "decline", "cancel")))


async def _cancelled_unpaid(driver: ChaosDriver) -> None:
    guest = await driver.book()
    await driver.retry(guest.open_page)
    # Paying and cancelling at once: no hold may be left, in either order.
    paying = asyncio.create_task(guest.pay())
    await driver.decide(guest, "cancel")
    await asyncio.gather(paying, return_exceptions=True)


async def _cancelled_held(driver: ChaosDriver) -> None:
    guest = await driver.book()
    await driver.pay(guest)
    await driver.decide(guest, "cancel")


async def _cancelled_confirmed(driver: ChaosDriver) -> None:
    guest = await driver.book()
    await driver.pay(guest)
    await driver.decide(guest, "approve")
    await driver.decide(guest, "cancel")


async def _left_undecided(driver: ChaosDriver) -> None:
    guest = await driver.book()
    await driver.pay(guest, hold_s=driver.chance.randint(8, 25))


async def _never_paid(driver: ChaosDriver) -> None:
    guest = await driver.book(HASTY_HOTEL)
    await driver.retry(guest.open_page)


async def _paid_late(driver: ChaosDriver) -> None:
    guest = await driver.book(HASTY_HOTEL)
    await driver.retry(guest.open_page)
    await asyncio.sleep(driver.chance.uniform(HASTY_WINDOW_S - 3, HASTY_WINDOW_S + 1))
    await guest.pay()


async def _card_declined_first(driver: ChaosDriver) -> None:
    guest = await driver.book()
    await driver.retry(guest.open_page)
    await driver.retry(lambda: guest.pay(_DECLINED_CARD))
    await driver.pay(guest)
    await driver.decide(guest, "approve")


_SCENARIOS: Final[dict[str, tuple[int, Callable[[ChaosDriver], Coroutine[Any, Any, None]]]]] = {
    "approved": (32, _approved),
    "declined": (14, _declined),
    "fought over": (10, _fought_over),
    "cancelled unpaid": (7, _cancelled_unpaid),
    "cancelled held": (8, _cancelled_held),
    "cancelled confirmed": (10, _cancelled_confirmed),
    "left undecided": (7, _left_undecided),
    "never paid": (4, _never_paid),
    "paid late": (4, _paid_late),
    "card declined first": (4, _card_declined_first),
}
