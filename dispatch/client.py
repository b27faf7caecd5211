"""Temporal's client, and starting a booking's workflow."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Any, Final

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowHandle,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
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

from dispatch import ui_texts
from dispatch.errors import WorkflowGoneError, temporal_call, temporal_errors
from dispatch.message_converter import DATA_CONVERTER
from dispatch.names import (
    AWAIT_OUTCOME,
    BOOKING_STATUS,
    BOOKING_WORKFLOW,
    HOTEL_SLUG,
    NEEDS_ATTENTION,
    outcome_id,
)
from domain.booking import Status
from domain.identifiers import workflow_id
from domain.messages.answers import CommandResult, WorkflowSnapshot
from domain.messages.starts import SUBMIT_COMMAND, BookingTerms

RPC_PATIENCE_MS: Final = 2000
"""How long one call is retried inside the client before its caller hears that Temporal is away."""

# A worker polls at least once a minute. One that has not polled is gone, though Temporal still lists it.
_POLLED_WITHIN_S: Final = 75


async def connect(*, address: str, namespace: str, api_key: str | None, lazy: bool = False) -> Client:
    """Connect to Temporal; the SDK's own profile variables fill in values that are not given.

    Args:
        address: `host:port` of the frontend.
        namespace: the namespace.
        api_key: key for Temporal Cloud, if any; it switches TLS on.
        lazy: connect on first use, so that a process can start while Temporal is away.

    Raises:
        TemporalAwayError: Temporal is away (not when `lazy`).
    """
    config = ClientConfig.load_client_connect_config()
    config.update({"target_host": address, "namespace": namespace})
    if api_key:
        config["api_key"] = api_key
        config.setdefault("tls", True)
    retry = RetryConfig(
        initial_interval_millis=100, max_interval_millis=500, max_elapsed_time_millis=RPC_PATIENCE_MS
    )
    with temporal_errors():
        return await Client.connect(**config, data_converter=DATA_CONVERTER, retry_config=retry, lazy=lazy)


async def start_booking(
    client: Client, terms: BookingTerms, task_queue: str, *, after_loss: bool = False
) -> WorkflowHandle[Any, WorkflowSnapshot]:
    """Start a booking's workflow; does nothing if it was started before, whether it runs or has ended.

    Args:
        after_loss: start a new run if the former one is closed. The caller has made sure that the former run was
        lost, not completed. Terms with a `resume` imply it.

    Raises:
        TemporalAwayError: the workflow may or may not have been started.
    """
    anew = after_loss or terms.resume is not None
    reuse = WorkflowIDReusePolicy.ALLOW_DUPLICATE if anew else WorkflowIDReusePolicy.REJECT_DUPLICATE
    try:
        async with temporal_call():
            return await client.start_workflow(
                BOOKING_WORKFLOW,
                terms,
                id_reuse_policy=reuse,
                result_type=WorkflowSnapshot,
                **_start_options(terms, task_queue),
            )
    except WorkflowAlreadyStartedError:
        return booking_handle(client, terms.booking_id)


async def submit_booking(client: Client, terms: BookingTerms, task_queue: str, *, patience_s: float) -> None:
    """Start a booking's workflow and wait for its submission, in one request: the first workflow task answers it.

    A workflow that was started before, whether it runs or has ended, stays as it is.

    Args:
        patience_s: seconds to wait.

    Raises:
        TimeoutError: no answer in time. The workflow may have been started, and then submits the booking later.
        TemporalAwayError: Temporal is away, or refuses. The workflow may have been started all the same.
    """
    start: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
        BOOKING_WORKFLOW,
        terms,
        id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
        **_start_options(terms, task_queue),
    )
    try:
        with (
            suppress(WorkflowAlreadyStartedError, WorkflowGoneError, WorkflowUpdateFailedError),
            temporal_errors(),
        ):
            async with asyncio.timeout(patience_s):
                await client.execute_update_with_start_workflow(
                    AWAIT_OUTCOME.name,
                    SUBMIT_COMMAND,
                    start_workflow_operation=start,
                    id=outcome_id(SUBMIT_COMMAND),
                    result_type=CommandResult,
                )
    except WorkflowUpdateRPCTimeoutOrCancelledError as error:
        raise TimeoutError("no answer in time") from error


def _start_options(terms: BookingTerms, task_queue: str) -> dict[str, Any]:
    status = terms.resume.status if terms.resume else Status.PENDING_PAYMENT
    return {
        "id": workflow_id(terms.booking_id),
        "task_queue": task_queue,
        "id_conflict_policy": WorkflowIDConflictPolicy.USE_EXISTING,
        "search_attributes": TypedSearchAttributes(
            [
                SearchAttributePair(HOTEL_SLUG, terms.hotel_slug),
                SearchAttributePair(BOOKING_STATUS, status),
                SearchAttributePair(NEEDS_ATTENTION, False),
            ]
        ),
        "static_summary": ui_texts.booking_summary(terms),
        "static_details": ui_texts.booking_start_details(terms),
    }


def booking_handle(client: Client, booking_id: str) -> WorkflowHandle[Any, WorkflowSnapshot]:
    """A handle on a booking's workflow; the workflow need not exist."""
    return client.get_workflow_handle(workflow_id(booking_id), result_type=WorkflowSnapshot)


async def worker_polls(client: Client, task_queue: str) -> bool:
    """Whether a worker has polled the task queue lately.

    Raises:
        TemporalAwayError: Temporal did not answer.
    """
    request = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=task_queue),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    )
    async with temporal_call():
        answer = await client.workflow_service.describe_task_queue(request, retry=True)
    since = time.time() - _POLLED_WITHIN_S
    return any(poller.last_access_time.ToSeconds() > since for poller in answer.pollers)
