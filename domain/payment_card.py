"""A held card, and Stripe's rating of its risk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

RISK_LEVELS: Final = ("highest", "elevated", "normal", "not_assessed", "unknown")
"""Stripe's risk levels, from the one that calls for the closest look: https://docs.stripe.com/radar/risk-evaluation.

A place in this order is a booking's `risk_rank`; what has no level comes after the last.
"""
NO_RISK_LEVEL: Final = len(RISK_LEVELS)
UNKNOWN_RISK: Final = RISK_LEVELS.index("unknown")


@dataclass(frozen=True)
class PaymentCard:
    """Stripe's own words about a card and its hold; None where Stripe gives none.

    https://docs.stripe.com/api/charges/object

    Args:
        country: ISO 3166-1 code of the country of issue.
        three_d_secure: the result; None if the payment did not use 3-D Secure.
        wallet: its type; None if the guest entered the card.
        risk_level: None without Radar.
    """

    brand: str | None = None
    last4: str | None = None
    funding: str | None = None
    country: str | None = None
    cvc_check: str | None = None
    postal_code_check: str | None = None
    three_d_secure: str | None = None
    wallet: str | None = None
    risk_level: str | None = None
