"""What is done about a finding of reconciliation. Each remedy may be repeated, and none moves money by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from temporalio.client import Client
from temporalio.exceptions import ApplicationError

from dispatch.client import start_booking
from dispatch.events import WorkflowMissingError, hand_on, tell
from domain.booking import ActorKind, Decision, Status
from domain.decisions import Verdict, judge
from domain.messages import PaymentNews
from models import BookingCommand, StripeWebhookEvent, utc_now
from reconciliation.findings import Booked, Finding, Outcome, Remedy
from reconciliation.queries import terms_to_go_on
from reconciliation.stripe_reader import StripeBooks
from storage.bookings import booking_by_id, close_command
from storage.database import Database


@dataclass(frozen=True)
class Treated:
    """What became of a finding, and what a person should know beyond the finding itself."""

    outcome: Outcome
    note: str = ""


_HEALED: Final = Treated(Outcome.HEALED)
_MOVED_ON: Final = Treated(Outcome.LEFT, "the booking moved on meanwhile; the next run will tell")


class Remedies:
    """Treats findings.

    Args:
        client: Temporal.
        task_queue: the workers'.
        authorization_margin_s, payment_poll_s: as the API submits bookings with.
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

    async def treat(self, finding: Finding, booked: Booked, books: StripeBooks, run_id: str) -> Treated:
        """Do what is safe about a finding.

        Args:
            booked: the booking as it was when the finding was made.
            run_id: makes what is sent to Temporal and Stripe this run's own.

        Raises:
            sqlalchemy.exc.SQLAlchemyError, OSError, RPCError, RuntimeError: a service is away.
        """
        match finding.remedy:
            case Remedy.RESUME | Remedy.SUBMIT:
                return await self._go_on(booked)
            case Remedy.TELL:
                return await self._tell(finding, booked, run_id)
            case Remedy.CLOSE_PAGE:
                return await self._close_page(finding, books, run_id)
            case Remedy.CLOSE_DECISION:
                return await self._close_decision(finding, booked)
            case Remedy.REPORT | Remedy.HAND_ON:
                return Treated(Outcome.LEFT)

    async def hand_on(self, event: StripeWebhookEvent) -> Treated:
        """Give an event that nobody took to its workflow.

        Raises:
            sqlalchemy.exc.SQLAlchemyError, OSError, RPCError, RuntimeError: a service is away.
        """
        await hand_on(self._database, self._client, self._task_queue, event)
        async with self._database.transaction() as db:
            kept = await db.get_one(StripeWebhookEvent, event.event_id)
        return _HEALED if kept.processed_at else Treated(Outcome.LEFT, "its booking has no workflow")

    # --- workflows ---

    async def _go_on(self, booked: Booked) -> Treated:
        async with self._database.transaction() as db:
            terms = await terms_to_go_on(
                db,
                booked.booking_id,
                booked.version,
                authorization_margin_s=self._authorization_margin_s,
                payment_poll_s=self._payment_poll_s,
            )
        if terms is None:
            return _MOVED_ON
        # Once it runs, nobody looks for what it was not given: all it needs is in the terms.
        await start_booking(self._client, terms, self._task_queue, after_loss=True)
        return _HEALED

    async def _tell(self, finding: Finding, booked: Booked, run_id: str) -> Treated:
        async with self._database.transaction() as db:
            row = await booking_by_id(db, booked.booking_id)
        if row is None:
            return _MOVED_ON
        news = PaymentNews(
            event_id=f"reconcile-{run_id}-{finding.kind}-{finding.subject}",
            event_type=finding.hint,
            payment_intent_id=finding.subject,
        )
        try:
            await tell(self._client, self._task_queue, row, booked.hotel_slug, news)
        except WorkflowMissingError:
            return Treated(Outcome.LEFT, "its booking has no workflow")
        return _HEALED

    # --- pages and decisions ---

    async def _close_page(self, finding: Finding, books: StripeBooks, run_id: str) -> Treated:
        # Each run asks under a key of its own: Stripe replays an error it once gave for a day.
        key = f"booking:{finding.booking_id}:expire:{finding.subject}:reconcile-{run_id}"
        try:
            closed = await books.close_page(finding.subject, key)
        except ApplicationError as error:
            return Treated(Outcome.LEFT, error.message)
        return _HEALED if closed else Treated(Outcome.LEFT, "Stripe did not close it")

    async def _close_decision(self, finding: Finding, booked: Booked) -> Treated:
        async with self._database.transaction() as db:
            row = await booking_by_id(db, booked.booking_id)
            command = await db.get(BookingCommand, finding.subject)
            if row is None or command is None or row.version != booked.version:
                return _MOVED_ON
            actor = ActorKind.GUEST if command.actor == ActorKind.GUEST else ActorKind.STAFF
            decision, status = Decision(command.kind), Status(row.status)
            verdict = judge(decision, actor, status, row.reason_code, checked_in=True)
            await close_command(db, command.command_id, verdict or Verdict.ALREADY_DECIDED, utc_now())
        return _HEALED
