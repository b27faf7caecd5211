"""The hosted payment page, as a browser uses it: plain forms over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
import stripe as sdk

from tests.sandbox.stripe_account import (
    CHALLENGED,
    DECLINED,
    DISPUTED,
    GOOD,
    JCB,
    MASTERCARD,
    SHORT_HOLD,
    SILENT_HOLD,
    StripeAccount,
    card_of,
    charge_of,
    line_item,
)

DAY_S = 86_400


def intent_of(stripe: StripeAccount, session: sdk.checkout.Session) -> sdk.PaymentIntent:
    """The PaymentIntent that a session has by now."""
    intent_id = stripe.sdk.v1.checkout.sessions.retrieve(session.id).payment_intent
    assert isinstance(intent_id, str)
    return stripe.intent(intent_id)


def test_page_shows_what_is_paid(stripe: StripeAccount) -> None:
    """Amount in the currency's own format, the merchant's words escaped, the button the session asks for."""
    name = "Suite <b>Ring</b>"
    item = line_item(price_data={"currency": "jpy", "unit_amount": 15000, "product_data": {"name": name}})
    session = stripe.open_session(line_items=[item])
    assert session.url
    page = stripe.server.http.get(session.url).raise_for_status().text
    assert "¥15,000" in page
    assert "Suite &lt;b&gt;Ring" in page
    assert ">Book</button>" in page
    assert 'href="http://127.0.0.1:9/back"' in page
    assert stripe.server.http.get("/c/pay/cs_test_nobody").status_code == 404


def test_good_card(stripe: StripeAccount) -> None:
    """The card is held for seven days, not charged; the guest goes back to the merchant."""
    session = stripe.open_session("BK-GOOD")
    answer = stripe.pay(session)
    assert answer.status_code == 303
    assert answer.headers["location"] == f"http://127.0.0.1:9/done?session_id={session.id}"
    done = stripe.sdk.v1.checkout.sessions.retrieve(session.id)
    assert (done.status, done.payment_status, done.url) == ("complete", "unpaid", None)
    intent = intent_of(stripe, session)
    charge = charge_of(intent)
    assert (intent.status, intent.amount_capturable, intent.amount_received) == ("requires_capture", 15000, 0)
    assert intent.metadata["booking_id"] == "BK-GOOD"
    assert (charge.status, charge.captured, charge.amount_captured) == ("succeeded", False, 0)
    assert card_of(intent).capture_before == charge.created + 7 * DAY_S
    assert stripe.event_types(intent.id) == [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.amount_capturable_updated",
        "checkout.session.completed",
    ]


def test_metadata_of_a_session_does_not_reach_the_payment(stripe: StripeAccount) -> None:
    """Only `payment_intent_data` does."""
    intent = stripe.held(payment_intent_data={"capture_method": "manual"})
    assert intent.metadata.to_dict() == {}
    assert stripe.books(intent.id)["booking_id"] is None


def test_declined_card(stripe: StripeAccount) -> None:
    """The guest reads why, and may try another card on the same page and PaymentIntent."""
    session = stripe.open_session()
    answer = stripe.pay(session, DECLINED)
    assert answer.status_code == 402
    assert "Your card was declined." in answer.text
    failed = intent_of(stripe, session)
    assert failed.status == "requires_payment_method"
    assert failed.last_payment_error
    assert failed.last_payment_error.code == "card_declined"
    assert stripe.pay(session, GOOD).status_code == 303
    intent = intent_of(stripe, session)
    assert (intent.id, intent.status, intent.last_payment_error) == (failed.id, "requires_capture", None)
    assert stripe.event_types(intent.id)[:3] == [
        "payment_intent.created",
        "charge.failed",
        "payment_intent.payment_failed",
    ]


def test_three_d_secure_passed(stripe: StripeAccount) -> None:
    """The card asks for a step of its own; nothing is held before it is passed."""
    session = stripe.open_session()
    answer = stripe.pay(session, CHALLENGED)
    assert answer.status_code == 303
    step = answer.headers["location"]
    assert step.endswith("/authenticate")
    assert "Complete authentication" in stripe.server.http.get(step).raise_for_status().text
    waiting = intent_of(stripe, session)
    assert (waiting.status, waiting.amount_capturable) == ("requires_action", 0)
    assert stripe.server.http.post(step, data={"result": "maybe"}).status_code == 400
    assert stripe.server.http.post(step, data={"result": "complete"}).status_code == 303
    assert intent_of(stripe, session).status == "requires_capture"
    assert "payment_intent.requires_action" in stripe.event_types(waiting.id)
    assert stripe.server.http.post(step, data={"result": "complete"}).status_code == 409
    assert stripe.books(waiting.id)["released"] == 0


def test_three_d_secure_failed(stripe: StripeAccount) -> None:
    """Nothing is held; another card may be tried."""
    session = stripe.open_session()
    step = stripe.pay(session, CHALLENGED).headers["location"]
    answer = stripe.server.http.post(step, data={"result": "fail"})
    assert answer.status_code == 402
    failed = intent_of(stripe, session)
    assert failed.last_payment_error
    assert failed.last_payment_error.code == "payment_intent_authentication_failure"
    assert (failed.status, failed.amount_capturable) == ("requires_payment_method", 0)
    assert stripe.server.http.get(step).headers["location"].endswith(session.id)
    assert stripe.pay(session).status_code == 303


def test_expiring_ends_a_payment_under_way(stripe: StripeAccount) -> None:
    """A session closed during the 3-D Secure step takes its PaymentIntent along."""
    session = stripe.open_session()
    step = stripe.pay(session, CHALLENGED).headers["location"]
    stripe.sdk.v1.checkout.sessions.expire(session.id)
    intent = intent_of(stripe, session)
    assert (intent.status, intent.cancellation_reason) == ("canceled", "expired")
    assert stripe.server.http.post(step, data={"result": "complete"}).status_code == 409
    assert intent_of(stripe, session).status == "canceled"


def test_hold_that_lapses_after_a_minute(stripe: StripeAccount) -> None:
    """Alive within the minute, gone after it: the money is released, and a capture comes too late."""
    intent = stripe.held(SHORT_HOLD)
    stripe.later(55)
    assert stripe.intent(intent.id).status == "requires_capture"
    stripe.later(65)
    lapsed = stripe.intent(intent.id)
    assert (lapsed.status, lapsed.cancellation_reason) == ("canceled", "automatic")
    assert lapsed.amount_capturable == 0
    assert stripe.event_types(intent.id)[-2:] == ["charge.expired", "payment_intent.canceled"]
    with pytest.raises(sdk.InvalidRequestError) as refused:
        stripe.sdk.v1.payment_intents.capture(intent.id)
    assert refused.value.code == "payment_intent_unexpected_state"
    books = stripe.books(intent.id)
    assert (books["captures"], books["amount_received"], books["released"]) == (0, 0, 15000)
    assert (books["refunded"], books["status"]) == (0, "canceled")


def test_hold_whose_end_is_not_told(stripe: StripeAccount) -> None:
    """The charge is silent about `capture_before`; the hold lapses nonetheless."""
    intent = stripe.held(SILENT_HOLD)
    assert card_of(intent).capture_before is None
    stripe.later(7 * DAY_S + 10)
    assert stripe.intent(intent.id).status == "canceled"


@pytest.mark.parametrize(
    ("card", "asked", "status", "hold_s"),
    [
        (GOOD, "if_available", "enabled", 29 * DAY_S + 18 * 3600),
        (MASTERCARD, "if_available", "enabled", 30 * DAY_S),
        (MASTERCARD, "never", "disabled", 7 * DAY_S),
        (JCB, "if_available", "disabled", 7 * DAY_S),
        (SHORT_HOLD, "if_available", "disabled", 60),
    ],
)
def test_extended_authorization(
    stripe: StripeAccount, card: str, asked: str, status: str, hold_s: int
) -> None:
    """Hotels may ask for a longer hold; the card's brand decides, and short holds stay short."""
    options = {"card": {"request_extended_authorization": asked}}
    intent = stripe.held(card, payment_method_options=options)
    extended = card_of(intent).extended_authorization
    assert extended is not None
    assert extended.status == status
    assert card_of(intent).capture_before == charge_of(intent).created + hold_s


