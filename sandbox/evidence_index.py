"""A run's evidence, indexed by booking, for the checks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sandbox.evidence import Evidence, from_stripe


@dataclass(frozen=True)
class LedgerPayment:
    """A PaymentIntent in the ledger, amounts in the currency's smallest unit."""

    intent_id: str
    booking_id: str | None
    status: str
    received_minor: int
    refunded_minor: int
    captures: int

    @property
    def kept_minor(self) -> int:
        """The captured amount less refunds."""
        return self.received_minor - self.refunded_minor

    @property
    def is_held(self) -> bool:
        """Whether the payment is a hold."""
        return self.status == "requires_capture"


class EvidenceIndex:
    """The evidence, indexed, with the time at which it was collected."""

    def __init__(self, evidence: Evidence, now: datetime) -> None:
        self.evidence = evidence
        self.now = now
        self.bookings = {booking.booking_id: booking for booking in evidence.bookings}
        self.payments = [_payment(intent) for intent in evidence.ledger["payment_intents"]]
        self.payments_of: dict[str | None, list[LedgerPayment]] = defaultdict(list)
        for payment in self.payments:
            self.payments_of[payment.booking_id].append(payment)


def _payment(intent: dict[str, Any]) -> LedgerPayment:
    currency = intent["currency"]
    return LedgerPayment(
        intent_id=intent["id"],
        booking_id=intent["booking_id"],
        status=intent["status"],
        received_minor=from_stripe(intent["amount_received"], currency),
        refunded_minor=from_stripe(intent["refunded"], currency),
        captures=intent["captures"],
    )


CheckItems = Iterator[str | None]
"""One item for each thing looked at: None where it is in order, else the violation."""
