"""Stripe's fee for a captured payment, in the product's terms."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import stripe

from domain.errors import DomainError
from domain.money import Money, from_stripe

_WITH_FEE: Final = "latest_charge.balance_transaction"
"""What a PaymentIntent has to be expanded with, so that it tells the fee."""


async def with_fee(
    request: Callable[[Sequence[str]], Awaitable[stripe.PaymentIntent]],
) -> stripe.PaymentIntent:
    """Request a PaymentIntent with its fee; without it where the key may not read balance transactions.

    Args:
        request: sends the request with the expansions it is given.
    """
    try:
        return await request([_WITH_FEE])
    except stripe.PermissionError:
        return await request([])


def stripe_fee(intent: stripe.PaymentIntent) -> Money | None:
    """Read the fee of a PaymentIntent that was requested `with_fee`; None before the capture, or if Stripe tells none.

    It is in the currency of the account's balance, which may differ from the payment's. A fee that is no amount of a
    currency we know counts as none: the payment is captured.
    """
    charge = intent.latest_charge
    transaction = charge.balance_transaction if isinstance(charge, stripe.Charge) else None
    if not isinstance(transaction, stripe.BalanceTransaction):
        return None
    currency = transaction.currency.upper()
    try:
        return Money(from_stripe(transaction.fee, currency), currency)
    except DomainError:
        return None
