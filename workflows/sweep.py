"""The sweep: upkeep that no booking's own workflow can do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

from activities.bookings import Bookings
from activities.inbox import Inbox
from dispatch import ui_texts
from workflows import options

_STEPS: Final[tuple[tuple[Callable[..., Any], str], ...]] = (
    (Inbox.deliver_unprocessed_events, ui_texts.DELIVER_EVENTS),
    (Inbox.fetch_missing_events, ui_texts.FETCH_EVENTS),
    (Bookings.delete_stale_drafts, ui_texts.DELETE_DRAFTS),
    (Bookings.delete_stale_requests, ui_texts.DELETE_REQUESTS),
)


@workflow.defn
class SweepWorkflow:
    """Runs on a Schedule: delivers unprocessed events, fetches missing ones, deletes stale rows."""

    @workflow.run
    async def run(self) -> None:
        """Make one pass. The steps run concurrently, so that a failing one delays no other.

        Raises:
            ApplicationError: names the failed steps. The next pass tries them again.
        """
        done = await asyncio.gather(*(_carry_out(step, summary) for step, summary in _STEPS))
        failed = [summary for (_, summary), well in zip(_STEPS, done, strict=True) if not well]
        if failed:
            raise ApplicationError(f"failed: {'; '.join(failed)}", type="sweep_incomplete")
        await workflow.execute_activity_method(
            Bookings.record_sweep, summary=ui_texts.RECORD_SWEEP, **options.SWEEP
        )


async def _carry_out(step: Callable[..., Any], summary: str) -> bool:
    try:
        await workflow.execute_activity_method(step, summary=summary, **options.SWEEP)
    except ActivityError as error:
        if is_cancelled_exception(error):
            raise
        return False
    return True
