"""From the inbox to the workflows: who is told of an event, what becomes of those that were left or lost."""

from __future__ import annotations

import asyncio
import socket
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlmodel import col
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.exceptions import ApplicationError

from dispatch.errors import TemporalAwayError
from domain.booking import Status
from domain.messages.signals import StripeEventHint
from domain.messages.starts import EndedBookingEvent
from domain.stripe_events import KNOWN
from models import Booking, PaymentSession, StripeWebhookEvent
from storage.bookings import record_session
from tests.activities.inbox_harness import InboxHarness
from tests.storage.rows import T0, book, held
from tests.workflows.servers import STRIPE_KEY, Json

HELD = ["checkout.session.completed", "payment_intent.amount_capturable_updated"]
CHANGED = ["payment_intent.succeeded", "payment_intent.canceled", "charge.refunded", "charge.dispute.created"]


async def waiting(harness: InboxHarness) -> Booking:
    """A booking that waits for its guest to pay, with a workflow."""
    booking = await book(harness.database, harness.hotel_rows, status=Status.PENDING_PAYMENT, version=2)
    await harness.start(booking)
    return booking


# --- handing on ---


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
    """Where the event does not name it."""
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
    """Its workflow is gone: a workflow of its own settles this news, started once. None is run anew."""
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
    """One stray workflow, ten content callers."""
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


async def test_a_sweep_also_closes_what_is_for_nobody(harness: InboxHarness) -> None:
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


# --- what never arrived ---


async def fetch(harness: InboxHarness) -> int:
    found: int = await harness.env.run(harness.inbox.fetch_missing_events)
    return found


async def at_stripe(harness: InboxHarness, booking_id: str, *, ago_s: float) -> Json:
    """A hold placed so long ago, of which no webhook told."""
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
        ({"kind": "error_before", "status": 401}, "stripe_refused", True),
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
    """Stripe is told which: the rest would only fill pages."""
    booking = await waiting(harness)
    await at_stripe(harness, booking.booking_id, ago_s=600)
    await fetch(harness)
    assert set(await inbox_of(harness, booking)) <= KNOWN
