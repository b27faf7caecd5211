"""Writing a booking's row. If another writer changed it, a person looks before the workflow writes again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError

from activities.bookings import STALE_VERSION, Bookings
from dispatch import ui_texts
from domain.attention import Attention, AttentionCode
from domain.booking import Event, Status, allows, transition
from domain.messages.changes import BookingSnapshot, Change, ChangeResult
from workflows import options
from workflows.database_steps import record_change
from workflows.notifications import Notifications
from workflows.payment_steps import failure


class Projection:
    """The row of one booking.

    Args:
        notifications: notifies staff.
        database_options: timeout and retries of database activities.
    """

    def __init__(self, notifications: Notifications, database_options: Mapping[str, Any]) -> None:
        self._notifications = notifications
        self._options = database_options
        self._retries: list[asyncio.Future[bool]] = []
        self.blocked_by: Attention | None = None
        """The reason why a person has to look at the row."""
        self.after_timer = False
        """A timer started the present step."""

    async def write(
        self, change: Change, status: Status, on_blocked: Callable[[Attention], None]
    ) -> ChangeResult:
        """Write a change.

        Args:
            status: the status that the row must show, so that neither of two writers undoes the other's change.
            on_blocked: called with the reason if the row needs attention.

        Raises:
            ActivityError: the row is gone; or another writer changed it, and other workflows share it.
        """
        while True:
            try:
                return await self._record(change, self._options)
            except ActivityError as error:
                kind, text = failure(error)
                if kind != STALE_VERSION or self._options is not options.DATABASE:
                    raise
            self.report_write(done=False)
            self.blocked_by = Attention(AttentionCode.ROW_CHANGED, detail=text)
            on_blocked(self.blocked_by)
            await self._request_attention(change, self.blocked_by)
            change = replace(change, expected_version=await self._version_after_retry(change, status))

    def retry_write(self) -> asyncio.Future[bool]:
        """Ask for another write, as a person's `retry`; the future's result tells whether it succeeded."""
        retry: asyncio.Future[bool] = asyncio.Future()
        self._retries.append(retry)
        return retry

    def report_write(self, *, done: bool) -> None:
        """Report the outcome to the author of the `retry`."""
        retries, self._retries = self._retries, []
        for retry in retries:
            retry.set_result(done)

    async def _request_attention(self, change: Change, attention: Attention) -> None:
        """Open attention on the row as it stands now, whichever writer changed it."""
        recorded = None
        while recorded is None:
            booking = await self._read(change)
            if not allows(Status(booking.status), Event.ATTENTION_NEEDED):
                return
            call = Change(
                booking_id=change.booking_id,
                hotel_slug=change.hotel_slug,
                run_id=change.run_id,
                expected_version=booking.version,
                event=Event.ATTENTION_NEEDED,
                at=workflow.now(),
                attention_opened=(attention,),
            )
            try:
                recorded = await self._record(call, options.DATABASE_SHARED)
            except ActivityError as error:
                if failure(error)[0] != STALE_VERSION:
                    raise
        if not recorded.published:
            self._notifications.publish(recorded.status, recorded.version, call.at)
        self._notifications.mail(transition(recorded.status, call.event).mails, recorded.version)

    async def _version_after_retry(self, change: Change, status: Status) -> int:
        while True:
            await workflow.wait_condition(lambda: bool(self._retries))
            booking = await self._read(change)
            if booking.status == status:
                return booking.version
            self.report_write(done=False)

    async def _record(self, change: Change, how: Mapping[str, Any]) -> ChangeResult:
        return await record_change(change, how, after_timer=self.after_timer)

    async def _read(self, change: Change) -> BookingSnapshot:
        return await workflow.execute_activity_method(
            Bookings.read_snapshot, change.booking_id, summary=ui_texts.READ_BOOKING, **options.DATABASE
        )
