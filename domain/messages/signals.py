"""Signals: a workflow's news from Stripe or a person. Temporal keeps each one it accepts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from domain.booking import ActorKind, ReasonCode, Status


@dataclass(frozen=True)
class StripeEventHint:
    """A hint from a Stripe event that the money may have changed. It is never trusted, always checked."""

    event_id: str = ""
    event_type: str = ""
    session_id: str | None = None
    payment_intent_id: str | None = None


@dataclass(frozen=True)
class Command:
    """A person's decision, `retry` or `resolve`. Its note, if any, is kept in the database under `command_id`.

    Args:
        issued_at: when it was issued, by the clock of the API that took it.
        status_when_issued: the booking's status as shown to its sender, which determines the shown cost of cancelling.
        refund_minor: the total refund a cancelling manager wants, in the smallest unit; None for everything.
        paid_elsewhere_minor: of a `resolve`, the amount paid to the guest outside Stripe, in the currency's smallest
            unit.
        withdraw: of a `resolve`, the pending cancellation is withdrawn.
    """

    command_id: str = ""
    actor: ActorKind = ActorKind.STAFF
    staff_id: int | None = None
    reason_code: ReasonCode | None = None
    issued_at: datetime | None = None
    status_when_issued: Status | None = None
    refund_minor: int | None = None
    paid_elsewhere_minor: int | None = None
    withdraw: bool = False
