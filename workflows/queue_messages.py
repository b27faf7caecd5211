"""What a booking's queue holds: plain data, made once and not anew for each booking's sandbox."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from domain.booking import Decision
from domain.messages.answers import SessionAnswer, SessionRequest
from domain.messages.signals import Command, StripeEventHint


@dataclass(frozen=True)
class DecisionRequested:
    """A person wants the booking approved, declined or cancelled."""

    decision: Decision
    command: Command


@dataclass(frozen=True)
class OperatorCommand:
    """An operator wants a stuck step tried again, or (`resolved_by_hand`) says that it was settled by hand."""

    command: Command
    resolved_by_hand: bool


@dataclass(frozen=True)
class StripeEventReceived:
    """Stripe sent an event."""

    hint: StripeEventHint


@dataclass(frozen=True)
class EmailFailed:
    """An e-mail could not be sent."""

    reason: str


@dataclass(frozen=True)
class SessionRequested:
    """The guest wants to pay."""

    request: SessionRequest
    answer: asyncio.Future[SessionAnswer] = field(default_factory=asyncio.Future)


@dataclass(frozen=True)
class PaymentCheckRequested:
    """Somebody wants to know the truth at once."""

    answer: asyncio.Future[None] = field(default_factory=asyncio.Future)


QueueMessage = (
    DecisionRequested
    | OperatorCommand
    | StripeEventReceived
    | EmailFailed
    | SessionRequested
    | PaymentCheckRequested
)
