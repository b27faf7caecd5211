"""A dispute: the guest's bank contests a captured payment. https://docs.stripe.com/disputes"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

WAITS_FOR_EVIDENCE: Final = frozenset({"needs_response", "warning_needs_response", "appeal_needs_response"})
UNDECIDED: Final = frozenset(
    {"needs_response", "under_review", "warning_needs_response", "warning_under_review"}
)
"""Statuses before a decision; an appeal comes after one."""

DECIDED: Final = frozenset({"won", "lost"})


@dataclass(frozen=True)
class Dispute:
    """Stripe's own codes about a dispute. https://docs.stripe.com/api/disputes/object

    Args:
        amount_minor: the contested amount, in the smallest unit of `currency`.
        currency: ISO 4217 code.
        evidence_due_by: None if Stripe takes no evidence, or names no date.
    """

    dispute_id: str
    amount_minor: int
    currency: str
    reason: str
    status: str
    opened_at: datetime
    evidence_due_by: datetime | None = None
