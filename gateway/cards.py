"""The card of a payment, in the product's terms."""

from __future__ import annotations

from typing import Any

import stripe

from domain.payment_card import PaymentCard


def payment_card(intent: stripe.PaymentIntent) -> PaymentCard:
    """Read the card of a PaymentIntent that was expanded `WITH_CHARGE`."""
    charge = intent.latest_charge
    # As a dict: Stripe leaves out what it does not have.
    facts = charge.to_dict() if isinstance(charge, stripe.Charge) else {}
    card = _member(_member(facts, "payment_method_details"), "card")
    checks = _member(card, "checks")
    return PaymentCard(
        brand=card.get("brand"),
        last4=card.get("last4"),
        funding=card.get("funding"),
        country=card.get("country"),
        cvc_check=checks.get("cvc_check"),
        postal_code_check=checks.get("address_postal_code_check"),
        three_d_secure=_member(card, "three_d_secure").get("result"),
        wallet=_member(card, "wallet").get("type"),
        risk_level=_member(facts, "outcome").get("risk_level"),
    )


def _member(facts: dict[str, Any], name: str) -> dict[str, Any]:
    return facts.get(name) or {}
