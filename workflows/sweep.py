"""The sweep: what no booking's own workflow can do."""

from __future__ import annotations

from temporalio import workflow

from activities.bookings import Bookings
from activities.inbox import Inbox
from workflows import options


@workflow.defn
class SweepWorkflow:
    """Runs on a Schedule: hands on what the inbox holds, fetches what was lost, deletes stale drafts."""

    @workflow.run
    async def run(self) -> None:
        """One pass. What fails is left for the next one."""
        await workflow.execute_activity_method(
            Inbox.deliver_unprocessed_events, summary="Hand on unprocessed Stripe events", **options.SWEEP
        )
        await workflow.execute_activity_method(
            Inbox.fetch_missing_events, summary="Fetch Stripe events that never arrived", **options.SWEEP
        )
        await workflow.execute_activity_method(
            Bookings.delete_stale_drafts, summary="Delete stale drafts", **options.SWEEP
        )
