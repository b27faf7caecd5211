"""A payment's disputes, in the product's terms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import stripe
from stripe._v1_services import V1Services

from domain.dispute import Dispute
from domain.money import from_stripe
from gateway.errors import translated_errors
from gateway.snapshots import instant

_MOST: Final = 100
"""The most that Stripe lists on one page; a payment seldom has two."""


async def read_disputes(client: V1Services, payment_intent_id: str) -> Sequence[Dispute]:
    """List a PaymentIntent's disputes: a charge no longer counts as disputed once the hotel has won.

    Args:
        client: the `v1` of a Stripe client.

    Raises:
        ApplicationError: typed as in `gateway.errors`.
    """
    with translated_errors(write=False):
        page = await client.disputes.list_async({"payment_intent": payment_intent_id, "limit": _MOST})
    return [_dispute(each) for each in page.data]


def _dispute(dispute: stripe.Dispute) -> Dispute:
    currency = dispute.currency.upper()
    # As a dict: Stripe leaves out what it does not have.
    due_by = (dispute.to_dict().get("evidence_details") or {}).get("due_by")
    return Dispute(
        dispute_id=dispute.id,
        amount_minor=from_stripe(dispute.amount, currency),
        currency=currency,
        reason=dispute.reason,
        status=dispute.status,
        opened_at=instant(dispute.created),
        evidence_due_by=instant(due_by) if due_by else None,
    )
