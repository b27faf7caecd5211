"""Checks of every API request: key, version, addresses, expansion, and the log."""

from __future__ import annotations

import base64
import time
from typing import Any

import pytest
import stripe as sdk

from tests.sandbox.stripe_account import (
    KEY,
    REFUND_PENDING,
    StripeAccount,
    charge_of,
    new_key,
    session_params,
)


def raw(stripe: StripeAccount, method: str, path: str, *, key: str | None = KEY, **options: Any) -> Any:
    """Ask without the SDK; the answer."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    headers |= options.pop("headers", {})
    return stripe.server.http.request(method, path, headers=headers, **options)


@pytest.mark.parametrize("key", ["sk_test_wrong", "rk_test", "sk_live_sandbox_tests"])
def test_wrong_key(stripe: StripeAccount, key: str) -> None:
    """401, before anything is looked at, with most of the key hidden."""
    with pytest.raises(sdk.AuthenticationError, match="Invalid API Key") as refused:
        stripe.sdk.v1.payment_intents.retrieve("pi_nobody", {}, {"api_key": key})
    assert refused.value.http_status == 401
    assert refused.value.request_id
    assert key not in str(refused.value)
    assert raw(stripe, "POST", "/v1/checkout/sessions", key=key).status_code == 401


def test_ways_to_give_the_key(stripe: StripeAccount) -> None:
    """As a bearer token, or as the user of basic authentication; none at all is 401."""
    basic = base64.b64encode(f"{KEY}:".encode()).decode()
    for authorization, status in (
        (f"Bearer {KEY}", 200),
        (f"Basic {basic}", 200),
        ("Basic ?", 401),
        ("Basic a", 401),
        ("", 401),
        (KEY, 401),
    ):
        answer = raw(stripe, "GET", "/v1/account", key=None, headers={"Authorization": authorization})
        assert answer.status_code == status, authorization
    assert raw(stripe, "GET", "/v1/account", key=None).status_code == 401


def test_version(stripe: StripeAccount) -> None:
    """The stand-in accepts and names the SDK's own version; it refuses any other."""
    account = stripe.sdk.v1.accounts.retrieve_current()
    assert account.last_response
    assert account.last_response.headers["stripe-version"] == sdk.api_version
    with pytest.raises(sdk.InvalidRequestError, match="API version"):
        stripe.sdk.v1.accounts.retrieve_current({}, {"stripe_version": "2020-08-27"})


def test_request_ids(stripe: StripeAccount) -> None:
    """Every answer has its own, errors too, and the events of a request name it."""
    held = stripe.held()
    seen = set()
    for _ in range(2):
        with pytest.raises(sdk.InvalidRequestError) as refused:
            stripe.sdk.v1.payment_intents.capture(held.id, {"amount_to_capture": 99_999})
        assert refused.value.request_id
        assert refused.value.request_id.startswith("req_")
        seen.add(refused.value.request_id)
    assert len(seen) == 2
    taken = stripe.sdk.v1.payment_intents.capture(held.id)
    assert taken.last_response
    request = stripe.events(held.id)[-1]["request"]
    assert request["id"] == taken.last_response.request_id
    # The SDK makes a key up where the caller gives none.
    assert request["idempotency_key"]


@pytest.mark.parametrize(
    ("service", "object_id", "kind", "param"),
    [
        ("checkout.sessions", "cs_nobody", "checkout.session", "session"),
        ("payment_intents", "pi_nobody", "payment_intent", "intent"),
        ("charges", "ch_nobody", "charge", "charge_id"),
        ("refunds", "re_nobody", "refund", "refund_id"),
        ("disputes", "du_nobody", "dispute", "dispute_id"),
        ("events", "evt_nobody", "event", "id"),
    ],
)
def test_nothing_of_that_id(
    stripe: StripeAccount, service: str, object_id: str, kind: str, param: str
) -> None:
    """404, with a code and the parameter to blame."""
    services: Any = stripe.sdk.v1
    for name in service.split("."):
        services = getattr(services, name)
    with pytest.raises(sdk.InvalidRequestError, match=f"No such {kind}: '{object_id}'") as refused:
        services.retrieve(object_id)
    assert (refused.value.http_status, refused.value.code) == (404, "resource_missing")
    assert refused.value.param == param


def test_an_id_of_another_kind(stripe: StripeAccount) -> None:
    """A charge is no PaymentIntent."""
    charge_id = charge_of(stripe.held()).id
    with pytest.raises(sdk.InvalidRequestError) as refused:
        stripe.sdk.v1.payment_intents.retrieve(charge_id)
    assert refused.value.code == "resource_missing"


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v1/unicorns"), ("DELETE", "/v1/refunds"), ("POST", "/v1/payment_intents")]
)
def test_addresses_it_does_not_have(stripe: StripeAccount, method: str, path: str) -> None:
    """404 that says so, with a request id like every answer."""
    answer = raw(stripe, method, path)
    assert answer.status_code == 404
    assert f"Unrecognized request URL ({method}: {path})" in answer.json()["error"]["message"]
    assert answer.headers["request-id"].startswith("req_")


