"""A world for bookings: Temporal with a clock that skips, the real worker, PostgreSQL, and the stand-ins.

Only wires are faked: the worker is `worker.build_worker`'s, its activities speak to the stand-ins by the
official clients. Webhooks are brought by hand (`webhooks`), so that they can be late, lost or doubled.
"""

from __future__ import annotations

import asyncio
import io
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import httpx
from sqlalchemy import text
from sqlmodel import SQLModel
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.service import RPCError

from domain.booking import ActorKind, Decision
from domain.identifiers import new_command_id, workflow_id
from domain.messages.signals import Command
from sandbox.evidence import DecisionReply
from settings import Settings
from storage.database import Database
from tests.workflows.booking_driver import BookingDriver
from tests.workflows.clock import SkippingClock
from tests.workflows.hotels import draft
from tests.workflows.servers import PUSHER, STRIPE_KEY, Json, StandInClient, StandInClients
from tests.workflows.temporal import ProductWorker, TimeSkippingServer
from tests.workflows.webhooks import WebhookQueue
from workflows.ended_booking import EndedBookingPaymentWorkflow

T = TypeVar("T")

_SETTLE_PATIENCE_S = 40
_ANSWERS_WITHIN = timedelta(seconds=5)
_TIMER_LAG = timedelta(milliseconds=500)
"""A timer starts when the task that set it ends: on a busy machine, a little later than its workflow reckons."""
_EMPTY_ALL_TABLES = " ".join(
    f"DELETE FROM {table.name};"  # noqa: S608  our own tables
    for table in reversed(SQLModel.metadata.sorted_tables)
)


def settings_for(database_url: str, stand_ins: StandInClients) -> Settings:
    """The product's configuration, pointed at the stand-ins."""
    pusher = httpx.URL(stand_ins.pusher.url)
    return Settings.model_validate(
        {
            "database_url": database_url,
            "stripe_secret_key": STRIPE_KEY,
            "stripe_webhook_secret": "whsec_of_the_workflow_tests",
            "stripe_api_base": stand_ins.stripe.url,
            "pusher_app_id": PUSHER.app_id,
            "pusher_key": PUSHER.key,
            "pusher_secret": PUSHER.secret,
            "pusher_host": pusher.host,
            "pusher_port": pusher.port,
            "pusher_ssl": False,
            "smtp_host": "127.0.0.1",
            "smtp_port": stand_ins.smtp_port,
            "email_from": "bookings@hotels.test",
            "public_base_url": "http://127.0.0.1:8000",
            "auth_secret": "an-auth-secret-for-workflow-tests-only",
        }
    )


