"""Calls to a booking's workflow while a person waits: how many at once, how long, and what they are told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, TypeVar

from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from api.errors import (
    STRIPE_UNAVAILABLE,
    TEMPORAL_UNAVAILABLE,
    WORKER_UNAVAILABLE,
    ProblemError,
    unavailable,
)
from api.outages import mapped_outages, temporal_away
from api.services import Services
from dispatch import client, commands
from dispatch.client import booking_handle
from dispatch.errors import TemporalAwayError, WorkflowGoneError
from dispatch.names import CHECK_PAYMENT, PAYMENT_SESSION, Update
from domain.messages.answers import CommandResult, SessionAnswer, SessionRequest, WorkflowSnapshot
from gateway.errors import REFUSED

Argument = TypeVar("Argument")
Answer = TypeVar("Answer")

OUTCOME_PATIENCE_S: Final = 5
"""How long a caller waits for a decision to come out before it is told to look again."""

STRIPE_PATIENCE_S: Final = 7
_ADMISSION_PATIENCE_S: Final = 3
_COME_BACK_AFTER_S: Final = 3


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


async def await_outcome(services: Services, booking_id: str, command_id: str) -> CommandResult | None:
    """Wait a while for a command to come out.

    Returns:
        None where that could not be learned in time, or the workflow ended before it could answer: the
        row then says more.
    """
    try:
        return await commands.await_outcome(services.temporal, booking_id, command_id, OUTCOME_PATIENCE_S)
    except (TimeoutError, TemporalAwayError):
        return None


async def open_session(services: Services, booking_id: str, request: SessionRequest) -> SessionAnswer:
    """Have a booking's workflow open a Checkout session, or find the one that is open.

    Raises:
        WorkflowGoneError: the booking's workflow has ended.
        ProblemError: 503: Temporal, its workers or Stripe are away.
    """
    async with admitted(services.session_places.of(booking_id)), admitted(services.opening_sessions):
        return await _ask(services, booking_id, PAYMENT_SESSION, request)


async def check_payment(services: Services, booking_id: str, window: int) -> WorkflowSnapshot:
    """Have a booking's workflow ask Stripe how the payment stands; many callers share one question.

    Args:
        window: which few seconds it is. All API processes ask once in them: Temporal knows the question by its id.

    Raises: as `open_session`.
    """

    async def ask() -> WorkflowSnapshot:
        async with admitted(services.checking_payments):
            return await _ask(services, booking_id, CHECK_PAYMENT, id_=f"check:{window}")

    return await services.payment_checks.ask(booking_id, ask)


async def _ask(
    services: Services,
    booking_id: str,
    update: Update[Argument, Answer],
    argument: Argument | None = None,
    *,
    id_: str | None = None,
) -> Answer:
    handle = booking_handle(services.temporal, booking_id)
    try:
        return await update.ask(handle, argument, patience_s=STRIPE_PATIENCE_S, id_=id_)
    except TimeoutError as error:
        raise await _timeout_problem(services) from error
    except TemporalAwayError as error:
        raise temporal_away() from error
    except WorkflowUpdateFailedError as error:
        raise _failed(error) from error


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
    # What is left is Temporal's own word for a workflow that ended while the update waited, and a check that the
    # workflow has no room for in its history: the row answers both.
    return WorkflowGoneError()


def worker_away() -> ProblemError:
    """503: Temporal is there, but nobody works for it."""
    return unavailable(WORKER_UNAVAILABLE, "Nobody is there to work on bookings. Try again.")


async def worker_polls(services: Services) -> bool:
    """Say whether a worker has asked for work lately.

    Raises:
        ProblemError: 503, Temporal is away.
    """
    with mapped_outages():
        return await client.worker_polls(services.temporal, services.task_queue)
