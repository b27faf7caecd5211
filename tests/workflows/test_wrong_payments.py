"""Money of a wrong amount, in a wrong currency or with another booking's id never advances a booking."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from domain.attention import AttentionCode
from domain.booking import Event, Status
from domain.identifiers import new_booking_id
from tests.workflows.booking_driver import BookingDriver
from tests.workflows.harness import WorkflowHarness
from tests.workflows.hotels import TOTAL_MINOR
from tests.workflows.situations import ended_unpaid

RELEASED = ("canceled", 0, 0)
HELD = ("requires_capture", 0, 0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount_minor": TOTAL_MINOR - 1},
        {"currency": "USD"},
        # Currencies no hotel here charges in; the first one has three decimals.
        {"currency": "BHD"},
        {"currency": "COP"},
        {"payment_names": new_booking_id()},
    ],
)
async def test_hold_that_is_not_the_bookings_never_advances_it(
    harness: WorkflowHarness, wrong: dict[str, str]
) -> None:
    booking = await harness.submitted()
    url = await booking.unnoted_page(**wrong)  # type: ignore[arg-type]
    await booking.fill_in(url)
    [intent] = await harness.intents_of_page(url)
    await harness.webhooks.deliver()
    await harness.wait_until_idle()

    assert await booking.status() is Status.PENDING_PAYMENT
    assert await booking.events() == [Event.UNMATCHED_PAYMENT_RETURNED, Event.ATTENTION_NEEDED]
    assert (await harness.payment(intent))["status"] == "canceled"
    [reason] = await booking.attention()
    assert reason.key == (AttentionCode.PAYMENT_MISMATCH_RETURNED, intent)

    await booking.place_hold()
    assert await booking.status() is Status.PENDING_APPROVAL
    assert not (await booking.row()).needs_attention


async def _late(harness: WorkflowHarness) -> BookingDriver:
    return await ended_unpaid(harness, Status.EXPIRED)


_STANDINGS = [WorkflowHarness.submitted, WorkflowHarness.held, WorkflowHarness.confirmed, _late]
each_standing = pytest.mark.parametrize(
    "standing", _STANDINGS, ids=["submitted", "held", "confirmed", "late"]
)
Standing = Callable[[WorkflowHarness], Awaitable[BookingDriver]]


async def _paid_in(harness: WorkflowHarness, booking: BookingDriver, currency: str) -> str:
    """Pay for the booking in another currency, unknown to the product; returns the PaymentIntent's id."""
    url = await booking.unnoted_page(currency=currency)
    await booking.fill_in(url)
    [intent] = await harness.intents_of_page(url)
    return intent


async def _goes_on(harness: WorkflowHarness, booking: BookingDriver, was: Status) -> None:
    """The payment was returned, people were notified, and the booking and its own payment are unchanged."""
    await harness.webhooks.deliver()
    await harness.wait_until_idle()
    assert await booking.status() is was
    assert Event.UNMATCHED_PAYMENT_RETURNED in await booking.events()
    assert f"Payment notice - {booking.booking_id}" in await booking.staff_subjects()
    if was is Status.PENDING_PAYMENT:
        await booking.place_hold()
        assert await booking.status() is Status.PENDING_APPROVAL


@each_standing
async def test_hold_in_a_currency_of_no_hotel_is_released(
    harness: WorkflowHarness, standing: Standing
) -> None:
    booking = await standing(harness)
    was = await booking.status()
    intent = await _paid_in(harness, booking, "SAR")
    await _goes_on(harness, booking, was)
    assert (await harness.payment(intent))["status"] == "canceled"


@pytest.mark.parametrize("currency", ["BHD", "COP", "ISK"])
@each_standing
async def test_money_captured_in_another_currency_is_refunded_in_full(
    harness: WorkflowHarness, standing: Standing, currency: str
) -> None:
    """Stripe counts each currency in units of its own: crowns times one hundred, dinars in thousandths."""
    booking = await standing(harness)
    was = await booking.status()
    intent = await _paid_in(harness, booking, currency)
    await harness.stripe.ask("POST", f"/_sandbox/dashboard/payment_intents/{intent}/capture", json={})
    await _goes_on(harness, booking, was)
    payment = await harness.payment(intent)
    assert (payment["amount_received"], payment["refunded"]) == (TOTAL_MINOR, TOTAL_MINOR)


async def test_euros_that_came_for_a_price_in_crowns_are_refunded_in_full(harness: WorkflowHarness) -> None:
    booking = await harness.confirmed(currency="ISK")
    intent = await _paid_in(harness, booking, "EUR")
    await harness.stripe.ask("POST", f"/_sandbox/dashboard/payment_intents/{intent}/capture", json={})
    await _goes_on(harness, booking, Status.CONFIRMED)
    assert (await harness.payment(intent))["refunded"] == TOTAL_MINOR


async def test_page_outlives_a_hold_that_is_not_the_bookings(harness: WorkflowHarness) -> None:
    """Polls go on, no second page opens, and the window's end closes the first one."""
    booking = await harness.submitted(payment_poll_s=600, payment_window_s=7200)
    first = await booking.open_page()
    await booking.fill_in(await booking.unnoted_page(amount_minor=TOTAL_MINOR - 1))
    await harness.webhooks.deliver()
    await harness.wait_until_idle()
    assert (await booking.row()).needs_attention

    again = await booking.open_page()
    assert (again.session_id, again.created) == (first.session_id, False)
    await booking.pay()
    await harness.webhooks.lose()
    harness.webhooks.is_paused = True
    await harness.advance(minutes=11)
    assert await booking.status() is Status.PENDING_APPROVAL


async def test_page_is_closed_at_the_windows_end_although_a_hold_was_not_the_bookings(
    harness: WorkflowHarness,
) -> None:
    booking = await harness.submitted(payment_window_s=1800)
    page = await booking.open_page()
    await booking.fill_in(await booking.unnoted_page(amount_minor=TOTAL_MINOR - 1))
    await harness.webhooks.deliver()
    # Before the page lapses by itself: Stripe lets none do so earlier than half an hour after it was opened.
    harness.activity_faults.attempts.clear()
    await harness.advance(minutes=31)
    assert await booking.status() is Status.EXPIRED
    assert "payments.expire_session" in harness.activity_faults.attempts
    [own] = [item for item in (await booking.ledger())["sessions"] if item["id"] == page.session_id]
    assert own["status"] == "expired"


async def test_event_of_an_unknown_booking_is_kept_with_the_reason(harness: WorkflowHarness) -> None:
    booking = await harness.submitted()
    await booking.open_page()
    await booking.pay()
    [event] = [e for e in await harness.webhooks.collect() if e["type"] == "checkout.session.completed"]
    harness.webhooks.waiting.clear()
    stranger = {"object": "checkout.session", "id": "cs_test_of_somebody_else", "metadata": {}}
    assert await harness.webhooks.deliver_event(event | {"data": {"object": stranger}}, "evt_stranger") == (
        "no booking of ours"
    )
    unknown = {**event, "type": "customer.created", "id": "evt_unknown"}
    assert await harness.webhooks.deliver_event(unknown) == "a type we do not act on"
    assert await booking.status() is Status.PENDING_PAYMENT
    await booking.come_back()