@pytest.mark.parametrize(
    ("content", "param"),
    [
        (b"mode[=payment", "mode["),
        (b"[]=payment", "[]"),
        (b"mode=payment&mode[a]=b", "mode[a]"),
        (b"a" + b"[b]" * 30 + b"=c", "a" + "[b]" * 30),
        (b"\xff\xfe", None),
        (b'{"mode": "payment"}', None),
    ],
)
def test_malformed_bodies(stripe: StripeAccount, content: bytes, param: str | None) -> None:
    """Brackets that do not match, other encodings, JSON: refused, never a 500."""
    answer = raw(stripe, "POST", "/v1/checkout/sessions", content=content)
    assert answer.status_code == 400
    assert param is None or answer.json()["error"]["param"] == param


def test_expansion(stripe: StripeAccount) -> None:
    """Ids become what they stand for, up to four levels deep, in answers of every kind."""
    session = stripe.open_session()
    stripe.pay(session)
    sessions, refunds = stripe.sdk.v1.checkout.sessions, stripe.sdk.v1.refunds
    bare = sessions.retrieve(session.id)
    assert isinstance(bare.payment_intent, str)
    read = sessions.retrieve(session.id, {"expand": ["payment_intent.latest_charge", "line_items"]})
    assert isinstance(read.payment_intent, sdk.PaymentIntent)
    charge = charge_of(read.payment_intent)
    assert charge.payment_intent == bare.payment_intent
    taken = stripe.sdk.v1.payment_intents.capture(
        bare.payment_intent, {"amount_to_capture": 9000, "expand": ["latest_charge.refunds"]}
    )
    released = charge_of(taken).refunds
    assert released
    assert [refund.amount for refund in released.data] == [6000]
    made = refunds.create({"payment_intent": taken.id, "expand": ["charge", "payment_intent"]})
    assert isinstance(made.charge, sdk.Charge)
    assert isinstance(made.payment_intent, sdk.PaymentIntent)
    assert made.charge.amount_refunded == 15000
    listed = sessions.list({"limit": 1, "expand": ["data.payment_intent"]}).data
    assert isinstance(listed[0].payment_intent, sdk.PaymentIntent)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("amount", None),
        ("colour", None),
        ("latest_charge.amount", None),
        ("latest_charge.payment_intent.latest_charge.payment_intent.latest_charge", None),
        ("payment_method", "sandbox_unsupported"),
    ],
)
def test_what_cannot_be_expanded(stripe: StripeAccount, path: str, code: str | None) -> None:
    """Plain fields, unknown ones, too many levels; and what the stand-in has only the id of."""
    held = stripe.held()
    with pytest.raises(sdk.InvalidRequestError) as refused:
        stripe.sdk.v1.payment_intents.retrieve(held.id, {"expand": [path]})
    assert (refused.value.http_status, refused.value.code) == (400, code)


def test_a_refused_request_did_nothing(stripe: StripeAccount) -> None:
    """Any fault in a capture, its parameters or its expansion means: no money, no event, no key used."""
    held, key = stripe.held(), new_key()
    before = stripe.event_types(held.id)
    with pytest.raises(sdk.InvalidRequestError, match="cannot be expanded"):
        stripe.sdk.v1.payment_intents.capture(held.id, {"expand": ["colour"]}, {"idempotency_key": key})
    assert stripe.books(held.id)["captures"] == 0
    assert stripe.intent(held.id).to_dict() == held.to_dict()
    assert stripe.event_types(held.id) == before
    assert (
        stripe.sdk.v1.payment_intents.capture(held.id, {}, {"idempotency_key": key}).amount_received == 15000
    )


def test_latency(stripe: StripeAccount) -> None:
    """Every request can be made to take longer."""
    stripe.order("latency", ms=200)
    assert stripe.look("latency") == {"ms": 200}
    started = time.monotonic()
    stripe.sdk.v1.accounts.retrieve_current()
    assert time.monotonic() - started >= 0.2


def test_log_of_requests(stripe: StripeAccount) -> None:
    """Counted by route, with key, status and fault, and without any body."""
    key = new_key()
    stripe.server.forget("requests")
    stripe.sdk.v1.checkout.sessions.create(session_params(), {"idempotency_key": key})
    with pytest.raises(sdk.InvalidRequestError):
        stripe.sdk.v1.payment_intents.retrieve("pi_nobody")
    log = stripe.look("requests")
    assert log["counts"] == {"GET /v1/payment_intents/{id}": 1, "POST /v1/checkout/sessions": 1}
    newest, created = log["requests"]
    assert (newest["status"], newest["path"]) == (404, "/v1/payment_intents/pi_nobody")
    assert (created["status"], created["idempotency_key"], created["replayed"]) == (200, key, False)
    assert "ada@example.test" not in str(log)


def test_charges(stripe: StripeAccount) -> None:
    """A payment's charges, failed attempts included, newest first."""
    session = stripe.open_session()
    stripe.pay(session, "4000000000000002")
    stripe.pay(session, REFUND_PENDING)
    intent_id = stripe.sdk.v1.checkout.sessions.retrieve(session.id).payment_intent
    assert isinstance(intent_id, str)
    charges = stripe.sdk.v1.charges.list({"payment_intent": intent_id}).data
    assert [charge.status for charge in charges] == ["succeeded", "failed"]
    assert stripe.sdk.v1.charges.retrieve(charges[0].id).to_dict() == charges[0].to_dict()
