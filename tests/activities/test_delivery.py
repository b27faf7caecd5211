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

from domain.booking import Status
from domain.messages import PaymentNews, StrayNews
from domain.stripe_events import KNOWN
from models import Booking, PaymentSession, StripeWebhookEvent
from storage.bookings import record_session
from tests.activities.office import Office
from tests.storage.rows import T0, book, held
from tests.workflows.servers import STRIPE_KEY, Json

HELD = ["checkout.session.completed", "payment_intent.amount_capturable_updated"]
CHANGED = ["payment_intent.succeeded", "payment_intent.canceled", "charge.refunded", "charge.dispute.created"]


async def waiting(office: Office) -> Booking:
    """A booking that waits for its guest to pay, with a workflow."""
    booking = await book(office.database, office.house, status=Status.PENDING_PAYMENT, version=2)
    await office.start(booking)
    return booking


# --- handing on ---


@pytest.mark.parametrize(
    ("type_", "signal"),
    [(type_, "authorized") for type_ in HELD] + [(type_, "payment_changed") for type_ in CHANGED],
)
async def test_the_workflow_is_told(office: Office, type_: str, signal: str) -> None:
    """By the signal for its kind, with ids alone; then it is marked processed."""
    booking = await waiting(office)
    ids = {"session_id": f"cs_{booking.booking_id}", "payment_intent_id": f"pi_{booking.booking_id}"}
    event = await office.keep(type_, booking_id=booking.booking_id, **ids)
    assert await office.hand_on(event) is None
    assert await office.signals(booking) == [(signal, PaymentNews(event.event_id, type_, **ids))]
    assert await office.note(event) is None


async def test_a_crash_before_the_mark_signals_twice(office: Office) -> None:
    """The other order would lose the event; the workflow knows it by its id."""
    booking = await waiting(office)
    event = await office.keep(HELD[0], booking_id=booking.booking_id)
    await office.hand_on(event)
    await office.hand_on(event)
    first, second = await office.signals(booking)
    assert first == second


async def test_a_booking_is_found_by_its_session(office: Office) -> None:
    """Where the event does not name it."""
    booking = await waiting(office)
    session_id = f"cs_{booking.booking_id}"
    async with office.database.transaction() as db:
        await record_session(
            db,
            PaymentSession(
                session_id=session_id, booking_id=booking.booking_id, url="https://x.test", expires_at=T0
            ),
        )
    await office.hand_on(await office.keep(HELD[0], session_id=session_id))
    assert [name for name, _ in await office.signals(booking)] == ["authorized"]


async def test_a_booking_is_found_by_its_payment(office: Office) -> None:
    """As refunds and disputes name it."""
    booking = await held(office.database, office.house, status=Status.CONFIRMED, version=4)
    await office.start(booking)
    await office.hand_on(await office.keep("refund.created", payment_intent_id=booking.payment_intent_id))
    [(name, news)] = await office.signals(booking)
    assert (name, news.payment_intent_id) == ("payment_changed", booking.payment_intent_id)


async def test_what_we_do_not_act_on(office: Office) -> None:
    """Kept, with the reason why not."""
    booking = await waiting(office)
    event = await office.keep("payment_intent.created", booking_id=booking.booking_id)
    assert await office.hand_on(event) == "a type we do not act on"
    assert await office.note(event) == "a type we do not act on"
    assert await office.signals(booking) == []


async def test_what_is_about_no_booking_of_ours(office: Office) -> None:
    """Another system's payments on the same account."""
    event = await office.keep(HELD[1], booking_id="ORDER-1", payment_intent_id="pi_of_another_shop")
    assert await office.hand_on(event) == "no booking of ours"
    assert await office.note(event) == "no booking of ours"


async def test_the_echo_of_our_own_capture(office: Office) -> None:
    """Costs no signal, and so no workflow task."""
    booking = await held(office.database, office.house, status=Status.CONFIRMED, version=4)
    await office.start(booking)
    own = booking.payment_intent_id
    for event in (
        await office.keep("payment_intent.succeeded", payment_intent_id=own),
        await office.keep("charge.captured", booking_id=booking.booking_id),
    ):
        assert await office.hand_on(event) == "nothing new"
    second = await office.keep(
        "payment_intent.succeeded", booking_id=booking.booking_id, payment_intent_id="pi_second"
    )
    assert await office.hand_on(second) is None
    assert [news.payment_intent_id for _, news in await office.signals(booking)] == ["pi_second"]


