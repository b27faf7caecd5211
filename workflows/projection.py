"""Writing a booking's row, also where somebody else wrote it: then a person looks before anything is written."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError

from activities.bookings import STALE_VERSION, Bookings
from domain.booking import Event, Status, allows, transition
from domain.messages import Change, Recorded, StrayBooking
from workflows import options
from workflows.notifications import Herald
from workflows.payment_steps import failure


class Row:
    """The row of one booking.

    Args:
        herald: calls people.
        database_options: how the database is insisted on.
    """

    def __init__(self, herald: Herald, database_options: dict[str, Any]) -> None:
        self._herald = herald
        self._options = database_options
        self._helpers: list[asyncio.Future[bool]] = []
        self.blocked_by: str | None = None
        """Why a person has to look at the row."""

    async def write(self, change: Change, status: Status, on_blocked: Callable[[str], None]) -> Recorded:
        """Write a change.

        Args:
            status: what the row must show, lest one of the two writers undoes what the other did.
            on_blocked: told why people are called.

        Raises:
            ActivityError: the row is gone; or somebody else wrote it, and it is shared with others.
        """
        while True:
            try:
                return await self._record(change, self._options)
            except ActivityError as error:
                kind, text = failure(error)
                if kind != STALE_VERSION or self._options is not options.DATABASE:
                    raise
            self.answer(done=False)
            self.blocked_by = f"{kind}: {text}"[:500]
            on_blocked(self.blocked_by)
            await self._call(change, self.blocked_by)
            change = replace(change, expected_version=await self._version_after_help(change, status))

    def try_again(self) -> asyncio.Future[bool]:
        """Let a person who has looked have it written; the answer says whether it was."""
        helper: asyncio.Future[bool] = asyncio.Future()
        self._helpers.append(helper)
        return helper

    def answer(self, *, done: bool) -> None:
        """Tell whoever helped what came of it."""
        helpers, self._helpers = self._helpers, []
        for helper in helpers:
            helper.set_result(done)

    async def _call(self, change: Change, reason: str) -> None:
        """Flag the row as it stands now, whoever wrote it."""
        recorded = None
        while recorded is None:
            row = await self._read(change)
            if not allows(Status(row.status), Event.ATTENTION_NEEDED):
                return
            flag = Change(
                booking_id=change.booking_id,
                hotel_slug=change.hotel_slug,
                expected_version=row.version,
                event=Event.ATTENTION_NEEDED,
                at=workflow.now(),
                attention=reason,
            )
            try:
                recorded = await self._record(flag, options.DATABASE_SHARED)
            except ActivityError as error:
                if failure(error)[0] != STALE_VERSION:
                    raise
        if not recorded.published:
            self._herald.publish(recorded.status, recorded.version, flag.at)
        self._herald.mail(transition(recorded.status, flag.event).mails, recorded.version)

    async def _version_after_help(self, change: Change, status: Status) -> int:
        while True:
            await workflow.wait_condition(lambda: bool(self._helpers))
            row = await self._read(change)
            if row.status == status:
                return row.version
            self.answer(done=False)

    async def _record(self, change: Change, how: dict[str, Any]) -> Recorded:
        return await workflow.execute_activity_method(
            Bookings.record, change, summary=f"Record: {change.event}", **how
        )

    async def _read(self, change: Change) -> StrayBooking:
        return await workflow.execute_activity_method(
            Bookings.read_for_stray, change.booking_id, summary="Read the booking", **options.DATABASE
        )
