"""The records of reconciliation runs: their scope, findings and outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    any_,
    delete,
    func,
    literal,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from models import Booking, Hotel
from reconciliation.findings import FindingOutcome, Remedy
from reconciliation.runs import Plan, StartedBy, Tally
from storage.tables import ReconciliationFinding, ReconciliationRun

_KEPT: Final = timedelta(days=90)
_END: Final = 2**62
"""Where a run is through that has compared everything."""

_NEWEST_FIRST: Final = (
    select(col(ReconciliationRun.run_id))
    .where(col(ReconciliationRun.complete), ~col(ReconciliationRun.dry_run))
    .order_by(col(ReconciliationRun.started_at).desc())
)
"""Complete runs that healed what they could."""


async def begin_run(db: AsyncSession, plan: Plan) -> None:
    """Record the start of a run, and delete old runs; a repeat changes nothing."""
    row = ReconciliationRun(
        run_id=plan.run_id,
        started_by=plan.started_by,
        started_at=plan.started_at,
        since=plan.since,
        dry_run=plan.dry_run,
    )
    await db.execute(insert(ReconciliationRun).values(**row.model_dump()).on_conflict_do_nothing())
    overdue = plan.started_at - _KEPT
    await db.execute(delete(ReconciliationRun).where(col(ReconciliationRun.started_at) < overdue))


async def keep_finding(db: AsyncSession, row: ReconciliationFinding) -> None:
    """Record a finding; a repeat of the same finding in one run replaces it."""
    values = row.model_dump(exclude={"id"})
    newer = {name: values[name] for name in ("status", "remedy", "outcome", "detail", "found_at")}
    key = ["run_id", "kind", "booking_id", "subject"]
    await db.execute(
        insert(ReconciliationFinding).values(**values).on_conflict_do_update(index_elements=key, set_=newer)
    )


async def count_batch(
    db: AsyncSession, run_id: str, *, after: int, next_after: int | None, counted: Tally
) -> None:
    """Add a compared batch to the run's counts; a repeated batch is counted once."""
    await db.execute(
        update(ReconciliationRun)
        .where(col(ReconciliationRun.run_id) == run_id, col(ReconciliationRun.through) == after)
        .values(
            bookings=col(ReconciliationRun.bookings) + counted.bookings,
            payments=col(ReconciliationRun.payments) + counted.payments,
            open_pages=col(ReconciliationRun.open_pages) + counted.open_pages,
            events=col(ReconciliationRun.events) + counted.events,
            through=next_after if next_after is not None else _END,
        )
    )


async def finish_run(db: AsyncSession, run_id: str, at: datetime) -> Tally:
    """Close a run, and return its totals."""
    query = select(col(ReconciliationFinding.outcome), func.count()).where(
        col(ReconciliationFinding.run_id) == run_id
    )
    by_outcome = {row[0]: row[1] for row in await db.execute(query.group_by(ReconciliationFinding.outcome))}
    run = await db.get_one(ReconciliationRun, run_id)
    run.healed = by_outcome.get(FindingOutcome.HEALED, 0)
    run.planned = by_outcome.get(FindingOutcome.PLANNED, 0)
    run.left_open = by_outcome.get(FindingOutcome.LEFT, 0)
    run.complete = run.through == _END
    run.finished_at = at
    return Tally(
        bookings=run.bookings,
        payments=run.payments,
        open_pages=run.open_pages,
        events=run.events,
        healed=run.healed,
        planned=run.planned,
        left=run.left_open,
        complete=run.complete,
    )


async def last_complete_run(db: AsyncSession) -> datetime | None:
    """When the newest complete run ended, by Schedule or operator; None if there is none."""
    query = select(col(ReconciliationRun.finished_at)).where(
        col(ReconciliationRun.run_id).in_(_NEWEST_FIRST.limit(1))
    )
    found: datetime | None = await db.scalar(query)
    return found


async def findings_of(db: AsyncSession, run_id: str) -> Sequence[ReconciliationFinding]:
    """All findings of a run, ordered by booking."""
    query = select(ReconciliationFinding).where(col(ReconciliationFinding.run_id) == run_id)
    order = (col(ReconciliationFinding.booking_id), col(ReconciliationFinding.kind))
    return (await db.scalars(query.order_by(*order))).all()


