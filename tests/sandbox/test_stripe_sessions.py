"""Checkout sessions, asked for by the official SDK as the product does."""

from __future__ import annotations

import time
import uuid
from typing import Any

import pytest
import stripe as sdk

from tests.sandbox.stripe_account import StripeAccount, client_for, line_item, new_key, session_params


def refusal(stripe: StripeAccount, **changes: Any) -> sdk.InvalidRequestError:
    """The outcome of a request for a session with these changes."""
    with pytest.raises(sdk.InvalidRequestError) as refused:
        stripe.open_session(**changes)
    assert refused.value.http_status == 400
    return refused.value


async def test_session_as_the_product_asks_for_it(stripe: StripeAccount) -> None:
    """Asynchronously, with a key: open, unpaid, no PaymentIntent yet, and all that was asked for."""
    client = client_for(stripe.server)
    params = session_params("BK-ASKED")
    made = await client.v1.checkout.sessions.create_async(params, {"idempotency_key": new_key()})
    read = await client.v1.checkout.sessions.retrieve_async(made.id, {"expand": ["payment_intent"]})
    await client._requestor._client.close_async()  # type: ignore[union-attr]
    assert made.to_dict() == read.to_dict()
    assert (made.status, made.payment_status, made.payment_intent) == ("open", "unpaid", None)
    assert (made.amount_total, made.currency, made.expires_at) == (15000, "eur", params["expires_at"])
    assert made.metadata
    assert made.metadata.to_dict() == params["metadata"]
    assert made.client_reference_id == "BK-ASKED"
    assert made.url
    assert made.id.startswith("cs_test_")
    assert abs(made.created - time.time()) < 30


def test_none_is_left_out(stripe: StripeAccount) -> None:
    """The SDK drops None; the default of `expires_at` is a day."""
    request: Any = {**session_params(), "expires_at": None}
    made = stripe.sdk.v1.checkout.sessions.create(request)
    assert made.expires_at == made.created + 24 * 3600


LONG_NAME = {"currency": "eur", "unit_amount": 15000, "product_data": {"name": "r" * 251}}


