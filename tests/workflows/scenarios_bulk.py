"""Ways a booking can go, each taken by many bookings at once, whatever fails on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from temporalio.client import WorkflowUpdateFailedError

from dispatch.client import start_booking
from domain.booking import ActorKind, Decision, Status
from domain.messages.starts import SUBMIT_COMMAND
from tests.workflows.booking_driver import GOOD_CARD, BookingDriver
from tests.workflows.harness import WorkflowHarness
from tests.workflows.hotels import sell_elsewhere

_PATIENCE = timedelta(minutes=12)
"""Longer than any two faults and the pauses after them."""

BookingDrivers = Sequence[BookingDriver]


@dataclass(frozen=True)
class BulkScenario:
    """One way.

    Args:
        terms: what its bookings are submitted with.
        drive: what happens after the submission.
        ends: where they may end; faults must not lead anywhere else.
    """

    name: str
    drive: Callable[[WorkflowHarness, BookingDrivers], Awaitable[None]]
    ends: frozenset[Status]
    terms: dict[str, Any]

    async def run(
        self, harness: WorkflowHarness, count: int, arm: Callable[[int, BookingDriver], Awaitable[None]]
    ) -> BookingDrivers:
        """Let `count` bookings go this way at once.

        Args:
            arm: called for each before anything happens to it; orders its faults.
        """
        bookings = [await harness.draft(**self.terms) for _ in range(count)]
        for number, booking in enumerate(bookings):
            await arm(number, booking)
        await _each(
            bookings, lambda booking: start_booking(harness.client, booking.terms, harness.task_queue)
        )
        submitted = [harness.later(booking.outcome(SUBMIT_COMMAND)) for booking in bookings]
        await harness.advance_to(await harness.now() + _PATIENCE)
        await asyncio.gather(*submitted)
        await self.drive(harness, bookings)
        await harness.advance_to(await harness.now() + _PATIENCE)
        return bookings


async def no_faults(_number: int, _booking: BookingDriver) -> None:
    """Nothing goes wrong for this one."""


async def _each(bookings: BookingDrivers, act: Callable[[BookingDriver], Awaitable[Any]]) -> None:
    await asyncio.gather(*(act(booking) for booking in bookings))


async def _pages(harness: WorkflowHarness, bookings: BookingDrivers) -> None:
    """Every guest opens the page, and asks again where that failed."""
    for _ in range(4):
        left = [booking for booking in bookings if booking.payment_url is None]
        if not left:
            return
        openings = [harness.later(_try(booking.open_page())) for booking in left]
        await harness.advance(seconds=60)
        await asyncio.gather(*openings)
    missing = [booking.booking_id for booking in bookings if booking.payment_url is None]
    assert not missing, f"the payment page never opened for {missing}"


async def _try(call: Awaitable[Any]) -> None:
    try:
        await call
    except WorkflowUpdateFailedError:
        return


async def _held(harness: WorkflowHarness, bookings: BookingDrivers, hold_s: int | None = None) -> None:
    await _pages(harness, bookings)
    await _each(bookings, lambda booking: booking.pay(GOOD_CARD, hold_s=hold_s))
    await harness.advance_to(await harness.now() + _PATIENCE)


async def _decided(
    harness: WorkflowHarness, bookings: BookingDrivers, decision: Decision, actor: ActorKind = ActorKind.STAFF
) -> None:
    sent = [await booking.send(decision, actor) for booking in bookings]
    outcomes = [
        harness.later(booking.outcome(command_id)) for booking, command_id in zip(bookings, sent, strict=True)
    ]
    await harness.advance_to(await harness.now() + _PATIENCE)
    await asyncio.gather(*outcomes)


async def _approve(harness: WorkflowHarness, bookings: BookingDrivers) -> None:
    await _held(harness, bookings)
    await _decided(harness, bookings, Decision.APPROVE)


async def _decline(harness: WorkflowHarness, bookings: BookingDrivers) -> None:
    await _held(harness, bookings)
    await _decided(harness, bookings, Decision.DECLINE)


async def _cancel_held(harness: WorkflowHarness, bookings: BookingDrivers) -> None:
    await _held(harness, bookings)
    await _decided(harness, bookings, Decision.CANCEL, ActorKind.GUEST)


async def _cancel_unpaid(harness: WorkflowHarness, bookings: BookingDrivers) -> None:
    await _pages(harness, bookings)
    await _decided(harness, bookings, Decision.CANCEL, ActorKind.GUEST)


async def _cancel_confirmed(harness: WorkflowHarness, bookings: BookingDrivers) -> None:
    await _approve(harness, bookings)
    await _decided(harness, bookings, Decision.CANCEL, ActorKind.GUEST)


async def _staff_cancel(harness: WorkflowHarness, bookings: BookingDrivers) -> None:
    await _approve(harness, bookings)
    await _decided(harness, bookings, Decision.CANCEL)


async def _decide_twice(harness: WorkflowHarness, bookings: BookingDrivers) -> None:
    """The second decision is refused, and its command closed."""
    await _approve(harness, bookings)
    await _decided(harness, bookings, Decision.DECLINE)


async def _refund_outside(harness: WorkflowHarness, bookings: BookingDrivers) -> None:
    await _approve(harness, bookings)
    await _each(bookings, lambda booking: booking.dashboard("refund", {"amount": 5000}))


async def _dispute(harness: WorkflowHarness, bookings: BookingDrivers) -> None:
    await _approve(harness, bookings)
    await _each(bookings, lambda booking: booking.dispute())


async def _pay_too_late(harness: WorkflowHarness, bookings: BookingDrivers) -> None:
    """A guest pays on an unrecorded page after the booking's end: a separate workflow releases the hold."""
    pages = [await booking.unnoted_page() for booking in bookings]
    await harness.advance(hours=3)
    await _fill_in(bookings, pages)


