"""Idempotency keys, with Stripe's rules: what is remembered, what is not, and for how long.

https://docs.stripe.com/api/idempotent_requests
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
import stripe as sdk

from tests.sandbox.stripe_account import (
    KEY,
    StripeAccount,
    charge_of,
    client_for,
    new_key,
    session_params,
)

CAPTURE = "POST /v1/payment_intents/*/capture"


def capture(stripe: StripeAccount, intent_id: str, key: str, **params: Any) -> sdk.PaymentIntent:
    """Capture a hold under a key."""
    request: Any = params
    return stripe.sdk.v1.payment_intents.capture(intent_id, request, {"idempotency_key": key})


def headers(obj: sdk.StripeObject) -> dict[str, str]:
    """The headers of the answer that brought an object."""
    assert obj.last_response
    return {name.lower(): value for name, value in obj.last_response.headers.items()}


def test_same_key_same_answer(stripe: StripeAccount) -> None:
    """The second time nothing happens, and the answer is the first one, byte for byte."""
    key, params = new_key(), session_params("BK-ONE")
    first = stripe.sdk.v1.checkout.sessions.create(params, {"idempotency_key": key})
    again = stripe.sdk.v1.checkout.sessions.create(params, {"idempotency_key": key})
    assert first.last_response
    assert again.last_response
    assert first.last_response.body == again.last_response.body
    assert "idempotent-replayed" not in headers(first)
    assert headers(again)["idempotent-replayed"] == "true"
    assert headers(again)["original-request"] == headers(first)["request-id"]
    assert headers(again)["request-id"] != headers(first)["request-id"]
    assert headers(again)["idempotency-key"] == key
    assert len(stripe.ledger(booking_id="BK-ONE")["sessions"]) == 1


def test_the_answer_is_of_its_time(stripe: StripeAccount) -> None:
    """A replay tells how things were, not how they are: so the caller has to read again."""
    held, key = stripe.held(), new_key()
    capture(stripe, held.id, key)
    stripe.sdk.v1.refunds.create({"payment_intent": held.id})
    replayed = capture(stripe, held.id, key, expand=None)
    assert replayed.status == "succeeded"
    assert stripe.books(held.id)["captures"] == 1
    assert charge_of(stripe.intent(held.id)).refunded


def test_other_parameters_under_the_same_key(stripe: StripeAccount) -> None:
    """They are refused, and the error carries no code the SDK would show."""
    held, key = stripe.held(), new_key()
    capture(stripe, held.id, key, amount_to_capture=15000)
    with pytest.raises(sdk.IdempotencyError, match="same parameters") as refused:
        capture(stripe, held.id, key, amount_to_capture=14000)
    assert (refused.value.http_status, refused.value.code) == (400, None)
    assert stripe.books(held.id)["amount_received"] == 15000


def test_another_endpoint_under_the_same_key(stripe: StripeAccount) -> None:
    """Refused likewise: another path, or another object's."""
    held, other, key = stripe.held(), stripe.held(), new_key()
    capture(stripe, held.id, key)
    with pytest.raises(sdk.IdempotencyError, match="same endpoint"):
        stripe.sdk.v1.payment_intents.cancel(held.id, {}, {"idempotency_key": key})
    with pytest.raises(sdk.IdempotencyError, match="same endpoint"):
        capture(stripe, other.id, key)
    assert stripe.intent(other.id).status == "requires_capture"


def test_order_of_parameters_does_not_matter(stripe: StripeAccount) -> None:
    """The request's meaning counts, not its spelling."""
    key = new_key()
    params = session_params()
    first = stripe.sdk.v1.checkout.sessions.create(params, {"idempotency_key": key})
    reversed_params: Any = dict(reversed(list(params.items())))
    again = stripe.sdk.v1.checkout.sessions.create(reversed_params, {"idempotency_key": key})
    assert first.id == again.id


def test_a_stored_500_is_replayed(stripe: StripeAccount) -> None:
    """Whether or not it took effect: only reading back tells, and only another key gets further."""
    for kind, captures in (("error_before", 0), ("error_after", 1)):
        held, key = stripe.held(), new_key()
        stripe.server.order_fault(match=CAPTURE, kind=kind)
        for _ in range(3):
            with pytest.raises(sdk.APIError) as failed:
                capture(stripe, held.id, key)
            assert failed.value.http_status == 500
        assert stripe.books(held.id)["captures"] == captures
        if not captures:
            capture(stripe, held.id, new_key())
        assert stripe.books(held.id)["captures"] == 1


def test_a_refusal_that_came_of_running_is_stored(stripe: StripeAccount) -> None:
    """A capture refused by the PaymentIntent's state is remembered like any other answer."""
    taken, key = stripe.captured(), new_key()
    for replayed in (False, True):
        with pytest.raises(sdk.InvalidRequestError) as refused:
            capture(stripe, taken.id, key)
        assert refused.value.code == "payment_intent_unexpected_state"
        assert refused.value.headers
        assert ("idempotent-replayed" in refused.value.headers) is replayed


