"""A driver of payments: the activities open checkout sessions, a guest pays, and tests read Stripe's ledger."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import stripe
from temporalio.testing import ActivityEnvironment

from activities.payments import Payments
from domain.messages.stripe_steps import (
    CheckoutSession,
    ExpireSession,
    MoneyStep,
    OpenSession,
    PaymentQuestion,
)
from models import Booking
from sandbox.drivers import wait_until
from storage.database import Database
from tests.storage.rows import HotelRows, book
from tests.workflows.servers import STRIPE_KEY, Json, StandInClient

GOOD_CARD = "4242424242424242"
DECLINED_CARD = "4000000000000002"
CHALLENGED_CARD = "4000002500003155"
UNTIMED_CARD = "4000000000000077"
DISPUTED_CARD = "4000000000000259"

Result = TypeVar("Result")


class PromptConnections(stripe.HTTPXClient):
    """Stripe's own, without the half second it pauses before it tries again."""

    def _sleep_time_seconds(self, num_retries: int) -> float:  # noqa: ARG002  (as it is called)
        return 0.02


@dataclass(frozen=True)
class PaymentPageVisit:
    """A booking whose guest has been on the payment page."""

    booking: Booking
    session_id: str
    intent_id: str

    def step(self, **step: Any) -> MoneyStep:
        """A step on its money."""
        values: dict[str, Any] = {
            "booking_id": self.booking.booking_id,
            "run_id": "run",
            "payment_intent_id": self.intent_id,
            "amount_minor": self.booking.amount_minor,
            "currency": self.booking.currency,
        }
        return MoneyStep(**{**values, **step})

    def question(self, **question: Any) -> PaymentQuestion:
        """A question about it, by its session."""
        values: dict[str, Any] = {
            "booking_id": self.booking.booking_id,
            "session_id": self.session_id,
            "amount_minor": self.booking.amount_minor,
            "currency": self.booking.currency,
        }
        return PaymentQuestion(**{**values, **question})

    def closing(self, **step: Any) -> ExpireSession:
        """The closing of its payment page."""
        values: dict[str, Any] = {
            "booking_id": self.booking.booking_id,
            "session_id": self.session_id,
            "run_id": "run",
            "amount_minor": self.booking.amount_minor,
            "currency": self.booking.currency,
        }
        return ExpireSession(**{**values, **step})


