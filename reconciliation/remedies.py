"""Remedies for findings. Each may be repeated. Only one moves money: the release of a hold whose booking is lost."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select
from sqlmodel import col
from temporalio.client import Client
from temporalio.exceptions import ApplicationError

from dispatch.client import start_booking
from dispatch.errors import WorkflowGoneError, temporal_call
from dispatch.events import WorkflowMissingError, deliver_event, signal_booking
from domain.booking import ActorKind, Decision, Status
from domain.decisions import CommandOutcome, immediate_outcome
from domain.identifiers import workflow_id
from domain.messages.signals import StripeEventHint
from models import BookingCommand, Hotel, StripeWebhookEvent, utc_now
from reconciliation.findings import DatabaseSnapshot, Finding, FindingKind, FindingOutcome, Remedy
from reconciliation.queries import terms_to_go_on
from reconciliation.row_recovery import RowNotRewrittenError, recorded_changes, rewrite_row
from reconciliation.stripe_reader import StripeReader
from storage.bookings import booking_by_id, close_command
from storage.database import Database
from storage.inbox import Addressee
from storage.rooms import rebuild_claims


@dataclass(frozen=True)
class RemedyResult:
    """The outcome of a remedy, and a note for people beyond the finding itself."""

    outcome: FindingOutcome
    note: str = ""


_HEALED: Final = RemedyResult(FindingOutcome.HEALED)
_MOVED_ON: Final = RemedyResult(FindingOutcome.LEFT, "the booking moved on meanwhile; the next run will tell")


class Remedies:
    """Applies remedies to findings.

    Args:
        client: Temporal.
        task_queue: the workers'.
        authorization_margin_s, payment_poll_s: the values with which the API submits bookings.
    """

    def __init__(
        self,
        database: Database,
        client: Client,
        task_queue: str,
        *,
        authorization_margin_s: int,
        payment_poll_s: int,
    ) -> None:
        self._database = database
        self._client = client
        self._task_queue = task_queue
        self._authorization_margin_s = authorization_margin_s
        self._payment_poll_s = payment_poll_s

    async def apply(
        self, finding: Finding, booking: DatabaseSnapshot, stripe_reader: StripeReader, run_id: str
    ) -> RemedyResult:
        """Apply a finding's remedy.

        Args:
            booking: the booking's snapshot at the time of the finding.
            run_id: part of the ids and keys of this run's requests to Temporal and Stripe.

        Raises:
            sqlalchemy.exc.SQLAlchemyError, OSError, TemporalAwayError: a service is away.
        """
        match finding.remedy:
            case Remedy.RESUME | Remedy.SUBMIT:
                return await self._go_on(booking)
            case Remedy.SIGNAL:
                return await self._signal_booking(finding, booking, run_id)
            case Remedy.CLOSE_PAGE:
                return await self._close_page(finding, stripe_reader, run_id)
            case Remedy.CLOSE_DECISION:
                return await self._close_decision(finding, booking)
            case Remedy.REBUILD_CLAIMS:
                return await self._rebuild_claims(finding, booking)
            case Remedy.REWRITE_ROW:
                return await self._rewrite_row(finding, booking)
            case Remedy.REPORT | Remedy.DELIVER_EVENT | Remedy.RELEASE_HOLD:
                return RemedyResult(FindingOutcome.LEFT)

    async def deliver_event(self, event: StripeWebhookEvent) -> RemedyResult:
        """Deliver an unprocessed event to its workflow.

        Raises:
            sqlalchemy.exc.SQLAlchemyError, OSError, TemporalAwayError: a service is away.
        """
        await deliver_event(self._database, self._client, self._task_queue, event)
        async with self._database.transaction() as db:
            kept = await db.get_one(StripeWebhookEvent, event.event_id)
        return (
            _HEALED if kept.processed_at else RemedyResult(FindingOutcome.LEFT, "its booking has no workflow")
        )

    async def release_lost_hold(
        self, finding: Finding, stripe_reader: StripeReader, run_id: str
    ) -> RemedyResult:
        """Release a hold whose booking is not in the database. Its workflow ends first: without a row it cannot go on.

        Raises:
            ApplicationError: Stripe is away or refuses, typed as in `gateway.errors`.
            sqlalchemy.exc.SQLAlchemyError, OSError, TemporalAwayError: a service is away.
        """
        async with self._database.transaction() as db:
            slugs = set(await db.scalars(select(col(Hotel.slug))))
            if await booking_by_id(db, finding.booking_id) is not None:
                return _MOVED_ON
        key = f"booking:{finding.booking_id}:release:{finding.subject}:reconcile-{run_id}"
        if not await stripe_reader.release_lost_hold(finding.subject, slugs, key):
            return RemedyResult(FindingOutcome.LEFT, "not released")
        with suppress(WorkflowGoneError):
            async with temporal_call():
                handle = self._client.get_workflow_handle(workflow_id(finding.booking_id))
                await handle.terminate("its booking is not in the restored database")
        return _HEALED

    # --- rows and workflows ---

    async def _rewrite_row(self, finding: Finding, booking: DatabaseSnapshot) -> RemedyResult:
        changes = await recorded_changes(self._client, booking.booking_id)
        try:
            async with self._database.transaction() as db:
                written = await rewrite_row(db, booking.booking_id, changes)
        except RowNotRewrittenError as error:
            return RemedyResult(FindingOutcome.LEFT, str(error))
        if written:
            return _HEALED
        if finding.kind is FindingKind.WORKFLOW_MISSING:
            return await self._go_on(booking)
        return RemedyResult(FindingOutcome.LEFT, "its workflow's history says nothing newer")

    async def _go_on(self, booking: DatabaseSnapshot) -> RemedyResult:
        async with self._database.transaction() as db:
            terms = await terms_to_go_on(
                db,
                booking.booking_id,
                booking.version,
                authorization_margin_s=self._authorization_margin_s,
                payment_poll_s=self._payment_poll_s,
            )
        if terms is None:
            return _MOVED_ON
        # A running workflow is not compared for missing commands, so the terms carry all it needs.
        await start_booking(self._client, terms, self._task_queue, after_loss=True)
        return _HEALED

    async def _signal_booking(self, finding: Finding, booking: DatabaseSnapshot, run_id: str) -> RemedyResult:
        async with self._database.transaction() as db:
            row = await booking_by_id(db, booking.booking_id)
        if row is None:
            return _MOVED_ON
        addressee = Addressee(row.booking_id, Status(row.status), row.payment_intent_id, booking.hotel_slug)
        hint = StripeEventHint(
            event_id=f"reconcile-{run_id}-{finding.kind}-{finding.subject}",
            event_type=finding.hint,
            payment_intent_id=finding.subject,
        )
        try:
            await signal_booking(self._client, self._task_queue, addressee, hint)
        except WorkflowMissingError:
            return RemedyResult(FindingOutcome.LEFT, "its booking has no workflow")
        return _HEALED

    # --- rooms ---

    async def _rebuild_claims(self, finding: Finding, booking: DatabaseSnapshot) -> RemedyResult:
        overbooked = finding.kind is FindingKind.OVERBOOKED
        async with self._database.transaction() as db:
            row = await booking_by_id(db, booking.booking_id, lock=True)
            if row is None or row.version != booking.version:
                return _MOVED_ON
            if not await rebuild_claims(db, row, beyond=overbooked):
                return RemedyResult(FindingOutcome.LEFT, "no room is left for it: decline it, or free one")
        if overbooked:
            return RemedyResult(FindingOutcome.LEFT, "recorded beyond what the hotel may sell")
        return _HEALED

    # --- pages and decisions ---

    async def _close_page(self, finding: Finding, stripe_reader: StripeReader, run_id: str) -> RemedyResult:
        # Each run uses its own key: Stripe replays a stored error for a day.
        key = f"booking:{finding.booking_id}:expire:{finding.subject}:reconcile-{run_id}"
        try:
            closed = await stripe_reader.close_page(finding.subject, key)
        except ApplicationError as error:
            return RemedyResult(FindingOutcome.LEFT, error.message)
        return _HEALED if closed else RemedyResult(FindingOutcome.LEFT, "Stripe did not close it")

    async def _close_decision(self, finding: Finding, booking: DatabaseSnapshot) -> RemedyResult:
        async with self._database.transaction() as db:
            row = await booking_by_id(db, booking.booking_id)
            command = await db.get(BookingCommand, finding.subject)
            if row is None or command is None or row.version != booking.version:
                return _MOVED_ON
            actor = ActorKind.GUEST if command.actor == ActorKind.GUEST else ActorKind.STAFF
            decision, status = Decision(command.kind), Status(row.status)
            outcome = immediate_outcome(decision, actor, status, row.reason_code, too_late=True)
            await close_command(db, command.command_id, outcome or CommandOutcome.ALREADY_DECIDED, utc_now())
        return _HEALED