async def findings_left(db: AsyncSession, booking_id: str) -> Sequence[ReconciliationFinding]:
    """The findings about one booking that the newest complete run left for a person."""
    query = select(ReconciliationFinding).where(
        col(ReconciliationFinding.booking_id) == booking_id,
        col(ReconciliationFinding.run_id).in_(_NEWEST_FIRST.limit(1)),
        col(ReconciliationFinding.outcome) == FindingOutcome.LEFT,
    )
    return (await db.scalars(query.order_by(col(ReconciliationFinding.kind)))).all()


async def left_for_people(db: AsyncSession, run_id: str) -> Sequence[ReconciliationFinding]:
    """The findings a run left that the next run is not expected to heal, ordered by booking."""
    query = select(ReconciliationFinding).where(*_for_people(run_id))
    order = (col(ReconciliationFinding.booking_id), col(ReconciliationFinding.kind))
    return (await db.scalars(query.order_by(*order))).all()


async def count_left(db: AsyncSession) -> int:
    """The number of findings the newest complete run left that the next run is not expected to heal."""
    newest = await db.scalar(_NEWEST_FIRST.limit(1))
    if newest is None:
        return 0
    query = select(func.count()).select_from(ReconciliationFinding).where(*_for_people(newest))
    return (await db.scalar(query)) or 0


def _for_people(run_id: str) -> tuple[ColumnElement[bool], ...]:
    """The condition for findings that need attention: never healed, or left although the previous run had them too."""
    finding = ReconciliationFinding
    key = (col(finding.kind), col(finding.booking_id), col(finding.subject))
    before = _NEWEST_FIRST.where(col(ReconciliationRun.run_id) != run_id).limit(1)
    again = tuple_(*key).in_(select(*key).where(col(finding.run_id).in_(before)))
    return (
        col(finding.run_id) == run_id,
        col(finding.outcome) == FindingOutcome.LEFT,
        or_(col(finding.remedy) == Remedy.REPORT, again),
    )


async def carry_reported(db: AsyncSession, run_id: str) -> None:
    """Mark findings as reported if the previous scheduled run reported them: a report is repeated only after a gap."""
    run, finding = ReconciliationRun, ReconciliationFinding
    before = (
        select(col(run.run_id))
        .where(col(run.complete), col(run.started_by) == StartedBy.SCHEDULE, col(run.run_id) != run_id)
        .order_by(col(run.started_at).desc())
        .limit(1)
    )
    key = (col(finding.kind), col(finding.booking_id), col(finding.subject))
    known = select(*key).where(col(finding.run_id).in_(before), col(finding.reported))
    here = (col(finding.run_id) == run_id, col(finding.outcome) == FindingOutcome.LEFT)
    await db.execute(update(finding).where(*here, tuple_(*key).in_(known)).values(reported=True))


async def mark_reported(db: AsyncSession, findings: Sequence[ReconciliationFinding]) -> None:
    """Mark findings as reported."""
    # One array instead of one parameter each: PostgreSQL's limit is 32,767 parameters.
    ids = literal([finding.id for finding in findings], ARRAY(BigInteger))
    reported = update(ReconciliationFinding).where(col(ReconciliationFinding.id) == any_(ids))
    await db.execute(reported.values(reported=True))


async def hotels_of(db: AsyncSession, run_id: str) -> dict[str, Hotel]:
    """The hotel of each booking with a finding in a run; unknown bookings are left out."""
    found = select(col(ReconciliationFinding.booking_id)).where(col(ReconciliationFinding.run_id) == run_id)
    query = select(col(Booking.booking_id), Hotel).join(Hotel, col(Hotel.id) == col(Booking.hotel_id))
    rows = await db.execute(query.where(col(Booking.booking_id).in_(found)))
    return {row[0]: row[1] for row in rows}


async def unhealable_findings(db: AsyncSession, run_id: str, runs: int) -> frozenset[tuple[str, str, str]]:
    """Kind, booking and subject of the findings that each of the last `runs` runs treated, without the present run."""
    finding = ReconciliationFinding
    newest = _NEWEST_FIRST.where(col(ReconciliationRun.run_id) != run_id).limit(runs)
    key = (col(finding.kind), col(finding.booking_id), col(finding.subject))
    query = (
        select(*key)
        .where(col(finding.run_id).in_(newest), col(finding.remedy) != Remedy.REPORT)
        .group_by(*key)
        .having(func.count() == runs)
    )
    return frozenset((row[0], row[1], row[2]) for row in await db.execute(query))