@pytest.mark.parametrize(
    ("changes", "code", "param"),
    [
        ({"colour": "red"}, "parameter_unknown", "colour"),
        ({"payment_method_types": ["card"]}, "parameter_unknown", "payment_method_types"),
        ({"payment_intent_data": {"colour": "red"}}, "parameter_unknown", "payment_intent_data[colour]"),
        ({"line_items": [line_item(colour="red")]}, "parameter_unknown", "line_items[0][colour]"),
        ({"mode": "rent"}, None, "mode"),
        ({"submit_type": "hold"}, None, "submit_type"),
        ({"payment_intent_data": {"capture_method": "later"}}, None, "payment_intent_data[capture_method]"),
        ({"allowed_payment_method_types": ["card", "gold"]}, None, "allowed_payment_method_types[1]"),
        ({"allowed_payment_method_types": "card"}, None, "allowed_payment_method_types"),
        ({"mode": None}, "parameter_missing", "mode"),
        ({"success_url": None}, "parameter_missing", "success_url"),
        ({"line_items": None}, "parameter_missing", "line_items"),
        ({"line_items": [line_item(price_data=None)]}, "parameter_missing", "line_items[0][price_data]"),
        ({"line_items": [line_item(quantity=None)]}, "parameter_missing", "line_items[0][quantity]"),
        ({"line_items": [line_item(quantity=0)]}, "parameter_invalid_integer", "line_items[0][quantity]"),
        ({"line_items": [line_item(quantity="two")]}, "parameter_invalid_integer", "line_items[0][quantity]"),
        (
            {"line_items": [line_item(price="price_1", price_data=None)]},
            "resource_missing",
            "line_items[0][price]",
        ),
        ({"line_items": [line_item()] * 101}, None, "line_items"),
        ({"line_items": [line_item(), line_item(currency="usd")]}, None, "line_items"),
        ({"line_items": [line_item(currency="xyz")]}, None, "line_items[0][price_data][currency]"),
        (
            {"line_items": [line_item(price_data=LONG_NAME)]},
            "parameter_invalid_string",
            "line_items[0][price_data][product_data][name]",
        ),
        ({"expires_at": "soon"}, "parameter_invalid_integer", "expires_at"),
        ({"expires_at": 10**30}, "parameter_invalid_integer", "expires_at"),
        ({"success_url": "/done"}, "url_invalid", "success_url"),
        ({"cancel_url": "javascript:1"}, "url_invalid", "cancel_url"),
        ({"customer_email": "ada"}, "email_invalid", "customer_email"),
        ({"customer_email": ""}, "parameter_invalid_empty", "customer_email"),
        ({"client_reference_id": "r" * 201}, None, "client_reference_id"),
        ({"metadata": {"k" * 41: "v"}}, None, f"metadata[{'k' * 41}]"),
        ({"metadata": {"k": "v" * 501}}, None, "metadata[k]"),
        ({"metadata": {f"k{i}": "v" for i in range(51)}}, None, "metadata"),
        ({"discounts": [{"coupon": "half"}]}, "sandbox_unsupported", "discounts"),
        ({"mode": "setup"}, "sandbox_unsupported", "mode"),
        ({"line_items": [line_item(tax_rates=["txr_1"])]}, "sandbox_unsupported", "line_items[0][tax_rates]"),
        (
            {"payment_method_options": {"card": {"capture_method": "manual"}}},
            "sandbox_unsupported",
            "payment_method_options[card][capture_method]",
        ),
    ],
)
def test_refused_parameters(
    stripe: StripeAccount, changes: dict[str, Any], code: str | None, param: str
) -> None:
    """Each mistake is a 400 that names its parameter, and leaves no session behind."""
    booking_id = f"BK-{uuid.uuid4().hex}"
    error = refusal(stripe, booking_id=booking_id, **changes)
    assert (error.code, error.param) == (code, param), error.user_message
    assert stripe.ledger(booking_id=booking_id)["sessions"] == []


def test_a_guess_at_what_was_meant(stripe: StripeAccount) -> None:
    """An unknown name comes with the nearest known one, an enumeration with its members."""
    assert "Did you mean success_url?" in str(refusal(stripe, sucess_url="https://hotel.test/"))
    assert "book" in str(refusal(stripe, submit_type="hold"))


@pytest.mark.parametrize(
    ("from_now_s", "fine"),
    [(30 * 60 - 30, False), (31 * 60, True), (24 * 3600 - 60, True), (24 * 3600 + 60, False), (-1, False)],
)
def test_bounds_of_expires_at(stripe: StripeAccount, from_now_s: int, fine: bool) -> None:
    """From half an hour to a day after creation."""
    expires_at = int(time.time()) + from_now_s
    if fine:
        assert stripe.open_session(expires_at=expires_at).expires_at == expires_at
    else:
        assert refusal(stripe, expires_at=expires_at).param == "expires_at"


@pytest.mark.parametrize(
    ("currency", "minimum"),
    [
        *[(currency, 50) for currency in ("usd", "eur", "aud", "cad", "chf", "jpy", "krw")],
        *[(currency, 200) for currency in ("pln", "ron", "aed", "myr")],
        *[("gbp", 30), ("dkk", 250), ("nok", 300), ("sek", 300), ("czk", 1500), ("huf", 17500)],
        *[("mxn", 1000), ("thb", 1000), ("hkd", 400)],
    ],
)
def test_minimum_amount(stripe: StripeAccount, currency: str, minimum: int) -> None:
    """The smallest charge of each currency, in its own minor units, and not one less."""
    made = stripe.open_session(line_items=[line_item(minimum, currency)])
    assert (made.amount_total, made.currency) == (minimum, currency)
    error = refusal(stripe, line_items=[line_item(minimum - 1, currency)])
    assert error.code == "amount_too_small"


