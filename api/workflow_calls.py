"""Calls to a booking's workflow. A signal is the command; an update only observes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import (
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from activities.stripe_client import REFUSED
from api.errors import (
    STRIPE_UNAVAILABLE,
    TEMPORAL_UNAVAILABLE,
    WORKER_UNAVAILABLE,
    ProblemError,
    unavailable,
)
from api.outages import TEMPORAL_PATIENCE_S, WorkflowGoneError, temporal_errors
from api.services import Services
from dispatch.client import booking_handle, start_booking
from dispatch.names import AWAIT_OUTCOME, CHECK_PAYMENT, DECISION_SIGNALS, PAYMENT_SESSION
from domain.booking import Decision
from domain.messages.answers import CommandResult, SessionAnswer, SessionRequest, WorkflowSnapshot
from domain.messages.signals import Command
from domain.messages.starts import BookingTerms

Answer = TypeVar("Answer")

OUTCOME_PATIENCE_S: Final = 5
"""How long a caller waits for a decision to come out before it is told to look again."""

STRIPE_PATIENCE_S: Final = 7
_ADMISSION_PATIENCE_S: Final = 3
_COME_BACK_AFTER_S: Final = 3
_CROWDED_PAUSE_S: Final = 0.2

# A worker asks for work again at least once a minute; who has not is gone, though Temporal still lists it.
_POLLED_WITHIN_S: Final = 75


@asynccontextmanager
async def admitted(limit: asyncio.Semaphore) -> AsyncIterator[None]:
    """Let a guest in to wait for the engine, when few enough are in.

    With more of them at once than can be served in their patience, all the work would go into answers nobody waits for
    any more. Decisions and webhooks pass by this door: they are of guests who were let in.

    Raises:
        ProblemError: 503, too many are before this one.
    """
    try:
        async with asyncio.timeout(_ADMISSION_PATIENCE_S):
            await limit.acquire()
    except TimeoutError:
        detail = "Too many bookings are being made at this moment. Try again."
        raise unavailable(TEMPORAL_UNAVAILABLE, detail, _COME_BACK_AFTER_S) from None
    try:
        yield
    finally:
        limit.release()


async def start(services: Services, terms: BookingTerms) -> None:
    """Start a booking's workflow; one that was started before stays as it is.

    Raises:
        ProblemError: 503, Temporal is away.
    """
    with temporal_errors():
        async with asyncio.timeout(TEMPORAL_PATIENCE_S):
            await start_booking(services.temporal, terms, services.task_queue)


async def send_decision(services: Services, booking_id: str, decision: Decision, command: Command) -> None:
    """Signal a decision. Once this returns, the decision is safe whatever happens.

    Raises:
        WorkflowGoneError: the booking's workflow has ended.
        ProblemError: 503, Temporal is away.
    """
    with temporal_errors():
        async with asyncio.timeout(TEMPORAL_PATIENCE_S):
            await DECISION_SIGNALS[decision].send(booking_handle(services.temporal, booking_id), command)


async def await_outcome(services: Services, booking_id: str, command_id: str) -> CommandResult | None:
    """Wait a while for a command to come out.

    Returns:
        None where that could not be learned in time, or the workflow ended before it could answer: the
        row then says more.
    """
    handle = booking_handle(services.temporal, booking_id)
    try:
        async with asyncio.timeout(OUTCOME_PATIENCE_S):
            while True:
                try:
                    return await AWAIT_OUTCOME.ask(handle, command_id, id_=f"outcome:{command_id}")
                except RPCError as error:
                    if error.status is not RPCStatusCode.RESOURCE_EXHAUSTED:
                        return None
                # Temporal lets ten callers wait on one workflow at a time.
                await asyncio.sleep(_CROWDED_PAUSE_S)
    except (TimeoutError, RuntimeError, WorkflowUpdateRPCTimeoutOrCancelledError, WorkflowUpdateFailedError):
        return None


async def open_session(services: Services, booking_id: str, request: SessionRequest) -> SessionAnswer:
    """Have a payment page opened, or the open one found.

    Raises:
        WorkflowGoneError: the booking's workflow has ended.
        ProblemError: 503: Temporal, its workers or Stripe are away.
    """
    handle = booking_handle(services.temporal, booking_id)
    return await _ask_stripe(services, lambda: PAYMENT_SESSION.ask(handle, request))


async def check_payment(services: Services, booking_id: str) -> WorkflowSnapshot:
    """Have Stripe asked how the booking's payment stands, and the booking moved to where it belongs.

    Raises:
        WorkflowGoneError: the booking's workflow has ended.
        ProblemError: 503: Temporal, its workers or Stripe are away.
    """
    handle = booking_handle(services.temporal, booking_id)
    return await _ask_stripe(services, lambda: CHECK_PAYMENT.ask(handle))


async def _ask_stripe(services: Services, update: Callable[[], Coroutine[Any, Any, Answer]]) -> Answer:
    try:
        async with admitted(services.asking_stripe):
            with temporal_errors():
                async with asyncio.timeout(STRIPE_PATIENCE_S):
                    return await _retry_while_crowded(update)
    except ProblemError as error:
        if isinstance(error.__cause__, TimeoutError | WorkflowUpdateRPCTimeoutOrCancelledError):
            raise await _timeout_problem(services) from error
        raise
    except WorkflowUpdateFailedError as error:
        raise _failed(error) from error


async def _retry_while_crowded(update: Callable[[], Coroutine[Any, Any, Answer]]) -> Answer:
    while True:
        try:
            return await update()
        except RPCError as error:
            if error.status is not RPCStatusCode.RESOURCE_EXHAUSTED:
                raise
        await asyncio.sleep(_CROWDED_PAUSE_S)


async def _timeout_problem(services: Services) -> ProblemError:
    """Why an update was not answered in time."""
    if not await worker_polls(services):
        return worker_away()
    return unavailable(STRIPE_UNAVAILABLE, "Stripe has not answered in time. Try again.")


def _failed(error: WorkflowUpdateFailedError) -> Exception:
    cause = error.cause
    if isinstance(cause, ApplicationError) and cause.type == STRIPE_UNAVAILABLE:
        return unavailable(STRIPE_UNAVAILABLE, "Stripe cannot be reached. Try again.")
    if isinstance(cause, ApplicationError) and cause.type == REFUSED:
        detail = "Stripe refused the request. If another attempt fails too, tell the hotel."
        return unavailable(STRIPE_UNAVAILABLE, detail)
    # What is left is Temporal's own word for a workflow that ended while the update waited.
    return WorkflowGoneError()


def worker_away() -> ProblemError:
    """503: Temporal is there, but nobody works for it."""
    return unavailable(WORKER_UNAVAILABLE, "Nobody is there to work on bookings. Try again.")


async def worker_polls(services: Services) -> bool:
    """Say whether a worker has asked for work lately.

    Raises:
        ProblemError: 503, Temporal is away.
    """
    request = DescribeTaskQueueRequest(
        namespace=services.temporal.namespace,
        task_queue=TaskQueue(name=services.task_queue),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    )
    with temporal_errors():
        async with asyncio.timeout(TEMPORAL_PATIENCE_S):
            answer = await services.temporal.workflow_service.describe_task_queue(request, retry=True)
    since = time.time() - _POLLED_WITHIN_S
    return any(poller.last_access_time.ToSeconds() > since for poller in answer.pollers)