@pytest.mark.parametrize("ended", ["never started", "over"])
async def test_money_of_a_booking_that_has_ended(office: Office, ended: str) -> None:
    """Its workflow is gone: a workflow of its own settles this news, started once. None is run anew."""
    booking = await held(office.database, office.house, status=Status.CANCELLED, version=5)
    if ended == "over":
        await office.start(booking)
        await office.temporal.get_workflow_handle(f"booking-{booking.booking_id}").terminate("over")
    subject = f"pi_late_{booking.booking_id}"
    event = await office.keep(HELD[1], booking_id=booking.booking_id, payment_intent_id=subject)
    for _ in range(3):
        assert await office.hand_on(event) is None
    news = PaymentNews(event.event_id, HELD[1], None, subject)
    told = await office.stray(event, subject)
    assert told == StrayNews(booking.booking_id, office.house.hotel.slug, news)
    assert await office.note(event) is None
    if ended == "over":
        found = await office.temporal.get_workflow_handle(f"booking-{booking.booking_id}").describe()
        assert found.status is WorkflowExecutionStatus.TERMINATED


async def test_a_stray_that_is_over_is_not_run_again(office: Office) -> None:
    """Delivered once more much later, the event finds its workflow done."""
    booking = await held(office.database, office.house, status=Status.EXPIRED, version=3)
    event = await office.keep(HELD[0], booking_id=booking.booking_id, session_id="cs_late")
    await office.hand_on(event)
    handle = office.temporal.get_workflow_handle(f"stray-cs_late-{event.event_id}")
    await handle.terminate("over")
    assert await office.hand_on(event) is None
    assert (await handle.describe()).status is WorkflowExecutionStatus.TERMINATED


async def test_handed_on_ten_times_at_once(office: Office) -> None:
    """One stray workflow, ten content callers."""
    booking = await held(office.database, office.house, status=Status.DECLINED, version=4)
    event = await office.keep(HELD[1], booking_id=booking.booking_id, payment_intent_id="pi_ten")
    assert await asyncio.gather(*(office.hand_on(event) for _ in range(10))) == [None] * 10
    assert (await office.stray(event, "pi_ten")).booking_id == booking.booking_id


async def test_temporal_is_away(office: Office) -> None:
    """It says so, and the event stays open for the sweep."""
    booking = await waiting(office)
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    away = await Client.connect(f"127.0.0.1:{port}", lazy=True)
    event = await office.keep(HELD[0], booking_id=booking.booking_id)
    with pytest.raises(RuntimeError):
        await office.hand_on(event, away)
    assert await office.is_open(event)
    assert await office.signals(booking) == []


# --- the sweep of what was left behind ---


async def sweep(office: Office) -> int:
    found: int = await office.env.run(office.inbox.hand_on)
    return found


async def test_what_was_left_behind_is_handed_on(office: Office) -> None:
    """Oldest first; what came in a moment ago is left to the webhook that took it."""
    booking = await waiting(office)
    now = datetime.now(UTC)
    ages_s = {
        "charge.refunded": 40,
        "checkout.session.completed": 90,
        "refund.created": 60,
        "charge.captured": 5,
    }
    events = {
        type_: await office.keep(
            type_, booking_id=booking.booking_id, received_at=now - timedelta(seconds=age_s)
        )
        for type_, age_s in ages_s.items()
    }
    assert await sweep(office) == 3
    told = [news.event_type for _, news in await office.signals(booking)]
    assert told == ["checkout.session.completed", "refund.created", "charge.refunded"]
    assert await office.is_open(events["charge.captured"])
    assert await sweep(office) == 0


async def test_a_sweep_also_closes_what_is_for_nobody(office: Office) -> None:
    """So that it is not met again every minute."""
    long_ago = datetime.now(UTC) - timedelta(days=1)
    events = [
        await office.keep("customer.created", received_at=long_ago),
        await office.keep(HELD[0], session_id="cs_nobody", received_at=long_ago),
    ]
    assert await sweep(office) == 2
    assert [await office.note(event) for event in events] == ["a type we do not act on", "no booking of ours"]


# --- what never arrived ---


async def fetch(office: Office) -> int:
    found: int = await office.env.run(office.inbox.fetch_lost)
    return found


async def at_stripe(office: Office, booking_id: str, *, ago_s: float) -> Json:
    """A hold placed so long ago, of which no webhook told."""
    await office.stripe.ask("POST", "/_sandbox/clock", json={"offset_s": -ago_s})
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
    session: Json = await office.stripe.ask("POST", "/v1/checkout/sessions", headers=headers, data=data)
    await office.stripe.http.post(session["url"], data={"card_number": "4242424242424242"})
    await office.stripe.ask("POST", "/_sandbox/clock", json={"offset_s": 0})
    return session


async def inbox_of(office: Office, booking: Booking) -> dict[str, StripeWebhookEvent]:
    query = select(StripeWebhookEvent).where(col(StripeWebhookEvent.booking_id) == booking.booking_id)
    async with office.database.transaction() as db:
        return {event.event_type: event for event in await db.scalars(query)}


