"""Temporal's client, and the calls that start our workflows."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    WorkflowHandle,
)
from temporalio.common import (
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.envconfig import ClientConfig
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RetryConfig

from domain.booking import Status
from domain.identifiers import workflow_id
from domain.messages import BookingTerms, BookingView
from domain.money import Money
from workflows import options
from workflows.booking import BookingWorkflow
from workflows.maintenance import SweepWorkflow
from workflows.reconcile import ReconcileWorkflow

SWEEP_SCHEDULE: Final = "sweep"
SWEEP_EVERY: Final = timedelta(minutes=1)
RECONCILE_SCHEDULE: Final = "reconcile"
RECONCILE_EVERY: Final = timedelta(minutes=15)
RPC_PATIENCE_MS: Final = 2000
"""How long one call is retried inside the client before its caller hears that Temporal is away."""


async def connect(*, address: str, namespace: str, api_key: str | None, lazy: bool = False) -> Client:
    """Connect to Temporal, filling what is not given from the SDK's own profile variables.

    Args:
        address: `host:port` of the frontend.
        namespace: the namespace.
        api_key: key for Temporal Cloud, if any; TLS is then switched on.
        lazy: connect on first use, so that a process can start while Temporal is away.

    Raises:
        RuntimeError: Temporal is away (not when `lazy`).
    """
    config = ClientConfig.load_client_connect_config()
    config.update({"target_host": address, "namespace": namespace})
    if api_key:
        config["api_key"] = api_key
        config.setdefault("tls", True)
    retry = RetryConfig(
        initial_interval_millis=100, max_interval_millis=500, max_elapsed_time_millis=RPC_PATIENCE_MS
    )
    return await Client.connect(**config, retry_config=retry, lazy=lazy)


async def start_booking(
    client: Client, terms: BookingTerms, task_queue: str, *, after_loss: bool = False
) -> WorkflowHandle[BookingWorkflow, BookingView]:
    """Start a booking's workflow; if it was started before, running or ended, that one is meant.

    Args:
        after_loss: start one anew where the former is closed. The caller has made sure that it was lost, not
            completed. Implied by terms with a `resume`.
    """
    total = Money(terms.amount_minor, terms.currency)
    status = terms.resume.status if terms.resume else Status.PENDING_PAYMENT
    anew = after_loss or terms.resume is not None
    reuse = WorkflowIDReusePolicy.ALLOW_DUPLICATE if anew else WorkflowIDReusePolicy.REJECT_DUPLICATE
    try:
        return await client.start_workflow(
            BookingWorkflow.run,
            terms,
            id=workflow_id(terms.booking_id),
            task_queue=task_queue,
            id_reuse_policy=reuse,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            search_attributes=TypedSearchAttributes(
                [
                    SearchAttributePair(options.HOTEL_SLUG, terms.hotel_slug),
                    SearchAttributePair(options.BOOKING_STATUS, status),
                    SearchAttributePair(options.NEEDS_ATTENTION, False),
                ]
            ),
            static_summary=f"{terms.hotel_slug}: {total} {terms.currency}",
            static_details=f"Check-in {terms.check_in_at:%Y-%m-%d %H:%M} UTC",
        )
    except WorkflowAlreadyStartedError:
        return booking_handle(client, terms.booking_id)


def booking_handle(client: Client, booking_id: str) -> WorkflowHandle[BookingWorkflow, BookingView]:
    """A booking's workflow, whether or not there is one."""
    return client.get_workflow_handle_for(BookingWorkflow.run, workflow_id(booking_id))


async def ensure_schedules(client: Client, task_queue: str) -> None:
    """Create the schedules of the sweep and of reconciliation, unless they are there."""
    await _ensure_schedule(client, SWEEP_SCHEDULE, SweepWorkflow, SWEEP_EVERY, task_queue)
    await _ensure_schedule(client, RECONCILE_SCHEDULE, ReconcileWorkflow, RECONCILE_EVERY, task_queue)


async def _ensure_schedule(
    client: Client, id_: str, workflow: type, every: timedelta, task_queue: str
) -> None:
    schedule = Schedule(
        action=ScheduleActionStartWorkflow(workflow.__name__, id=id_, task_queue=task_queue),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=every)]),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP),
    )
    try:
        await client.create_schedule(id_, schedule)
    except ScheduleAlreadyRunningError:
        return