@pytest.mark.parametrize(
    ("currency", "amount", "fine"),
    [
        *[("isk", 150_000, True), ("isk", 150_050, False), ("ugx", 900_000, True), ("ugx", 900_001, False)],
        *[("kwd", 15_010, True), ("kwd", 15_001, False), ("eur", 99_999_999, True)],
        *[("eur", 100_000_000, False), ("eur", -1, False)],
    ],
)
def test_amounts_a_currency_does_not_have(
    stripe: StripeAccount, currency: str, amount: int, fine: bool
) -> None:
    """ISK and UGX have no hundredths, three-decimal currencies no thousandths; eight digits are the most."""
    items = [line_item(amount, currency)]
    if fine:
        assert stripe.open_session(line_items=items).amount_total == amount
    else:
        refusal(stripe, line_items=items)


def test_total_of_several_lines(stripe: StripeAccount) -> None:
    """Quantities count, and the lines can be had by expanding."""
    made = stripe.open_session(line_items=[line_item(7500, quantity=2), line_item(120)])
    read = stripe.sdk.v1.checkout.sessions.retrieve(made.id, {"expand": ["line_items"]})
    assert made.line_items is None
    assert read.amount_total == 15120
    assert read.line_items
    assert [(line.quantity, line.amount_total) for line in read.line_items.data] == [(2, 15000), (1, 120)]


def test_expire(stripe: StripeAccount) -> None:
    """An open session can be closed once, and not be paid after that."""
    made = stripe.open_session()
    expired = stripe.sdk.v1.checkout.sessions.expire(made.id)
    assert (expired.status, expired.url, expired.payment_intent) == ("expired", None, None)
    assert stripe.event_types(made.id) == ["checkout.session.expired"]
    with pytest.raises(sdk.InvalidRequestError, match="status of `expired`"):
        stripe.sdk.v1.checkout.sessions.expire(made.id)
    assert stripe.pay(made).status_code == 410


def test_a_session_the_guest_completed_cannot_be_expired(stripe: StripeAccount) -> None:
    """The race of a late guest with the end of the window: expiring fails, the hold is there to be found."""
    made = stripe.open_session()
    stripe.pay(made)
    with pytest.raises(sdk.InvalidRequestError, match="status of `complete`"):
        stripe.sdk.v1.checkout.sessions.expire(made.id)
    read = stripe.sdk.v1.checkout.sessions.retrieve(made.id, {"expand": ["payment_intent"]})
    assert isinstance(read.payment_intent, sdk.PaymentIntent)
    assert read.payment_intent.status == "requires_capture"


def test_expires_by_itself(stripe: StripeAccount) -> None:
    """A session expires at its time without a request."""
    made = stripe.open_session()
    stripe.later(3700)
    assert stripe.sdk.v1.checkout.sessions.retrieve(made.id).status == "expired"
    assert stripe.event_types(made.id) == ["checkout.session.expired"]


def test_list(stripe: StripeAccount) -> None:
    """Newest first, by status or PaymentIntent, with cursors both ways."""
    first, second, third = (stripe.open_session() for _ in range(3))
    stripe.pay(second)
    sessions = stripe.sdk.v1.checkout.sessions
    page = sessions.list({"limit": 2})
    assert [s.id for s in page.data] == [third.id, second.id]
    assert page.has_more
    assert [s.id for s in sessions.list({"limit": 1, "starting_after": second.id}).data] == [first.id]
    before = sessions.list({"limit": 2, "ending_before": first.id})
    assert [s.id for s in before.data] == [third.id, second.id]
    intent_id = sessions.retrieve(second.id).payment_intent
    assert isinstance(intent_id, str)
    assert [s.id for s in sessions.list({"payment_intent": intent_id}).data] == [second.id]
    assert sessions.list({"limit": 1, "status": "complete"}).data[0].id == second.id
    with pytest.raises(sdk.InvalidRequestError) as refused:
        sessions.list({"customer": "cus_1"})
    assert refused.value.code == "sandbox_unsupported"
