"""Reconciliation on a Schedule: compares Stripe, database and workflows, and applies safe remedies."""

from __future__ import annotations

from temporalio import workflow

from dispatch import ui_texts
from reconciliation.activities import Reconciliation
from reconciliation.runs import Batch, Plan, StartedBy, Tally
from workflows import options

_BATCHES_AT_MOST = 500


@workflow.defn
class ReconcileWorkflow:
    """One run. The next run retries failed steps; `manage.py reconcile` runs the same steps by hand."""

    @workflow.run
    async def run(self) -> Tally:
        """Compare each batch, then close the run's record."""
        plan = Plan(run_id=workflow.info().run_id, started_at=workflow.now(), started_by=StartedBy.SCHEDULE)
        await workflow.execute_activity_method(
            Reconciliation.begin, plan, summary=ui_texts.BEGIN_RUN, **options.DATABASE
        )
        batch = Batch(plan)
        for _ in range(_BATCHES_AT_MOST):
            done = await workflow.execute_activity_method(
                Reconciliation.compare,
                batch,
                summary=ui_texts.compare(batch.after),
                **options.RECONCILE,
            )
            if done.next_after is None:
                break
            batch = Batch(plan, done.next_after)
        tally: Tally = await workflow.execute_activity_method(
            Reconciliation.finish, plan, summary=ui_texts.FINISH_RUN, **options.RECONCILED
        )
        workflow.set_current_details(
            ui_texts.reconciliation_details(tally.bookings, tally.healed, tally.left)
        )
        return tally