def test_validation_failures_are_not_stored(stripe: StripeAccount) -> None:
    """The key may be used again, with the mistake mended."""
    held, key = stripe.held(), new_key()
    with pytest.raises(sdk.InvalidRequestError) as refused:
        capture(stripe, held.id, key, amount_to_capture="all")
    assert refused.value.code == "parameter_invalid_integer"
    with pytest.raises(sdk.InvalidRequestError):
        capture(stripe, held.id, key, colour="red")
    assert capture(stripe, held.id, key).status == "succeeded"


def test_being_too_many_is_not_stored(stripe: StripeAccount) -> None:
    """A 429 comes before the request runs: the same key works later."""
    held, key = stripe.held(), new_key()
    fault = {"status": 429, "code": "rate_limit", "type": "invalid_request_error"}
    stripe.server.order_fault(match=CAPTURE, kind="error_before", **fault)
    with pytest.raises(sdk.RateLimitError):
        capture(stripe, held.id, key)
    assert capture(stripe, held.id, key).status == "succeeded"


def test_a_wrong_api_key_is_not_stored(stripe: StripeAccount) -> None:
    """A refused caller does not use up an idempotency key."""
    held, key = stripe.held(), new_key()
    options = {"idempotency_key": key, "api_key": "sk_test_wrong"}
    with pytest.raises(sdk.AuthenticationError):
        stripe.sdk.v1.payment_intents.capture(held.id, {}, options)  # type: ignore[arg-type]
    assert capture(stripe, held.id, key).status == "succeeded"


@pytest.fixture
async def client(stripe: StripeAccount) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=stripe.server.http.base_url) as client:
        yield client


async def test_in_flight(stripe: StripeAccount, client: httpx.AsyncClient) -> None:
    """While the first request runs the second is a 409, and nothing of it is remembered."""
    held, key = stripe.held(), new_key()
    stripe.server.order_fault(match=CAPTURE, kind="delay", delay_s=0.5)
    path = f"/v1/payment_intents/{held.id}/capture"
    headers = {"Authorization": f"Bearer {KEY}", "Idempotency-Key": key}
    first, second = await asyncio.gather(*(client.post(path, headers=headers) for _ in range(2)))
    assert sorted((first.status_code, second.status_code)) == [200, 409]
    late = second if second.status_code == 409 else first
    assert late.json()["error"]["code"] == "idempotency_key_in_use"
    again = await client.post(path, headers=headers)
    assert again.json()["status"] == "succeeded"
    assert again.headers["idempotent-replayed"] == "true"
    assert stripe.books(held.id)["captures"] == 1


def test_in_flight_as_the_sdk_sees_it(stripe: StripeAccount) -> None:
    """An APIError of no code of its own; with retries the SDK waits and gets the first answer."""
    held, key = stripe.held(), new_key()
    stripe.server.order_fault(match=CAPTURE, kind="delay", delay_s=0.7)
    patient = client_for(stripe.server, retries=4)
    with ThreadPoolExecutor() as pool:
        slow = pool.submit(capture, stripe, held.id, key)
        while stripe.server.fault_hits() != [1] and not slow.done():
            pass  # each look is a request, so this spins no faster than the stand-in answers
        with pytest.raises(sdk.APIError) as refused:
            capture(stripe, held.id, key)
        assert (refused.value.http_status, refused.value.code) == (409, None)
        assert refused.value.error
        assert refused.value.error.code == "idempotency_key_in_use"
        with pytest.raises(sdk.IdempotencyError):
            capture(stripe, held.id, key, amount_to_capture=1)
        got = patient.v1.payment_intents.capture(held.id, {}, {"idempotency_key": key})
        assert got.to_dict() == slow.result().to_dict()
    patient._requestor._client.close()  # type: ignore[union-attr]


@pytest.mark.parametrize(("age_s", "remembered"), [(24 * 3600 - 60, True), (24 * 3600 + 60, False)])
def test_pruned_after_a_day(stripe: StripeAccount, age_s: int, remembered: bool) -> None:
    """An old key is a new one: only the PaymentIntent's own state stops a second capture."""
    held, key = stripe.held(), new_key()
    capture(stripe, held.id, key)
    stripe.later(age_s)
    if remembered:
        assert headers(capture(stripe, held.id, key))["idempotent-replayed"] == "true"
    else:
        with pytest.raises(sdk.InvalidRequestError) as refused:
            capture(stripe, held.id, key)
        assert refused.value.code == "payment_intent_unexpected_state"
    assert stripe.books(held.id)["captures"] == 1


@pytest.mark.parametrize(("length", "fine"), [(255, True), (256, False)])
def test_length_of_a_key(stripe: StripeAccount, length: int, fine: bool) -> None:
    """Up to 255 characters."""
    held, key = stripe.held(), new_key().ljust(length, "x")
    if fine:
        assert capture(stripe, held.id, key).status == "succeeded"
    else:
        with pytest.raises(sdk.InvalidRequestError):
            capture(stripe, held.id, key)


def test_a_get_has_no_key(stripe: StripeAccount) -> None:
    """Reading is never remembered, whatever key comes with it."""
    held, key = stripe.held(), new_key()
    before = stripe.sdk.v1.payment_intents.retrieve(held.id, {}, {"idempotency_key": key})
    capture(stripe, held.id, new_key())
    after = stripe.sdk.v1.payment_intents.retrieve(held.id, {}, {"idempotency_key": key})
    assert (before.status, after.status) == ("requires_capture", "succeeded")
