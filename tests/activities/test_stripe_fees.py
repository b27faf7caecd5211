"""Stripe's fee is stored when a payment is captured, and never stands in the capture's way."""

from __future__ import annotations

from typing import Final

import pytest
import stripe
from sqlalchemy import text

from gateway.fees import stripe_fee
from storage.database import Database
from storage.tables import StripeFee
from tests.activities.payment_driver import PaymentDriver, PaymentPageVisit
from tests.storage.rows import HotelRows

FORBIDDEN: Final = {"status": 403, "type": "invalid_request_error"}


async def stored(database: Database, visit: PaymentPageVisit) -> tuple[int, str] | None:
    async with database.reading() as db:
        row = await db.get(StripeFee, (visit.booking.booking_id, visit.intent_id))
    return (row.fee_minor, row.fee_currency) if row else None


async def test_a_capture_stores_the_fee(
    database: Database, driver: PaymentDriver, hotel_rows: HotelRows
) -> None:
    """With the requests it makes anyway; the workflow learns nothing of it."""
    visit = await driver.held(hotel_rows)
    for _ in range(2):
        payment = await driver.run(driver.payments.capture, visit.step())
        assert payment.is_captured
        assert await stored(database, visit) == (250, "EUR")
    assert "fee" not in str(payment)
    assert len(await driver.requests(f"GET /v1/payment_intents/{visit.intent_id}")) == 2
    assert len(await driver.requests(f"POST /v1/payment_intents/{visit.intent_id}/capture")) == 1


async def test_a_capture_whose_answer_was_lost_or_that_was_made_elsewhere_stores_it(
    database: Database, driver: PaymentDriver, hotel_rows: HotelRows
) -> None:
    visit = await driver.held(hotel_rows)
    path = f"POST /v1/payment_intents/{visit.intent_id}/capture"
    await driver.stripe.order(path, "error_after", status=500)
    await driver.run(driver.payments.capture, visit.step())
    elsewhere = await driver.captured(hotel_rows)
    await driver.run(driver.payments.capture, elsewhere.step())
    assert [await stored(database, each) for each in (visit, elsewhere)] == [(250, "EUR")] * 2


async def test_a_fee_that_cannot_be_stored_fails_no_capture(
    database: Database, driver: PaymentDriver, hotel_rows: HotelRows
) -> None:
    visit = await driver.held(hotel_rows)
    async with database.transaction() as db:
        await db.execute(text("ALTER TABLE stripe_fee RENAME TO away"))
    try:
        payment = await driver.run(driver.payments.capture, visit.step())
    finally:
        async with database.transaction() as db:
            await db.execute(text("ALTER TABLE away RENAME TO stripe_fee"))
    assert payment.is_captured
    assert await stored(database, visit) is None


@pytest.mark.parametrize("refusal", ["error_before", "error_after"])
async def test_a_key_that_may_not_read_fees_captures_all_the_same(
    driver: PaymentDriver, hotel_rows: HotelRows, refusal: str
) -> None:
    """Whether Stripe refuses before the capture or after it: the hold is captured once, and judged rightly."""
    visit = await driver.held(hotel_rows)
    path = f"/v1/payment_intents/{visit.intent_id}"
    await driver.stripe.order(f"GET {path}", "error_before", **FORBIDDEN)
    await driver.stripe.order(f"POST {path}/capture", refusal, **FORBIDDEN)
    payment = await driver.run(driver.payments.capture, visit.step())
    assert (payment.is_captured, payment.matches) == (True, True)
    intent = await driver.intent(visit)
    assert (intent["status"], intent["amount_received"]) == ("succeeded", visit.booking.amount_minor)


@pytest.mark.parametrize(("fee", "currency"), [(250, "kwd"), (250, "xxx"), (-1, "eur")])
def test_a_fee_that_is_no_amount_we_know_counts_as_none(fee: int, currency: str) -> None:
    """The account's balance may be in a currency in which no hotel charges."""
    transaction = {"object": "balance_transaction", "fee": fee, "currency": currency}
    charge = {"object": "charge", "balance_transaction": transaction}
    values = {"object": "payment_intent", "latest_charge": charge}
    assert stripe_fee(stripe.PaymentIntent.construct_from(values, None)) is None
