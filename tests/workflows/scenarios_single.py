"""Scenarios of single bookings beside the usual paths, each written once and recorded."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import update
from sqlmodel import col

from domain.booking import Decision
from models import Booking
from tests.workflows.booking_driver import BookingDriver
from tests.workflows.harness import WorkflowHarness
from tests.workflows.hotels import TOTAL_MINOR, sell_elsewhere
from tests.workflows.long_histories import CONTINUED
from tests.workflows.refusals import CANCEL, CAPTURE, EXPIRE, READ_PAGE, REFUND, refuse
from tests.workflows.scenarios_resolved import RESOLVED
from tests.workflows.situations import (
    cancelled_while_the_approval_is_written,
    captured_in_part_unheard,
    held_and_mail_refused,
    leave_unmatched_payment_stuck,
    notice_refused,
)

ENDED_BOOKING_PAYMENT: Final = "unmatched payment"
SWEEP: Final = "sweep"
SWEEP_INCOMPLETE: Final = "sweep that Stripe refuses the list of events"
RECONCILE: Final = "reconcile"
"""The one history that is not a booking's own."""


@dataclass(frozen=True)
class SingleScenario:
    """One booking's story.

    Args:
        run: lets it happen, and returns the booking.
    """

    name: str
    run: Callable[[WorkflowHarness], Awaitable[BookingDriver]]


def file_name(name: str) -> str:
    """Under which name the history of a path or tale is kept."""
    return name.lower().replace(" ", "-").replace(":", "")


async def _stuck_approval(harness: WorkflowHarness) -> BookingDriver:
    booking = await harness.held()
    await refuse(harness, CAPTURE)
    await booking.approve()
    await harness.wait_until_idle()
    return booking


async def _retried_approval(harness: WorkflowHarness) -> BookingDriver:
    booking = await _stuck_approval(harness)
    await booking.retry()
    return booking


async def _resolved_approval(harness: WorkflowHarness) -> BookingDriver:
    booking = await _stuck_approval(harness)
    await booking.resolve()
    await booking.decline()
    return booking


async def _retried_refund(harness: WorkflowHarness) -> BookingDriver:
    booking = await harness.confirmed()
    await refuse(harness, REFUND)
    await booking.cancel()
    await harness.wait_until_idle()
    await booking.retry()
    return booking


async def _cancelled(harness: WorkflowHarness) -> BookingDriver:
    """Unlike in the path of that name, it is known when the guest asked."""
    booking = await harness.confirmed()
    await booking.cancel()
    return booking


async def _stored_failure(harness: WorkflowHarness) -> BookingDriver:
    """Stripe keeps a 500 under the capture's key, so that the next attempt needs another one."""
    booking = await harness.held()
    await harness.stripe.order(CAPTURE, "error_before", status=500)
    command_id = await booking.send(Decision.APPROVE)
    approval = harness.later(booking.outcome(command_id))
    await harness.advance(minutes=10)
    await approval
    return booking


async def _refunded_in_the_dashboard(harness: WorkflowHarness) -> BookingDriver:
    booking = await harness.confirmed()
    await booking.dashboard("refund", {"amount": 2000})
    await harness.webhooks.deliver()
    return booking


async def _captured_and_refunded_in_the_dashboard(harness: WorkflowHarness) -> BookingDriver:
    booking = await harness.held()
    await booking.dashboard("capture")
    await booking.dashboard("refund")
    await harness.webhooks.deliver()
    return booking


async def _disputed(harness: WorkflowHarness) -> BookingDriver:
    booking = await harness.confirmed()
    await booking.dispute()
    await harness.webhooks.deliver()
    return booking


async def _stuck_before_paying(harness: WorkflowHarness) -> BookingDriver:
    booking = await harness.submitted()
    await booking.open_page()
    await refuse(harness, EXPIRE)
    await booking.cancel()
    await harness.wait_until_idle()
    return booking


