"""The worker: settings, then clients, then activities, then Temporal's. Run with `python worker.py`."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import chain
from pathlib import Path
from typing import Any

import pusher
import uvloop
from stripe import StripeClient
from temporalio.client import Client
from temporalio.common import VersioningBehavior
from temporalio.exceptions import ApplicationError, FailureError
from temporalio.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    Interceptor,
    UnsandboxedWorkflowRunner,
    Worker,
    WorkerDeploymentConfig,
    WorkerDeploymentVersion,
)

from activities.account_mails import AccountMails
from activities.bookings import Bookings
from activities.call_log import ActivityIds, ActivityLog
from activities.emails import Emails
from activities.inbox import Inbox
from activities.payments import Payments
from activities.realtime import Realtime
from dispatch.client import connect
from dispatch.errors import TemporalAwayError
from emails.compose import Composer
from emails.send import SmtpServer
from gateway.client import stripe_client
from logs import write_json_lines
from processes import collect_garbage_seldom, fork_processes
from reconciliation.activities import Reconciliation
from reconciliation.alerts import ReconciliationAlerts
from reconciliation.remedies import Remedies
from reconciliation.workflow import ReconcileWorkflow
from settings import Settings, load_settings
from storage.database import DATABASE_ERRORS, Database
from storage.schema import MIGRATE, is_current
from workflows.account_mail import AccountMailWorkflow
from workflows.booking import BookingWorkflow
from workflows.booking_link import BookingLinkWorkflow
from workflows.ended_booking import EndedBookingPaymentWorkflow
from workflows.sweep import SweepWorkflow

log = logging.getLogger("worker")


class ActivityErrorFilter(Interceptor):
    """Removes other systems' texts from activity errors: they may quote a guest, and they enter histories and logs."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """Intercept an activity's errors before Temporal serializes them."""
        return _FilteredActivity(next)


class _FilteredActivity(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        try:
            return await super().execute_activity(input)
        except FailureError as error:
            # The text is ours. The cause may be another system's, and Temporal would serialize it.
            raise error from None
        except Exception as error:
            # Retryable, as any unknown error is for Temporal. The stack shows lines of code and no values.
            name = type(error).__name__
            raise ApplicationError(name, type=name).with_traceback(error.__traceback__) from None


WORKFLOWS = (
    BookingWorkflow,
    EndedBookingPaymentWorkflow,
    AccountMailWorkflow,
    BookingLinkWorkflow,
    SweepWorkflow,
    ReconcileWorkflow,
)

# Longer than any activity's timeout towards Stripe, so that a capture under way finishes.
GRACE = timedelta(seconds=35)
CACHED_WORKFLOWS = 1000
_GRACE_OF_PROCESSES = GRACE + timedelta(seconds=5)
_CONNECT_AGAIN_AFTER_S = 1
_LOOK_AT_SCHEMA_EVERY_S = 5
_HERE = Path(__file__).parent


def build_worker(settings: Settings, client: Client, database: Database) -> Worker:
    """Build the worker.

    Args:
        settings: the addresses of the other services.
        client: connected to Temporal.
        database: the product's own.
    """
    return Worker(
        client,
        task_queue=settings.temporal_task_queue,
        workflows=WORKFLOWS,
        activities=_activities(settings, client, database),
        # Tests run workflows in Temporal's sandbox, which refuses what would not replay (docs/decisions/15).
        workflow_runner=UnsandboxedWorkflowRunner(),
        interceptors=[ActivityLog(), ActivityErrorFilter()],
        max_cached_workflows=CACHED_WORKFLOWS,
        graceful_shutdown_timeout=GRACE,
        deployment_config=_deployment(),
    )


def _deployment() -> WorkerDeploymentConfig:
    return WorkerDeploymentConfig(
        version=WorkerDeploymentVersion(deployment_name="hotel-holds", build_id=build_id()),
        use_worker_versioning=False,
        default_versioning_behavior=VersioningBehavior.UNSPECIFIED,
    )


def build_id() -> str:
    """Return a digest of the workflows, the rules they follow and how they read messages: this version's name."""
    digest = hashlib.sha256()
    packages = (sorted((_HERE / name).rglob("*.py")) for name in ("workflows", "reconciliation", "domain"))
    for path in (*chain.from_iterable(packages), _HERE / "dispatch" / "message_converter.py"):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _activities(settings: Settings, client: Client, database: Database) -> list[Callable[..., Any]]:
    stripe = stripe_client(settings.stripe_secret_key.get_secret_value(), settings.stripe_api_base)
    payments = _payments(settings, database, stripe)
    realtime = Realtime(pusher.Pusher(**settings.pusher_arguments))
    bookings = Bookings(database, realtime)
    emails = Emails(database, _composer(settings), _smtp_server(settings))
    account_mails = AccountMails(database, _composer(settings), _smtp_server(settings))
    inbox = Inbox(database, stripe, client, settings.temporal_task_queue)
    reconciliation = build_reconciliation(settings, client, database, stripe)
    return [
        payments.open_session,
        payments.read,
        payments.expire_session,
        payments.capture,
        payments.release,
        payments.refund,
        bookings.record,
        bookings.close_command,
        bookings.read_snapshot,
        bookings.delete_stale_drafts,
        bookings.delete_stale_requests,
        bookings.record_sweep,
        realtime.publish,
        emails.send,
        account_mails.send,
        inbox.deliver_unprocessed_events,
        inbox.fetch_missing_events,
        inbox.note_unknown_payment,
        reconciliation.begin,
        reconciliation.compare,
        reconciliation.finish,
    ]


