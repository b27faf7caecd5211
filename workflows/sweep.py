"""The sweep: what no booking's own workflow can do."""

from __future__ import annotations

from temporalio import workflow

from activities.bookings import Bookings
from activities.inbox import Inbox
from dispatch import ui_texts
from workflows import options


@workflow.defn
class SweepWorkflow:
    """Runs on a Schedule: hands on what the inbox holds, fetches what was lost, deletes stale drafts."""

    @workflow.run
    async def run(self) -> None:
        """One pass. What fails is left for the next one."""
        await workflow.execute_activity_method(
            Inbox.deliver_unprocessed_events, summary=ui_texts.DELIVER_EVENTS, **options.SWEEP
        )
        await workflow.execute_activity_method(
            Inbox.fetch_missing_events, summary=ui_texts.FETCH_EVENTS, **options.SWEEP
        )
        await workflow.execute_activity_method(
            Bookings.delete_stale_drafts, summary=ui_texts.DELETE_DRAFTS, **options.SWEEP
        )
