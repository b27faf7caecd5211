"""Calls to a booking's workflow while a person waits: their number at once, their time limits and their errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
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
from api.views import BookingDetails
from dispatch import client
from dispatch.client import booking_handle
from dispatch.errors import TemporalAwayError, WorkflowGoneError
from dispatch.names import CHECK_PAYMENT, PAYMENT_SESSION, Update
from domain.decisions import CommandOutcome
from domain.messages.answers import SessionAnswer, SessionRequest, WorkflowSnapshot
from gateway.errors import REFUSED
from models import Booking
from storage.courses import booking_once_answered
from storage.database import DATABASE_ERRORS

Argument = TypeVar("Argument")
Answer = TypeVar("Answer")

OUTCOME_PATIENCE_S: Final = 5
"""The time a caller waits for a decision's outcome before it is told to look again."""

_LOOK_AFTER_S: Final = 0.06
_LOOK_EVERY_S: Final = 0.5
STRIPE_PATIENCE_S: Final = 7
_ADMISSION_PATIENCE_S: Final = 10
# A question's id is fixed before its wait: with the other doors' patience, callers of later windows, and of other
# processes, would be given an answer that is ten seconds old.
_CHECK_ADMISSION_PATIENCE_S: Final = 3
_COME_BACK_AFTER_S: Final = 3


@asynccontextmanager
async def admitted(
    *places: asyncio.Semaphore, patience_s: float = _ADMISSION_PATIENCE_S
) -> AsyncIterator[None]:
    """Admit a guest to wait for the workflow while few enough others wait, in the order of their arrival.

    With more guests than can be served within their patience, the answers would come after their callers have left.
    One who waits costs nothing; one who is refused comes back and costs another request. Decisions and webhooks need
    no admission: they concern guests who were admitted before.

    Args:
        places: one of each is taken, in this order, and all within the same patience.
        patience_s: seconds to wait for them.

    Raises:
        ProblemError: 503, too many guests are waiting.
    """
    async with AsyncExitStack() as taken:
        try:
            async with asyncio.timeout(patience_s):
                for each in places:
                    await taken.enter_async_context(each)
        except TimeoutError:
            detail = "Too many bookings are being made at this moment. Try again."
            raise unavailable(TEMPORAL_UNAVAILABLE, detail, _COME_BACK_AFTER_S) from None
        yield


async def await_outcome(
    services: Services, booking: Booking, command_id: str
) -> tuple[BookingDetails, CommandOutcome | None] | None:
    """Wait a while for a decision's outcome, which its workflow writes together with the change.

    An update of the workflow would answer a few milliseconds earlier, and cost it another task.

    Args:
        booking: its row, as it was when the decision was sent.

    Returns:
        The booking with the outcome, or without one if it needs attention since: the row then says more. None if there
        was no news in time.
    """
    pause_s = _LOOK_AFTER_S
    with suppress(*DATABASE_ERRORS):
        async with asyncio.timeout(OUTCOME_PATIENCE_S):
            while True:
                await asyncio.sleep(pause_s)
                pause_s = min(1.5 * pause_s, _LOOK_EVERY_S)
                async with services.database.reading() as db:
                    answered = await booking_once_answered(db, command_id, booking)
                if answered is not None:
                    found, outcome = answered
                    return BookingDetails(*found), CommandOutcome(outcome) if outcome else None
    return None


async def open_session(services: Services, booking_id: str, request: SessionRequest) -> SessionAnswer:
    """Have a booking's workflow open a Checkout session, or return the open one.

    Raises:
        WorkflowGoneError: the booking's workflow has ended.
        ProblemError: 503: Temporal, its workers or Stripe are away.
    """
    async with admitted(services.session_places.of(booking_id), services.opening_sessions):
        return await _ask(services, booking_id, PAYMENT_SESSION, request)


async def check_payment(services: Services, booking_id: str, window: int) -> WorkflowSnapshot:
    """Have a booking's workflow read the payment from Stripe; many callers share one read.

    Args:
        window: the number of the present window of a few seconds. All API processes ask once in it: Temporal
            recognizes the question by its id.

    Raises: as `open_session`.
    """

    async def ask() -> WorkflowSnapshot:
        async with admitted(services.checking_payments, patience_s=_CHECK_ADMISSION_PATIENCE_S):
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
    """The reason why an update was not answered in time."""
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
    # The rest is Temporal's own error for a workflow that ended while the update waited, and a check that the
    # workflow has no room for in its history: the row answers both.
    return WorkflowGoneError()


def worker_away() -> ProblemError:
    """503: Temporal answers, but no worker does."""
    return unavailable(WORKER_UNAVAILABLE, "No worker is available for bookings at the moment. Try again.")


async def worker_polls(services: Services) -> bool:
    """Say whether a worker has asked for work lately.

    Raises:
        ProblemError: 503, Temporal is away.
    """
    with mapped_outages():
        return await client.worker_polls(services.temporal, services.task_queue)