async def _pay_twice(harness: WorkflowHarness, bookings: BookingDrivers) -> None:
    await _held(harness, bookings)
    await _fill_in(bookings, [await booking.unnoted_page() for booking in bookings])


async def _pay_wrong_amount(_harness: WorkflowHarness, bookings: BookingDrivers) -> None:
    await _fill_in(bookings, [await booking.unnoted_page(amount_minor=100) for booking in bookings])


async def _fill_in(bookings: BookingDrivers, pages: Sequence[str]) -> None:
    await asyncio.gather(*(booking.fill_in(page) for booking, page in zip(bookings, pages, strict=True)))


async def _expire(harness: WorkflowHarness, bookings: BookingDrivers) -> None:
    await _pages(harness, bookings)
    await harness.advance(hours=3)


async def _time_out(harness: WorkflowHarness, bookings: BookingDrivers) -> None:
    await _held(harness, bookings)
    await harness.advance(hours=5)


async def _capture_outside(harness: WorkflowHarness, bookings: BookingDrivers) -> None:
    await _held(harness, bookings)
    await _each(bookings, lambda booking: booking.dashboard("capture"))


async def _capture_part_outside(harness: WorkflowHarness, bookings: BookingDrivers) -> None:
    await _held(harness, bookings)
    await _each(bookings, lambda booking: booking.dashboard("capture", {"amount": 5000}))


async def _cancel_outside(harness: WorkflowHarness, bookings: BookingDrivers) -> None:
    await _held(harness, bookings)
    await _each(bookings, lambda booking: booking.dashboard("cancel"))


async def _pay_late(harness: WorkflowHarness, bookings: BookingDrivers) -> None:
    """The hold is placed while no webhook arrives; the last look before the window's end finds it."""
    await _pages(harness, bookings)
    await _each(bookings, lambda booking: booking.pay(GOOD_CARD))
    harness.webhooks.is_paused = True
    await harness.advance(hours=3)
    harness.webhooks.is_paused = False


async def _pay_sold_out(harness: WorkflowHarness, bookings: BookingDrivers) -> None:
    """The rooms were sold elsewhere while the page was open."""
    await _pages(harness, bookings)
    for booking in bookings:
        await sell_elsewhere(harness.database, await booking.row())
    await _each(bookings, lambda booking: booking.pay(GOOD_CARD))


def _scenario(
    name: str, drive: Callable[[WorkflowHarness, BookingDrivers], Awaitable[None]], end: Status, **terms: Any
) -> BulkScenario:
    return BulkScenario(name, drive, frozenset({end}), {"approval_sla_s": 4 * 86400, **terms})


BULK_SCENARIOS = (
    _scenario("approve", _approve, Status.CONFIRMED),
    _scenario("decline", _decline, Status.DECLINED),
    _scenario("guest cancels while held", _cancel_held, Status.CANCELLED),
    _scenario("guest cancels before paying", _cancel_unpaid, Status.CANCELLED),
    _scenario("guest cancels after confirmation", _cancel_confirmed, Status.CANCELLED),
    _scenario("nobody pays", _expire, Status.EXPIRED, payment_window_s=2 * 3600),
    _scenario("nobody decides", _time_out, Status.DECLINED, approval_sla_s=4 * 3600),
    _scenario("captured in the Dashboard", _capture_outside, Status.CONFIRMED),
    _scenario("captured in part in the Dashboard", _capture_part_outside, Status.DECLINED),
    _scenario("cancelled in the Dashboard", _cancel_outside, Status.DECLINED),
    _scenario("paid while no webhook arrives", _pay_late, Status.PENDING_APPROVAL, payment_window_s=2 * 3600),
    _scenario("staff cancel after confirmation", _staff_cancel, Status.CANCELLED),
    _scenario("declined after it was approved", _decide_twice, Status.CONFIRMED),
    _scenario("refunded in part in the Dashboard", _refund_outside, Status.CONFIRMED),
    _scenario("disputed", _dispute, Status.CONFIRMED),
    _scenario("paid after the window", _pay_too_late, Status.EXPIRED, payment_window_s=2 * 3600),
    _scenario("no room left", _pay_sold_out, Status.DECLINED),
    _scenario("paid twice", _pay_twice, Status.PENDING_APPROVAL),
    _scenario("paid the wrong amount", _pay_wrong_amount, Status.PENDING_PAYMENT, payment_window_s=86400),
)