def test_extended_authorization_takes_two_values(stripe: StripeAccount) -> None:
    options = {"card": {"request_extended_authorization": "always"}}
    with pytest.raises(sdk.InvalidRequestError) as refused:
        stripe.held(payment_method_options=options)
    assert refused.value.param == "payment_method_options[card][request_extended_authorization]"


def test_hold_seconds_of_the_form(stripe: StripeAccount) -> None:
    """The sandbox's own field shortens any card's hold."""
    intent = stripe.held(hold_s=90)
    assert card_of(intent).capture_before == charge_of(intent).created + 90


def test_disputed_card(stripe: StripeAccount) -> None:
    """It pays, and the cardholder disputes the charge as soon as it is captured."""
    held = stripe.held(DISPUTED)
    assert not charge_of(held).disputed
    stripe.sdk.v1.payment_intents.capture(held.id)
    assert charge_of(stripe.intent(held.id)).disputed
    [dispute] = stripe.ledger(payment_intent=held.id)["disputes"]
    assert (dispute["amount"], dispute["status"]) == (15000, "needs_response")


@pytest.mark.parametrize(
    "form",
    [
        {"card_number": "4111111111111111"},
        {"card_number": ""},
        {"expiry": "13/34"},
        {"expiry": "01/20"},
        {"cvc": "12"},
        {"hold_seconds": "soon"},
        {"hold_seconds": "0"},
    ],
)
def test_form_filled_in_wrongly(stripe: StripeAccount, form: dict[str, Any]) -> None:
    """The page comes back with the reason, and nothing has happened at Stripe."""
    session = stripe.open_session()
    assert session.url
    answer = stripe.server.http.post(session.url, data={"card_number": GOOD, **form})
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text
    assert stripe.sdk.v1.checkout.sessions.retrieve(session.id).payment_intent is None


def test_paying_twice(stripe: StripeAccount) -> None:
    """A form sent again gets the answer that the page is over, and holds nothing more."""
    session = stripe.open_session("BK-TWICE-PAID")
    assert stripe.pay(session).status_code == 303
    again = stripe.pay(session)
    assert again.status_code == 409
    assert "completed" in again.text
    assert len(stripe.ledger(booking_id="BK-TWICE-PAID")["payment_intents"]) == 1


def test_number_as_people_write_it(stripe: StripeAccount) -> None:
    """Spaces and dashes in the number do not matter, nor does the year's century."""
    session = stripe.open_session()
    assert session.url
    form = {"card_number": "4242 4242-4242 4242", "expiry": "12 / 2034", "cvc": "1234"}
    assert stripe.server.http.post(session.url, data=form).status_code == 303
