"""The four steps on money, each with what it takes, what it does, and how its doing can be counted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from activities.payments import Payments
from domain.payment import PaymentSnapshot, PaymentStatus
from tests.activities.payment_driver import PaymentDriver, PaymentPageVisit
from tests.storage.rows import HotelRows


@dataclass(frozen=True)
class MoneyStepCase:
    """A step on money.

    Args:
        name: the activity's.
        path: of the request that changes something; `{intent}` and `{session}` stand for ids.
        reads: of the request that reads before it.
        done: the status the activity tells of once the step has been taken.
        prepare: makes a booking on which the step can be taken.
        effects: how often it has been taken, by Stripe's ledger.
    """

    name: str
    path: str
    reads: str
    done: PaymentStatus
    prepare: Callable[[PaymentDriver, HotelRows], Awaitable[PaymentPageVisit]]
    effects: Callable[[PaymentDriver, PaymentPageVisit], Awaitable[int]]

    def __str__(self) -> str:
        return self.name

    def writes_at(self, visit: PaymentPageVisit) -> str:
        """`POST` and the path, for this booking."""
        return "POST " + self.path.format(intent=visit.intent_id, session=visit.session_id)

    def reads_at(self, visit: PaymentPageVisit) -> str:
        """`GET` and the path, for this booking."""
        return "GET " + self.reads.format(intent=visit.intent_id, session=visit.session_id)

    async def take(
        self,
        driver: PaymentDriver,
        payments: Payments,
        visit: PaymentPageVisit,
        generation: int = 1,
        **changes: Any,
    ) -> PaymentSnapshot:
        """Run the activity."""
        if self.name == "expire_session":
            return await driver.run(payments.expire_session, visit.closing(generation=generation, **changes))
        activity = {"capture": payments.capture, "release": payments.release, "refund": payments.refund}
        return await driver.run(activity[self.name], visit.step(generation=generation, **changes))


async def _captures(driver: PaymentDriver, visit: PaymentPageVisit) -> int:
    intent = await driver.intent(visit)
    assert intent["amount_received"] in {0, visit.booking.amount_minor}
    return int(intent["captures"])


async def _releases(driver: PaymentDriver, visit: PaymentPageVisit) -> int:
    intent = await driver.intent(visit)
    assert (intent["status"], intent["released"]) in {
        ("requires_capture", 0),
        ("canceled", visit.booking.amount_minor),
    }
    return int(intent["status"] == "canceled")


async def _refunds(driver: PaymentDriver, visit: PaymentPageVisit) -> int:
    books = await driver.ledger(payment_intent=visit.intent_id)
    refunds = [refund for refund in books["refunds"] if not refund["released"]]
    assert (await driver.intent(visit))["refunded"] == len(refunds) * visit.booking.amount_minor
    return len(refunds)


async def _closings(driver: PaymentDriver, visit: PaymentPageVisit) -> int:
    session = await driver.api("GET", f"checkout/sessions/{visit.session_id}")
    assert session["status"] in {"open", "expired"}
    return int(session["status"] == "expired")


STEPS = [
    MoneyStepCase(
        "capture",
        "/v1/payment_intents/{intent}/capture",
        "/v1/payment_intents/{intent}",
        PaymentStatus.SUCCEEDED,
        lambda driver, hotel_rows: driver.held(hotel_rows),
        _captures,
    ),
    MoneyStepCase(
        "release",
        "/v1/payment_intents/{intent}/cancel",
        "/v1/payment_intents/{intent}",
        PaymentStatus.CANCELED,
        lambda driver, hotel_rows: driver.held(hotel_rows),
        _releases,
    ),
    MoneyStepCase(
        "refund",
        "/v1/refunds",
        "/v1/payment_intents/{intent}",
        PaymentStatus.SUCCEEDED,
        lambda driver, hotel_rows: driver.captured(hotel_rows),
        _refunds,
    ),
    MoneyStepCase(
        "expire_session",
        "/v1/checkout/sessions/{session}/expire",
        "/v1/checkout/sessions/{session}",
        PaymentStatus.NONE,
        lambda driver, hotel_rows: driver.page_opened(hotel_rows),
        _closings,
    ),
]
