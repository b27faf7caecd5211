"""Reconciliation's activities: compare Stripe, database and workflows, apply remedies, and keep a record.

The Schedule's workflow and `manage.py reconcile` run the same three steps: begin, compare each batch, finish.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Final

import stripe
from temporalio import activity
from temporalio.client import Client

from models import StripeWebhookEvent, utc_now
from reconciliation.alerts import ReconciliationAlerts
from reconciliation.comparison import Comparison
from reconciliation.findings import DatabaseSnapshot, Finding, FindingKind, FindingOutcome, Remedy
from reconciliation.queries import bookings_to_compare
from reconciliation.remedies import Remedies, RemedyResult
from reconciliation.run_queries import (
    begin_run,
    carry_reported,
    count_batch,
    finish_run,
    keep_finding,
    unhealable_findings,
)
from reconciliation.runs import Batch, BatchResult, Plan, StartedBy, Tally
from reconciliation.stripe_reader import StripeReader
from reconciliation.temporal_reader import TemporalReader
from storage.database import Database
from storage.inbox import unprocessed_events
from storage.rooms import recount_claims
from storage.tables import ReconciliationFinding

log = logging.getLogger(__name__)

_BOOKINGS_AT_ONCE: Final = 1000
_EVENTS_AT_ONCE: Final = 200

# The time the webhook and the sweep have to deliver an event.
_EVENT_OVERDUE_AFTER: Final = timedelta(minutes=2)

_UNHEALABLE_AFTER_RUNS: Final = 3
"""What was treated in so many runs in a row and is there still is not healed by treating it."""

Key = tuple[str, str, str]


class Reconciliation:
    """Activities that compare bookings and apply remedies. All of them may be repeated.

    Raises (all of them):
        ApplicationError: Stripe is away or refuses, typed as in `gateway.errors`.
        sqlalchemy.exc.SQLAlchemyError, OSError: the database is away.
        TemporalAwayError: Temporal is away.
    """

    def __init__(
        self,
        database: Database,
        stripe_client: stripe.StripeClient,
        client: Client,
        remedies: Remedies,
        alerts: ReconciliationAlerts,
    ) -> None:
        self._database = database
        self._stripe = stripe_client
        self._client = client
        self._remedies = remedies
        self._alerts = alerts

    @activity.defn(name="reconciliation.begin")
    async def begin(self, plan: Plan) -> None:
        """Record the start of a run."""
        async with self._database.transaction() as db:
            await begin_run(db, plan)

    @activity.defn(name="reconciliation.finish")
    async def finish(self, plan: Plan) -> Tally:
        """Close a run's record, report the findings left for people, and return the totals."""
        # An operator's own run prints its findings.
        reports = plan.started_by is StartedBy.SCHEDULE and not plan.dry_run
        async with self._database.transaction() as db:
            tally = await finish_run(db, plan.run_id, utc_now())
            if reports:
                await carry_reported(db, plan.run_id)
        if reports:
            try:
                await self._alerts.send(plan.run_id)
            except Exception as error:
                # Not retried: a report that always fails would keep all later runs from healing.
                name = type(error).__name__
                log.error("reconciliation could not tell people what it left, the next run does: %s", name)  # noqa: TRY400  the error's text may quote a row
        return tally

    @activity.defn(name="reconciliation.compare")
    async def compare(self, batch: Batch) -> BatchResult:
        """Compare a batch of bookings, and apply the remedies of its findings."""
        plan, is_first = batch.plan, batch.after == 0
        stripe_reader = StripeReader(self._stripe, _beat)
        comparison = Comparison(
            self._database,
            stripe_reader,
            TemporalReader(self._client, _beat),
            after_restore=plan.after_restore,
        )
        if is_first:
            # Before the bookings are read: a night counted anew may be beyond the limit.
            await self._recount_claims(plan)
        async with self._database.transaction() as db:
            rows = await bookings_to_compare(db, batch.after, plan.since, _BOOKINGS_AT_ONCE)
            unhealable = await unhealable_findings(db, plan.run_id, _UNHEALABLE_AFTER_RUNS)
        bookings = {booking.booking_id: booking for _, booking in rows}
        snapshots = await comparison.read(plan.since)
        without_booking: list[Finding] = []
        if is_first:
            others, without_booking = await comparison.others(snapshots, bookings.keys())
            bookings |= others
        found = await comparison.find(snapshots, bookings.values())
        for finding in without_booking:
            await self._keep(await self._release_lost_hold(plan, finding, stripe_reader))
        for finding, booking in found:
            result = await self._apply_remedy(plan, finding, booking, stripe_reader)
            kept = _for_a_person(finding) if result.outcome is FindingOutcome.LEFT else finding
            await self._keep(_record(plan, kept, _unless_unhealable(finding, result, unhealable)))
        events = await self._overdue_events() if is_first else []
        for event in events:
            await self._keep(await self._deliver_event(plan, event, bookings))
        next_after = rows[-1][0] if len(rows) == _BOOKINGS_AT_ONCE else None
        counted = Tally(
            bookings=len(bookings),
            payments=len(comparison.payments_compared),
            open_pages=sum(map(len, snapshots.pages.values())) if is_first else 0,
            events=len(events),
        )
        async with self._database.transaction() as db:
            await count_batch(db, plan.run_id, after=batch.after, next_after=next_after, counted=counted)
        return BatchResult(next_after)

    async def _recount_claims(self, plan: Plan) -> None:
        """Let the nights count the claims there are; corrections stay on record."""
        async with self._database.transaction() as db:
            nights = await recount_claims(db, dry_run=plan.dry_run)
        outcome = FindingOutcome.PLANNED if plan.dry_run else FindingOutcome.HEALED
        for name in nights:
            finding = Finding(
                FindingKind.CLAIMS_DIFFER, "", Remedy.REBUILD_CLAIMS, name, "the night counted other claims"
            )
            await self._keep(_record(plan, finding, RemedyResult(outcome)))

    async def _keep(self, record: ReconciliationFinding) -> None:
        # One by one, so that remedies applied before a service went away stay on record.
        async with self._database.transaction() as db:
            await keep_finding(db, record)

    async def _apply_remedy(
        self, plan: Plan, finding: Finding, booking: DatabaseSnapshot, stripe_reader: StripeReader
    ) -> RemedyResult:
        if finding.remedy is Remedy.REPORT:
            return RemedyResult(FindingOutcome.LEFT)
        if plan.dry_run:
            return RemedyResult(FindingOutcome.PLANNED)
        result = await self._remedies.apply(finding, booking, stripe_reader, plan.run_id)
        log.info("%s: %s, %s: %s", booking.booking_id, finding.kind, finding.remedy, result.outcome)
        _beat()
        return result

    async def _release_lost_hold(
        self, plan: Plan, finding: Finding, stripe_reader: StripeReader
    ) -> ReconciliationFinding:
        """Release the hold of a booking that a restored database does not know, if the operator says so."""
        if finding.remedy is Remedy.REPORT or not plan.after_restore:
            return _record(plan, replace(finding, remedy=Remedy.REPORT), RemedyResult(FindingOutcome.LEFT))
        if plan.dry_run:
            return _record(plan, finding, RemedyResult(FindingOutcome.PLANNED))
        return _record(
            plan, finding, await self._remedies.release_lost_hold(finding, stripe_reader, plan.run_id)
        )

    async def _overdue_events(self) -> list[StripeWebhookEvent]:
        async with self._database.transaction() as db:
            return await unprocessed_events(db, utc_now() - _EVENT_OVERDUE_AFTER, _EVENTS_AT_ONCE)

    async def _deliver_event(
        self, plan: Plan, event: StripeWebhookEvent, bookings: Mapping[str, DatabaseSnapshot]
    ) -> ReconciliationFinding:
        booking = bookings.get(event.booking_id or "")
        finding = Finding(
            FindingKind.EVENT_UNPROCESSED,
            (event.booking_id or "")[:40],
            Remedy.DELIVER_EVENT,
            event.event_id,
            f"{event.event_type} came at {event.received_at:%Y-%m-%d %H:%M} UTC, and no workflow has taken it",
            status=booking.status if booking else "",
        )
        if plan.dry_run:
            return _record(plan, finding, RemedyResult(FindingOutcome.PLANNED))
        result = await self._remedies.deliver_event(event)
        _beat()
        return _record(plan, finding, result)


def _for_a_person(finding: Finding) -> Finding:
    """A row that the history cannot explain was changed by another writer: the next run cannot heal it either."""
    return replace(finding, remedy=Remedy.REPORT) if finding.remedy is Remedy.REWRITE_ROW else finding


def _unless_unhealable(finding: Finding, result: RemedyResult, unhealable: frozenset[Key]) -> RemedyResult:
    if result.outcome is not FindingOutcome.HEALED or finding.key not in unhealable:
        return result
    return replace(
        result,
        outcome=FindingOutcome.LEFT,
        note=f"treated in {_UNHEALABLE_AFTER_RUNS} runs before, and here again",
    )


def _record(plan: Plan, finding: Finding, result: RemedyResult) -> ReconciliationFinding:
    detail = f"{finding.detail}; {result.note}" if result.note else finding.detail
    return ReconciliationFinding(
        run_id=plan.run_id,
        kind=finding.kind,
        booking_id=finding.booking_id,
        subject=finding.subject,
        status=finding.status,
        remedy=finding.remedy,
        outcome=result.outcome,
        detail=detail[:500],
    )


def _beat() -> None:
    # An operator's own run has no Temporal server that waits for a heartbeat.
    if activity.in_activity():
        activity.heartbeat()
