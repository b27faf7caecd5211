"""Signals: programs tell a workflow what Stripe or a person said. Temporal keeps each one it accepts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from domain.booking import ActorKind, ReasonCode, Status


@dataclass(frozen=True)
class StripeEventHint:
    """A hint from a Stripe event that something about the money changed. Never believed, always checked."""

    event_id: str = ""
    event_type: str = ""
    session_id: str | None = None
    payment_intent_id: str | None = None


@dataclass(frozen=True)
class Command:
    """A person's decision or help. Its note, if any, is kept in the database under `command_id`.

    Args:
        issued_at: when it was asked for, by the clock of the API that took it.
        status_when_issued: the booking's status as its asker was shown it, and with it what cancelling costs.
        refund_minor: what a manager who cancels wants refunded in all, in the smallest unit; None for everything.
        paid_elsewhere_minor: of a `resolve`, what the guest was paid outside Stripe, in the currency's smallest unit.
        withdraw: of a `resolve`, the cancellation that is stuck is dropped.
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
