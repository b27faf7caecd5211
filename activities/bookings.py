"""PostgreSQL: writing a booking's changes as its workflow decides them."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy.exc import SQLAlchemyError
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.realtime import Realtime
from domain.booking import Event, Status
from domain.deadlines import DRAFT_LIFETIME
from domain.messages.changes import BookingSnapshot, Change, ChangeResult, RefusedCommand
from domain.messages.notifications import Publication
from models import utc_now
from storage import bookings, housekeeping
from storage.attention import as_attention, attention_of
from storage.database import Database

log = logging.getLogger("activities")

RECORD = "bookings.record"
"""The activity whose input is a change, and whose result is the row after it; histories keep both."""
BOOKING_GONE = "booking_gone"
STALE_VERSION = "stale_version"

_STALE_ATTEMPTS = 8
"""The number of attempts, at `options.DATABASE` a minute's worth, after which another writer is permanent."""

_SUBMISSION_GRACE = timedelta(minutes=10)
"""A draft submitted in its last minute is left to its workflow."""


class Bookings:
    """Activities on the database. All of them may be repeated."""

    def __init__(self, database: Database, realtime: Realtime) -> None:
        self._database = database
        self._realtime = realtime

    @activity.defn(name=RECORD)
    async def record(self, change: Change) -> ChangeResult:
        """Write one change of a booking; after the commit, try at once to publish it.

        Raises:
            ApplicationError: `booking_gone`, the row was deleted.
            ApplicationError: `stale_version`, another writer changed the row. After about a minute a retry is of no use
                any more, and the booking's own workflow asks for attention.
            ApplicationError: `database`, it is away or rejected the row. Worth a retry.
        """
        try:
            async with self._database.transaction() as db:
                recorded = await bookings.apply_change(db, change)
        except bookings.BookingNotFoundError:
            raise ApplicationError(
                "the booking's row is gone", type=BOOKING_GONE, non_retryable=True
            ) from None
        except bookings.StaleVersionError as error:
            hopeless = activity.info().attempt >= _STALE_ATTEMPTS
            raise ApplicationError(str(error), type=STALE_VERSION, non_retryable=hopeless) from None
        except SQLAlchemyError as error:
            # The error's text may quote the row, and with it the guest.
            raise ApplicationError(type(error).__name__, type="database") from None
        if activity.info().is_local:
            recorded = replace(recorded, change=change)
        if recorded.sold_out:
            return recorded
        changed = {"event": change.event, "status": recorded.status, "version": recorded.version}
        log.info("booking changed", extra={"fields": changed})
        if change.event is Event.AUTHORIZED:
            log.info("payment authorized", extra={"fields": {"payment_intent_id": change.payment_intent_id}})
        return replace(recorded, published=await self._realtime.try_publish(_publication(change, recorded)))

    @activity.defn(name="bookings.close_command")
    async def close_command(self, refused: RefusedCommand) -> None:
        """Write the outcome of a decision that changed nothing."""
        async with self._database.single_statement() as db:
            await bookings.close_command(db, refused.command_id, refused.outcome, utc_now())

    @activity.defn(name="bookings.read_snapshot")
    async def read_snapshot(self, booking_id: str) -> BookingSnapshot:
        """Read the row's fields that the money of an ended booking depends on."""
        async with self._database.reading() as db:
            booking = await bookings.booking_by_id(db, booking_id)
            if booking is None:
                raise ApplicationError("the booking's row is gone", type=BOOKING_GONE, non_retryable=True)
            reasons = await attention_of(db, booking)
        return BookingSnapshot(
            status=Status(booking.status),
            version=booking.version,
            payment_intent_id=booking.payment_intent_id,
            amount_minor=booking.amount_minor,
            amount_refunded_minor=booking.amount_refunded_minor,
            refund_due_minor=booking.refund_due_minor,
            paid_elsewhere=booking.paid_elsewhere,
            currency=booking.currency,
            attention=tuple(as_attention(reason) for reason in reasons),
        )

    @activity.defn(name="bookings.delete_stale_drafts")
    async def delete_stale_drafts(self) -> int:
        """Delete drafts that were never submitted; returns how many.

        Raises:
            ApplicationError: some could not be deleted, the others were. Only the next sweep tries those again.
        """
        async with self._database.transaction() as db:
            drafts = await housekeeping.delete_stale_drafts(db, _stale_before())
        if drafts.kept:
            message = f"{drafts.kept} drafts could not be deleted"
            raise ApplicationError(message, type="drafts_left", non_retryable=True)
        return drafts.deleted

    @activity.defn(name="bookings.delete_stale_requests")
    async def delete_stale_requests(self) -> None:
        """Delete idempotency keys and rate counts that have expired."""
        async with self._database.transaction() as db:
            await housekeeping.delete_stale_requests(db, _stale_before())

    @activity.defn(name="bookings.record_sweep")
    async def record_sweep(self) -> None:
        """Record that a sweep has completed each of its steps."""
        async with self._database.transaction() as db:
            await housekeeping.record_complete(db, housekeeping.SWEEP_JOB, utc_now())


def _stale_before() -> datetime:
    return utc_now() - DRAFT_LIFETIME - _SUBMISSION_GRACE


def _publication(change: Change, recorded: ChangeResult) -> Publication:
    return Publication(
        booking_id=change.booking_id,
        hotel_slug=change.hotel_slug,
        status=recorded.status,
        version=recorded.version,
        updated_at=change.at,
        staff_event=change.staff_event,
    )
