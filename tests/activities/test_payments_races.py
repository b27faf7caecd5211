"""Another actor changes the payment: before a step, and between its reading and its writing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from activities.payments import Payments
from domain.payment import PaymentSnapshot, PaymentStatus
from storage.database import Database
from tests.activities.money_steps import STEPS, MoneyStepCase
from tests.activities.payment_driver import DISPUTED_CARD, PaymentDriver, PaymentPageVisit
from tests.storage.rows import HotelRows, book, create_hotel

CAPTURE, RELEASE, REFUND, EXPIRE = STEPS

Meddle = Callable[[PaymentDriver, PaymentPageVisit], Awaitable[Any]]


def by_dashboard(action: str, **body: Any) -> Meddle:
    return lambda driver, visit: driver.dashboard(
        action.format(intent=visit.intent_id, session=visit.session_id), **body
    )


CAPTURED = by_dashboard("payment_intents/{intent}/capture")
CAPTURED_IN_PART = by_dashboard("payment_intents/{intent}/capture", amount=6000)
CANCELLED = by_dashboard("payment_intents/{intent}/cancel")
LAPSED = by_dashboard("payment_intents/{intent}/lapse")
REFUNDED = by_dashboard("payment_intents/{intent}/refund")
REFUNDED_IN_PART = by_dashboard("payment_intents/{intent}/refund", amount=6000)
PAGE_LAPSED = by_dashboard("checkout/sessions/{session}/lapse")


async def paid_meanwhile(driver: PaymentDriver, visit: PaymentPageVisit) -> None:
    await driver.pay(visit.session_id)


# Another actor's change, and the activity's answer: status, captured, refunded; and requests without effect.
OVERTAKEN = [
    pytest.param(CAPTURE, CAPTURED, (PaymentStatus.SUCCEEDED, 15000, 0), id="capture, captured"),
    pytest.param(
        CAPTURE, CAPTURED_IN_PART, (PaymentStatus.SUCCEEDED, 6000, 0), id="capture, captured in part"
    ),
    pytest.param(CAPTURE, CANCELLED, (PaymentStatus.CANCELED, 0, 0), id="capture, cancelled"),
    pytest.param(CAPTURE, LAPSED, (PaymentStatus.CANCELED, 0, 0), id="capture, lapsed"),
    pytest.param(RELEASE, CAPTURED, (PaymentStatus.SUCCEEDED, 15000, 0), id="release, captured"),
    pytest.param(
        RELEASE, CAPTURED_IN_PART, (PaymentStatus.SUCCEEDED, 6000, 0), id="release, captured in part"
    ),
    pytest.param(RELEASE, CANCELLED, (PaymentStatus.CANCELED, 0, 0), id="release, cancelled"),
    pytest.param(RELEASE, LAPSED, (PaymentStatus.CANCELED, 0, 0), id="release, lapsed"),
    pytest.param(REFUND, REFUNDED, (PaymentStatus.SUCCEEDED, 15000, 15000), id="refund, refunded"),
    pytest.param(EXPIRE, PAGE_LAPSED, (PaymentStatus.NONE, 0, 0), id="expire, lapsed"),
    pytest.param(EXPIRE, paid_meanwhile, (PaymentStatus.REQUIRES_CAPTURE, 0, 0), id="expire, paid"),
]


def snapshot(payment: PaymentSnapshot) -> tuple[PaymentStatus, int, int]:
    return payment.status, payment.amount_received_minor, payment.amount_refunded_minor


@pytest.mark.parametrize(("step", "meddle", "expected"), OVERTAKEN)
async def test_done_before(
    driver: PaymentDriver,
    hotel_rows: HotelRows,
    payments: Payments,
    step: MoneyStepCase,
    meddle: Meddle,
    expected: tuple[PaymentStatus, int, int],
) -> None:
    """It is read and reported, and nothing is requested of Stripe."""
    visit = await step.prepare(driver, hotel_rows)
    await meddle(driver, visit)
    before = len(await driver.requests(step.writes_at(visit)))
    found = await step.take(driver, payments, visit)
    assert snapshot(found) == expected
    assert not found.session_open
    assert len(await driver.requests(step.writes_at(visit))) == before


@pytest.mark.parametrize(("step", "meddle", "expected"), OVERTAKEN)
async def test_done_between_reading_and_writing(
    driver: PaymentDriver,
    hotel_rows: HotelRows,
    payments: Payments,
    step: MoneyStepCase,
    meddle: Meddle,
    expected: tuple[PaymentStatus, int, int],
) -> None:
    """Stripe refuses the step, and what is read then is what counts: no error, nothing done twice."""
    visit = await step.prepare(driver, hotel_rows)
    slow = await driver.stripe.order(step.writes_at(visit), "delay", delay_s=0.3)
    taking = asyncio.create_task(step.take(driver, payments, visit))
    await driver.struck(slow)
    await meddle(driver, visit)
    found = await taking
    assert snapshot(found) == expected
    assert not found.session_open
    assert (await driver.requests(step.writes_at(visit)))[-1]["status"] == 400


async def test_a_hold_found_while_closing_the_page(
    driver: PaymentDriver, hotel_rows: HotelRows, payments: Payments
) -> None:
    """The guest was quicker: the answer is the whole hold, so that the booking can go on with it."""
    visit = await driver.held(hotel_rows)
    found = await EXPIRE.take(driver, payments, visit)
    assert (found.status, found.payment_intent_id, found.matches) == (
        PaymentStatus.REQUIRES_CAPTURE,
        visit.intent_id,
        True,
    )
    assert found.capture_before is not None


# --- refunds in parts ---


async def test_a_refund_completes_what_others_began(
    driver: PaymentDriver, hotel_rows: HotelRows, payments: Payments
) -> None:
    """Until so much has gone back in total, by whomever."""
    visit = await driver.captured(hotel_rows)
    await REFUNDED_IN_PART(driver, visit)
    found = await REFUND.take(driver, payments, visit)
    assert found.amount_refunded_minor == 15000
    refunds = (await driver.ledger(payment_intent=visit.intent_id))["refunds"]
    assert sorted(refund["amount"] for refund in refunds) == [6000, 9000]


async def test_a_refund_of_a_part(driver: PaymentDriver, hotel_rows: HotelRows, payments: Payments) -> None:
    """Less the fee; asked again, and for less, nothing more goes back; asked for more, the rest does."""
    visit = await driver.captured(hotel_rows)
    for requested, returned in ((7500, 7500), (7500, 7500), (5000, 7500), (15000, 15000)):
        found = await REFUND.take(driver, payments, visit, amount_minor=requested)
        assert found.amount_refunded_minor == returned
    refunds = (await driver.ledger(payment_intent=visit.intent_id))["refunds"]
    assert [refund["amount"] for refund in refunds] == [7500, 7500]
    assert {refund["reason"] for refund in refunds} == {"requested_by_customer"}
    assert {refund["metadata"]["booking_id"] for refund in refunds} == {visit.booking.booking_id}


async def test_part_of_a_refund_came_between(
    driver: PaymentDriver, hotel_rows: HotelRows, payments: Payments
) -> None:
    """Then ours was too much: refused, and the next attempt asks for what is left."""
    visit = await driver.captured(hotel_rows)
    slow = await driver.stripe.order("POST /v1/refunds", "delay", delay_s=0.3)
    taking = asyncio.create_task(REFUND.take(driver, payments, visit))
    await driver.struck(slow)
    await REFUNDED_IN_PART(driver, visit)
    with pytest.raises(Exception, match="HTTP 400"):
        await taking
    assert (await REFUND.take(driver, payments, visit)).amount_refunded_minor == 15000


async def test_nothing_was_captured(driver: PaymentDriver, hotel_rows: HotelRows, payments: Payments) -> None:
    """A hold is released, not refunded: nothing is asked of Stripe."""
    visit = await driver.held(hotel_rows)
    found = await REFUND.take(driver, payments, visit)
    assert (found.status, found.amount_refunded_minor) == (PaymentStatus.REQUIRES_CAPTURE, 0)


async def test_a_disputed_charge_cannot_be_refunded(
    driver: PaymentDriver, hotel_rows: HotelRows, payments: Payments
) -> None:
    """Stripe refuses for good; the error is final, and needs attention."""
    visit = await driver.captured(hotel_rows, card=DISPUTED_CARD)
    with pytest.raises(Exception, match="HTTP 400, charge_disputed"):
        await REFUND.take(driver, payments, visit)


# --- money that is not the booking's ---


@pytest.mark.parametrize(
    "changes",
    [
        {"amount": 14999},
        {"currency": "USD"},
        {"currency": "BHD"},
        {"currency": "COP"},
        {"booking_id": "BK-7Q2M9-XKD4T-ZRW3H"},
        {"booking_id": ""},
    ],
)
async def test_what_is_not_the_bookings_is_released_and_never_captured(
    database: Database,
    driver: PaymentDriver,
    hotel_rows: HotelRows,
    payments: Payments,
    changes: dict[str, Any],
) -> None:
    """M1: wrong amount, currency or booking id."""
    visit = await driver.foreign(await book(database, hotel_rows), **changes)
    found = await CAPTURE.take(driver, payments, visit)
    assert (found.status, found.matches) == (PaymentStatus.REQUIRES_CAPTURE, False)
    assert await driver.requests(CAPTURE.writes_at(visit)) == []
    assert (await driver.intent(visit))["captures"] == 0
    found = await RELEASE.take(driver, payments, visit)
    assert (found.status, found.matches) == (PaymentStatus.CANCELED, False)


async def test_crowns_are_captured_and_returned_in_crowns(
    database: Database, driver: PaymentDriver, payments: Payments
) -> None:
    """ISK is times one hundred at Stripe only."""
    hotel_rows = await create_hotel(database, currency="ISK")
    visit = await driver.held(hotel_rows)
    found = await CAPTURE.take(driver, payments, visit)
    assert snapshot(found) == (PaymentStatus.SUCCEEDED, 15000, 0)
    assert (await driver.intent(visit))["amount_received"] == 1_500_000
    found = await REFUND.take(driver, payments, visit, amount_minor=4000)
    assert snapshot(found) == (PaymentStatus.SUCCEEDED, 15000, 4000)
    assert (await driver.intent(visit))["refunded"] == 400_000


@pytest.mark.parametrize(
    ("ours", "theirs", "minor"), [("EUR", "ISK", 150), ("ISK", "EUR", 15000), ("EUR", "BHD", 15000)]
)
async def test_money_of_another_currency_is_returned_in_its_own_units(
    database: Database, driver: PaymentDriver, payments: Payments, ours: str, theirs: str, minor: int
) -> None:
    """Stripe counts in the payment's currency, whatever the booking's is; one we never charge in is left as it is."""
    hotel_rows = await create_hotel(database, currency=ours)
    visit = await driver.foreign(await book(database, hotel_rows), currency=theirs, amount=15000)
    await driver.dashboard(f"payment_intents/{visit.intent_id}/capture")
    found = await REFUND.take(driver, payments, visit, amount_minor=minor)
    assert snapshot(found) == (PaymentStatus.SUCCEEDED, minor, minor)
    assert not found.matches
    assert (await driver.intent(visit))["refunded"] == 15000
