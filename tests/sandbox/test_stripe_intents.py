"""PaymentIntents that hold a card: capture, release, and what the ledger says of it."""

from __future__ import annotations

import pytest
import stripe as sdk

from tests.sandbox.stripe_account import CHALLENGED, WITH_CHARGE, StripeAccount, charge_of, new_key


def test_capture_in_full(stripe: StripeAccount) -> None:
    """All of the hold is taken, once."""
    held = stripe.held()
    params: sdk.params.PaymentIntentCaptureParams = {"amount_to_capture": 15000, "expand": WITH_CHARGE}
    intent = stripe.sdk.v1.payment_intents.capture(held.id, params, {"idempotency_key": new_key()})
    charge = charge_of(intent)
    assert (intent.status, intent.amount_received, intent.amount_capturable) == ("succeeded", 15000, 0)
    assert (charge.captured, charge.amount_captured, charge.amount_refunded) == (True, 15000, 0)
    books = stripe.books(held.id)
    assert (books["captures"], books["amount_received"]) == (1, 15000)
    assert (books["released"], books["refunded"]) == (0, 0)
    assert stripe.event_types(held.id)[-2:] == ["charge.captured", "payment_intent.succeeded"]


def test_capture_has_a_balance_transaction_with_the_fee(stripe: StripeAccount) -> None:
    """None before; then its id, or the transaction itself where it is expanded."""
    held = stripe.held()
    expand = ["latest_charge.balance_transaction"]
    before = stripe.sdk.v1.payment_intents.retrieve(held.id, {"expand": expand})
    assert charge_of(before).balance_transaction is None
    params: sdk.params.PaymentIntentCaptureParams = {"expand": expand}
    charge = charge_of(stripe.sdk.v1.payment_intents.capture(held.id, params))
    transaction = charge.balance_transaction
    assert isinstance(transaction, sdk.BalanceTransaction)
    assert (transaction.amount, transaction.fee, transaction.net) == (15000, 250, 14750)
    assert (transaction.currency, transaction.exchange_rate, transaction.source) == ("eur", None, charge.id)
    assert stripe.sdk.v1.charges.retrieve(charge.id).balance_transaction == transaction.id
    assert stripe.sdk.v1.balance_transactions.retrieve(transaction.id).fee_details[0].amount == 250


def test_capture_marks_the_session_paid(stripe: StripeAccount) -> None:
    """With manual capture `payment_status` is `unpaid` until then."""
    session = stripe.open_session()
    stripe.pay(session)
    done = stripe.sdk.v1.checkout.sessions.retrieve(session.id)
    assert done.payment_status == "unpaid"
    assert isinstance(done.payment_intent, str)
    stripe.sdk.v1.payment_intents.capture(done.payment_intent)
    assert stripe.sdk.v1.checkout.sessions.retrieve(session.id).payment_status == "paid"


def test_capture_in_part_releases_the_rest(stripe: StripeAccount) -> None:
    """The uncaptured rest is released by itself, never refunded."""
    held = stripe.held()
    intent = stripe.sdk.v1.payment_intents.capture(
        held.id, {"amount_to_capture": 9000, "expand": WITH_CHARGE}
    )
    charge = charge_of(intent)
    assert (intent.status, intent.amount_received, intent.amount_capturable) == ("succeeded", 9000, 0)
    assert (charge.amount_captured, charge.amount_refunded) == (9000, 6000)
    books = stripe.books(held.id)
    assert (books["captures"], books["amount_received"]) == (1, 9000)
    assert (books["released"], books["refunded"]) == (6000, 0)
    [release] = stripe.ledger(payment_intent=held.id)["refunds"]
    assert (release["amount"], release["released"]) == (6000, True)


