"""Words about a dispute: what the guest's bank says, what became of it, what to do and until when."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from domain.dispute import WAITS_FOR_EVIDENCE, Dispute
from wording.values import instant_in_words, money_in_words

REASONS: Final = {
    "bank_cannot_process": "the bank cannot process the payment",
    "check_returned": "the bank returned a cheque",
    "credit_not_processed": "the guest says a refund they were promised has not arrived",
    "customer_initiated": "the guest asked their bank for the money back",
    "debit_not_authorized": "the guest says they did not allow the debit",
    "duplicate": "the guest says they paid twice",
    "fraudulent": "the guest says they did not make the payment",
    "general": "the bank gives no particular reason",
    "incorrect_account_details": "the account's details were wrong",
    "insufficient_funds": "the account had too little money",
    "noncompliant": "the bank says the payment breaks the card network's rules",
    "product_not_received": "the guest says they did not get the stay",
    "product_unacceptable": "the guest says the stay was not as described",
    "subscription_canceled": "the guest says they had cancelled",
    "unrecognized": "the guest does not recognise the payment",
}
"""Stripe's reasons: https://docs.stripe.com/disputes/categories."""

OUTCOMES: Final = {
    "needs_response": "open: the bank waits for the hotel's evidence",
    "under_review": "under review: the bank has the hotel's evidence",
    "won": "won: the hotel keeps the money",
    "lost": "lost: the money went back to the guest",
    "prevented": "prevented: it was settled before it became a dispute",
    "warning_needs_response": "an inquiry: the bank asks, and no money has been taken",
    "warning_under_review": "an inquiry under review: the bank has the hotel's answer",
    "warning_closed": "an inquiry that was closed: no money was taken",
    "appeal_needs_response": "an appeal: the bank waits for the hotel's evidence",
    "appeal_under_review": "an appeal under review: the bank has the hotel's evidence",
}
"""Stripe's statuses: https://docs.stripe.com/api/disputes/object#dispute_object-status."""

_WAIT: Final = (
    "Wait for the bank's decision: the hotel can do nothing more. Do not refund the guest meanwhile."
)
_TO_DO: Final[Mapping[str, str]] = {
    "under_review": _WAIT,
    "appeal_under_review": _WAIT,
    "warning_under_review": "Wait for the bank: the hotel can do nothing more.",
    "won": "Nothing: the hotel has the money.",
    "lost": "Nothing. Do not refund the guest as well: the bank has paid them.",
    "prevented": "Nothing: it is over.",
    "warning_closed": "Nothing: it is over.",
}
_EVIDENCE: Final[Mapping[str, Callable[[str], str]]] = {
    "needs_response": lambda by: (
        f"In the Stripe Dashboard, send evidence for the stay or accept the dispute, {by}. Without an answer the "
        "hotel loses the money. Do not refund the guest as well."
    ),
    "appeal_needs_response": lambda by: f"In the Stripe Dashboard, answer the appeal with evidence, {by}.",
    "warning_needs_response": lambda by: (
        f"In the Stripe Dashboard, answer the inquiry or refund the guest, {by}. Without an answer it may become a "
        "dispute."
    ),
}
_TOO_LATE: Final = "The time for evidence is over. Wait for the bank's decision."


@dataclass(frozen=True)
class DisputeLines:
    """A dispute in words.

    Args:
        facts: labels and words: amount, reason, outcome, and until it is decided the date for evidence.
        outcome: what became of it.
        to_do: what the hotel has to do, and until when.
    """

    facts: Sequence[tuple[str, str]]
    outcome: str
    to_do: str


def dispute_lines(dispute: Dispute, timezone: str, now: datetime) -> DisputeLines:
    """Put a dispute into words.

    Args:
        timezone: the hotel's.
    """
    outcome = OUTCOMES.get(dispute.status, dispute.status.replace("_", " "))
    facts = [
        ("Disputed amount", money_in_words(dispute.amount_minor, dispute.currency)),
        ("Reason", REASONS.get(dispute.reason, dispute.reason.replace("_", " "))),
        ("Outcome", outcome),
    ]
    due_by = instant_in_words(dispute.evidence_due_by, timezone)
    if due_by and dispute.status in WAITS_FOR_EVIDENCE:
        facts.append(("Evidence due", due_by))
    return DisputeLines(facts, outcome, _to_do(dispute, due_by, now))


def _to_do(dispute: Dispute, due_by: str | None, now: datetime) -> str:
    if dispute.status in _EVIDENCE:
        if dispute.evidence_due_by is not None and dispute.evidence_due_by <= now:
            return _TOO_LATE
        return _EVIDENCE[dispute.status](f"by {due_by}" if due_by else "soon")
    return _TO_DO.get(dispute.status, "Read the dispute in the Stripe Dashboard.")
