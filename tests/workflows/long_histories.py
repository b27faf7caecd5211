"""Bookings whose history grows long, so that their workflow goes on in a new run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHistory, WorkflowUpdateFailedError
from temporalio.service import RPCError, RPCStatusCode

from dispatch.names import run_continues
from domain.booking import ActorKind
from tests.workflows.booking_driver import BookingDriver
from tests.workflows.harness import WorkflowHarness
from tests.workflows.refusals import CANCEL, CAPTURE, EXPIRE, REFUND, refuse
from tests.workflows.situations import leave_unmatched_payment_stuck
from workflows.options import INPUTS_MOST

_MESSAGES: Final = frozenset(
    {
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED,
        EventType.EVENT_TYPE_TIMER_FIRED,
    }
)


@contextmanager
def run_may_continue() -> Iterator[None]:
    """Let a question be refused because the history is full: the product answers it by the row."""
    try:
        yield
    except RPCError as error:
        # The test server says so of a run that goes on as another in this moment.
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
    except WorkflowUpdateFailedError as error:
        if not run_continues(error):
            raise


async def run_id(booking: BookingDriver) -> str:
    """The run that the booking's workflow is in."""
    found = (await booking.handle.describe()).run_id
    assert found is not None
    return found


async def fill_history(harness: WorkflowHarness, booking: BookingDriver) -> str:
    """Ask how the payment stands until the workflow goes on in its next run; returns the id of the run that ended."""
    before = await run_id(booking)
    for _ in range(INPUTS_MOST):
        if await run_id(booking) != before:
            break
        with run_may_continue():
            await booking.come_back()
    await harness.wait_until_idle()
    assert await run_id(booking) != before, "the run goes on and on"
    return before


async def inputs_left(booking: BookingDriver) -> int:
    """How many more messages make the booking's run full."""
    events = (await booking.handle.fetch_history()).events
    return INPUTS_MOST - sum(event.event_type in _MESSAGES for event in events)


async def history_of(harness: WorkflowHarness, booking: BookingDriver, run: str) -> WorkflowHistory:
    """The history of one run."""
    return await harness.client.get_workflow_handle(booking.handle.id, run_id=run).fetch_history()


# --- a booking in each phase, continued ---


async def continued_while_payment_is_due(harness: WorkflowHarness) -> BookingDriver:
    """A page is open."""
    booking = await harness.submitted()
    await booking.open_page()
    await fill_history(harness, booking)
    return booking


async def continued_with_a_stuck_cancellation(harness: WorkflowHarness) -> BookingDriver:
    """The guest has cancelled, and Stripe would not expire the page."""
    booking = await harness.submitted()
    await booking.open_page()
    await refuse(harness, EXPIRE)
    await booking.cancel()
    await fill_history(harness, booking)
    return booking


async def continued_while_held(harness: WorkflowHarness) -> BookingDriver:
    """There is no decision yet."""
    booking = await harness.held()
    await fill_history(harness, booking)
    return booking


async def continued_with_a_stuck_approval(harness: WorkflowHarness) -> BookingDriver:
    """Stripe would not capture."""
    booking = await harness.held()
    await refuse(harness, CAPTURE)
    await booking.approve()
    await harness.wait_until_idle()
    await fill_history(harness, booking)
    return booking


async def continued_with_a_stuck_decline(harness: WorkflowHarness) -> BookingDriver:
    """The decision deadline is over, and Stripe would not release the hold."""
    booking = await harness.held(approval_sla_s=2 * 3600)
    await refuse(harness, CANCEL)
    await harness.advance(hours=2, minutes=1)
    await fill_history(harness, booking)
    return booking


async def continued_during_the_stay(harness: WorkflowHarness) -> BookingDriver:
    """Confirmed."""
    booking = await harness.confirmed()
    await fill_history(harness, booking)
    return booking


async def continued_with_a_stuck_refund(harness: WorkflowHarness) -> BookingDriver:
    """The guest has cancelled, and Stripe would not refund."""
    booking = await harness.confirmed()
    await refuse(harness, REFUND)
    await booking.cancel(ActorKind.GUEST)
    await harness.wait_until_idle()
    await fill_history(harness, booking)
    return booking


async def continued_after_the_end(harness: WorkflowHarness) -> BookingDriver:
    """Declined, and an unmatched payment is still held."""
    booking = await harness.held()
    await leave_unmatched_payment_stuck(harness, booking)
    await booking.decline()
    await harness.wait_until_idle()
    await fill_history(harness, booking)
    return booking


async def _retried(
    harness: WorkflowHarness, continued: Callable[[WorkflowHarness], Awaitable[BookingDriver]]
) -> BookingDriver:
    booking = await continued(harness)
    await booking.retry()
    return booking


CONTINUED: Final[dict[str, Callable[[WorkflowHarness], Awaitable[BookingDriver]]]] = {
    "continued while payment is due": continued_while_payment_is_due,
    "continued with a stuck cancellation": continued_with_a_stuck_cancellation,
    "continued while held": continued_while_held,
    "continued with a stuck decline": continued_with_a_stuck_decline,
    "continued during the stay": continued_during_the_stay,
    "continued with a stuck approval and retried": partial(
        _retried, continued=continued_with_a_stuck_approval
    ),
    "continued with a stuck refund and retried": partial(_retried, continued=continued_with_a_stuck_refund),
    "continued after the end and retried": partial(_retried, continued=continued_after_the_end),
}
"""By the names under which the histories of their next runs are recorded."""
