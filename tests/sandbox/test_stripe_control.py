"""The control paths and the ledger: what a test or a demo asks beyond Stripe's own API."""

from __future__ import annotations

import time
import uuid
from pathlib import Path
from typing import Any

import pytest
import stripe as sdk

from tests.sandbox.receiver import WebhookReceiver
from tests.sandbox.stand_in_process import running
from tests.sandbox.stripe_account import CHALLENGED, GOOD, KEY, StripeAccount, card_of, charge_of


@pytest.fixture
def booking_id() -> str:
    """A booking that no other test uses."""
    return f"BK-{uuid.uuid4().hex}"


def test_ledger_of_a_booking(stripe: StripeAccount, booking_id: str) -> None:
    """Two sessions, one paid: everything about the booking, and nothing about another."""
    stripe.held()
    unpaid = stripe.open_session(booking_id)
    paid = stripe.open_session(booking_id)
    stripe.pay(paid, hold_s=600)
    ledger = stripe.ledger(booking_id=booking_id)
    assert [session["id"] for session in ledger["sessions"]] == [paid.id, unpaid.id]
    assert [session["status"] for session in ledger["sessions"]] == ["complete", "open"]
    [intent] = ledger["payment_intents"]
    assert (intent["status"], intent["booking_id"]) == ("requires_capture", booking_id)
    assert (intent["amount"], intent["amount_capturable"], intent["currency"]) == (15000, 15000, "eur")
    assert (intent["amount_received"], intent["captures"]) == (0, 0)
    assert (intent["released"], intent["refunded"]) == (0, 0)
    assert intent["session"] == paid.id
    assert intent["capture_before"] == intent["authorized_at"] + 600
    assert ledger["refunds"] == ledger["disputes"] == []


def test_ledger_follows_the_money(stripe: StripeAccount, booking_id: str) -> None:
    """Held, taken in part, refunded in part: each figure is what it says, and they add up."""
    intent = stripe.held(booking_id=booking_id)
    for step in ("hold", "capture", "refund"):
        if step == "capture":
            stripe.sdk.v1.payment_intents.capture(intent.id, {"amount_to_capture": 12000})
        if step == "refund":
            stripe.sdk.v1.refunds.create({"payment_intent": intent.id, "amount": 4500})
        books = stripe.books(intent.id)
        charge = charge_of(stripe.intent(intent.id))
        assert books["amount"] == books["amount_capturable"] + books["amount_received"] + books["released"]
        assert charge.amount_refunded == books["released"] + books["refunded"]
    assert (books["captures"], books["amount_received"]) == (1, 12000)
    assert (books["released"], books["refunded"]) == (3000, 4500)
    refunds = stripe.ledger(booking_id=booking_id)["refunds"]
    assert [(refund["amount"], refund["released"]) for refund in refunds] == [(4500, False), (3000, True)]


def test_ledger_is_limited(stripe: StripeAccount) -> None:
    """The newest of each."""
    newest = [stripe.held().id for _ in range(3)][::-1]
    ledger = stripe.ledger(limit="2")
    assert [intent["id"] for intent in ledger["payment_intents"]] == newest[:2]
    assert len(ledger["sessions"]) == 2


def test_ledger_to_look_at(stripe: StripeAccount, booking_id: str) -> None:
    """The page for people shows the same, with what guests wrote escaped."""
    stripe.held(booking_id=f"<i>{booking_id}</i>")
    page = stripe.server.http.get("/").raise_for_status().text
    assert f"&lt;i&gt;{booking_id}&lt;/i&gt;" in page
    assert f"<i>{booking_id}" not in page
    assert "€150.00" in page
    assert "requires_capture" in page
    assert stripe.server.http.get("/_sandbox/docs").status_code == 200


@pytest.mark.parametrize(
    ("action", "status", "received"),
    [("capture", "succeeded", 15000), ("cancel", "canceled", 0), ("lapse", "canceled", 0)],
)
def test_acting_in_the_dashboard(stripe: StripeAccount, action: str, status: str, received: int) -> None:
    """The Dashboard or time ends a hold; a second time it is refused."""
    held = stripe.held()
    path = f"dashboard/payment_intents/{held.id}/{action}"
    assert stripe.order(path)["status"] == status
    assert stripe.books(held.id)["amount_received"] == received
    assert stripe.server.http.post(f"/_sandbox/{path}").status_code == 400


def test_capture_in_part_in_the_dashboard(stripe: StripeAccount) -> None:
    """The amount may be given; more than there is is refused."""
    held = stripe.held()
    path = f"dashboard/payment_intents/{held.id}/capture"
    too_much = stripe.server.http.post(f"/_sandbox/{path}", json={"amount": 15001})
    assert too_much.json()["error"]["code"] == "amount_too_large"
    assert stripe.order(path, amount=14000)["amount_received"] == 14000


def test_session_lapses_in_the_dashboard(stripe: StripeAccount) -> None:
    """A session can be let lapse before its time."""
    session = stripe.open_session()
    assert stripe.order(f"dashboard/checkout/sessions/{session.id}/lapse")["status"] == "expired"


def test_dashboard_of_nothing(stripe: StripeAccount) -> None:
    """Ids that lead nowhere are 404, as in the API."""
    http = stripe.server.http
    for path in (
        "payment_intents/pi_nobody/capture",
        "payment_intents/pi_nobody/lapse",
        "checkout/sessions/cs_nobody/lapse",
        "charges/ch_nobody/dispute",
        "refunds/re_nobody/fail",
    ):
        assert http.post(f"/_sandbox/dashboard/{path}").status_code == 404


