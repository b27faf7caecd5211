"""Payment pages: what Stripe is asked for, and under which key."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from activities.payments import Payments
from domain.identifiers import return_code, return_code_hash, return_page
from domain.messages.stripe_steps import OpenSession
from models import PaymentSession, ReturnAddresses
from storage.bookings import BookingNotFoundError, keep_return_addresses
from storage.database import Database
from tests.activities.mail_harness import AUTH_SECRET, PUBLIC_BASE_URL
from tests.activities.payment_driver import (
    PaymentDriver,
    session_at_stripe,
)
from tests.storage.rows import HotelRows, book, create_hotel, row_of

CREATE = "POST /v1/checkout/sessions"


@pytest.mark.parametrize(
    ("currency", "amount_minor", "sent"),
    [("EUR", 15000, 15000), ("JPY", 15000, 15000), ("ISK", 15000, 1_500_000)],
)
async def test_what_stripe_is_asked_for(
    database: Database, driver: PaymentDriver, currency: str, amount_minor: int, sent: int
) -> None:
    """Every parameter, as it arrived; the amount in Stripe's own units, the card held and not charged."""
    hotel_rows = await create_hotel(database, currency=currency)
    booking = await book(database, hotel_rows, amount_minor=amount_minor)
    expires_at = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=3)
    opened = await driver.open(booking, expires_at=expires_at)
    assert opened.expires_at == expires_at
    session = await session_at_stripe(driver, opened.session_id)
    code = return_code(AUTH_SECRET, f"booking:{booking.booking_id}:session:run:1")
    page = return_page(PUBLIC_BASE_URL, booking.booking_id, code)
    metadata = {"booking_id": booking.booking_id, "hotel": hotel_rows.hotel.slug}
    assert {
        name: session[name] for name in ("mode", "submit_type", "client_reference_id", "customer_email")
    } == {
        "mode": "payment",
        "submit_type": "book",
        "client_reference_id": booking.booking_id,
        "customer_email": "philippa.quarshie@example.com",
    }
    assert session["allowed_payment_method_types"] == ["card"]
    assert session["metadata"] == metadata
    assert session["expires_at"] == int(expires_at.timestamp())
    assert session["success_url"] == f"{page}&session_id={{CHECKOUT_SESSION_ID}}"
    assert session["cancel_url"] == page
    assert (session["amount_total"], session["currency"]) == (sent, currency.lower())
    [item] = session["line_items"]["data"]
    assert item["quantity"] == 1
    assert item["description"] == "Hotel Killarney: Double room, 2026-12-24 to 2026-12-26"
    await driver.pay(opened.session_id)
    session = await session_at_stripe(driver, opened.session_id)
    intent = await driver.api("GET", f"payment_intents/{session['payment_intent']}")
    assert (intent["capture_method"], intent["status"]) == ("manual", "requires_capture")
    assert intent["description"] == f"Hotel booking {booking.booking_id} - Hotel Killarney"
    # The session's own metadata does not get here: its events are matched by this.
    assert intent["metadata"] == metadata
    assert intent["amount"] == sent


async def test_a_session_is_noted_in_the_books(
    database: Database, driver: PaymentDriver, hotel_rows: HotelRows
) -> None:
    """With the address of its page, which travels through no workflow."""
    booking = await book(database, hotel_rows)
    opened = await driver.open(booking)
    async with database.transaction() as db:
        session = await db.get_one(PaymentSession, opened.session_id)
    assert (session.booking_id, session.expires_at) == (booking.booking_id, opened.expires_at)
    assert session.url == f"{driver.stripe.url}/c/pay/{opened.session_id}"
    assert "url" not in vars(opened)
    code = return_code(AUTH_SECRET, f"booking:{booking.booking_id}:session:run:1")
    assert (session.return_code_hash, session.return_code_used_at) == (return_code_hash(code), None)
    row = await row_of(database, booking.booking_id)
    assert (row.payment_provider, row.payment_reference) == ("stripe", opened.session_id)


