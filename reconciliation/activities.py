"""Reconciliation: compare Stripe, database and workflows, treat what is found, and keep a record.

The Schedule's workflow and `manage.py reconcile` run the same three steps: begin, compare batch after batch,
finish.
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

from models import ReconciliationFinding, StripeWebhookEvent, utc_now
from reconciliation.alerts import Alarm
from reconciliation.comparison import Comparison
from reconciliation.findings import Booked, Finding, Kind, Outcome, Remedy
from reconciliation.queries import bookings_to_compare
from reconciliation.remedies import Remedies, Treated
from reconciliation.run_queries import (
    begin_run,
    carry_told,
    count_batch,
    finish_run,
    keep_finding,
    treated_in_vain,
)
from reconciliation.runs import Batch, BatchDone, Plan, StartedBy, Tally
from reconciliation.stripe_reader import StripeBooks
from reconciliation.temporal_reader import TemporalBooks
from storage.database import Database
from storage.inbox import unprocessed_events

log = logging.getLogger(__name__)

_BOOKINGS_AT_ONCE: Final = 1000
_EVENTS_AT_ONCE: Final = 200

# The webhook and the sweep are given this long to hand an event on.
_EVENT_OVERDUE_AFTER: Final = timedelta(minutes=2)

_RUNS_IN_VAIN: Final = 3
"""What was treated in so many runs in a row and is there still is not healed by treating it."""

Key = tuple[str, str, str]


class Reconciliation:
    """Activities that compare and heal. All of them may be repeated.

    Raises (all of them):
        ApplicationError: Stripe is away or refuses, typed as in `activities.stripe_client`.
        sqlalchemy.exc.SQLAlchemyError, OSError: the database is away.
        RPCError, RuntimeError: Temporal is away.
    """

    def __init__(
        self,
        database: Database,
        stripe_client: stripe.StripeClient,
        client: Client,
        remedies: Remedies,
        alarm: Alarm,
    ) -> None:
        self._database = database
        self._stripe = stripe_client
        self._client = client
        self._remedies = remedies
        self._alarm = alarm

    @activity.defn(name="reconciliation.begin")
    async def begin(self, plan: Plan) -> None:
        """Put a run on record."""
        async with self._database.transaction() as db:
            await begin_run(db, plan)

    @activity.defn(name="reconciliation.finish")
    async def finish(self, plan: Plan) -> Tally:
        """Close a run's record, tell people what it left for them, and say what it came to."""
        # An operator reads on the screen what their own run came to.
        tells = plan.started_by is StartedBy.SCHEDULE and not plan.dry_run
        async with self._database.transaction() as db:
            tally = await finish_run(db, plan.run_id, utc_now())
            if tells:
                await carry_told(db, plan.run_id)
        if tells:
            try:
                await self._alarm.raise_for(plan.run_id)
            except Exception:
                # Tried again here, it could keep all later runs from healing.
                log.exception("reconciliation could not tell people what it left, the next run does")
        return tally

    @activity.defn(name="reconciliation.compare")
    async def compare(self, batch: Batch) -> BatchDone:
        """Compare a batch of bookings, and treat what is found about them."""
        plan, is_first = batch.plan, batch.after == 0
        books = StripeBooks(self._stripe, _beat)
        comparison = Comparison(self._database, books, TemporalBooks(self._client, _beat))
        async with self._database.transaction() as db:
            rows = await bookings_to_compare(db, batch.after, plan.since, _BOOKINGS_AT_ONCE)
            in_vain = await treated_in_vain(db, plan.run_id, _RUNS_IN_VAIN)
        bookings = {booked.booking_id: booked for _, booked in rows}
        reading = await comparison.read(plan.since)
        nobodys: list[Finding] = []
        if is_first:
            others, nobodys = await comparison.others(reading, bookings.keys())
            bookings |= others
        found = await comparison.find(reading, bookings.values())
        for finding in nobodys:
            await self._keep(_record(plan, finding, Treated(Outcome.LEFT)))
        for finding, booked in found:
            treated = await self._treat(plan, finding, booked, books)
            await self._keep(_record(plan, finding, _unless_in_vain(finding, treated, in_vain)))
        events = await self._overdue_events() if is_first else []
        for event in events:
            await self._keep(await self._hand_on(plan, event, bookings))
        next_after = rows[-1][0] if len(rows) == _BOOKINGS_AT_ONCE else None
        counted = Tally(
            bookings=len(bookings),
            payments=len(comparison.payments_seen),
            open_pages=sum(map(len, reading.pages.values())) if is_first else 0,
            events=len(events),
        )
        async with self._database.transaction() as db:
            await count_batch(db, plan.run_id, after=batch.after, next_after=next_after, counted=counted)
        return BatchDone(next_after)

    async def _keep(self, record: ReconciliationFinding) -> None:
        # One by one: what was healed before a service went away stays on record.
        async with self._database.transaction() as db:
            await keep_finding(db, record)

    async def _treat(self, plan: Plan, finding: Finding, booked: Booked, books: StripeBooks) -> Treated:
        if finding.remedy is Remedy.REPORT:
            return Treated(Outcome.LEFT)
        if plan.dry_run:
            return Treated(Outcome.PLANNED)
        treated = await self._remedies.treat(finding, booked, books, plan.run_id)
        log.info("%s: %s, %s: %s", booked.booking_id, finding.kind, finding.remedy, treated.outcome)
        _beat()
        return treated

    async def _overdue_events(self) -> list[StripeWebhookEvent]:
        async with self._database.transaction() as db:
            return await unprocessed_events(db, utc_now() - _EVENT_OVERDUE_AFTER, _EVENTS_AT_ONCE)

    async def _hand_on(
        self, plan: Plan, event: StripeWebhookEvent, bookings: Mapping[str, Booked]
    ) -> ReconciliationFinding:
        booked = bookings.get(event.booking_id or "")
        finding = Finding(
            Kind.EVENT_UNPROCESSED,
            (event.booking_id or "")[:40],
            Remedy.HAND_ON,
            event.event_id,
            f"{event.event_type} came at {event.received_at:%Y-%m-%d %H:%M} UTC, and no workflow has taken it",
            status=booked.status if booked else "",
        )
        if plan.dry_run:
            return _record(plan, finding, Treated(Outcome.PLANNED))
        treated = await self._remedies.hand_on(event)
        _beat()
        return _record(plan, finding, treated)


def _unless_in_vain(finding: Finding, treated: Treated, in_vain: frozenset[Key]) -> Treated:
    if treated.outcome is not Outcome.HEALED or finding.key not in in_vain:
        return treated
    return replace(
        treated, outcome=Outcome.LEFT, note=f"treated in {_RUNS_IN_VAIN} runs before, and here again"
    )


def _record(plan: Plan, finding: Finding, treated: Treated) -> ReconciliationFinding:
    detail = f"{finding.detail}; {treated.note}" if treated.note else finding.detail
    return ReconciliationFinding(
        run_id=plan.run_id,
        kind=finding.kind,
        booking_id=finding.booking_id,
        subject=finding.subject,
        status=finding.status,
        remedy=finding.remedy,
        outcome=treated.outcome,
        detail=detail[:500],
    )


def _beat() -> None:
    # An operator's own run has no server that would wonder.
    if activity.in_activity():
        activity.heartbeat()
