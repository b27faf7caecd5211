"""Updates and queries: requests to a workflow, and its answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from domain.attention import Attention
from domain.booking import Status
from domain.decisions import CommandOutcome


@dataclass(frozen=True)
class SessionRequest:
    """Open a Checkout session, or return the open one.

    Args:
        return_to: the row with the caller's own return addresses; None for the booking's status page.
    """

    return_to: int | None = None


@dataclass(frozen=True)
class SessionAnswer:
    """A session the guest can pay on. Not `payable`: the booking no longer waits for a payment."""

    payable: bool = False
    session_id: str = ""
    created: bool = False


@dataclass(frozen=True)
class CommandResult:
    """A command's outcome, as its sender receives it."""

    outcome: CommandOutcome = CommandOutcome.SETTLED
    status: Status = Status.PENDING_PAYMENT
    version: int = 1


@dataclass(frozen=True)
class WorkflowSnapshot:
    """A workflow's own state, for the query `state`."""

    status: Status = Status.DRAFT
    version: int = 1
    waiting_for: str = ""
    pending_decision: str | None = None
    attention: tuple[Attention, ...] = ()
    payment_intent_id: str | None = None
    payment_deadline: datetime | None = None
    decision_deadline: datetime | None = None
