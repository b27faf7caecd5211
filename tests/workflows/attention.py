"""A pending decision, and the ways to learn the state of its payment."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from domain.booking import ActorKind, Decision
from domain.decisions import CommandOutcome
from tests.workflows.booking_driver import BookingDriver
from tests.workflows.harness import WorkflowHarness
from tests.workflows.hotels import TOTAL_MINOR
from tests.workflows.refusals import CANCEL, CAPTURE, refuse

HELD = ("requires_capture", 0, 0)
RELEASED = ("canceled", 0, 0)
REFUNDED = ("succeeded", TOTAL_MINOR, TOTAL_MINOR)

FindsOut = Callable[[WorkflowHarness, BookingDriver], Awaitable[None]]
"""Reads what became of a payment."""


async def asks_for_person(booking: BookingDriver) -> bool:
    return (await booking.row()).needs_attention


async def stuck_decision(
    harness: WorkflowHarness, decision: Decision, **more: str
) -> tuple[BookingDriver, str]:
    """A booking whose decision Stripe refused once, and the decision's command id."""
    booking = await harness.held()
    await refuse(harness, CAPTURE if decision is Decision.APPROVE else CANCEL)
    actor = ActorKind.GUEST if decision is Decision.CANCEL else ActorKind.STAFF
    command_id = await booking.send(decision, actor, **more)  # type: ignore[arg-type]
    assert (await booking.outcome(command_id)).outcome is CommandOutcome.NEEDS_ATTENTION
    await harness.wait_until_idle()
    assert await asks_for_person(booking)
    return booking, command_id


async def returns(_harness: WorkflowHarness, booking: BookingDriver) -> None:
    await booking.come_back()


async def wants_to_pay(_harness: WorkflowHarness, booking: BookingDriver) -> None:
    assert not (await booking.open_page()).payable


async def hears(harness: WorkflowHarness, _booking: BookingDriver) -> None:
    await harness.webhooks.deliver()


async def waits(harness: WorkflowHarness, _booking: BookingDriver) -> None:
    harness.webhooks.is_paused = True
    await harness.advance(minutes=61)


async def retries(_harness: WorkflowHarness, booking: BookingDriver) -> None:
    assert (await booking.retry()).outcome is CommandOutcome.SETTLED


async def resolves(_harness: WorkflowHarness, booking: BookingDriver) -> None:
    assert (await booking.resolve()).outcome is CommandOutcome.SETTLED


async def declines(_harness: WorkflowHarness, booking: BookingDriver) -> None:
    assert (await booking.decline()).outcome is CommandOutcome.ALREADY_DECIDED
