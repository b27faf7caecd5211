"""PostgreSQL: writing a booking's changes as its workflow decides them."""

from __future__ import annotations

from datetime import timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError

from domain.booking import Status
from domain.deadlines import DRAFT_LIFETIME
from domain.messages import Change, Recorded, RefusedCommand, StrayBooking
from models import utc_now
from storage import bookings, housekeeping
from storage.database import Database

BOOKING_GONE = "booking_gone"
STALE_VERSION = "stale_version"

_SUBMISSION_GRACE = timedelta(minutes=10)
"""A draft submitted in its last minute is left to its workflow."""


class Bookings:
    """Activities on the database. All of them may be repeated."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @activity.defn(name="bookings.record")
    async def record(self, change: Change) -> Recorded:
        """Write one change of a booking.

        Raises:
            ApplicationError: `booking_gone`, the row was deleted.
            ApplicationError: `stale_version`, the row moved without this workflow. Retried for ever by the
                booking's own workflow, in sight of operators: two writers must never be.
        """
        try:
            async with self._database.transaction() as db:
                return await bookings.apply_change(db, change)
        except bookings.BookingNotFoundError:
            raise ApplicationError(
                "the booking's row is gone", type=BOOKING_GONE, non_retryable=True
            ) from None

    @activity.defn(name="bookings.close_command")
    async def close_command(self, refused: RefusedCommand) -> None:
        """Write how a decision came out that changed nothing."""
        async with self._database.transaction() as db:
            await bookings.close_command(db, refused.command_id, refused.verdict, utc_now())

    @activity.defn(name="bookings.read_for_stray")
    async def read_for_stray(self, booking_id: str) -> StrayBooking:
        """Read what is needed to settle money that arrived after a booking's workflow ended."""
        async with self._database.transaction() as db:
            booking = await bookings.booking_by_id(db, booking_id)
        if booking is None:
            raise ApplicationError("the booking's row is gone", type=BOOKING_GONE, non_retryable=True)
        return StrayBooking(
            status=Status(booking.status),
            version=booking.version,
            payment_intent_id=booking.payment_intent_id,
            amount_minor=booking.amount_minor,
            amount_refunded_minor=booking.amount_refunded_minor,
            currency=booking.currency,
        )

    @activity.defn(name="bookings.delete_stale_drafts")
    async def delete_stale_drafts(self) -> int:
        """Delete drafts nobody submitted, and other rows whose day is over; returns how many drafts."""
        async with self._database.transaction() as db:
            return await housekeeping.delete_stale(db, utc_now() - DRAFT_LIFETIME - _SUBMISSION_GRACE)