@pytest.mark.parametrize(
    ("amount", "code"),
    [(15001, "amount_too_large"), (0, "parameter_invalid_integer"), (-1, "parameter_invalid_integer")],
)
def test_capture_of_an_impossible_amount(stripe: StripeAccount, amount: int, code: str) -> None:
    """It is refused, and the hold stays whole."""
    held = stripe.held()
    with pytest.raises(sdk.InvalidRequestError) as refused:
        stripe.sdk.v1.payment_intents.capture(held.id, {"amount_to_capture": amount})
    assert (refused.value.code, refused.value.param) == (code, "amount_to_capture")
    assert stripe.intent(held.id).amount_capturable == 15000
    assert stripe.books(held.id)["captures"] == 0


def test_capture_again(stripe: StripeAccount) -> None:
    """A second capture is refused with the PaymentIntent itself, so that the caller sees it is done."""
    intent = stripe.captured()
    with pytest.raises(sdk.InvalidRequestError) as refused:
        stripe.sdk.v1.payment_intents.capture(intent.id)
    error = refused.value
    assert (error.http_status, error.code) == (400, "payment_intent_unexpected_state")
    assert error.error
    payment = error.error.payment_intent
    assert isinstance(payment, sdk.PaymentIntent)
    assert (payment.id, payment.status, payment.amount_received) == (intent.id, "succeeded", 15000)
    assert stripe.books(intent.id)["captures"] == 1


def test_capture_before_the_hold(stripe: StripeAccount) -> None:
    """Nothing can be taken while the 3-D Secure step is due."""
    session = stripe.open_session()
    stripe.pay(session, CHALLENGED)
    intent_id = stripe.sdk.v1.checkout.sessions.retrieve(session.id).payment_intent
    assert isinstance(intent_id, str)
    with pytest.raises(sdk.InvalidRequestError, match="status of requires_action") as refused:
        stripe.sdk.v1.payment_intents.capture(intent_id)
    assert refused.value.code == "payment_intent_unexpected_state"


@pytest.mark.parametrize("reason", ["abandoned", "duplicate", "fraudulent", "requested_by_customer", None])
def test_cancel_releases_the_hold(stripe: StripeAccount, reason: str | None) -> None:
    """All goes back, nothing was taken, and the reason is kept."""
    held = stripe.held()
    intent = stripe.sdk.v1.payment_intents.cancel(
        held.id, {"cancellation_reason": reason, "expand": WITH_CHARGE} if reason else {"expand": WITH_CHARGE}
    )
    assert (intent.status, intent.cancellation_reason) == ("canceled", reason)
    assert (intent.amount_capturable, intent.amount_received) == (0, 0)
    assert intent.canceled_at
    charge = charge_of(intent)
    assert (charge.captured, charge.refunded, charge.amount_refunded) == (False, True, 15000)
    books = stripe.books(held.id)
    assert (books["captures"], books["released"], books["refunded"]) == (0, 15000, 0)
    assert stripe.event_types(held.id)[-2:] == ["charge.refunded", "payment_intent.canceled"]


@pytest.mark.parametrize("reason", ["automatic", "expired", "because"])
def test_reasons_that_are_not_the_callers(stripe: StripeAccount, reason: str) -> None:
    """Stripe's own reasons, and unknown ones, are refused."""
    held = stripe.held()
    with pytest.raises(sdk.InvalidRequestError) as refused:
        stripe.sdk.v1.payment_intents.cancel(held.id, {"cancellation_reason": reason})
    assert refused.value.param == "cancellation_reason"
    assert stripe.intent(held.id).status == "requires_capture"


def test_cancel_of_what_is_over(stripe: StripeAccount) -> None:
    """After a capture, or a second time, it is refused with the PaymentIntent as it is."""
    taken = stripe.captured()
    with pytest.raises(sdk.InvalidRequestError) as refused:
        stripe.sdk.v1.payment_intents.cancel(taken.id)
    assert refused.value.code == "payment_intent_unexpected_state"
    assert refused.value.error
    assert refused.value.error.payment_intent
    assert refused.value.error.payment_intent.status == "succeeded"
    held = stripe.held()
    stripe.sdk.v1.payment_intents.cancel(held.id)
    with pytest.raises(sdk.InvalidRequestError) as again:
        stripe.sdk.v1.payment_intents.cancel(held.id)
    assert again.value.error
    assert again.value.error.payment_intent
    assert again.value.error.payment_intent.status == "canceled"
    assert stripe.books(held.id)["released"] == 15000


