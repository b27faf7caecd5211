"""Echoes of a decision under way wake no workflow, and none of them is lost."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text, update
from sqlmodel import col

from dispatch.events import LEFT_TO_ITS_STEP, deliver
from domain.attention import Attention, AttentionCode
from domain.booking import Decision, Event, Status
from domain.identifiers import new_command_id
from models import Booking, BookingCommand, StripeWebhookEvent, utc_now
from storage.bookings import apply_change, booking_by_id, open_command
from storage.inbox import keep_event
from tests.dispatch.inbox_harness import QUEUE, InboxHarness, waiting
from tests.storage.rows import change_of, held, row_of

SETTLING = ["payment_intent.succeeded", "charge.captured", "payment_intent.canceled", "charge.expired"]


async def _under_decision(harness: InboxHarness, *, age_s: int = 0, kind: str = Decision.APPROVE) -> Booking:
    """A held booking with a workflow, about which somebody has decided."""
    booking = await held(harness.database, harness.hotel_rows)
    await harness.start(booking)
    command = BookingCommand(
        command_id=new_command_id(),
        booking_id=booking.booking_id,
        kind=kind,
        actor="approver@hotel.test",
        created_at=utc_now() - timedelta(seconds=age_s),
    )
    async with harness.database.single_statement() as db:
        await open_command(db, command)
    return booking


async def _arrived(
    harness: InboxHarness, booking: Booking, type_: str, **values: Any
) -> tuple[StripeWebhookEvent, str | None]:
    """An event as the webhook keeps and delivers it; also why it was not delivered."""
    ids = {"booking_id": booking.booking_id, "payment_intent_id": booking.payment_intent_id}
    values = ids | {"event_id": f"evt_{new_command_id()}"} | values
    event = StripeWebhookEvent(event_type=type_, **values)
    async with harness.database.single_statement() as db:
        entry = await keep_event(db, event)
    return event, await deliver(harness.database, harness.temporal, QUEUE, entry, may_wait=True)


@pytest.mark.parametrize("type_", SETTLING)
async def test_an_echo_waits_and_is_marked_by_the_change_it_reports(
    harness: InboxHarness, type_: str
) -> None:
    booking = await _under_decision(harness)
    event, addressed = await _arrived(harness, booking, type_)
    assert addressed == LEFT_TO_ITS_STEP
    assert await harness.is_open(event)
    booking = await row_of(harness.database, booking.booking_id)
    async with harness.database.transaction() as db:
        await apply_change(db, change_of(booking, Event.APPROVED, amount_captured_minor=15000))
    assert await harness.note(event) == "nothing new"
    assert await harness.signals(booking) == []


async def test_an_echo_that_no_change_follows_is_delivered_by_the_sweep(harness: InboxHarness) -> None:
    booking = await _under_decision(harness)
    event, _ = await _arrived(
        harness, booking, "payment_intent.succeeded", received_at=utc_now() - timedelta(minutes=1)
    )
    await harness.env.run(harness.inbox.deliver_unprocessed_events)
    assert [name for name, _ in await harness.signals(booking)] == ["payment_changed"]
    assert await harness.note(event) is None


@pytest.mark.parametrize("type_", ["charge.refunded", "refund.failed", "charge.dispute.created"])
async def test_a_refund_or_dispute_always_wakes_the_workflow(harness: InboxHarness, type_: str) -> None:
    booking = await _under_decision(harness)
    _, addressed = await _arrived(harness, booking, type_)
    assert addressed is None


async def test_an_event_about_another_payment_wakes_it(harness: InboxHarness) -> None:
    booking = await _under_decision(harness)
    _, addressed = await _arrived(harness, booking, "charge.captured", payment_intent_id="pi_another")
    assert addressed is None


async def test_a_second_event_about_a_hold_waits_for_the_row_to_show_it(harness: InboxHarness) -> None:
    booking = await waiting(harness)
    ids = {"payment_intent_id": f"pi_{booking.booking_id}"}
    _, first = await _arrived(harness, booking, "payment_intent.amount_capturable_updated", **ids)
    second, addressed = await _arrived(harness, booking, "checkout.session.completed", **ids)
    _, another = await _arrived(harness, booking, "checkout.session.completed", payment_intent_id="pi_two")
    assert first is None
    assert addressed == LEFT_TO_ITS_STEP
    assert another is None
    async with harness.database.transaction() as db:
        await apply_change(db, change_of(booking, Event.AUTHORIZED, **ids))
    assert await harness.note(second) == "nothing new"


async def test_of_two_events_that_arrive_at_once_one_wakes_the_workflow(harness: InboxHarness) -> None:
    booking = await waiting(harness)
    ids: dict[str, Any] = {
        "booking_id": booking.booking_id,
        "payment_intent_id": f"pi_{booking.booking_id}",
    }
    events = [
        StripeWebhookEvent(event_id=f"evt_{new_command_id()}", event_type=type_, received_at=utc_now(), **ids)
        for type_ in ("checkout.session.completed", "payment_intent.amount_capturable_updated")
    ]
    entries = []
    for event in events:
        async with harness.database.single_statement() as db:
            entries.append(await keep_event(db, event))
    left = [
        await deliver(harness.database, harness.temporal, QUEUE, entry, may_wait=True) for entry in entries
    ]
    assert left == [None, LEFT_TO_ITS_STEP]


@pytest.mark.parametrize("is_same", [True, False])
async def test_an_event_that_could_not_be_delivered_makes_no_echo(
    harness: InboxHarness, is_same: bool
) -> None:
    """Temporal was away: Stripe's next attempt wakes the workflow, and so does another event about the hold."""
    booking = await waiting(harness)
    values: dict[str, Any] = {
        "event_type": "payment_intent.amount_capturable_updated",
        "booking_id": booking.booking_id,
        "payment_intent_id": f"pi_{booking.booking_id}",
    }
    first = StripeWebhookEvent(
        event_id=f"evt_{new_command_id()}", received_at=utc_now() - timedelta(seconds=5), **values
    )
    async with harness.database.single_statement() as db:
        await keep_event(db, first)
    again = StripeWebhookEvent(event_id=first.event_id if is_same else f"evt_{new_command_id()}", **values)
    async with harness.database.single_statement() as db:
        entry = await keep_event(db, again)
    assert await deliver(harness.database, harness.temporal, QUEUE, entry, may_wait=True) is None