async def _paid_after_stuck_cancellation(harness: WorkflowHarness) -> BookingDriver:
    booking = await _stuck_before_paying(harness)
    await booking.come_back()
    await booking.open_page()
    await booking.pay()
    await harness.webhooks.deliver()
    return booking


async def _stuck_while_held(harness: WorkflowHarness) -> BookingDriver:
    booking = await harness.held()
    await refuse(harness, CANCEL)
    await booking.cancel()
    await harness.wait_until_idle()
    return booking


async def _approved_after_stuck_cancellation(harness: WorkflowHarness) -> BookingDriver:
    booking = await _stuck_while_held(harness)
    await booking.approve()
    return booking


async def _resolved_after_stuck_cancellation(harness: WorkflowHarness) -> BookingDriver:
    booking = await _stuck_while_held(harness)
    await booking.resolve()
    return booking


async def _released_in_the_dashboard_after_stuck_cancellation(harness: WorkflowHarness) -> BookingDriver:
    booking = await _stuck_while_held(harness)
    await booking.dashboard("cancel")
    await harness.webhooks.deliver()
    return booking


async def _refunded_after_its_first_look(harness: WorkflowHarness) -> BookingDriver:
    booking = await captured_in_part_unheard(harness)
    await harness.stand_ins.clear_faults()
    await booking.retry()
    return booking


async def _refused_mail_sent_with_the_decline(harness: WorkflowHarness) -> BookingDriver:
    booking = await held_and_mail_refused(harness)
    await booking.decline()
    return booking


async def _notice_sent_by_retry(harness: WorkflowHarness) -> BookingDriver:
    booking = await notice_refused(harness)
    await harness.stand_ins.mail.clear_faults()
    await booking.retry()
    return booking


async def _paid_beside_the_page(harness: WorkflowHarness) -> BookingDriver:
    """Someone pays a wrong amount elsewhere, and nobody pays on the booking's own page."""
    booking = await harness.submitted()
    await booking.open_page()
    await booking.fill_in(await booking.unnoted_page(amount_minor=TOTAL_MINOR - 1))
    await harness.webhooks.deliver()
    return booking


async def _unmatched_payment_retried_once_held(harness: WorkflowHarness) -> BookingDriver:
    booking = await harness.submitted()
    await leave_unmatched_payment_stuck(harness, booking, amount_minor=TOTAL_MINOR - 1)
    await booking.place_hold()
    await booking.retry()
    return booking


async def _unmatched_payment_retried_after_the_end(harness: WorkflowHarness) -> BookingDriver:
    booking = await harness.held()
    await leave_unmatched_payment_stuck(harness, booking)
    await booking.decline()
    await harness.wait_until_idle()
    await booking.retry()
    return booking


async def _unmatched_payment_retried_during_the_stay(harness: WorkflowHarness) -> BookingDriver:
    booking = await harness.confirmed()
    await leave_unmatched_payment_stuck(harness, booking)
    await leave_unmatched_payment_stuck(harness, booking)
    await refuse(harness, CANCEL)
    await booking.retry()
    await harness.wait_until_idle()
    await booking.retry()
    return booking


async def _page_not_told_about(harness: WorkflowHarness) -> BookingDriver:
    """Stripe refuses once to say what became of the page; the guest pays later."""
    booking = await harness.submitted(payment_poll_s=1800)
    await booking.open_page()
    await refuse(harness, READ_PAGE)
    await harness.advance(minutes=65)
    await booking.pay()
    await harness.webhooks.deliver()
    return booking


async def _written_by_another_program(harness: WorkflowHarness) -> BookingDriver:
    booking = await harness.confirmed()
    async with harness.database.transaction() as db:
        mine = col(Booking.booking_id) == booking.booking_id
        await db.execute(update(Booking).where(mine).values(version=9))
    await booking.dashboard("refund", {"amount": 1000})
    await harness.webhooks.deliver()
    await harness.advance(minutes=5)
    await booking.retry()
    harness.excused = "M6"  # whoever wrote the row left no timeline
    return booking


