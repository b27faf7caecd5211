"""What a booking's queue holds: plain data, made once and not anew for each booking's sandbox."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from domain.booking import Decision
from domain.messages import Command, PaymentNews, SessionAnswer, SessionRequest


@dataclass(frozen=True)
class DecisionAsked:
    """A person wants the booking approved, declined or cancelled."""

    decision: Decision
    command: Command


@dataclass(frozen=True)
class OperatorAsked:
    """An operator wants a stuck step tried again, or (`settled`) says that it was settled by hand."""

    command: Command
    settled: bool


@dataclass(frozen=True)
class NewsCame:
    """Stripe sent an event."""

    news: PaymentNews


@dataclass(frozen=True)
class MailLost:
    """An e-mail could not be sent."""

    reason: str


@dataclass(frozen=True)
class SessionAsked:
    """The guest wants to pay."""

    request: SessionRequest
    answer: asyncio.Future[SessionAnswer] = field(default_factory=asyncio.Future)


@dataclass(frozen=True)
class CheckAsked:
    """Somebody wants to know the truth at once."""

    answer: asyncio.Future[None] = field(default_factory=asyncio.Future)


Item = DecisionAsked | OperatorAsked | NewsCame | MailLost | SessionAsked | CheckAsked
