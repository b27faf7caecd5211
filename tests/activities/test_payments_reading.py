"""Reads of a payment at Stripe: holds, captures, refunds, and payments that are not the booking's."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from domain.messages.stripe_steps import PaymentQuestion
from domain.payment import PaymentSnapshot, PaymentStatus
from storage.database import Database
from tests.activities.payment_driver import (
    CHALLENGED_CARD,
    DECLINED_CARD,
    DISPUTED_CARD,
    UNTIMED_CARD,
    PaymentDriver,
    PaymentPageVisit,
    session_at_stripe,
)
from tests.storage.rows import HotelRows, book, create_hotel


async def read(driver: PaymentDriver, question: PaymentQuestion) -> PaymentSnapshot:
    return await driver.run(driver.payments.read, question)


async def intent_of(driver: PaymentDriver, visit: PaymentPageVisit) -> str:
    found: str = (await session_at_stripe(driver, visit.session_id))["payment_intent"]
    return found


async def test_nothing_to_ask_about(driver: PaymentDriver) -> None:
    """A booking without a page has no payment; Stripe is not asked."""
    assert await read(driver, PaymentQuestion(booking_id="BK-1")) == PaymentSnapshot()


async def test_an_untouched_page(driver: PaymentDriver, hotel_rows: HotelRows) -> None:
    """Open, and no payment yet."""
    visit = await driver.page_opened(hotel_rows)
    assert await read(driver, visit.question()) == PaymentSnapshot(session_open=True)


@pytest.mark.parametrize("card", [DECLINED_CARD, CHALLENGED_CARD])
async def test_a_page_on_which_an_attempt_failed(
    driver: PaymentDriver, hotel_rows: HotelRows, card: str
) -> None:
    """Declined, or in the middle of 3-D Secure: the guest may still pay."""
    visit = await driver.page_opened(hotel_rows)
    await driver.pay(visit.session_id, card)
    found = await read(driver, visit.question())
    assert (found.status, found.session_open) == (PaymentStatus.PENDING, True)
    assert found.payment_intent_id == await intent_of(driver, visit)


@pytest.mark.parametrize("by", ["session", "intent", "both"])
async def test_a_hold(driver: PaymentDriver, hotel_rows: HotelRows, by: str) -> None:
    """By its page or by itself: when it was placed, and when it lapses."""
    visit = await driver.held(hotel_rows)
    question = visit.question(
        session_id=None if by == "intent" else visit.session_id,
        payment_intent_id=None if by == "session" else visit.intent_id,
    )
    found = await read(driver, question)
    assert (found.status, found.session_open, found.matches) == (PaymentStatus.REQUIRES_CAPTURE, False, True)
    assert found.payment_intent_id == visit.intent_id
    assert (found.amount_received_minor, found.amount_refunded_minor, found.disputed) == (0, 0, False)
    books = await driver.intent(visit)
    assert found.authorized_at == datetime.fromtimestamp(books["authorized_at"], UTC)
    assert found.capture_before == datetime.fromtimestamp(books["capture_before"], UTC)
    assert found.capture_before - found.authorized_at == timedelta(days=7)


async def test_the_intent_wins_where_both_are_known(driver: PaymentDriver, hotel_rows: HotelRows) -> None:
    """The session may be an older one."""
    visit, unpaid = await driver.held(hotel_rows), await driver.page_opened(hotel_rows)
    found = await read(
        driver, visit.question(session_id=unpaid.session_id, payment_intent_id=visit.intent_id)
    )
    assert found.payment_intent_id == visit.intent_id


async def test_a_hold_without_an_end(driver: PaymentDriver, hotel_rows: HotelRows) -> None:
    """Stripe does not always say when it lapses."""
    visit = await driver.held(hotel_rows, card=UNTIMED_CARD)
    found = await read(driver, visit.question())
    assert (found.status, found.capture_before) == (PaymentStatus.REQUIRES_CAPTURE, None)
    assert found.authorized_at is not None


async def test_holds_that_are_gone(driver: PaymentDriver, hotel_rows: HotelRows) -> None:
    """Lapsed by itself, or cancelled in the Dashboard; what was let go is no refund."""
    for action in ("lapse", "cancel"):
        visit = await driver.held(hotel_rows)
        await driver.dashboard(f"payment_intents/{visit.intent_id}/{action}")
        found = await read(driver, visit.question())
        assert (found.status, found.session_open) == (PaymentStatus.CANCELED, False)
        assert (found.amount_received_minor, found.amount_refunded_minor) == (0, 0)


async def test_a_page_that_has_lapsed(driver: PaymentDriver, hotel_rows: HotelRows) -> None:
    """Untouched, or after a failed attempt: not open any more, and nothing is held."""
    untouched, tried = await driver.page_opened(hotel_rows), await driver.page_opened(hotel_rows)
    await driver.pay(tried.session_id, DECLINED_CARD)
    for visit in (untouched, tried):
        await driver.dashboard(f"checkout/sessions/{visit.session_id}/lapse")
    assert await read(driver, untouched.question()) == PaymentSnapshot()
    found = await read(driver, tried.question())
    assert (found.status, found.session_open) == (PaymentStatus.CANCELED, False)


@pytest.mark.parametrize(
    ("captured", "returned", "received", "refunded"),
    [
        (None, None, 15000, 0),
        (None, 4000, 15000, 4000),
        (None, 15000, 15000, 15000),
        (6000, None, 6000, 0),
        (6000, 1000, 6000, 1000),
    ],
)
async def test_captured_money(
    driver: PaymentDriver,
    hotel_rows: HotelRows,
    captured: int | None,
    returned: int | None,
    received: int,
    refunded: int,
) -> None:
    """In full, in part, with refunds: what was let go of the hold is not counted as one."""
    visit = await driver.held(hotel_rows)
    await driver.dashboard(f"payment_intents/{visit.intent_id}/capture", amount=captured)
    if returned is not None:
        await driver.dashboard(f"payment_intents/{visit.intent_id}/refund", amount=returned)
    found = await read(driver, visit.question())
    assert (found.status, found.matches) == (PaymentStatus.SUCCEEDED, True)
    assert (found.amount_received_minor, found.amount_refunded_minor) == (received, refunded)


async def test_a_dispute(driver: PaymentDriver, hotel_rows: HotelRows) -> None:
    """The bank contests the charge."""
    visit = await driver.held(hotel_rows, card=DISPUTED_CARD)
    assert not (await read(driver, visit.question())).disputed
    await driver.dashboard(f"payment_intents/{visit.intent_id}/capture")
    assert (await read(driver, visit.question())).disputed


@pytest.mark.parametrize(
    "changes",
    [
        {"amount": 14999},
        {"amount": 15001},
        {"currency": "USD"},
        {"currency": "BHD"},
        {"currency": "COP"},
        {"booking_id": "BK-7Q2M9-XKD4T-ZRW3H"},
        {"booking_id": ""},
    ],
)
async def test_a_hold_that_is_not_the_bookings(
    database: Database, driver: PaymentDriver, hotel_rows: HotelRows, changes: dict[str, Any]
) -> None:
    """Another amount, currency or booking: it must never advance this one."""
    visit = await driver.foreign(await book(database, hotel_rows), **changes)
    found = await read(driver, visit.question())
    assert (found.status, found.matches) == (PaymentStatus.REQUIRES_CAPTURE, False)


async def test_a_hold_made_by_hand_that_is_the_bookings(
    database: Database, driver: PaymentDriver, hotel_rows: HotelRows
) -> None:
    """The proof that the test above fails for the reasons it names."""
    visit = await driver.foreign(await book(database, hotel_rows))
    assert (await read(driver, visit.question())).matches


async def test_crowns_are_read_in_crowns(database: Database, driver: PaymentDriver) -> None:
    """ISK is times one hundred at Stripe only."""
    hotel_rows = await create_hotel(database, currency="ISK")
    visit = await driver.captured(hotel_rows)
    await driver.dashboard(f"payment_intents/{visit.intent_id}/refund", amount=400_000)
    found = await read(driver, visit.question())
    assert (found.matches, found.amount_received_minor, found.amount_refunded_minor) == (True, 15000, 4000)


@pytest.mark.parametrize(
    ("fault", "kind", "final"),
    [
        # Nothing was written under a key, so nothing will be replayed: worth a retry.
        ({"kind": "error_before", "status": 500, "times": 2}, "stripe_failed", False),
        ({"kind": "drop_before", "times": 2}, "stripe_unanswered", False),
        ({"kind": "error_before", "status": 429}, "stripe_busy", False),
        ({"kind": "error_before", "status": 401}, "stripe_key_rejected", True),
    ],
)
async def test_reading_fails(
    driver: PaymentDriver, hotel_rows: HotelRows, fault: dict[str, Any], kind: str, final: bool
) -> None:
    """By name; and works again afterwards."""
    visit = await driver.held(hotel_rows)
    for question in (visit.question(), visit.question(payment_intent_id=visit.intent_id)):
        await driver.stripe.clear_faults()
        await driver.stripe.order("GET /v1/*", **fault)
        with pytest.raises(ApplicationError) as failure:
            await read(driver, question)
        assert (failure.value.type, failure.value.non_retryable) == (kind, final)
    await driver.stripe.clear_faults()
    assert (await read(driver, visit.question())).status is PaymentStatus.REQUIRES_CAPTURE


async def test_what_stripe_does_not_know(driver: PaymentDriver, hotel_rows: HotelRows) -> None:
    """Another account's payment: the error is final, and needs attention."""
    visit = await driver.held(hotel_rows)
    for question in (
        visit.question(session_id="cs_test_nobody"),
        visit.question(payment_intent_id="pi_nobody"),
    ):
        with pytest.raises(ApplicationError, match="HTTP 404, resource_missing") as failure:
            await read(driver, question)
        assert (failure.value.type, failure.value.non_retryable) == ("stripe_unknown", True)


async def test_errors_say_nothing_of_the_guest(driver: PaymentDriver, hotel_rows: HotelRows) -> None:
    """M9: Stripe's own sentence may quote what it was sent, and an error's text enters histories."""
    visit = await driver.held(hotel_rows)
    message = "No card 4242 of philippa.quarshie@example.com"
    await driver.stripe.order("GET /v1/*", "error_before", status=400, code="card_odd", message=message)
    with pytest.raises(ApplicationError) as failure:
        await read(driver, replace(visit.question(), session_id="cs_secret_page"))
    text = str(failure.value)
    assert "Stripe: HTTP 400, card_odd, request req_" in text
    assert "philippa" not in text
    assert "4242" not in text