def _payments(settings: Settings, database: Database, stripe: StripeClient) -> Payments:
    return Payments(
        stripe,
        database,
        public_base_url=settings.public_base_url,
        auth_secret=settings.auth_secret.get_secret_value(),
    )


def _composer(settings: Settings) -> Composer:
    return Composer(settings.email_from, settings.public_base_url, settings.auth_secret.get_secret_value())


def _smtp_server(settings: Settings) -> SmtpServer:
    return SmtpServer(
        host=settings.smtp_host,
        port=settings.smtp_port,
        username=settings.smtp_username,
        password=settings.smtp_password.get_secret_value() if settings.smtp_password else None,
        starttls=settings.smtp_starttls,
    )


def build_reconciliation(
    settings: Settings, client: Client, database: Database, stripe: StripeClient
) -> Reconciliation:
    """Build reconciliation's activities, for the worker and for `manage.py reconcile`."""
    remedies = Remedies(
        database,
        client,
        settings.temporal_task_queue,
        authorization_margin_s=settings.authorization_margin_s,
        payment_poll_s=settings.payment_poll_s,
    )
    alerts = ReconciliationAlerts(database, _composer(settings), _smtp_server(settings))
    return Reconciliation(database, stripe, client, remedies, alerts)


async def connect_patiently(settings: Settings) -> Client:
    """Connect to Temporal, and retry for as long as it is away."""
    while True:
        try:
            return await connect(**settings.temporal_arguments)
        except TemporalAwayError as error:
            log.warning("Temporal at %s is away, trying again: %s", settings.temporal_address, error)
            await asyncio.sleep(_CONNECT_AGAIN_AFTER_S)


async def await_schema(database: Database) -> None:
    """Wait until migrations have prepared the database. Activities retry by themselves while it is away."""
    while True:
        try:
            async with database.reading() as db:
                if await is_current(db):
                    return
            log.warning(MIGRATE)
        except DATABASE_ERRORS as error:
            log.warning("PostgreSQL is away: %s", type(error).__name__)
            return
        await asyncio.sleep(_LOOK_AT_SCHEMA_EVERY_S)


async def _prepare(settings: Settings, database: Database) -> Client:
    await await_schema(database)
    return await connect_patiently(settings)


@contextmanager
def announce_ready(ready_file: Path | None) -> Iterator[None]:
    """Keep a file in place while the worker polls, for a health check."""
    if ready_file is None:
        yield
        return
    ready_file.touch()
    try:
        yield
    finally:
        ready_file.unlink(missing_ok=True)


async def run(settings: Settings) -> None:
    """Run until SIGINT or SIGTERM, then finish the tasks under way."""
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    database = Database(settings.database_url)
    preparing = asyncio.create_task(_prepare(settings, database))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({preparing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if stop.is_set():
            preparing.cancel()
            return
        async with build_worker(settings, await preparing, database):
            log.info("worker ready on task queue %r", settings.temporal_task_queue)
            with announce_ready(settings.worker_ready_file):
                await stop.wait()
            log.info("worker stopping: finishing what is under way")
    finally:
        await database.close()


def main() -> None:
    """Start the worker, configured by the environment."""
    settings = load_settings()
    write_json_lines(settings.log_level, ActivityIds())
    collect_garbage_seldom()
    if fork_processes(settings.worker_processes, _GRACE_OF_PROCESSES) > 1:
        # The first process keeps the file: one that ends must not remove it while others poll.
        settings = settings.model_copy(update={"worker_ready_file": None})
    # Faster than asyncio's own loop (docs/performance.md); uvicorn uses it for the API by itself.
    uvloop.run(run(settings))
    # The SDK's native runtime can crash while the interpreter shuts down; all work is done here.
    logging.shutdown()
    os._exit(0)


if __name__ == "__main__":
    main()
