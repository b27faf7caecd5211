"""Scenarios of money that was paid elsewhere, cancellations that were withdrawn, and refunds that came back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from tests.workflows.booking_driver import BookingDriver
from tests.workflows.harness import WorkflowHarness
from tests.workflows.hotels import TOTAL_MINOR
from tests.workflows.situations import captured_in_part, fail_newest_refund, unrefunded

RETURNED_REFUND: Final = "returned refund made anew after the end"


async def _paid_elsewhere(harness: WorkflowHarness) -> BookingDriver:
    booking, _ = await unrefunded(harness)
    await booking.resolve(paid_elsewhere_minor=5000)
    await booking.resolve(paid_elsewhere_minor=TOTAL_MINOR - 5000)
    return booking


async def _withdrawn(harness: WorkflowHarness) -> BookingDriver:
    booking, _ = await unrefunded(harness)
    await booking.resolve(withdraw=True, note="Please call us.")
    return booking


async def _mismatch_paid_elsewhere(harness: WorkflowHarness) -> BookingDriver:
    booking = await captured_in_part(harness)
    await booking.resolve(paid_elsewhere_minor=5000)
    return booking


async def _returned_and_made_anew(harness: WorkflowHarness) -> BookingDriver:
    booking = await harness.confirmed()
    rule = f"RCPT {booking.guest_email}"
    await harness.stand_ins.mail.order(rule, "error_before", status=550, times=None)
    await booking.cancel()
    await harness.webhooks.deliver()
    await harness.wait_until_idle()
    await fail_newest_refund(harness, booking)
    await harness.stand_ins.mail.clear_faults()
    await booking.retry()
    return booking


RESOLVED: Final[Mapping[str, Callable[[WorkflowHarness], Awaitable[BookingDriver]]]] = {
    "refund stuck and paid elsewhere": _paid_elsewhere,
    "cancellation withdrawn": _withdrawn,
    "captured in part and paid elsewhere": _mismatch_paid_elsewhere,
    "returned refund made anew": _returned_and_made_anew,
}