class PaymentDriver:
    """Opens payment pages, pays on them, and reads Stripe's ledger."""

    def __init__(
        self, database: Database, stripe: StandInClient, payments: Payments, env: ActivityEnvironment
    ) -> None:
        self.database = database
        self.stripe = stripe
        self.payments = payments
        self.env = env

    async def run(self, activity: Callable[[Any], Awaitable[Result]], message: Any) -> Result:
        """Run an activity as Temporal does, with a message."""
        answer: Result = await self.env.run(activity, message)
        return answer

    async def open(self, booking: Booking, **request: Any) -> CheckoutSession:
        """Open a payment page for a booking."""
        values: dict[str, Any] = {
            "booking_id": booking.booking_id,
            "run_id": "run",
            "amount_minor": booking.amount_minor,
            "currency": booking.currency,
            "expires_at": datetime.now(UTC).replace(microsecond=0) + timedelta(hours=2),
        }
        return await self.run(self.payments.open_session, OpenSession(**{**values, **request}))

    async def pay(self, session_id: str, card: str = GOOD_CARD, **form: str) -> int:
        """Fill in the page's form; returns the status of the page that follows."""
        url = f"{self.stripe.url}/c/pay/{session_id}"
        response = await self.stripe.http.post(url, data={"card_number": card, **form})
        return response.status_code

    async def page_opened(self, hotel_rows: HotelRows, **booking: Any) -> PaymentPageVisit:
        """A booking whose payment page is open and on which nobody has paid."""
        row = await book(self.database, hotel_rows, status="PENDING_PAYMENT", version=2, **booking)
        session = await self.open(row)
        return PaymentPageVisit(row, session.session_id, "")

    async def held(self, hotel_rows: HotelRows, *, card: str = GOOD_CARD, **booking: Any) -> PaymentPageVisit:
        """A booking whose guest's card is held."""
        visit = await self.page_opened(hotel_rows, **booking)
        await self.pay(visit.session_id, card)
        [intent] = (await self.ledger(booking_id=visit.booking.booking_id))["payment_intents"]
        assert intent["status"] == "requires_capture"
        return PaymentPageVisit(visit.booking, visit.session_id, intent["id"])

    async def captured(
        self, hotel_rows: HotelRows, *, card: str = GOOD_CARD, **booking: Any
    ) -> PaymentPageVisit:
        """A booking that is paid."""
        visit = await self.held(hotel_rows, card=card, **booking)
        await self.dashboard(f"payment_intents/{visit.intent_id}/capture")
        return visit

    async def foreign(self, booking: Booking, **changes: Any) -> PaymentPageVisit:
        """A hold that someone else has placed: a session made by hand, in part like ours.

        Args:
            changes: `amount`, `currency` or `booking_id` in place of the booking's own.
        """
        names_it = {"booking_id": changes.get("booking_id", booking.booking_id)}
        data = {
            "mode": "payment",
            "success_url": "https://elsewhere.test",
            "line_items[0][quantity]": 1,
            "line_items[0][price_data][currency]": changes.get("currency", booking.currency).lower(),
            "line_items[0][price_data][unit_amount]": changes.get("amount", booking.amount_minor),
            "line_items[0][price_data][product_data][name]": "Something else",
            "payment_intent_data[capture_method]": "manual",
        }
        data |= {f"payment_intent_data[metadata][{key}]": value for key, value in names_it.items() if value}
        session = await self.api("POST", "checkout/sessions", data=data)
        await self.pay(session["id"])
        session = await self.api("GET", f"checkout/sessions/{session['id']}")
        return PaymentPageVisit(booking, session["id"], session["payment_intent"])

    # --- what Stripe knows ---

    async def api(self, method: str, path: str, **options: Any) -> Json:
        """Ask Stripe's API, past the activities."""
        headers = {"Authorization": f"Bearer {STRIPE_KEY}"}
        answer: Json = await self.stripe.ask(method, f"/v1/{path}", headers=headers, **options)
        return answer

    async def ledger(self, **wanted: str) -> Json:
        """Stripe's ledger, by `booking_id` or `payment_intent`."""
        books: Json = await self.stripe.ask("GET", "/_sandbox/ledger", params=wanted)
        return books

    async def intent(self, visit: PaymentPageVisit) -> Json:
        """The PaymentIntent in Stripe's ledger."""
        [intent] = (await self.ledger(payment_intent=visit.intent_id))["payment_intents"]
        found: Json = intent
        return found

    async def dashboard(self, action: str, **body: Any) -> Json:
        """Act in the Stripe Dashboard."""
        found: Json = await self.stripe.ask("POST", f"/_sandbox/dashboard/{action}", json=body)
        return found

    async def requests(self, match: str) -> list[Json]:
        """Requests of this test that came in for a path, oldest first. `match` is `POST /v1/…`."""
        method, path = match.split(" ")
        log = await self.stripe.ask("GET", "/_sandbox/requests", params={"limit": 1000})
        return [
            entry for entry in log["requests"][::-1] if (entry["method"], entry["path"]) == (method, path)
        ]

    async def struck(self, fault_id: str) -> None:
        """Wait until a fault has struck."""
        await wait_until(lambda: self.stripe.hits(fault_id), bool, what="the fault to strike")


async def session_at_stripe(driver: PaymentDriver, session_id: str) -> Any:
    """A payment page as Stripe has it, with what is sold on it."""
    return await driver.api("GET", f"checkout/sessions/{session_id}", params={"expand[]": "line_items"})