async def test_a_second_event_about_a_hold_counts_if_the_first_led_nowhere(harness: InboxHarness) -> None:
    booking = await waiting(harness)
    ids = {"payment_intent_id": f"pi_{booking.booking_id}"}
    long_ago = utc_now() - timedelta(minutes=2)
    await _arrived(harness, booking, "payment_intent.amount_capturable_updated", received_at=long_ago, **ids)
    _, second = await _arrived(harness, booking, "checkout.session.completed", **ids)
    assert second is None


async def test_a_second_event_about_a_payment_that_was_returned_is_marked(harness: InboxHarness) -> None:
    booking = await waiting(harness)
    ids = {"payment_intent_id": f"pi_{booking.booking_id}"}
    await _arrived(harness, booking, "payment_intent.amount_capturable_updated", **ids)
    second, _ = await _arrived(harness, booking, "checkout.session.completed", **ids)
    reason = Attention(AttentionCode.PAYMENT_MISMATCH_RETURNED, ids["payment_intent_id"])
    change = change_of(booking, Event.ATTENTION_NEEDED, attention_opened=(reason,))
    async with harness.database.transaction() as db:
        await apply_change(db, change)
    assert await harness.note(second) == "nothing new"


@pytest.mark.parametrize("type_", ["checkout.session.completed", *SETTLING])
async def test_an_event_that_comes_before_the_row_counts(harness: InboxHarness, type_: str) -> None:
    booking = await waiting(harness)
    _, addressed = await _arrived(harness, booking, type_, payment_intent_id="pi_early")
    assert addressed is None


async def test_without_a_decision_under_way_it_is_the_dashboards(harness: InboxHarness) -> None:
    booking = await held(harness.database, harness.hotel_rows)
    await harness.start(booking)
    _, addressed = await _arrived(harness, booking, "payment_intent.succeeded")
    assert addressed is None


@pytest.mark.parametrize("case", [{"age_s": 90}, {"kind": "retry"}])
async def test_a_decision_that_met_an_obstacle_waits_for_news(
    harness: InboxHarness, case: dict[str, Any]
) -> None:
    booking = await _under_decision(harness, **case)
    _, addressed = await _arrived(harness, booking, "payment_intent.succeeded")
    assert addressed is None


async def test_a_booking_that_needs_attention_waits_for_news(harness: InboxHarness) -> None:
    booking = await _under_decision(harness)
    own = col(Booking.booking_id) == booking.booking_id
    async with harness.database.transaction() as db:
        await db.execute(update(Booking).where(own).values(needs_attention=True))
    _, addressed = await _arrived(harness, booking, "payment_intent.succeeded")
    assert addressed is None


async def test_an_echo_that_meets_its_change_waits_for_it_and_is_marked(harness: InboxHarness) -> None:
    """The webhook reads the row while the change is being written, and finds the change once it may go on."""
    booking = await _under_decision(harness)
    async with harness.database.transaction() as db:
        await apply_change(db, change_of(booking, Event.APPROVED, amount_captured_minor=15000))
        arriving = asyncio.create_task(_arrived(harness, booking, "payment_intent.succeeded"))
        await _until_a_lock_is_awaited(harness)
    event, addressed = await arriving
    assert addressed == "nothing new"
    assert await harness.note(event) == "nothing new"


async def test_an_echo_that_comes_again_and_its_change_do_not_wait_for_each_other(
    harness: InboxHarness,
) -> None:
    """Both lock the booking before the event."""
    booking = await _under_decision(harness)
    event, _ = await _arrived(harness, booking, "payment_intent.succeeded")
    async with harness.database.transaction() as db:
        await booking_by_id(db, booking.booking_id, lock=True)
        arriving = asyncio.create_task(_arrived(harness, booking, event.event_type, event_id=event.event_id))
        await _until_a_lock_is_awaited(harness)
        await apply_change(db, change_of(booking, Event.APPROVED, amount_captured_minor=15000))
    assert (await arriving)[1] == "nothing new"
    assert await harness.note(event) == "nothing new"


async def _until_a_lock_is_awaited(harness: InboxHarness) -> None:
    waiting_for_locks = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    async with asyncio.timeout(10), harness.database.reading() as db:
        while True:
            if await db.scalar(waiting_for_locks):
                return
            await asyncio.sleep(0.01)


async def test_an_event_that_the_row_shows_is_marked_at_once(harness: InboxHarness) -> None:
    booking = await _under_decision(harness)
    async with harness.database.transaction() as db:
        await apply_change(db, change_of(booking, Event.APPROVED, amount_captured_minor=15000))
    booking = await row_of(harness.database, booking.booking_id)
    assert booking.status == Status.CONFIRMED
    event, _ = await _arrived(harness, booking, "charge.captured")
    assert await harness.note(event) == "nothing new"
