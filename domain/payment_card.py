"""A held card, and Stripe's rating of its risk."""

from __future__ import annotations

from dataclasses import dataclass


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