async def test_lost_events_are_fetched(office: Office) -> None:
    """From Stripe's own list: those that can mean something, oldest first, into the inbox and on."""
    booking = await waiting(office)
    session = await at_stripe(office, booking.booking_id, ago_s=600)
    assert await fetch(office) == 2
    told = await office.signals(booking)
    assert [(name, news.event_type) for name, news in told] == [
        ("authorized", "payment_intent.amount_capturable_updated"),
        ("authorized", "checkout.session.completed"),
    ]
    intent_id = told[0][1].payment_intent_id
    assert intent_id is not None
    assert [(news.session_id, news.payment_intent_id) for _, news in told] == [
        (None, intent_id),
        (session["id"], intent_id),
    ]
    kept = await inbox_of(office, booking)
    assert set(kept) == set(HELD)
    assert all(event.processed_at is not None and event.note is None for event in kept.values())
    assert await fetch(office) == 0
    assert len(await office.signals(booking)) == 2


async def test_what_has_arrived_is_not_fetched(office: Office) -> None:
    """Processed or not: the inbox has it, and its own sweep sees to it."""
    booking = await waiting(office)
    await at_stripe(office, booking.booking_id, ago_s=600)
    headers = {"Authorization": f"Bearer {STRIPE_KEY}"}
    listed = (await office.stripe.ask("GET", "/v1/events", headers=headers, params={"limit": 10}))["data"]
    arrived = next(event for event in listed if event["type"] == HELD[0])
    await office.keep(HELD[0], event_id=arrived["id"], booking_id=booking.booking_id)
    assert await fetch(office) == 1
    assert [news.event_type for _, news in await office.signals(booking)] == [HELD[1]]
    kept = await office.kept(arrived["id"])
    assert kept is not None
    assert kept.processed_at is None


@pytest.mark.parametrize(("ago_s", "count"), [(30, 0), (180, 2), (1700, 2), (1900, 0)])
async def test_how_far_it_looks_back(office: Office, ago_s: float, count: int) -> None:
    """Not at the last two minutes, in which a webhook is only late; nor beyond half an hour."""
    booking = await waiting(office)
    await at_stripe(office, booking.booking_id, ago_s=ago_s)
    assert await fetch(office) == count
    assert len(await office.signals(booking)) == count


async def test_several_pages(office: Office) -> None:
    """Stripe lists a hundred at a time."""
    booking = await waiting(office)
    await office.stripe.ask("POST", "/_sandbox/clock", json={"offset_s": -600})
    for number in range(103):
        ours = {"booking_id": booking.booking_id} if number in {0, 50, 102} else {}
        about = {"id": f"pi_{number}", "metadata": ours}
        await office.stripe.ask(
            "POST", "/_sandbox/events", json={"type": "payment_intent.canceled", "object": about}
        )
    assert await fetch(office) == 103
    told = [news.payment_intent_id for _, news in await office.signals(booking)]
    assert told == ["pi_0", "pi_50", "pi_102"]


async def test_other_systems_events_stop_nothing(office: Office) -> None:
    """With a booking id longer than ours are, or none, or a shape of their own."""
    booking = await waiting(office)
    await office.stripe.ask("POST", "/_sandbox/clock", json={"offset_s": -600})
    odd: list[Json] = [
        {"id": "pi_long", "metadata": {"booking_id": "ORDER-" + "9" * 100}},
        {"id": "pi_none", "metadata": {}},
        {"id": "pi_other", "metadata": {"booking_id": "ORDER-1"}},
    ]
    for about in odd:
        await office.stripe.ask(
            "POST", "/_sandbox/events", json={"type": "payment_intent.succeeded", "object": about}
        )
    await at_stripe(office, booking.booking_id, ago_s=500)
    assert await fetch(office) == len(odd) + 2
    assert len(await office.signals(booking)) == 2


@pytest.mark.parametrize(
    ("fault", "kind", "final"),
    [
        ({"kind": "error_before", "status": 500, "times": 2}, "stripe_failed", False),
        ({"kind": "drop_before", "times": 2}, "stripe_unanswered", False),
        ({"kind": "error_before", "status": 401}, "stripe_refused", True),
    ],
)
async def test_stripe_is_away(office: Office, fault: dict[str, Any], kind: str, final: bool) -> None:
    """By name; the next sweep finds what this one could not."""
    booking = await waiting(office)
    await at_stripe(office, booking.booking_id, ago_s=600)
    await office.stripe.order("GET /v1/events", **fault)
    with pytest.raises(ApplicationError) as failure:
        await fetch(office)
    assert (failure.value.type, failure.value.non_retryable) == (kind, final)
    await office.stripe.heal()
    assert await fetch(office) == 2


async def test_only_known_types_are_asked_for(office: Office) -> None:
    """Stripe is told which: the rest would only fill pages."""
    booking = await waiting(office)
    await at_stripe(office, booking.booking_id, ago_s=600)
    await fetch(office)
    assert set(await inbox_of(office, booking)) <= KNOWN