def test_many_holds_at_once(stripe: StripeAccount, booking_id: str) -> None:
    """Each is held as if its guest had paid, and can be captured or canceled; no event tells of it."""
    hold = stripe.held()
    bookings = [f"{booking_id}-{number}" for number in range(3)]
    placed = stripe.order("holds", bookings=bookings, amount=30000, currency="EUR", hotel="hotel-killarney")
    assert list(placed) == bookings
    for of_booking, intent_id in placed.items():
        intent = stripe.intent(intent_id)
        assert intent.status == "requires_capture"
        assert (intent.amount_capturable, intent.currency) == (30000, "eur")
        assert intent.capture_method == "manual"
        assert intent.metadata.to_dict() == {"booking_id": of_booking, "hotel": "hotel-killarney"}
        assert intent.to_dict().keys() == hold.to_dict().keys()
        card = card_of(intent)
        assert card.capture_before == charge_of(intent).created + 7 * 86_400
    assert stripe.event_types(booking_id) == []
    first, second, _ = placed.values()
    assert stripe.sdk.v1.payment_intents.capture(first).amount_received == 30000
    assert stripe.sdk.v1.payment_intents.cancel(second).status == "canceled"


def test_holds_refused(stripe: StripeAccount, booking_id: str) -> None:
    """A parameter that no session could have is refused, and then none of the bookings is held."""
    body = {"bookings": [booking_id], "amount": 1, "currency": "eur", "hotel": "hotel-killarney"}
    refusal = stripe.server.http.post("/_sandbox/holds", json=body)
    assert (refusal.status_code, refusal.json()["error"]["code"]) == (400, "amount_too_small")
    assert stripe.ledger(booking_id=booking_id)["payment_intents"] == []


def test_clock(stripe: StripeAccount) -> None:
    """Set to a time or moved by an offset, it runs on; what is created bears its time."""
    stripe.order("clock", now=2_000_000_000)
    assert 2_000_000_000 <= stripe.look("clock")["now"] < 2_000_000_060
    assert stripe.open_session(expires_at=2_000_003_600).created >= 2_000_000_000
    stripe.later(86_400)
    assert abs(stripe.look("clock")["now"] - time.time() - 86_400) < 60
    for body in ({}, {"now": 1, "offset_s": 1}):
        assert stripe.server.http.post("/_sandbox/clock", json=body).status_code == 422


def test_events_made_up(stripe: StripeAccount, receiver: WebhookReceiver, booking_id: str) -> None:
    """About an object that exists, or about whatever a test says, of types known or unknown."""
    held = stripe.held(booking_id=booking_id)
    about = stripe.order("events", type="payment_intent.amount_capturable_updated", id=held.id)
    assert receiver.wait_for(1, about["id"])[0].event["data"]["object"]["id"] == held.id
    stripe.order(
        "events", type="sandbox.unheard_of", object={"id": "pi_x", "metadata": {"booking_id": booking_id}}
    )
    made_up = receiver.wait_for(1, booking_id, "sandbox.unheard_of")[0].event
    assert made_up["data"]["object"]["id"] == "pi_x"
    assert stripe.server.http.post("/_sandbox/events", json={"type": "x", "id": "pi_0"}).status_code == 404


def test_endpoint(stripe: StripeAccount, receiver: WebhookReceiver) -> None:
    """The webhook address can be read and changed, but not without a secret."""
    endpoint = {"url": receiver.url, "secrets": ["whsec_a", "whsec_b"], "enabled_events": ["charge.captured"]}
    assert stripe.order("webhook_endpoint", **endpoint) == endpoint
    assert stripe.look("webhook_endpoint") == endpoint
    bare = {"url": receiver.url}
    assert stripe.server.http.put("/_sandbox/webhook_endpoint", json=bare).status_code == 422


def test_start_without_an_endpoint(receiver: WebhookReceiver, tmp_path: Path, booking_id: str) -> None:
    """The endpoint is remembered over a restart, and the 3-D Secure step; links begin with the public address."""
    arguments: tuple[Any, ...] = (
        "sandbox.stripe",
        "--port",
        "0",
        "--data",
        str(tmp_path),
        "--secret-key",
        KEY,
    )
    with (
        running(*arguments, "--public-url", "http://pay.hotel.test/") as server,
        StripeAccount.open(server) as account,
    ):
        session = account.open_session(booking_id)
        assert session.url == f"http://pay.hotel.test/c/pay/{session.id}"
        form = {"card_number": CHALLENGED}
        step = server.http.post(f"/c/pay/{session.id}", data=form).headers["location"]
        wanted = {"url": receiver.url, "enabled_events": ["checkout.session.completed", "charge.refunded"]}
        account.order("webhook_endpoint", **wanted, secret="whsec_kept")
        server.kill()
    with running(*arguments) as server, StripeAccount.open(server) as account:
        assert account.look("webhook_endpoint") == {**wanted, "secrets": ["whsec_kept"]}
        assert server.http.post(step, data={"result": "complete"}).status_code == 303
        delivery = receiver.wait_for(1, booking_id, '"checkout.session.completed"')[0]
        assert sdk.Webhook.construct_event(delivery.body, delivery.signature, "whsec_kept")
        assert server.http.post(f"/c/pay/{session.id}", data={"card_number": GOOD}).status_code == 409
