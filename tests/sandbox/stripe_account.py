"""Using the Stripe stand-in: as the product does, by the official SDK; as a guest; and as a test."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import stripe
from stripe.params.checkout import SessionCreateParams

from tests.sandbox.receiver import PATIENCE_S
from tests.sandbox.stand_in_process import StandInProcess

KEY, SECRET = "sk_test_sandbox_tests", "whsec_sandbox_tests"
GOOD, DECLINED, CHALLENGED = "4242424242424242", "4000000000000002", "4000002500003155"
MASTERCARD, JCB = "5555555555554444", "3566002020360505"
SHORT_HOLD, DISPUTED, SILENT_HOLD = "4000000000006000", "4000000000000259", "4000000000000077"
REFUND_PENDING, REFUND_FAILS = "4000000000007726", "4000000000005126"

AMOUNT = 15000
WITH_CHARGE = ["latest_charge"]
Json = dict[str, Any]


def new_key() -> str:
    """An unused idempotency key."""
    return f"key-{uuid.uuid4().hex}"


def client_for(server: StandInProcess, *, retries: int = 0, timeout_s: float = 10) -> stripe.StripeClient:
    """A client as the product builds it, for calls of both kinds."""
    return stripe.StripeClient(
        KEY,
        http_client=stripe.HTTPXClient(timeout=timeout_s, allow_sync_methods=True),
        max_network_retries=retries,
        base_addresses={"api": str(server.http.base_url).rstrip("/")},
    )


def session_params(booking_id: str | None = None, **changes: Any) -> SessionCreateParams:
    """The product's own request: a hold of 150.00 EUR. A change to None leaves a parameter out."""
    metadata = {"booking_id": booking_id or f"BK-{uuid.uuid4().hex[:12]}", "hotel": "hotel-killarney"}
    params: Any = {
        "mode": "payment",
        "allowed_payment_method_types": ["card"],
        "client_reference_id": metadata["booking_id"],
        "customer_email": "ada@example.test",
        "expires_at": int(time.time()) + 3600,
        "success_url": "http://127.0.0.1:9/done?session_id={CHECKOUT_SESSION_ID}",
        "cancel_url": "http://127.0.0.1:9/back",
        "submit_type": "book",
        "metadata": metadata,
        "line_items": [line_item()],
        "payment_intent_data": {
            "capture_method": "manual",
            "description": f"Hotel booking {metadata['booking_id']}",
            "metadata": metadata,
        },
    }
    request: SessionCreateParams = {k: v for k, v in (params | changes).items() if v is not None}  # type: ignore[assignment]
    return request


def line_item(amount: int = AMOUNT, currency: str = "eur", **changes: Any) -> Any:
    """One line of a session. A change to None leaves a parameter out."""
    price = {"currency": currency, "unit_amount": amount, "product_data": {"name": "Double room, 2 nights"}}
    item = {"quantity": 1, "price_data": price} | changes
    return {name: value for name, value in item.items() if value is not None}


@dataclass(frozen=True)
class StripeAccount:
    """A running stand-in, and the clients of its users.

    Args:
        server: the program.
        sdk: the official client; it tries nothing twice.
        changed: control paths that have been posted to.
    """

    server: StandInProcess
    sdk: stripe.StripeClient
    changed: set[str] = field(default_factory=set)

    @classmethod
    @contextmanager
    def open(cls, server: StandInProcess) -> Iterator[StripeAccount]:
        """Use a stand-in until the block ends."""
        sdk = client_for(server)
        try:
            yield cls(server, sdk)
        finally:
            sdk._requestor._client.close()  # type: ignore[union-attr]

    def open_session(self, booking_id: str | None = None, **changes: Any) -> stripe.checkout.Session:
        """Create a session as the product does, but for what is changed."""
        return self.sdk.v1.checkout.sessions.create(session_params(booking_id, **changes))

    def pay(
        self, session: stripe.checkout.Session, card: str = GOOD, *, hold_s: int | None = None
    ) -> httpx.Response:
        """Send in the hosted page's form, as a browser does."""
        form = {"card_number": card, "expiry": "12/34", "cvc": "123", "hold_seconds": str(hold_s or "")}
        assert session.url
        return self.server.http.post(session.url, data=form)

    def held(self, card: str = GOOD, *, hold_s: int | None = None, **changes: Any) -> stripe.PaymentIntent:
        """Let a guest pay, and return the PaymentIntent with its charge."""
        session = self.open_session(**changes)
        answer = self.pay(session, card, hold_s=hold_s)
        assert answer.status_code == 303, answer.text
        intent_id = self.sdk.v1.checkout.sessions.retrieve(session.id).payment_intent
        assert isinstance(intent_id, str)
        return self.intent(intent_id)

    def captured(self, card: str = GOOD, amount: int = AMOUNT) -> stripe.PaymentIntent:
        """Let a guest pay, capture, and return the PaymentIntent with its charge."""
        intent = self.held(card)
        self.sdk.v1.payment_intents.capture(intent.id, {"amount_to_capture": amount})
        return self.intent(intent.id)

    def intent(self, intent_id: str) -> stripe.PaymentIntent:
        """Read a PaymentIntent with its charge, as the product does."""
        return self.sdk.v1.payment_intents.retrieve(intent_id, {"expand": WITH_CHARGE})

    def books(self, intent_id: str) -> Json:
        """A PaymentIntent in the ledger."""
        [found] = self.ledger(payment_intent=intent_id)["payment_intents"]
        entry: Json = found
        return entry

    def ledger(self, **query: str) -> Json:
        """The ledger."""
        return self.look("ledger", **query)

    def events(self, needle: str) -> list[Json]:
        """Every event whose object names `needle`, oldest first; only the last hundred are looked at."""
        headers = {"Authorization": f"Bearer {KEY}"}
        answer = self.server.http.get("/v1/events", params={"limit": 100}, headers=headers)
        listed: list[Json] = answer.raise_for_status().json()["data"]
        return [event for event in reversed(listed) if needle in str(event["data"]["object"])]

    def event_types(self, needle: str) -> list[str]:
        """The types of those events."""
        return [event["type"] for event in self.events(needle)]

    def until(self, enough: Callable[[], object]) -> None:
        """Look again and again until it is so.

        Raises:
            AssertionError: not in time.
        """
        until = time.monotonic() + PATIENCE_S
        while not enough():
            assert time.monotonic() < until, f"waited {PATIENCE_S:g} s"
            time.sleep(0.02)

    def look(self, what: str, **query: Any) -> Json:
        """Read a control path."""
        answer: Json = self.server.http.get(f"/_sandbox/{what}", params=query).raise_for_status().json()
        return answer

    def order(self, what: str, **body: Any) -> Json:
        """Post to a control path."""
        self.changed.add(what)
        answer: Json = self.server.http.post(f"/_sandbox/{what}", json=body).raise_for_status().json()
        return answer

    def later(self, seconds: float) -> None:
        """Move the stand-in's clock on, from the computer's time."""
        self.order("clock", offset_s=seconds)


def card_of(intent: stripe.PaymentIntent) -> stripe.Charge.PaymentMethodDetails.Card:
    """The card that such a charge was made on."""
    details = charge_of(intent).payment_method_details
    assert details
    assert details.card
    return details.card


def charge_of(intent: stripe.PaymentIntent) -> stripe.Charge:
    """The charge of a PaymentIntent that was read with it."""
    assert isinstance(intent.latest_charge, stripe.Charge)
    return intent.latest_charge
