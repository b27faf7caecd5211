"""Concurrent callers about one booking, or of one client: they share a question or queue among themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, Generic, TypeVar
from weakref import WeakValueDictionary

Answer = TypeVar("Answer")

PLACES_PER_BOOKING: Final = 3


class SharedQuestions(Generic[Answer]):
    """Runs one question per booking at a time; callers that arrive meanwhile get the same answer."""

    def __init__(self) -> None:
        self._asked: dict[str, asyncio.Task[Answer]] = {}

    async def ask(self, booking_id: str, question: Callable[[], Coroutine[Any, Any, Answer]]) -> Answer:
        """Ask, or join the question that is already being asked.

        Args:
            question: asks. It continues even if its first caller has left, as others may wait for it.

        Raises: as `question`.
        """
        asked = self._asked.get(booking_id)
        if asked is None:
            asked = self._asked[booking_id] = asyncio.create_task(question())
            asked.add_done_callback(lambda done: self._forget(booking_id, done))
        return await asyncio.shield(asked)

    def _forget(self, booking_id: str, done: asyncio.Task[Answer]) -> None:
        del self._asked[booking_id]
        if not done.cancelled():
            # All callers may have left: asyncio would then log that the error was never retrieved.
            done.exception()


class Places:
    """The number of callers of one kind, about one booking for example, that may be admitted at once."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._places: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    def of(self, whose: str) -> asyncio.Semaphore:
        """The places of one booking or client; deleted once no caller holds or wants one."""
        places = self._places.get(whose)
        if places is None:
            places = self._places[whose] = asyncio.Semaphore(self._number)
        return places