async def test_the_callers_own_addresses(
    database: Database, driver: PaymentDriver, hotel_rows: HotelRows
) -> None:
    """Only if the caller asked for them; each by itself."""
    booking = await book(database, hotel_rows)
    async with database.transaction() as db:
        both = ReturnAddresses(
            booking_id=booking.booking_id,
            success_url="https://shop.test/ok?id={CHECKOUT_SESSION_ID}",
            cancel_url="https://shop.test/no",
        )
        one = ReturnAddresses(booking_id=booking.booking_id, cancel_url="https://shop.test/no")
        ids = [await keep_return_addresses(db, both), await keep_return_addresses(db, one)]
    first = await session_at_stripe(driver, (await driver.open(booking, return_to=ids[0])).session_id)
    assert (first["success_url"], first["cancel_url"]) == (both.success_url, both.cancel_url)
    opened = await driver.open(booking, return_to=ids[1], generation=2)
    second = await session_at_stripe(driver, opened.session_id)
    assert second["success_url"].startswith(PUBLIC_BASE_URL)
    assert second["cancel_url"] == "https://shop.test/no"


async def test_a_repeat_finds_the_same_session(
    database: Database, driver: PaymentDriver, hotel_rows: HotelRows
) -> None:
    """The key names booking and generation, never the attempt."""
    booking = await book(database, hotel_rows)
    expires_at = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    first = await driver.open(booking, expires_at=expires_at)
    assert await driver.open(booking, expires_at=expires_at) == first
    other = await driver.open(booking, expires_at=expires_at, generation=2)
    assert other.session_id != first.session_id
    keys = [
        entry["idempotency_key"]
        for entry in await driver.requests(CREATE)
        if booking.booking_id in (entry["idempotency_key"] or "")
    ]
    assert keys == [f"booking:{booking.booking_id}:session:run:{generation}" for generation in (1, 1, 2)]
    assert len((await driver.ledger(booking_id=booking.booking_id))["sessions"]) == 2


@pytest.mark.parametrize("kind", ["drop_before", "drop_after"])
async def test_a_lost_answer_opens_one_session(
    database: Database, driver: PaymentDriver, hotel_rows: HotelRows, kind: str
) -> None:
    """The client's own repeat has the same key."""
    booking = await book(database, hotel_rows)
    await driver.stripe.order(CREATE, kind, times=1)
    opened = await driver.open(booking)
    sessions = (await driver.ledger(booking_id=booking.booking_id))["sessions"]
    assert [session["id"] for session in sessions] == [opened.session_id]


@pytest.mark.parametrize(
    ("fault", "kind", "final"),
    [
        ({"kind": "error_before", "status": 500}, "stripe_failed", True),
        ({"kind": "error_before", "status": 429}, "stripe_busy", False),
        ({"kind": "error_before", "status": 401}, "stripe_key_rejected", True),
        ({"kind": "drop_before", "times": 2}, "stripe_unanswered", False),
    ],
)
async def test_opening_fails(
    database: Database,
    driver: PaymentDriver,
    hotel_rows: HotelRows,
    fault: dict[str, Any],
    kind: str,
    final: bool,
) -> None:
    """By name, and nothing is noted."""
    booking = await book(database, hotel_rows)
    await driver.stripe.order(CREATE, **fault)
    with pytest.raises(ApplicationError) as failure:
        await driver.open(booking)
    assert (failure.value.type, failure.value.non_retryable) == (kind, final)
    assert (await row_of(database, booking.booking_id)).payment_reference is None


async def test_a_changed_request_under_an_old_key_is_final(
    database: Database, driver: PaymentDriver, hotel_rows: HotelRows
) -> None:
    """Stripe refuses it: a defect of ours, which no retry mends."""
    booking = await book(database, hotel_rows)
    await driver.open(booking)
    with pytest.raises(ApplicationError, match="HTTP 400") as failure:
        await driver.open(booking, amount_minor=14999)
    assert (failure.value.type, failure.value.non_retryable) == ("stripe_refused", True)


async def test_a_booking_that_is_gone(driver: PaymentDriver, payments: Payments) -> None:
    """Stripe gets no request."""
    with pytest.raises(BookingNotFoundError):
        await driver.run(payments.open_session, OpenSession(booking_id="BK-NOBODY"))
