"""The four steps on money, each with what it takes, what it does, and how its doing can be counted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from activities.payments import Payments
from domain.messages import Payment, PaymentStatus
from tests.activities.counter import Counter, Paid
from tests.storage.rows import House


@dataclass(frozen=True)
class Step:
    """A step on money.

    Args:
        name: the activity's.
        path: of the request that changes something; `{intent}` and `{session}` stand for ids.
        reads: of the request that reads before it.
        done: the status the activity tells of once the step has been taken.
        prepare: makes a booking on which the step can be taken.
        effects: how often it has been taken, by Stripe's books.
    """

    name: str
    path: str
    reads: str
    done: PaymentStatus
    prepare: Callable[[Counter, House], Awaitable[Paid]]
    effects: Callable[[Counter, Paid], Awaitable[int]]

    def __str__(self) -> str:
        return self.name

    def writes_at(self, paid: Paid) -> str:
        """`POST` and the path, for this booking."""
        return "POST " + self.path.format(intent=paid.intent_id, session=paid.session_id)

    def reads_at(self, paid: Paid) -> str:
        """`GET` and the path, for this booking."""
        return "GET " + self.reads.format(intent=paid.intent_id, session=paid.session_id)

    async def take(
        self, counter: Counter, payments: Payments, paid: Paid, generation: int = 1, **changes: Any
    ) -> Payment:
        """Run the activity."""
        if self.name == "expire_session":
            return await counter.run(payments.expire_session, paid.closing(generation=generation, **changes))
        activity = {"capture": payments.capture, "release": payments.release, "refund": payments.refund}
        return await counter.run(activity[self.name], paid.step(generation=generation, **changes))


async def _captures(counter: Counter, paid: Paid) -> int:
    intent = await counter.intent(paid)
    assert intent["amount_received"] in {0, paid.booking.amount_minor}
    return int(intent["captures"])


async def _releases(counter: Counter, paid: Paid) -> int:
    intent = await counter.intent(paid)
    assert (intent["status"], intent["released"]) in {
        ("requires_capture", 0),
        ("canceled", paid.booking.amount_minor),
    }
    return int(intent["status"] == "canceled")


async def _refunds(counter: Counter, paid: Paid) -> int:
    books = await counter.ledger(payment_intent=paid.intent_id)
    refunds = [refund for refund in books["refunds"] if not refund["released"]]
    assert (await counter.intent(paid))["refunded"] == len(refunds) * paid.booking.amount_minor
    return len(refunds)


async def _closings(counter: Counter, paid: Paid) -> int:
    session = await counter.api("GET", f"checkout/sessions/{paid.session_id}")
    assert session["status"] in {"open", "expired"}
    return int(session["status"] == "expired")


STEPS = [
    Step(
        "capture",
        "/v1/payment_intents/{intent}/capture",
        "/v1/payment_intents/{intent}",
        PaymentStatus.SUCCEEDED,
        lambda counter, house: counter.held(house),
        _captures,
    ),
    Step(
        "release",
        "/v1/payment_intents/{intent}/cancel",
        "/v1/payment_intents/{intent}",
        PaymentStatus.CANCELED,
        lambda counter, house: counter.held(house),
        _releases,
    ),
    Step(
        "refund",
        "/v1/refunds",
        "/v1/payment_intents/{intent}",
        PaymentStatus.SUCCEEDED,
        lambda counter, house: counter.captured(house),
        _refunds,
    ),
    Step(
        "expire_session",
        "/v1/checkout/sessions/{session}/expire",
        "/v1/checkout/sessions/{session}",
        PaymentStatus.NONE,
        lambda counter, house: counter.asked(house),
        _closings,
    ),
]
