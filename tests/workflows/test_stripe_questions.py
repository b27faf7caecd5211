"""The rate of reads of Stripe, and the requests they delay."""

from __future__ import annotations

import asyncio

from domain.booking import Status
from tests.workflows.activity_faults import FaultMode
from tests.workflows.booking_driver import BookingDriver
from tests.workflows.harness import WorkflowHarness
from tests.workflows.hotels import TOTAL_MINOR

_POLL_S = 300


def _questions(harness: WorkflowHarness, booking: BookingDriver) -> int:
    return harness.activity_faults.attempts_of.get(booking.booking_id, []).count("payments.read")


async def _unpaid(harness: WorkflowHarness, **terms: int) -> BookingDriver:
    booking = await harness.submitted(payment_poll_s=_POLL_S, **terms)
    await booking.open_page()
    return booking


async def test_silence_lets_the_polls_become_rare(harness: WorkflowHarness) -> None:
    """After 5, 10, 20 and 40 minutes, then once an hour, and before each e-mail; every 5 minutes would be 144 times."""
    booking = await _unpaid(harness, payment_window_s=13 * 3600)
    await harness.advance(hours=12)
    assert 12 <= _questions(harness, booking) <= 17


async def test_news_lets_the_polls_become_frequent_again(harness: WorkflowHarness) -> None:
    booking = await _unpaid(harness, payment_window_s=13 * 3600)
    await harness.advance(hours=6)
    await booking.fill_in(await booking.unnoted_page(amount_minor=TOTAL_MINOR - 1))
    await harness.webhooks.deliver()
    await harness.wait_until_idle()
    before = _questions(harness, booking)
    await harness.advance(seconds=_POLL_S + 10)
    assert _questions(harness, booking) > before, "without news the next one were a quarter of an hour away"


async def test_expired_page_is_not_polled(harness: WorkflowHarness) -> None:
    """Stripe keeps none open for longer than a day; the window may be longer."""
    booking = await _unpaid(harness, payment_window_s=72 * 3600)
    await harness.advance(hours=25, minutes=30)
    before = _questions(harness, booking)
    await harness.advance(hours=40)
    assert (await booking.status(), _questions(harness, booking)) == (Status.PENDING_PAYMENT, before)

    assert (await booking.open_page()).created
    before = _questions(harness, booking)
    await harness.advance(seconds=_POLL_S + 10)
    assert _questions(harness, booking) == before + 1, "another page is asked about anew"
    await harness.advance(hours=7)
    assert await booking.status() is Status.EXPIRED


async def test_question_that_stripe_does_not_answer_holds_up_no_payment(harness: WorkflowHarness) -> None:
    """A question how the payment stands needs no token; the guest gets the page meanwhile, and pays on it."""
    booking = await _unpaid(harness)
    harness.activity_faults.order("payments.read", FaultMode.HANG, booking_id=booking.booking_id)
    before = _questions(harness, booking)
    asked = harness.later(booking.come_back())

    async def is_asked() -> bool:
        return _questions(harness, booking) > before

    await harness.until(is_asked)
    assert not (await asyncio.wait_for(booking.open_page(), 10)).created
    await booking.pay()
    await harness.webhooks.deliver()

    async def is_held() -> bool:
        return await booking.status() is Status.PENDING_APPROVAL

    await harness.until(is_held)
    assert not asked.done()
    await harness.advance(minutes=1)
    assert (await asked).status is Status.PENDING_APPROVAL


async def test_questions_at_once_are_one(harness: WorkflowHarness) -> None:
    booking = await _unpaid(harness)
    harness.activity_faults.order("payments.read", FaultMode.HANG, booking_id=booking.booking_id)
    before = _questions(harness, booking)
    asked = [harness.later(booking.come_back()) for _ in range(5)]

    async def all_have_asked() -> bool:
        events = (await booking.handle.fetch_history()).events
        accepted = [
            event for event in events if event.HasField("workflow_execution_update_accepted_event_attributes")
        ]
        return len(accepted) >= 1 + len(asked)  # a submission and a page came before

    await harness.until(all_have_asked)
    await harness.advance(minutes=1)
    assert {(await answer).status for answer in asked} == {Status.PENDING_PAYMENT}
    assert _questions(harness, booking) == before + 2, "one that hangs, and its repeat"
