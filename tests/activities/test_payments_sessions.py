"""Payment pages: what Stripe is asked for, under which key, and what is read of what became of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from activities.payments import Payments
from domain.identifiers import status_page
from domain.messages import OpenSession, PaymentQuestion, PaymentSnapshot, PaymentStatus
from models import PaymentSession, ReturnAddresses
from storage.bookings import BookingNotFoundError, keep_return_addresses
from storage.database import Database
from tests.activities.mail_harness import AUTH_SECRET, PUBLIC_BASE_URL
from tests.activities.payment_driver import (
    CHALLENGED_CARD,
    DECLINED_CARD,
    DISPUTED_CARD,
    UNTIMED_CARD,
    PaymentDriver,
    PaymentPageVisit,
)
from tests.storage.rows import HotelRows, book, create_hotel, row_of

CREATE = "POST /v1/checkout/sessions"


async def session_at_stripe(driver: PaymentDriver, session_id: str) -> Any:
    return await driver.api("GET", f"checkout/sessions/{session_id}", params={"expand[]": "line_items"})


# --- opening ---


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
    page = status_page(PUBLIC_BASE_URL, AUTH_SECRET, booking.booking_id)
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
        kept = await db.get_one(PaymentSession, opened.session_id)
    assert (kept.booking_id, kept.expires_at) == (booking.booking_id, opened.expires_at)
    assert kept.url == f"{driver.stripe.url}/c/pay/{opened.session_id}"
    assert "url" not in vars(opened)
    row = await row_of(database, booking.booking_id)
    assert (row.payment_provider, row.payment_reference) == ("stripe", opened.session_id)


async def test_the_callers_own_addresses(
    database: Database, driver: PaymentDriver, hotel_rows: HotelRows
) -> None:
    """Where the caller asked for them; each by itself."""
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
    assert keys == [f"booking:{booking.booking_id}:session:{generation}" for generation in (1, 1, 2)]
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
        ({"kind": "error_before", "status": 401}, "stripe_refused", True),
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
    """Nothing is asked of Stripe."""
    with pytest.raises(BookingNotFoundError):
        await driver.run(payments.open_session, OpenSession(booking_id="BK-NOBODY"))


# --- reading ---


async def read(driver: PaymentDriver, question: PaymentQuestion) -> PaymentSnapshot:
    return await driver.run(driver.payments.read, question)


async def intent_of(driver: PaymentDriver, paid: PaymentPageVisit) -> str:
    found: str = (await session_at_stripe(driver, paid.session_id))["payment_intent"]
    return found


async def test_nothing_to_ask_about(driver: PaymentDriver) -> None:
    """A booking without a page has no payment; Stripe is not asked."""
    assert await read(driver, PaymentQuestion(booking_id="BK-1")) == PaymentSnapshot()


async def test_a_page_nobody_has_touched(driver: PaymentDriver, hotel_rows: HotelRows) -> None:
    """Open, and no payment yet."""
    asked = await driver.page_opened(hotel_rows)
    assert await read(driver, asked.question()) == PaymentSnapshot(session_open=True)


@pytest.mark.parametrize("card", [DECLINED_CARD, CHALLENGED_CARD])
async def test_a_page_on_which_an_attempt_failed(
    driver: PaymentDriver, hotel_rows: HotelRows, card: str
) -> None:
    """Declined, or in the middle of 3-D Secure: the guest may still pay."""
    asked = await driver.page_opened(hotel_rows)
    await driver.pay(asked.session_id, card)
    found = await read(driver, asked.question())
    assert (found.status, found.session_open) == (PaymentStatus.PENDING, True)
    assert found.payment_intent_id == await intent_of(driver, asked)


@pytest.mark.parametrize("by", ["session", "intent", "both"])
async def test_a_hold(driver: PaymentDriver, hotel_rows: HotelRows, by: str) -> None:
    """By its page or by itself: when it was placed, and when it lapses."""
    paid = await driver.held(hotel_rows)
    question = paid.question(
        session_id=None if by == "intent" else paid.session_id,
        payment_intent_id=None if by == "session" else paid.intent_id,
    )
    found = await read(driver, question)
    assert (found.status, found.session_open, found.matches) == (PaymentStatus.REQUIRES_CAPTURE, False, True)
    assert found.payment_intent_id == paid.intent_id
    assert (found.amount_received_minor, found.amount_refunded_minor, found.disputed) == (0, 0, False)
    books = await driver.intent(paid)
    assert found.authorized_at == datetime.fromtimestamp(books["authorized_at"], UTC)
    assert found.capture_before == datetime.fromtimestamp(books["capture_before"], UTC)
    assert found.capture_before - found.authorized_at == timedelta(days=7)


async def test_the_intent_wins_where_both_are_known(driver: PaymentDriver, hotel_rows: HotelRows) -> None:
    """The session may be an older one."""
    paid, asked = await driver.held(hotel_rows), await driver.page_opened(hotel_rows)
    found = await read(driver, paid.question(session_id=asked.session_id, payment_intent_id=paid.intent_id))
    assert found.payment_intent_id == paid.intent_id


async def test_a_hold_without_an_end(driver: PaymentDriver, hotel_rows: HotelRows) -> None:
    """Stripe does not always say when it lapses."""
    paid = await driver.held(hotel_rows, card=UNTIMED_CARD)
    found = await read(driver, paid.question())
    assert (found.status, found.capture_before) == (PaymentStatus.REQUIRES_CAPTURE, None)
    assert found.authorized_at is not None


async def test_holds_that_are_gone(driver: PaymentDriver, hotel_rows: HotelRows) -> None:
    """Lapsed by itself, or cancelled in the Dashboard; what was let go is no refund."""
    for action in ("lapse", "cancel"):
        paid = await driver.held(hotel_rows)
        await driver.dashboard(f"payment_intents/{paid.intent_id}/{action}")
        found = await read(driver, paid.question())
        assert (found.status, found.session_open) == (PaymentStatus.CANCELED, False)
        assert (found.amount_received_minor, found.amount_refunded_minor) == (0, 0)


async def test_a_page_that_has_lapsed(driver: PaymentDriver, hotel_rows: HotelRows) -> None:
    """Untouched, or after a failed attempt: not open any more, and nothing is held."""
    untouched, tried = await driver.page_opened(hotel_rows), await driver.page_opened(hotel_rows)
    await driver.pay(tried.session_id, DECLINED_CARD)
    for asked in (untouched, tried):
        await driver.dashboard(f"checkout/sessions/{asked.session_id}/lapse")
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
    paid = await driver.held(hotel_rows)
    await driver.dashboard(f"payment_intents/{paid.intent_id}/capture", amount=captured)
    if returned is not None:
        await driver.dashboard(f"payment_intents/{paid.intent_id}/refund", amount=returned)
    found = await read(driver, paid.question())
    assert (found.status, found.matches) == (PaymentStatus.SUCCEEDED, True)
    assert (found.amount_received_minor, found.amount_refunded_minor) == (received, refunded)


async def test_a_dispute(driver: PaymentDriver, hotel_rows: HotelRows) -> None:
    """The bank contests the charge."""
    paid = await driver.held(hotel_rows, card=DISPUTED_CARD)
    assert not (await read(driver, paid.question())).disputed
    await driver.dashboard(f"payment_intents/{paid.intent_id}/capture")
    assert (await read(driver, paid.question())).disputed


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
    paid = await driver.foreign(await book(database, hotel_rows), **changes)
    found = await read(driver, paid.question())
    assert (found.status, found.matches) == (PaymentStatus.REQUIRES_CAPTURE, False)


async def test_a_hold_made_by_hand_that_is_the_bookings(
    database: Database, driver: PaymentDriver, hotel_rows: HotelRows
) -> None:
    """The proof that the test above fails for the reasons it names."""
    paid = await driver.foreign(await book(database, hotel_rows))
    assert (await read(driver, paid.question())).matches


async def test_crowns_are_read_in_crowns(database: Database, driver: PaymentDriver) -> None:
    """ISK is times one hundred at Stripe only."""
    hotel_rows = await create_hotel(database, currency="ISK")
    paid = await driver.captured(hotel_rows)
    await driver.dashboard(f"payment_intents/{paid.intent_id}/refund", amount=400_000)
    found = await read(driver, paid.question())
    assert (found.matches, found.amount_received_minor, found.amount_refunded_minor) == (True, 15000, 4000)


@pytest.mark.parametrize(
    ("fault", "kind", "final"),
    [
        # Nothing was written under a key, so nothing will be replayed: worth a retry.
        ({"kind": "error_before", "status": 500, "times": 2}, "stripe_failed", False),
        ({"kind": "drop_before", "times": 2}, "stripe_unanswered", False),
        ({"kind": "error_before", "status": 429}, "stripe_busy", False),
        ({"kind": "error_before", "status": 401}, "stripe_refused", True),
    ],
)
async def test_reading_fails(
    driver: PaymentDriver, hotel_rows: HotelRows, fault: dict[str, Any], kind: str, final: bool
) -> None:
    """By name; and works again afterwards."""
    paid = await driver.held(hotel_rows)
    for question in (paid.question(), paid.question(payment_intent_id=paid.intent_id)):
        await driver.stripe.clear_faults()
        await driver.stripe.order("GET /v1/*", **fault)
        with pytest.raises(ApplicationError) as failure:
            await read(driver, question)
        assert (failure.value.type, failure.value.non_retryable) == (kind, final)
    await driver.stripe.clear_faults()
    assert (await read(driver, paid.question())).status is PaymentStatus.REQUIRES_CAPTURE


async def test_what_stripe_does_not_know(driver: PaymentDriver, hotel_rows: HotelRows) -> None:
    """Another account's payment: final, a person has to look."""
    paid = await driver.held(hotel_rows)
    for question in (
        paid.question(session_id="cs_test_nobody"),
        paid.question(payment_intent_id="pi_nobody"),
    ):
        with pytest.raises(ApplicationError, match="HTTP 404, resource_missing") as failure:
            await read(driver, question)
        assert (failure.value.type, failure.value.non_retryable) == ("stripe_refused", True)


async def test_errors_say_nothing_of_the_guest(driver: PaymentDriver, hotel_rows: HotelRows) -> None:
    """M9: Stripe's own sentence may quote what it was sent, and an error's text enters histories."""
    paid = await driver.held(hotel_rows)
    message = "No card 4242 of philippa.quarshie@example.com"
    await driver.stripe.order("GET /v1/*", "error_before", status=400, code="card_odd", message=message)
    with pytest.raises(ApplicationError) as failure:
        await read(driver, replace(paid.question(), session_id="cs_secret_page"))
    text = str(failure.value)
    assert "Stripe: HTTP 400, card_odd, request req_" in text
    assert "philippa" not in text
    assert "4242" not in text
