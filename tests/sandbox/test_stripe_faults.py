"""Faults on requests: what the caller sees, and what happened to the money."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import stripe as sdk

from tests.sandbox.stripe_account import StripeAccount, client_for, new_key, session_params

CAPTURE = "POST /v1/payment_intents/*/capture"


@pytest.fixture(scope="module")
def hasty(running_stripe: StripeAccount) -> Iterator[sdk.StripeClient]:
    """A client that waits 0.3 s for an answer, and tries nothing twice."""
    client = client_for(running_stripe.server, timeout_s=0.3)
    yield client
    client._requestor._client.close()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("fault", "error", "effect"),
    [
        ({"kind": "error_before"}, sdk.APIError, False),
        ({"kind": "error_after", "status": 503}, sdk.APIError, True),
        ({"kind": "error_before", "status": 429, "code": "lock_timeout"}, sdk.RateLimitError, False),
        (
            {"kind": "error_before", "status": 402, "type": "card_error", "code": "card_declined"},
            sdk.CardError,
            False,
        ),
        ({"kind": "error_before", "status": 403}, sdk.PermissionError, False),
        ({"kind": "error_before", "status": 409, "code": "idempotency_key_in_use"}, sdk.APIError, False),
        ({"kind": "drop_before"}, sdk.APIConnectionError, False),
        ({"kind": "drop_after"}, sdk.APIConnectionError, True),
        ({"kind": "hang"}, sdk.APIConnectionError, False),
        ({"kind": "hang_after"}, sdk.APIConnectionError, True),
    ],
)
def test_fault_of_each_kind(
    stripe: StripeAccount,
    hasty: sdk.StripeClient,
    fault: dict[str, Any],
    error: type[sdk.StripeError],
    effect: bool,
) -> None:
    """The caller sees an error either way; the ledger tells whether the money moved."""
    held = stripe.held()
    stripe.server.order_fault(match=CAPTURE, **fault)
    with pytest.raises(error) as failed:
        hasty.v1.payment_intents.capture(held.id, {}, {"idempotency_key": new_key()})
    assert type(failed.value) is error
    if "status" in fault:
        assert failed.value.http_status == fault["status"]
    assert stripe.server.fault_hits() == [1]
    assert stripe.books(held.id)["captures"] == int(effect)
    [request] = [r for r in stripe.look("requests")["requests"] if r["path"].endswith(f"{held.id}/capture")]
    assert request["fault"] == fault["kind"]


def test_delay(stripe: StripeAccount) -> None:
    """The answer comes late, and is right."""
    held = stripe.held()
    stripe.server.order_fault(match="GET /v1/payment_intents/*", kind="delay", delay_s=0.3)
    started = time.monotonic()
    assert stripe.sdk.v1.payment_intents.retrieve(held.id).id == held.id
    assert time.monotonic() - started >= 0.3


def test_a_lost_answer_heals_under_the_same_key(stripe: StripeAccount) -> None:
    """The SDK's own repeat gets the first answer: one capture."""
    held = stripe.held()
    client = client_for(stripe.server, retries=1)
    stripe.server.order_fault(match=CAPTURE, kind="drop_after")
    taken = client.v1.payment_intents.capture(held.id, {}, {"idempotency_key": new_key()})
    client._requestor._client.close()  # type: ignore[union-attr]
    assert taken.status == "succeeded"
    assert stripe.books(held.id)["captures"] == 1


def test_a_connection_may_be_cut_twice(stripe: StripeAccount, hasty: sdk.StripeClient) -> None:
    """Network faults also strike a replayed answer: the first request had the effect."""
    held, key = stripe.held(), new_key()
    stripe.server.order_fault(match=CAPTURE, kind="drop_after", times=2)
    for captures in (1, 1):
        with pytest.raises(sdk.APIConnectionError):
            hasty.v1.payment_intents.capture(held.id, {}, {"idempotency_key": key})
        assert stripe.books(held.id)["captures"] == captures
    assert stripe.server.fault_hits() == [2]
    assert hasty.v1.payment_intents.capture(held.id, {}, {"idempotency_key": key}).status == "succeeded"


def test_faults_are_used_oldest_first_and_used_up(stripe: StripeAccount) -> None:
    """Each strikes as often as ordered, on what its pattern says, and can be withdrawn."""
    match = "POST /v1/checkout/sessions"
    for status, times in ((503, 2), (500, 1)):
        stripe.server.order_fault(
            match=match, kind="error_before", status=status, times=times, id=str(status)
        )
    never = {"match": "POST *", "kind": "error_before", "probability": 0, "times": None, "id": "never"}
    stripe.server.order_fault(**never)
    seen = []
    for _ in range(4):
        try:
            stripe.sdk.v1.checkout.sessions.create(session_params())
        except sdk.APIError as error:
            seen.append(error.http_status)
        else:
            seen.append(200)
    assert seen == [503, 503, 500, 200]
    assert stripe.server.fault_hits() == [2, 1, 0]
    stripe.server.forget("faults/never")
    assert [fault["id"] for fault in stripe.look("faults")["faults"]] == ["503", "500"]
    assert stripe.server.http.delete("/_sandbox/faults/never").status_code == 404
    assert stripe.server.http.post("/_sandbox/faults", json={"match": "x", "kind": "melt"}).status_code == 422


def test_a_fault_leaves_reading_alone(stripe: StripeAccount) -> None:
    """While captures fail the PaymentIntent can be read; control paths are never hit."""
    held = stripe.held()
    stripe.server.order_fault(match="POST *", kind="error_before", times=None)
    with pytest.raises(sdk.APIError):
        stripe.sdk.v1.payment_intents.capture(held.id)
    assert stripe.intent(held.id).status == "requires_capture"
    assert stripe.order("latency", ms=0) == {"ms": 0}
