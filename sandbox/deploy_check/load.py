"""Guests and staff under replacements of the product's parts: they repeat requests without an answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

import httpx

from sandbox.demo.scenarios import KILLARNEY, DemoParticipants
from sandbox.drivers import GuestDriver, RoomRequest

_AT_ONCE: Final = 3
_AGAIN_AFTER_S: Final = 0.5
_PATIENCE_S: Final = 180
_PAUSE_S: Final = 1
_DAYS_BETWEEN: Final = 2
_FIRST_DAY: Final = 30
_LAST_DAY: Final = 300

Answer = TypeVar("Answer")


@dataclass
class LoadResult:
    """The result of the load.

    Args:
        confirmed: bookings that were approved and confirmed.
        repeats: requests that had to be sent again.
        longest_s: the longest time from booking to confirmation, in seconds.
        problems: bookings that were not confirmed.
    """

    confirmed: int = 0
    repeats: int = 0
    longest_s: float = 0.0
    problems: list[str] = field(default_factory=list)


class Load:
    """Concurrent sequences of bookings, each paid and approved."""

    def __init__(self, participants: DemoParticipants) -> None:
        self._participants = participants
        self._over = False
        self._next = 0
        self.result = LoadResult()

    async def run_while(self, work: Awaitable[None]) -> None:
        """Create bookings until `work` is done, then finish those under way."""
        lanes = [asyncio.create_task(self._lane()) for _ in range(_AT_ONCE)]
        try:
            await work
        finally:
            self._over = True
            await asyncio.gather(*lanes)

    async def _lane(self) -> None:
        while not self._over:
            begun = time.monotonic()
            try:
                await self._book_and_approve()
            except (httpx.HTTPError, TimeoutError) as error:
                self.result.problems.append(f"{type(error).__name__}: {error}")
            else:
                self.result.confirmed += 1
                self.result.longest_s = max(self.result.longest_s, time.monotonic() - begun)
            await asyncio.sleep(_PAUSE_S)

    async def _book_and_approve(self) -> None:
        people, staff = self._participants, self._participants.staff[KILLARNEY]
        self._next += _DAYS_BETWEEN
        wanted = RoomRequest(KILLARNEY, days_ahead=_FIRST_DAY + self._next % _LAST_DAY, nights=1)
        name = {
            "first_name": "Quentin",
            "last_name": "Overbury",
            "email": "q.overbury@example.com",
            "phone": None,
        }
        guest = await self._patiently(lambda: GuestDriver.book(people.client, wanted, name))
        await self._patiently(guest.open_page)
        await self._patiently(guest.pay)
        await self._patiently(lambda: guest.until("PENDING_APPROVAL", timeout_s=_PATIENCE_S))

        async def approve() -> None:
            response = await staff.approve(guest.booking_id)
            await people.decide(guest.booking_id, "approve", response)

        await self._patiently(approve)
        await self._patiently(lambda: guest.until("CONFIRMED", timeout_s=_PATIENCE_S))

    async def _patiently(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """Repeat a request until it is answered: a part under replacement refuses or cuts connections."""
        until = time.monotonic() + _PATIENCE_S
        while True:
            try:
                return await ask()
            except httpx.HTTPError:
                if time.monotonic() > until:
                    raise
            self.result.repeats += 1
            await asyncio.sleep(_AGAIN_AFTER_S)