async def _lost_and_given_back(harness: WorkflowHarness) -> BookingDriver:
    """With an approval it had not carried out, and a mail that was refused once; the history is the next one's."""
    booking = await held_and_mail_refused(harness)
    await booking.lose_workflow()
    await booking.keep(Decision.APPROVE)
    await booking.give_back_workflow()
    return booking


async def _overtaken_cancellation(harness: WorkflowHarness) -> BookingDriver:
    booking, _ = await cancelled_while_the_approval_is_written(harness)
    return booking


async def _sold_out_and_retried(harness: WorkflowHarness) -> BookingDriver:
    """No room was left, and Stripe refuses to release the hold at first."""
    booking = await _unpaid(harness)
    await sell_elsewhere(harness.database, await booking.row())
    await booking.pay()
    await refuse(harness, CANCEL)
    await harness.webhooks.deliver()
    await harness.wait_until_idle()
    await booking.retry()
    return booking


async def _unpaid(harness: WorkflowHarness) -> BookingDriver:
    booking = await harness.submitted()
    await booking.open_page()
    return booking


OPEN_SCENARIOS: Final = (
    SingleScenario("open: waits for its payment", _unpaid),
    SingleScenario("open: waits for a decision", WorkflowHarness.held),
    SingleScenario("open: waits for check-in", WorkflowHarness.confirmed),
)
"""Recorded as they stand, with nothing coming after."""

SINGLE_SCENARIOS: Final = (
    SingleScenario("approval stuck and retried", _retried_approval),
    SingleScenario("approval stuck and resolved", _resolved_approval),
    SingleScenario("refund stuck and retried", _retried_refund),
    SingleScenario("cancelled as of when it was asked", _cancelled),
    SingleScenario("capture failed once at Stripe", _stored_failure),
    SingleScenario("refunded in part in the Dashboard", _refunded_in_the_dashboard),
    SingleScenario("captured and refunded in the Dashboard", _captured_and_refunded_in_the_dashboard),
    SingleScenario("disputed after confirmation", _disputed),
    SingleScenario("cancellation stuck before paying", _stuck_before_paying),
    SingleScenario("cancellation stuck before paying and paid", _paid_after_stuck_cancellation),
    SingleScenario("cancellation stuck while held", _stuck_while_held),
    SingleScenario("cancellation stuck while held and approved", _approved_after_stuck_cancellation),
    SingleScenario("cancellation stuck while held and resolved", _resolved_after_stuck_cancellation),
    SingleScenario(
        "cancellation stuck while held and released in the Dashboard",
        _released_in_the_dashboard_after_stuck_cancellation,
    ),
    SingleScenario("refund stuck at the first look and retried", _refunded_after_its_first_look),
    SingleScenario("notice refused while payment is due and retried", _notice_sent_by_retry),
    SingleScenario("mail refused and sent with the decline", _refused_mail_sent_with_the_decline),
    SingleScenario("cancellation overtaken by the approval", _overtaken_cancellation),
    SingleScenario("paid beside the page", _paid_beside_the_page),
    SingleScenario("page not told about", _page_not_told_about),
    SingleScenario("unmatched payment stuck and retried once held", _unmatched_payment_retried_once_held),
    SingleScenario(
        "unmatched payment stuck and retried after the end", _unmatched_payment_retried_after_the_end
    ),
    SingleScenario(
        "unmatched payment stuck and retried during the stay", _unmatched_payment_retried_during_the_stay
    ),
    SingleScenario("row written by somebody else and retried", _written_by_another_program),
    SingleScenario("lost and given back", _lost_and_given_back),
    *(SingleScenario(name, run) for name, run in {**CONTINUED, **RESOLVED}.items()),
    SingleScenario("no room left and the release stuck and retried", _sold_out_and_retried),
    *OPEN_SCENARIOS,
)
"""Recorded once each, by their names."""
