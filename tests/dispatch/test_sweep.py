"""The sweep: events that webhooks left behind, or that never arrived."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlmodel import col
from temporalio.exceptions import ApplicationError

from domain.booking import Status
from domain.stripe_events import KNOWN
from models import Booking, StripeWebhookEvent
from tests.dispatch.inbox_harness import InboxHarness, waiting
from tests.storage.rows import book
from tests.workflows.servers import STRIPE_KEY, Json

HELD = ["checkout.session.completed", "payment_intent.amount_capturable_updated"]


# --- the sweep of what was left behind ---


async def sweep(harness: InboxHarness) -> int:
    found: int = await harness.env.run(harness.inbox.deliver_unprocessed_events)
    return found


async def test_what_was_left_behind_is_handed_on(harness: InboxHarness) -> None:
    """Oldest first; what came in a moment ago is left to the webhook that took it."""
    booking = await waiting(harness)
    now = datetime.now(UTC)
    ages_s = {
        "charge.refunded": 40,
        "checkout.session.completed": 90,
        "refund.created": 60,
        "charge.captured": 5,
    }
    events = {
        type_: await harness.keep(
            type_, booking_id=booking.booking_id, received_at=now - timedelta(seconds=age_s)
        )
        for type_, age_s in ages_s.items()
    }
    assert await sweep(harness) == 3
    received = [hint.event_type for _, hint in await harness.signals(booking)]
    assert received == ["checkout.session.completed", "refund.created", "charge.refunded"]
    assert await harness.is_open(events["charge.captured"])
    assert await sweep(harness) == 0


async def test_a_sweep_also_closes_events_of_no_booking(harness: InboxHarness) -> None:
    """So that it is not met again every minute."""
    long_ago = datetime.now(UTC) - timedelta(days=1)
    events = [
        await harness.keep("customer.created", received_at=long_ago),
        await harness.keep(HELD[0], session_id="cs_nobody", received_at=long_ago),
    ]
    assert await sweep(harness) == 2
    assert [await harness.note(event) for event in events] == [
        "a type we do not act on",
        "no booking of ours",
    ]


async def test_an_event_that_cannot_be_handed_on_keeps_none_of_the_others(harness: InboxHarness) -> None:
    """The database takes no mark for the first: the second is handed on, and the sweep says that one is left."""
    booking = await waiting(harness)
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    odd = await harness.keep(HELD[0], booking_id=booking.booking_id, received_at=long_ago)
    next_one = await harness.keep(HELD[1], booking_id=booking.booking_id, received_at=long_ago)
    async with harness.database.transaction() as db:
        mark = f"event_id <> '{odd.event_id}' OR processed_at IS NULL"
        await db.execute(text(f"ALTER TABLE stripe_webhook_event ADD CONSTRAINT odd CHECK ({mark})"))
    try:
        with pytest.raises(ApplicationError, match="1 of 2 events could not be handed on"):
            await sweep(harness)
    finally:
        async with harness.database.transaction() as db:
            await db.execute(text("ALTER TABLE stripe_webhook_event DROP CONSTRAINT odd"))
    assert await harness.is_open(odd)
    assert not await harness.is_open(next_one)


async def test_events_that_wait_for_lost_workflows_keep_no_later_one(harness: InboxHarness) -> None:
    """However many there are: each sweep goes through all of them, a page at a time."""
    lost = await book(harness.database, harness.hotel_rows, status=Status.PENDING_PAYMENT, version=2)
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    for _ in range(205):
        await harness.keep(HELD[0], booking_id=lost.booking_id, received_at=long_ago)
    event = await harness.keep(
        HELD[0], booking_id=(await waiting(harness)).booking_id, received_at=long_ago + timedelta(minutes=1)
    )
    assert await sweep(harness) == 206
    assert not await harness.is_open(event)


# --- what never arrived ---


async def fetch(harness: InboxHarness) -> int:
    found: int = await harness.env.run(harness.inbox.fetch_missing_events)
    return found


async def at_stripe(harness: InboxHarness, booking_id: str, *, ago_s: float) -> Json:
    """A hold placed so long ago, without any webhook."""
    await harness.stripe.ask("POST", "/_sandbox/clock", json={"offset_s": -ago_s})
    headers = {"Authorization": f"Bearer {STRIPE_KEY}"}
    data: dict[str, Any] = {
        "mode": "payment",
        "success_url": "https://hotels.test",
        "line_items[0][quantity]": 1,
        "line_items[0][price_data][currency]": "eur",
        "line_items[0][price_data][unit_amount]": 15000,
        "line_items[0][price_data][product_data][name]": "Room",
        "payment_intent_data[capture_method]": "manual",
        "payment_intent_data[metadata][booking_id]": booking_id,
        "metadata[booking_id]": booking_id,
    }
    session: Json = await harness.stripe.ask("POST", "/v1/checkout/sessions", headers=headers, data=data)
    await harness.stripe.http.post(session["url"], data={"card_number": "4242424242424242"})
    await harness.stripe.ask("POST", "/_sandbox/clock", json={"offset_s": 0})
    return session


async def inbox_of(harness: InboxHarness, booking: Booking) -> dict[str, StripeWebhookEvent]:
    query = select(StripeWebhookEvent).where(col(StripeWebhookEvent.booking_id) == booking.booking_id)
    async with harness.database.transaction() as db:
        return {event.event_type: event for event in await db.scalars(query)}


async def test_lost_events_are_fetched(harness: InboxHarness) -> None:
    """From Stripe's own list: those that can mean something, oldest first, into the inbox and on."""
    booking = await waiting(harness)
    session = await at_stripe(harness, booking.booking_id, ago_s=600)
    assert await fetch(harness) == 2
    received = await harness.signals(booking)
    assert [(name, hint.event_type) for name, hint in received] == [
        ("authorized", "payment_intent.amount_capturable_updated"),
        ("authorized", "checkout.session.completed"),
    ]
    intent_id = received[0][1].payment_intent_id
    assert intent_id is not None
    assert [(hint.session_id, hint.payment_intent_id) for _, hint in received] == [
        (None, intent_id),
        (session["id"], intent_id),
    ]
    kept = await inbox_of(harness, booking)
    assert set(kept) == set(HELD)
    assert all(event.processed_at is not None and event.note is None for event in kept.values())
    assert await fetch(harness) == 0
    assert len(await harness.signals(booking)) == 2


