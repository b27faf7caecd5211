"""The card of a verified hold is stored for the people who decide, and goes with the guest's data."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import text
from temporalio.exceptions import ApplicationError

from domain.payment_card import PaymentCard
from sandbox.drivers import wait_until
from storage.database import Database
from storage.erasure import booking_to_erase, erase_guest
from storage.tables import CardDetails
from tests.activities.payment_driver import CHALLENGED_CARD, GOOD_CARD, PaymentDriver, PaymentPageVisit
from tests.storage.rows import T0, HotelRows, book

ELEVATED_CARD, HIGHEST_CARD, WALLET_CARD = "4000000000009235", "4000000000004954", "5200828282828210"

_WAITING = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%card_details%'
"""


async def stored(database: Database, visit: PaymentPageVisit) -> CardDetails | None:
    async with database.transaction() as db:
        return await db.get(CardDetails, (visit.booking.booking_id, visit.intent_id))


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        (GOOD_CARD, PaymentCard("visa", "4242", "credit", "IE", "pass", risk_level="normal")),
        (ELEVATED_CARD, PaymentCard("visa", "9235", "credit", "IE", "pass", risk_level="elevated")),
        (HIGHEST_CARD, PaymentCard("visa", "4954", "credit", "IE", "fail", "fail", risk_level="highest")),
        (WALLET_CARD, PaymentCard("mastercard", "8210", "debit", "IE", wallet="apple_pay")),
    ],
)
@pytest.mark.parametrize("by", ["session", "intent"])
async def test_the_card_of_a_hold(
    database: Database,
    driver: PaymentDriver,
    hotel_rows: HotelRows,
    card: str,
    expected: PaymentCard,
    by: str,
) -> None:
    """Read by the page or by the payment, and twice: one row with Stripe's words."""
    visit = await driver.held(hotel_rows, card=card)
    question = visit.question(payment_intent_id=visit.intent_id if by == "intent" else None)
    for _ in range(2):
        await driver.run(driver.payments.read, question)
    row = await stored(database, visit)
    assert row is not None
    assert {name: getattr(row, name) for name in vars(expected)} == vars(expected)


async def test_a_card_that_passed_3d_secure(
    database: Database, driver: PaymentDriver, hotel_rows: HotelRows
) -> None:
    visit = await driver.page_opened(hotel_rows)
    await driver.pay(visit.session_id, CHALLENGED_CARD)
    url = f"{driver.stripe.url}/c/pay/{visit.session_id}/authenticate"
    await driver.stripe.http.post(url, data={"result": "complete"})
    found = await driver.run(driver.payments.read, visit.question())
    row = await stored(database, PaymentPageVisit(visit.booking, visit.session_id, found.intent_id))
    assert row is not None
    assert row.three_d_secure == "authenticated"


async def test_payments_that_are_no_hold_of_the_booking(
    database: Database, driver: PaymentDriver, hotel_rows: HotelRows
) -> None:
    """Another amount, or captured already: staff do not decide on them."""
    visits = [
        await driver.foreign(await book(database, hotel_rows), amount=14999),
        await driver.captured(hotel_rows),
    ]
    for visit in visits:
        await driver.run(driver.payments.read, visit.question(payment_intent_id=visit.intent_id))
        assert await stored(database, visit) is None


async def _erase(db: Any, visit: PaymentPageVisit) -> None:
    booking = await booking_to_erase(db, visit.booking.booking_id)
    assert booking is not None
    await erase_guest(db, booking, T0)


async def test_erasure_removes_the_card_for_good(
    database: Database, driver: PaymentDriver, hotel_rows: HotelRows
) -> None:
    """A later read does not store it again."""
    visit = await driver.held(hotel_rows)
    await driver.run(driver.payments.read, visit.question())
    assert await stored(database, visit) is not None
    async with database.transaction() as db:
        await _erase(db, visit)
    assert await stored(database, visit) is None
    await driver.run(driver.payments.read, visit.question())
    assert await stored(database, visit) is None


async def test_a_read_during_an_erasure_stores_nothing(
    database: Database, driver: PaymentDriver, hotel_rows: HotelRows
) -> None:
    """The read began first, and waits for the erasure's end."""
    visit = await driver.held(hotel_rows)

    async def waiting() -> int:
        async with database.reading() as db:
            return int(await db.scalar(text(_WAITING)) or 0)

    async with database.transaction() as db:
        await _erase(db, visit)
        reading = asyncio.create_task(driver.run(driver.payments.read, visit.question()))
        await wait_until(waiting, bool, what="the read to wait for the erasure")
    await reading
    assert await stored(database, visit) is None


async def test_a_database_that_refuses_is_worth_a_retry_and_quotes_nothing(
    database: Database, driver: PaymentDriver, hotel_rows: HotelRows
) -> None:
    visit = await driver.held(hotel_rows)
    async with database.transaction() as db:
        await db.execute(text("ALTER TABLE card_details ADD CONSTRAINT none CHECK (brand IS NULL) NOT VALID"))
    try:
        with pytest.raises(ApplicationError) as failure:
            await driver.run(driver.payments.read, visit.question())
    finally:
        async with database.transaction() as db:
            await db.execute(text("ALTER TABLE card_details DROP CONSTRAINT none"))
    assert (failure.value.type, failure.value.non_retryable) == ("database", False)
    assert (str(failure.value), failure.value.__cause__) == ("database: IntegrityError", None)
