"""Whether a decision may be carried out, has been carried out, or is too late.

The workflow asks before each step; the API asks once a booking's workflow has ended and only its row is left.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from domain.booking import (
    DECIDED_AS,
    STAFF_REASON_CODES,
    ActorKind,
    Decision,
    Status,
    allows,
    cancellation_event,
)


class CommandOutcome(StrEnum):
    """The outcome of a command; the refusals among them double as the API's error codes."""

    SETTLED = "settled"
    NOT_AUTHORIZED = "not_authorized"
    ALREADY_DECIDED = "already_decided"
    IN_PROGRESS = "decision_in_progress"
    NOT_CANCELLABLE = "not_cancellable"
    TOO_LATE = "too_late"
    NEEDS_ATTENTION = "needs_attention"
    REFUND_PENDING = "refund_pending"
    NOTHING_OWED = "nothing_owed"
    MORE_THAN_OWED = "more_than_owed"
    OTHER_CURRENCY = "other_currency"
    NOTHING_TO_WITHDRAW = "nothing_to_withdraw"
    MONEY_AT_STAKE = "money_at_stake"


RESOLUTION_REFUSALS = frozenset(
    {
        CommandOutcome.REFUND_PENDING,
        CommandOutcome.NOTHING_OWED,
        CommandOutcome.MORE_THAN_OWED,
        CommandOutcome.OTHER_CURRENCY,
        CommandOutcome.NOTHING_TO_WITHDRAW,
        CommandOutcome.MONEY_AT_STAKE,
    }
)
"""The reasons for refusing a `resolve`, which then has changed nothing."""


def is_carried_out(decision: Decision, status: Status, reason_code: str | None) -> bool:
    """Say whether the booking already has the status that `decision` leads to.

    A decline counts only if staff made it: a deadline is no one's decision.
    """
    if status is not DECIDED_AS[decision]:
        return False
    return decision is not Decision.DECLINE or reason_code in STAFF_REASON_CODES


def cancellable_until(actor: ActorKind, check_in_at: datetime, check_out_at: datetime) -> datetime:
    """The end of cancelling a confirmed stay: its start for the guest, its end for the hotel."""
    return check_in_at if actor is ActorKind.GUEST else check_out_at


def immediate_outcome(
    decision: Decision, actor: ActorKind, status: Status, reason_code: str | None, *, too_late: bool
) -> CommandOutcome | None:
    """Judge a decision by the booking's status.

    Args:
        reason_code: the booking's; it distinguishes a person's decline from the system's.
        too_late: whether a confirmed stay can no longer be cancelled by `actor` (`cancellable_until`).

    Returns:
        None if the decision may be carried out now, else its outcome without any step.
    """
    if is_carried_out(decision, status, reason_code):
        return CommandOutcome.SETTLED
    if decision is Decision.CANCEL:
        return _cancellation_outcome(actor, status, too_late=too_late)
    if status is Status.PENDING_APPROVAL:
        return None
    if status in {Status.DRAFT, Status.PENDING_PAYMENT}:
        return CommandOutcome.NOT_AUTHORIZED
    return CommandOutcome.ALREADY_DECIDED


def _cancellation_outcome(actor: ActorKind, status: Status, *, too_late: bool) -> CommandOutcome | None:
    if not allows(status, cancellation_event(actor)):
        return CommandOutcome.NOT_CANCELLABLE
    if status is Status.CONFIRMED and too_late:
        return CommandOutcome.TOO_LATE
    return None