class WorkflowHarness:
    """Everything a test of workflows needs, for as long as one test runs."""

    def __init__(
        self,
        temporal: TimeSkippingServer,
        stand_ins: StandInClients,
        database: Database,
        settings: Settings,
        product_worker: ProductWorker,
    ) -> None:
        self.client = temporal.client
        self.activity_faults = temporal.activity_faults
        self.stand_ins = stand_ins
        self.database = database
        self.settings = settings
        self.task_queue = settings.temporal_task_queue
        self.http: httpx.AsyncClient = stand_ins.stripe.http
        self.stripe: StandInClient = stand_ins.stripe
        self.clock = SkippingClock(temporal.env, self.stripe, self.activity_faults)
        self.booking_drivers: dict[str, BookingDriver] = {}
        self.booking_ids: set[str] = set()
        self.judged_ids: set[str] = set()
        """Bookings that were checked, and are left out of what is checked next."""
        self.webhooks = WebhookQueue(self.stripe, database, self.client, self.task_queue, self.booking_ids)
        self.asked: dict[str, tuple[str, Decision]] = {}
        self.answers: list[DecisionReply] = []
        self.private_words: list[str] = []
        self.excused = ""
        self.product_worker = product_worker
        self.worker_log = io.StringIO()
        self._log_handler = logging.StreamHandler(self.worker_log)
        self._begun: list[asyncio.Task[Any]] = []

    # --- life ---

    async def open(self) -> None:
        """Begin afresh: no rows, no messages, no faults."""
        logging.getLogger("temporalio").addHandler(self._log_handler)
        self.activity_faults.clear_faults()
        self.activity_faults.attempts.clear()
        self.activity_faults.lost_tasks.on_loss = None
        await self.stand_ins.forget()
        async with self.database.transaction() as db:
            await db.execute(text(f"DO $$ BEGIN {_EMPTY_ALL_TABLES} END $$"))
        await self.clock.synchronize()
        await self.webhooks.begin()

    async def close(self) -> None:
        """End every workflow that is still open; the worker stays for the next test."""
        logging.getLogger("temporalio").removeHandler(self._log_handler)
        self.activity_faults.clear_faults()
        await self.stand_ins.clear_faults()
        if not self.product_worker.is_running:
            self.product_worker.start()
        self.activity_faults.hanging(datetime.max.replace(tzinfo=UTC))
        await self.wait_until_idle()
        for id_ in self.workflow_ids():
            description = await self.describe(id_)
            if description and description.status is WorkflowExecutionStatus.RUNNING:
                await self.client.get_workflow_handle(id_).terminate("the test is over")

    async def restart_worker(self) -> None:
        """Replace the worker: the next one has to replay what it is to go on with."""
        await self.product_worker.stop()
        self.product_worker.start()

    # --- time ---

    async def now(self) -> datetime:
        """The present."""
        return await self.clock.now()

    async def advance(self, **time_: float) -> None:
        """Let time pass: `advance(hours=2)`. Webhooks arrive on the way, unless the postman is on strike."""
        await self.advance_to(await self.now() + timedelta(**time_))

    async def advance_to(self, moment: datetime) -> None:
        """Let time pass until `moment`, and until timers that are due then have fired."""
        await self.wait_until_idle()
        await self.clock.skip_to(moment + _TIMER_LAG, self._next_stop)
        await self._rest()

    async def _next_stop(self) -> datetime | None:
        await self._rest()
        now, due = (await self.now()).timestamp(), []
        for booking_id in self.booking_ids:
            ledger = await self.stripe.ask("GET", "/_sandbox/ledger", params={"booking_id": booking_id})
            due += [item["expires_at"] for item in ledger["sessions"] if item["status"] == "open"]
            held = (item for item in ledger["payment_intents"] if item["status"] == "requires_capture")
            due += [item["capture_before"] for item in held]
        upcoming = [moment for moment in due if moment > now]
        return datetime.fromtimestamp(min(upcoming), UTC) if upcoming else None

    async def without_worker_until(self, moment: datetime) -> None:
        """Stop the worker, and let time pass until `moment`, at which a workflow's timer fires.

        The server's clock stands still once it has fired, until a worker has dealt with it. A signal sent to a
        workflow while its timer fires may be lost by this server, with the workflow's task: the harness waits for that.
        """
        await self.wait_until_idle()
        await self.product_worker.stop()
        before = await self._history_lengths()
        await self.clock.skip_to(moment, self._no_stops)
        await self.until(lambda: self._has_gone_on(before))

    async def _history_lengths(self) -> dict[str, int]:
        found = {id_: await self.describe(id_) for id_ in self.workflow_ids()}
        return {id_: description.history_length for id_, description in found.items() if description}

    async def _has_gone_on(self, before: dict[str, int]) -> bool:
        return await self._history_lengths() != before

    async def _no_stops(self) -> None:
        """No timer is due meanwhile."""

    def later(self, call: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begin a call whose answer has to wait for something else."""
        task = asyncio.create_task(call)
        self._begun.append(task)
        return task

    async def until(self, condition: Callable[[], Awaitable[Any]]) -> None:
        """Wait, in the computer's own time, until something is so."""
        deadline = time.monotonic() + _SETTLE_PATIENCE_S
        while not await condition():
            assert time.monotonic() < deadline, "it never came to be"
            await asyncio.sleep(0.01)

    async def _rest(self) -> None:
        """Let everything finish that can finish now, webhooks included."""
        await self.wait_until_idle()
        while not self.webhooks.is_paused and await self.webhooks.deliver():
            await self.wait_until_idle()

    async def wait_until_idle(self) -> None:
        """Wait until no workflow has anything to do before time passes or someone acts."""
        deadline = time.monotonic() + _SETTLE_PATIENCE_S
        for id_ in self.workflow_ids():
            while not await self._is_at_rest(id_):
                assert time.monotonic() < deadline, f"{id_} does not come to rest"
                await asyncio.sleep(0.002)

    async def _is_at_rest(self, id_: str) -> bool:
        before = await self.describe(id_)
        if before is None or before.status is not WorkflowExecutionStatus.RUNNING:
            return True
        if not self.product_worker.is_running:
            return True
        if await self._is_busy(before):
            return False
        # Every workflow answers it, once each task has been worked off.
        try:
            await self.client.get_workflow_handle(id_).query(
                "__temporal_workflow_metadata", rpc_timeout=_ANSWERS_WITHIN
            )
        except RPCError:
            # A task went to a worker that had just been stopped: the server gives it to the next one in a while.
            return False
        after = await self.describe(id_)
        assert after is not None
        return after.history_length == before.history_length and not await self._is_busy(after)

    async def _is_busy(self, description: WorkflowExecutionDescription) -> bool:
        """Whether an activity is at work, or about to be; not one that waits for its next attempt."""
        pending = description.raw_description.pending_activities
        busy = sum(_is_attempted(activity) for activity in pending)
        if not self.activity_faults.may_hang:
            return busy > 0
        return busy > len(self.activity_faults.hanging(await self.now()))

    async def describe(self, id_: str) -> WorkflowExecutionDescription | None:
        """A workflow as Temporal describes it; None where there is none."""
        try:
            return await self.client.get_workflow_handle(id_).describe()
        except RPCError:
            return None

    def workflow_ids(self) -> Iterable[str]:
        """Every workflow that may have been started."""
        return [
            *(workflow_id(booking_id) for booking_id in self.booking_ids),
            *self.webhooks.ended_booking_workflows,
        ]

    # --- Stripe's books ---

    async def payment(self, intent_id: str) -> Json:
        """A PaymentIntent as Stripe's ledger has it."""
        books = await self.stripe.ask("GET", "/_sandbox/ledger", params={"payment_intent": intent_id})
        [intent] = books["payment_intents"]
        found: Json = intent
        return found

    async def intents_of_page(self, url: str) -> list[str]:
        """Ids of the PaymentIntents that came of a payment page, whatever they name."""
        books = await self.stripe.ask("GET", "/_sandbox/ledger", params={"limit": "20"})
        session_id = url.rpartition("/")[2]
        return [item["id"] for item in books["payment_intents"] if item["session"] == session_id]

    # --- bookings ---

    async def draft(self, *, check_in_days: int = 20, currency: str = "EUR", **terms: Any) -> BookingDriver:
        """A booking that was made and not submitted.

        Args:
            check_in_days: days from today to check-in.
            currency: the hotel's.
            terms: fields of `Hotel` (`approval_sla_s`, `cutoff_days_before`…) or of `BookingTerms`.
        """
        booking_draft = await draft(
            self.database, await self.now(), check_in_days=check_in_days, currency=currency, **terms
        )
        booking = booking_draft.booking
        self.private_words += booking_draft.private_words
        booking_driver = BookingDriver(
            self, booking_draft.terms, booking_draft.staff_ids, booking.guest_email
        )
        self.booking_drivers[booking.booking_id] = booking_driver
        self.booking_ids.add(booking.booking_id)
        return booking_driver

    async def submitted(self, **options: Any) -> BookingDriver:
        """A booking that waits for its payment."""
        booking_driver = await self.draft(**options)
        await booking_driver.submit()
        return booking_driver

    async def held(self, *, hold_s: int | None = None, **options: Any) -> BookingDriver:
        """A booking that waits for a decision."""
        booking_driver = await self.submitted(**options)
        await booking_driver.place_hold(hold_s=hold_s)
        return booking_driver

    async def confirmed(self, **options: Any) -> BookingDriver:
        """A booking that was approved and paid."""
        booking_driver = await self.held(**options)
        await booking_driver.approve()
        await self._rest()
        return booking_driver

    async def retry_ended_booking_payments(self) -> None:
        """An operator wants money of a booking that ended looked at again."""
        command = Command(new_command_id(), ActorKind.OPERATOR)
        for id_ in await self.running_ended_booking_payments():
            await self.client.get_workflow_handle(id_).signal(EndedBookingPaymentWorkflow.retry, command)

    async def running_ended_booking_payments(self) -> list[str]:
        """Ids of the workflows that settle money of bookings that ended, and are not done."""
        found = {id_: await self.describe(id_) for id_ in self.webhooks.ended_booking_workflows}
        running = WorkflowExecutionStatus.RUNNING
        return [id_ for id_, each in found.items() if each is not None and each.status is running]


def _is_attempted(activity: PendingActivityInfo) -> bool:
    """Whether an attempt is under way. The server shows the pause after one in the same state."""
    if activity.state == PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED:
        return activity.attempt <= 1
    ended, began = activity.last_attempt_complete_time, activity.last_started_time
    return (
        not activity.HasField("last_attempt_complete_time") or ended.ToNanoseconds() < began.ToNanoseconds()
    )
