"""The queue in front of a booking, and the answers that leave it.

Signal and update handlers put items here and do nothing else; the booking's one loop takes them out in the
order of their arrival.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from datetime import datetime
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from activities.bookings import Bookings
from activities.stripe_client import REFUSED
from domain.booking import ActorKind, Decision
from domain.decisions import Verdict
from domain.messages import (
    Command,
    Outcome,
    RefusedCommand,
)
from workflows import options
from workflows.booking_state import Story
from workflows.payment_steps import failure
from workflows.queue_messages import DecisionAsked, Item, NewsCame, OperatorAsked

STRIPE_UNAVAILABLE = "stripe_unavailable"


class Desk:
    """What waits to be dealt with, and what came of it."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self._queue: deque[Item] = deque()
        self._seen: set[str] = set()
        self._outcomes: dict[str, Outcome] = {}
        self._closing: list[asyncio.Task[None]] = []
        self.deciding: Decision | None = None

    # --- what handlers do ---

    def put(self, item: Item) -> None:
        """Queue an item; a repeat of a command or event that came before is dropped."""
        key = _identity(item)
        if key is not None and key in self._seen:
            return
        if key is not None:
            self._seen.add(key)
        if self._interrupts_capture(item) or self._helps_writing(item):
            return
        self._queue.append(item)

    def _interrupts_capture(self, item: Item) -> bool:
        # The guest learns at once that they were late, rather than after a capture that may take days.
        if not isinstance(item, DecisionAsked) or self.deciding is not Decision.APPROVE:
            return False
        if item.decision is not Decision.CANCEL or item.command.actor is not ActorKind.GUEST:
            return False
        self.settle(item.command, Verdict.IN_PROGRESS)
        return True

    def _helps_writing(self, item: Item) -> bool:
        # The loop that would take this out waits for it: somebody else wrote the row.
        if not isinstance(item, OperatorAsked) or self._story.row.blocked_by is None:
            return False
        self._in_background(self._answer_help(item.command, self._story.row.try_again()))
        return True

    async def _answer_help(self, command: Command, helped: asyncio.Future[bool]) -> None:
        self.settle(command, Verdict.SETTLED if await helped else Verdict.NEEDS_ATTENTION)

    async def outcome(self, command_id: str) -> Outcome:
        """Wait until a command has come out one way or the other."""
        await workflow.wait_condition(lambda: command_id in self._outcomes or self._story.over)
        return self._outcomes.get(command_id) or self._outcome(Verdict.ALREADY_DECIDED)

    # --- what the booking's loop does ---

    async def next(self, until: datetime | None, summary: str) -> Item | None:
        """The next item, or None once the time is `until` and nothing waits."""
        timeout = None if until is None else (until - workflow.now()).total_seconds()
        if not self.waiting and (timeout is None or timeout > 0):
            try:
                await workflow.wait_condition(lambda: self.waiting, timeout=timeout, timeout_summary=summary)
            except TimeoutError:
                return None
        return self._queue.popleft() if self.waiting else None

    @property
    def waiting(self) -> bool:
        """Whether anything is left to deal with."""
        while self._queue and self._is_echo(self._queue[0]):
            self._queue.popleft()
        return bool(self._queue)

    def _is_echo(self, item: Item) -> bool:
        # What was news when it came may be known by now, from a step that has been taken meanwhile.
        return isinstance(item, NewsCame) and not self._story.is_news(item.news)

    def settle(self, command: Command, verdict: Verdict) -> None:
        """Say how a command came out; a refused one is also closed in the books."""
        self._outcomes[command.command_id] = self._outcome(verdict)
        if verdict is not Verdict.NEEDS_ATTENTION:
            self._in_background(self._close(RefusedCommand(command.command_id, verdict)))

    def _in_background(self, errand: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(errand)
        self._closing.append(task)
        task.add_done_callback(self._closing.remove)

    def settled(self, command_id: str) -> None:
        """Say that a command was carried out and written with its change."""
        self._outcomes[command_id] = self._outcome(Verdict.SETTLED)

    async def drain(self) -> None:
        """Wait until every refused command is closed in the books."""
        while self._closing:
            await asyncio.gather(*self._closing)

    def _outcome(self, verdict: Verdict) -> Outcome:
        return Outcome(verdict=verdict, status=self._story.status, version=self._story.version)

    async def _close(self, refused: RefusedCommand) -> None:
        await workflow.execute_activity_method(
            Bookings.close_command, refused, summary=f"Refuse: {refused.verdict}", **options.DATABASE
        )


def _identity(item: Item) -> str | None:
    match item:
        case DecisionAsked() | OperatorAsked():
            return item.command.command_id
        case NewsCame():
            return item.news.event_id
        case _:
            return None


def unavailable(error: ActivityError) -> ApplicationError:
    """What the sender of an update is told when Stripe could not be asked."""
    kind, text = failure(error)
    return ApplicationError(text, type=REFUSED if kind == REFUSED else STRIPE_UNAVAILABLE)
