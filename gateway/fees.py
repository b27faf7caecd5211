"""Stripe's fee for a captured payment, in the product's terms."""

from __future__ import annotations

from typing import Final

import stripe

from domain.money import Money, from_stripe

WITH_FEE: Final = "latest_charge.balance_transaction"
"""What a PaymentIntent has to be expanded with, so that it tells the fee."""


def stripe_fee(intent: stripe.PaymentIntent) -> Money | None:
    """Read the fee of a PaymentIntent that was expanded `WITH_FEE`; None before the capture, or if Stripe tells none.

    It is in the currency of the account's balance, which may differ from the payment's.
    """
    charge = intent.latest_charge
    transaction = charge.balance_transaction if isinstance(charge, stripe.Charge) else None
    if not isinstance(transaction, stripe.BalanceTransaction):
        return None
    currency = transaction.currency.upper()
    return Money(from_stripe(transaction.fee, currency), currency)
