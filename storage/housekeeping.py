"""Deletes expired rows, and records when the jobs on a Schedule were last completed."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import CursorResult, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from domain.booking import Status
from models import Booking, BookingCommand, BookingTimeline
from storage.account_tables import AccountLink, StaffLogIn
from storage.tables import DailyMail, IdempotentRequest, PeriodicJob, RateLimit

log = logging.getLogger(__name__)

SWEEP_JOB: Final = "sweep"

_RATE_LIMITS_KEPT = timedelta(hours=1)
_DRAFTS_AT_ONCE: Final = 1000
"""PostgreSQL takes 32,767 parameters; what a flood leaves goes in several passes."""


@dataclass(frozen=True)
class DraftDeletion:
    """The numbers of drafts deleted, and of those that could not be."""

    deleted: int
    kept: int


async def delete_stale_drafts(db: AsyncSession, before: datetime) -> DraftDeletion:
    """Delete drafts older than `before` and their related rows, at most a thousand, oldest first.

    A draft that cannot be deleted is logged and stays; the others are deleted all the same.
    """
    drafts = select(col(Booking.booking_id)).where(
        col(Booking.status) == Status.DRAFT, col(Booking.created_at) < before
    )
    oldest = drafts.order_by(col(Booking.created_at)).limit(_DRAFTS_AT_ONCE)
    ids = (await db.scalars(oldest.with_for_update(skip_locked=True))).all()
    try:
        async with db.begin_nested():
            deleted = await _delete_drafts(db, ids)
    except IntegrityError:
        deleted = sum([await _delete_draft_if_possible(db, id_) for id_ in ids])
    return DraftDeletion(deleted, len(ids) - deleted)


async def _delete_draft_if_possible(db: AsyncSession, booking_id: str) -> int:
    try:
        async with db.begin_nested():
            return await _delete_drafts(db, [booking_id])
    except IntegrityError:
        # The error's text may quote the row, and so the guest.
        log.error("draft %s cannot be deleted: another table refers to it", booking_id)  # noqa: TRY400
        return 0


async def _delete_drafts(db: AsyncSession, ids: Sequence[str]) -> int:
    for table in (BookingCommand, BookingTimeline):
        await db.execute(delete(table).where(col(table.booking_id).in_(ids)))
    return _count(await db.execute(delete(Booking).where(col(Booking.booking_id).in_(ids))))


async def delete_stale_requests(db: AsyncSession, before: datetime) -> None:
    """Delete what ended before `before`: idempotency keys, log-ins, links to accounts, records of daily e-mails.

    Rate counts stay for an hour more.
    """
    await db.execute(delete(IdempotentRequest).where(col(IdempotentRequest.created_at) < before))
    await db.execute(delete(StaffLogIn).where(col(StaffLogIn.expires_at) < before))
    await db.execute(delete(AccountLink).where(col(AccountLink.expires_at) < before))
    await db.execute(delete(DailyMail).where(col(DailyMail.sent_at) < before))
    await db.execute(delete(RateLimit).where(col(RateLimit.began_at) < before + _RATE_LIMITS_KEPT))


async def record_complete(db: AsyncSession, job: str, at: datetime) -> None:
    """Record when a job last completed."""
    statement = insert(PeriodicJob).values(job=job, completed_at=at)
    await db.execute(statement.on_conflict_do_update(index_elements=["job"], set_={"completed_at": at}))


async def last_complete(db: AsyncSession, job: str) -> datetime | None:
    """When a job last completed; None if it never did."""
    found: datetime | None = await db.scalar(
        select(col(PeriodicJob.completed_at)).where(col(PeriodicJob.job) == job)
    )
    return found


def _count(result: Any) -> int:
    assert isinstance(result, CursorResult)
    return result.rowcount
