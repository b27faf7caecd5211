"""Balance transactions: what a captured charge adds to the account's balance, and Stripe's fee for it.

https://docs.stripe.com/api/balance_transactions/object
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from sandbox.stripe.ids import new_id
from sandbox.stripe.shapes import Obj
from sandbox.stripe.state import StripeChange

_FEE_SHARE: Final = Decimal("0.015")
_FEE_FIXED_MINOR: Final = 25
_IN_EURO_CENTS: Final = {"jpy": Decimal("0.61")}
"""Cents for the smallest unit of a currency in which the account has no balance: Stripe converts such a payment."""
_AVAILABLE_AFTER_S: Final = 2 * 86_400


def new_balance_transaction(change: StripeChange, charge: Obj, amount: int) -> Obj:
    """Create the balance transaction of a capture; its amounts are in the currency of the balance."""
    rate = _IN_EURO_CENTS.get(charge["currency"])
    gross = amount if rate is None else _rounded(amount * rate)
    currency = charge["currency"] if rate is None else "eur"
    fee = _rounded(gross * _FEE_SHARE) + _FEE_FIXED_MINOR
    return {
        "id": new_id("txn"),
        "object": "balance_transaction",
        "amount": gross,
        "available_on": change.now_s + _AVAILABLE_AFTER_S,
        "balance_type": "payments",
        "created": change.now_s,
        "currency": currency,
        "description": charge["description"],
        "exchange_rate": float(rate) if rate is not None else None,
        "fee": fee,
        "fee_details": [
            {
                "amount": fee,
                "currency": currency,
                "description": "Stripe processing fees",
                "type": "stripe_fee",
            }
        ],
        "net": gross - fee,
        "reporting_category": "charge",
        "source": charge["id"],
        "status": "pending",
        "type": "charge",
    }


def _rounded(amount: Decimal) -> int:
    return int(amount.to_integral_value(ROUND_HALF_UP))