async def test_what_has_arrived_is_not_fetched(harness: InboxHarness) -> None:
    """Processed or not: the inbox has it, and its own sweep sees to it."""
    booking = await waiting(harness)
    await at_stripe(harness, booking.booking_id, ago_s=600)
    headers = {"Authorization": f"Bearer {STRIPE_KEY}"}
    listed = (await harness.stripe.ask("GET", "/v1/events", headers=headers, params={"limit": 10}))["data"]
    arrived = next(event for event in listed if event["type"] == HELD[0])
    await harness.keep(HELD[0], event_id=arrived["id"], booking_id=booking.booking_id)
    assert await fetch(harness) == 1
    assert [hint.event_type for _, hint in await harness.signals(booking)] == [HELD[1]]
    kept = await harness.kept(arrived["id"])
    assert kept is not None
    assert kept.processed_at is None


@pytest.mark.parametrize(("ago_s", "count"), [(30, 0), (180, 2), (1700, 2), (1900, 0)])
async def test_how_far_it_looks_back(harness: InboxHarness, ago_s: float, count: int) -> None:
    """Not at the last two minutes, in which a webhook is only late; nor beyond half an hour."""
    booking = await waiting(harness)
    await at_stripe(harness, booking.booking_id, ago_s=ago_s)
    assert await fetch(harness) == count
    assert len(await harness.signals(booking)) == count


async def test_several_pages(harness: InboxHarness) -> None:
    """Stripe lists a hundred at a time."""
    booking = await waiting(harness)
    await harness.stripe.ask("POST", "/_sandbox/clock", json={"offset_s": -600})
    for number in range(103):
        ours = {"booking_id": booking.booking_id} if number in {0, 50, 102} else {}
        about = {"id": f"pi_{number}", "metadata": ours}
        await harness.stripe.ask(
            "POST", "/_sandbox/events", json={"type": "payment_intent.canceled", "object": about}
        )
    assert await fetch(harness) == 103
    received = [hint.payment_intent_id for _, hint in await harness.signals(booking)]
    assert received == ["pi_0", "pi_50", "pi_102"]


async def test_other_systems_events_stop_nothing(harness: InboxHarness) -> None:
    """With a booking id longer than ours are, or none, or a shape of their own."""
    booking = await waiting(harness)
    await harness.stripe.ask("POST", "/_sandbox/clock", json={"offset_s": -600})
    odd: list[Json] = [
        {"id": "pi_long", "metadata": {"booking_id": "ORDER-" + "9" * 100}},
        {"id": "pi_none", "metadata": {}},
        {"id": "pi_other", "metadata": {"booking_id": "ORDER-1"}},
    ]
    for about in odd:
        await harness.stripe.ask(
            "POST", "/_sandbox/events", json={"type": "payment_intent.succeeded", "object": about}
        )
    await at_stripe(harness, booking.booking_id, ago_s=500)
    assert await fetch(harness) == len(odd) + 2
    assert len(await harness.signals(booking)) == 2


@pytest.mark.parametrize(
    ("fault", "kind", "final"),
    [
        ({"kind": "error_before", "status": 500, "times": 2}, "stripe_failed", False),
        ({"kind": "drop_before", "times": 2}, "stripe_unanswered", False),
        ({"kind": "error_before", "status": 401}, "stripe_key_rejected", True),
    ],
)
async def test_stripe_is_away(harness: InboxHarness, fault: dict[str, Any], kind: str, final: bool) -> None:
    """By name; the next sweep finds what this one could not."""
    booking = await waiting(harness)
    await at_stripe(harness, booking.booking_id, ago_s=600)
    await harness.stripe.order("GET /v1/events", **fault)
    with pytest.raises(ApplicationError) as failure:
        await fetch(harness)
    assert (failure.value.type, failure.value.non_retryable) == (kind, final)
    await harness.stripe.clear_faults()
    assert await fetch(harness) == 2


async def test_only_known_types_are_asked_for(harness: InboxHarness) -> None:
    """The request names the types: the rest would only fill pages."""
    booking = await waiting(harness)
    await at_stripe(harness, booking.booking_id, ago_s=600)
    await fetch(harness)
    assert set(await inbox_of(harness, booking)) <= KNOWN