def test_cancel_before_the_hold_is_the_sessions_business(stripe: StripeAccount) -> None:
    """Checkout's PaymentIntents cannot be cancelled before `requires_capture`: expire the session."""
    session = stripe.open_session()
    stripe.pay(session, CHALLENGED)
    intent_id = stripe.sdk.v1.checkout.sessions.retrieve(session.id).payment_intent
    assert isinstance(intent_id, str)
    with pytest.raises(sdk.InvalidRequestError, match="Checkout Session"):
        stripe.sdk.v1.payment_intents.cancel(intent_id)
    assert stripe.intent(intent_id).status == "requires_action"
    stripe.sdk.v1.checkout.sessions.expire(session.id)
    assert stripe.intent(intent_id).status == "canceled"


def test_automatic_capture(stripe: StripeAccount) -> None:
    """A session without manual capture charges at once and says `paid`."""
    session = stripe.open_session(payment_intent_data=None)
    stripe.pay(session)
    done = stripe.sdk.v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent"]})
    assert done.payment_status == "paid"
    assert isinstance(done.payment_intent, sdk.PaymentIntent)
    assert (done.payment_intent.status, done.payment_intent.amount_received) == ("succeeded", 15000)
    assert stripe.books(done.payment_intent.id)["captures"] == 1


def test_metadata_given_with_the_capture(stripe: StripeAccount) -> None:
    """It is added to the existing metadata, and the events show it."""
    held = stripe.held(booking_id="BK-METADATA")
    intent = stripe.sdk.v1.payment_intents.capture(held.id, {"metadata": {"approved_by": "desk"}})
    assert intent.metadata.to_dict() == {**held.metadata.to_dict(), "approved_by": "desk"}
    assert stripe.events(held.id)[-1]["data"]["object"]["metadata"] == intent.metadata.to_dict()


@pytest.mark.parametrize(
    "params", [{"final_capture": False}, {"application_fee_amount": 1}, {"payment_method_types": ["card"]}]
)
def test_parameters_of_a_capture_that_are_refused(
    stripe: StripeAccount, params: sdk.params.PaymentIntentCaptureParams
) -> None:
    """The stand-in never ignores a parameter: neither one that only Stripe knows nor one unknown to both."""
    held = stripe.held()
    with pytest.raises(sdk.InvalidRequestError) as refused:
        stripe.sdk.v1.payment_intents.capture(held.id, params)
    assert refused.value.code in {"sandbox_unsupported", "parameter_unknown"}
    assert stripe.intent(held.id).status == "requires_capture"


def test_captures_and_cancels_at_once(stripe: StripeAccount) -> None:
    """Of many callers one gets through, and the ledger shows one capture or one release."""
    held = stripe.held()
    outcomes = []
    for step in ("capture", "cancel", "capture", "cancel"):
        try:
            getattr(stripe.sdk.v1.payment_intents, step)(held.id)
        except sdk.InvalidRequestError as error:
            outcomes.append(error.code)
        else:
            outcomes.append(step)
    assert outcomes == ["capture", *["payment_intent_unexpected_state"] * 3]
    books = stripe.books(held.id)
    assert (books["captures"], books["released"]) == (1, 0)


def test_list_of_payment_intents(stripe: StripeAccount) -> None:
    """Newest first, bounded by creation."""
    first, second = stripe.held(), stripe.held()
    listed = stripe.sdk.v1.payment_intents.list({"limit": 2, "created": {"gte": first.created}})
    assert [intent.id for intent in listed.data] == [second.id, first.id]
    assert stripe.sdk.v1.payment_intents.list({"created": {"gt": second.created + 3600}}).data == []
