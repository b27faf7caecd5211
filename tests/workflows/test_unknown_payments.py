"""Events that name a known booking and a payment unknown to Stripe are kept, without attention."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import pytest

from domain.booking import Status
from domain.decisions import CommandOutcome
from models import StripeWebhookEvent
from tests.workflows.booking_driver import BookingDriver
from tests.workflows.harness import WorkflowHarness
from tests.workflows.refusals import refuse
from tests.workflows.situations import event_about_nobody

_EVENT_ID: Final = "evt_about_nobody"
_READ: Final = "GET /v1/payment_intents/pi_of_nobody"


async def _deliver(harness: WorkflowHarness, booking: BookingDriver) -> None:
    assert await harness.webhooks.deliver_event(event_about_nobody(booking, _EVENT_ID)) is None
    await harness.wait_until_idle()


async def _note(harness: WorkflowHarness) -> str | None:
    async with harness.database.transaction() as db:
        event = await db.get_one(StripeWebhookEvent, _EVENT_ID)
    assert event.processed_at is not None
    return event.note


async def _with_page(harness: WorkflowHarness) -> BookingDriver:
    booking = await harness.submitted()
    await booking.open_page()
    return booking


async def _cancelled(harness: WorkflowHarness) -> BookingDriver:
    booking = await harness.held()
    await booking.cancel()
    await harness.wait_until_idle()
    assert await booking.is_over()
    return booking


_PLACES: Final[dict[str, Callable[[WorkflowHarness], Awaitable[BookingDriver]]]] = {
    "payment due, no page": lambda harness: harness.submitted(),
    "payment due, page open": _with_page,
    "decision due": lambda harness: harness.held(),
    "confirmed": lambda harness: harness.confirmed(),
    "ended": _cancelled,
}


@pytest.mark.parametrize("place", _PLACES)
async def test_unknown_payment_is_noted_and_needs_no_attention(harness: WorkflowHarness, place: str) -> None:
    """In each status: the booking stays as it is, and so does its end."""
    booking = await _PLACES[place](harness)
    before = await booking.row()

    await _deliver(harness, booking)

    assert await _note(harness) == "Stripe does not know its payment"
    after = await booking.row()
    assert (after.status, after.version, after.needs_attention) == (before.status, before.version, False)
    await harness.advance(days=30)
    for id_ in harness.workflow_ids():
        found = await harness.describe(id_)
        assert found is not None
        assert found.status is not None
        assert found.status.name == "COMPLETED", id_
    assert not (await booking.row()).needs_attention


@pytest.mark.parametrize("command", ["retry", "resolve"])
async def test_operator_gets_rid_of_a_payment_that_turns_out_unknown(
    harness: WorkflowHarness, command: str
) -> None:
    """Stripe refused to tell at first; what it does not know leaves nothing to settle."""
    booking = await harness.held()
    await refuse(harness, _READ)
    await _deliver(harness, booking)
    assert (await booking.row()).needs_attention

    result = await (booking.retry() if command == "retry" else booking.resolve())

    assert result.outcome is CommandOutcome.SETTLED
    assert not (await booking.row()).needs_attention
    assert await booking.status() is Status.PENDING_APPROVAL


async def test_unknown_payment_of_the_booking_itself_calls_a_person(harness: WorkflowHarness) -> None:
    """Another account's key, perhaps: what was held there is not lost from sight."""
    booking = await harness.held()
    own = (await booking.row()).payment_intent_id
    await harness.stripe.order(
        f"GET /v1/payment_intents/{own}", "error_before", status=404, code="resource_missing", times=1
    )
    await harness.webhooks.signal_again(
        {
            "id": "evt_about_ours",
            "type": "payment_intent.canceled",
            "data": {"object": {"object": "payment_intent", "id": own}},
        }
    )
    await harness.wait_until_idle()
    assert (await booking.row()).needs_attention
    assert (await booking.retry()).outcome is CommandOutcome.SETTLED
