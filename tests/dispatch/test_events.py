"""From the inbox to the workflows: the workflow that receives an event."""

from __future__ import annotations

import asyncio
import socket

import pytest
from temporalio.client import Client, WorkflowExecutionStatus

from dispatch.errors import TemporalAwayError
from domain.booking import Status
from domain.messages.signals import StripeEventHint
from domain.messages.starts import EndedBookingEvent
from models import PaymentSession
from storage.bookings import record_session
from tests.dispatch.inbox_harness import InboxHarness, waiting
from tests.storage.rows import T0, held

HELD = ["checkout.session.completed", "payment_intent.amount_capturable_updated"]
CHANGED = ["payment_intent.succeeded", "payment_intent.canceled", "charge.refunded", "charge.dispute.created"]


@pytest.mark.parametrize(
    ("type_", "signal"),
    [(type_, "authorized") for type_ in HELD] + [(type_, "payment_changed") for type_ in CHANGED],
)
async def test_the_workflow_is_told(harness: InboxHarness, type_: str, signal: str) -> None:
    """By the signal for its kind, with ids alone; then it is marked processed."""
    booking = await waiting(harness)
    ids = {"session_id": f"cs_{booking.booking_id}", "payment_intent_id": f"pi_{booking.booking_id}"}
    event = await harness.keep(type_, booking_id=booking.booking_id, **ids)
    assert await harness.deliver_event(event) is None
    assert await harness.signals(booking) == [(signal, StripeEventHint(event.event_id, type_, **ids))]
    assert await harness.note(event) is None


async def test_a_crash_before_the_mark_signals_twice(harness: InboxHarness) -> None:
    """The other order would lose the event; the workflow knows it by its id."""
    booking = await waiting(harness)
    event = await harness.keep(HELD[0], booking_id=booking.booking_id)
    await harness.deliver_event(event)
    await harness.deliver_event(event)
    first, second = await harness.signals(booking)
    assert first == second


async def test_a_booking_is_found_by_its_session(harness: InboxHarness) -> None:
    """For an event that does not name it."""
    booking = await waiting(harness)
    session_id = f"cs_{booking.booking_id}"
    async with harness.database.transaction() as db:
        await record_session(
            db,
            PaymentSession(
                session_id=session_id, booking_id=booking.booking_id, url="https://x.test", expires_at=T0
            ),
        )
    await harness.deliver_event(await harness.keep(HELD[0], session_id=session_id))
    assert [name for name, _ in await harness.signals(booking)] == ["authorized"]


async def test_a_booking_is_found_by_its_payment(harness: InboxHarness) -> None:
    """As refunds and disputes name it."""
    booking = await held(harness.database, harness.hotel_rows, status=Status.CONFIRMED, version=4)
    await harness.start(booking)
    await harness.deliver_event(
        await harness.keep("refund.created", payment_intent_id=booking.payment_intent_id)
    )
    [(name, hint)] = await harness.signals(booking)
    assert (name, hint.payment_intent_id) == ("payment_changed", booking.payment_intent_id)


async def test_what_we_do_not_act_on(harness: InboxHarness) -> None:
    """Kept, with the reason why not."""
    booking = await waiting(harness)
    event = await harness.keep("payment_intent.created", booking_id=booking.booking_id)
    assert await harness.deliver_event(event) == "a type we do not act on"
    assert await harness.note(event) == "a type we do not act on"
    assert await harness.signals(booking) == []


async def test_what_is_about_no_booking_of_ours(harness: InboxHarness) -> None:
    """Another system's payments on the same account."""
    event = await harness.keep(HELD[1], booking_id="ORDER-1", payment_intent_id="pi_of_another_shop")
    assert await harness.deliver_event(event) == "no booking of ours"
    assert await harness.note(event) == "no booking of ours"


async def test_the_echo_of_our_own_capture(harness: InboxHarness) -> None:
    """Costs no signal, and so no workflow task."""
    booking = await held(harness.database, harness.hotel_rows, status=Status.CONFIRMED, version=4)
    await harness.start(booking)
    own = booking.payment_intent_id
    for event in (
        await harness.keep("payment_intent.succeeded", payment_intent_id=own),
        await harness.keep("charge.captured", booking_id=booking.booking_id),
    ):
        assert await harness.deliver_event(event) == "nothing new"
    second = await harness.keep(
        "payment_intent.succeeded", booking_id=booking.booking_id, payment_intent_id="pi_second"
    )
    assert await harness.deliver_event(second) is None
    assert [hint.payment_intent_id for _, hint in await harness.signals(booking)] == ["pi_second"]


@pytest.mark.parametrize("ended", ["never started", "over"])
async def test_money_of_a_booking_that_has_ended(harness: InboxHarness, ended: str) -> None:
    """Its workflow is gone: one separate workflow handles this event. None is restarted."""
    booking = await held(harness.database, harness.hotel_rows, status=Status.CANCELLED, version=5)
    if ended == "over":
        await harness.start(booking)
        await harness.temporal.get_workflow_handle(f"booking-{booking.booking_id}").terminate("over")
    subject = f"pi_late_{booking.booking_id}"
    event = await harness.keep(HELD[1], booking_id=booking.booking_id, payment_intent_id=subject)
    for _ in range(3):
        assert await harness.deliver_event(event) is None
    hint = StripeEventHint(event.event_id, HELD[1], None, subject)
    received = await harness.ended_booking_payment(event, subject)
    assert received == EndedBookingEvent(booking.booking_id, harness.hotel_rows.hotel.slug, hint)
    assert await harness.note(event) is None
    if ended == "over":
        found = await harness.temporal.get_workflow_handle(f"booking-{booking.booking_id}").describe()
        assert found.status is WorkflowExecutionStatus.TERMINATED


async def test_an_ended_booking_workflow_that_is_over_is_not_run_again(harness: InboxHarness) -> None:
    """Delivered once more much later, the event finds its workflow done."""
    booking = await held(harness.database, harness.hotel_rows, status=Status.EXPIRED, version=3)
    event = await harness.keep(HELD[0], booking_id=booking.booking_id, session_id="cs_late")
    await harness.deliver_event(event)
    handle = harness.temporal.get_workflow_handle(f"ended-booking-payment-cs_late-{event.event_id}")
    await handle.terminate("over")
    assert await harness.deliver_event(event) is None
    assert (await handle.describe()).status is WorkflowExecutionStatus.TERMINATED


async def test_handed_on_ten_times_at_once(harness: InboxHarness) -> None:
    """One workflow for an ended booking's payment serves ten callers."""
    booking = await held(harness.database, harness.hotel_rows, status=Status.DECLINED, version=4)
    event = await harness.keep(HELD[1], booking_id=booking.booking_id, payment_intent_id="pi_ten")
    assert await asyncio.gather(*(harness.deliver_event(event) for _ in range(10))) == [None] * 10
    assert (await harness.ended_booking_payment(event, "pi_ten")).booking_id == booking.booking_id


async def test_temporal_is_away(harness: InboxHarness) -> None:
    """It says so, and the event stays open for the sweep."""
    booking = await waiting(harness)
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    away = await Client.connect(f"127.0.0.1:{port}", lazy=True)
    event = await harness.keep(HELD[0], booking_id=booking.booking_id)
    with pytest.raises(TemporalAwayError):
        await harness.deliver_event(event, away)
    assert await harness.is_open(event)
    assert await harness.signals(booking) == []
