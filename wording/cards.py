"""Words for staff about a held card: a plain word for each thing that Stripe says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from domain.payment_card import PaymentCard
from wording.values import country_in_words

NOT_AVAILABLE: Final = "not available"

_NAMES: Final = {
    "amex": "American Express",
    "cartes_bancaires": "Cartes Bancaires",
    "diners": "Diners Club",
    "eftpos_au": "Eftpos Australia",
    "jcb": "JCB",
    "unionpay": "UnionPay",
    "unknown": "Card",
}
_CHECKS: Final = {
    "pass": "passed",
    "fail": "failed",
    "unavailable": "the bank did not check it",
    "unchecked": "not checked",
}
_THREE_D_SECURE: Final = {
    "authenticated": "passed",
    "attempt_acknowledged": "attempted, the bank did not answer for it",
    "data_share_only": "data shared only",
    "not_supported": "the card does not support it",
    "processing_error": "an error occurred",
}
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True)
class CardLines:
    """A held card in words.

    Args:
        risk: Stripe's risk level.
        is_risky: the level calls for a closer look.
        facts: labels and words, the risk level included.
        summary: all the words as one sentence.
    """

    risk: str
    is_risky: bool
    facts: Sequence[tuple[str, str]]
    summary: str


def risk_words(card: PaymentCard | None) -> str:
    """Stripe's risk level."""
    return _words(card.risk_level if card else None)


def card_lines(card: PaymentCard) -> CardLines:
    """Put a held card into words."""
    facts = (
        ("Stripe's risk level", risk_words(card)),
        ("Card", _card(card)),
        ("Type", _words(card.funding)),
        ("Issued in", country_in_words(card.country) if card.country else NOT_AVAILABLE),
        ("Security code (CVC)", _words(card.cvc_check, _CHECKS)),
        ("Postal code", _words(card.postal_code_check, _CHECKS)),
        ("3-D Secure", _words(card.three_d_secure, _THREE_D_SECURE, missing="not used")),
        ("Wallet", _words(card.wallet).title() if card.wallet else "none"),
    )
    risk, (_, name), *others = facts
    summary = "; ".join([name, *(f"{label}: {words}" for label, words in others)])
    return CardLines(risk[1], card.risk_level in {"elevated", "highest"}, facts, summary)


def _card(card: PaymentCard) -> str:
    brand = _NAMES.get(card.brand, card.brand.replace("_", " ").title()) if card.brand else "Card"
    return f"{brand} ending in {card.last4}" if card.last4 else brand


def _words(value: str | None, known: Mapping[str, str] = _NOTHING, missing: str = NOT_AVAILABLE) -> str:
    """Stripe's word in plain ones; a word that is not known here stands as it is."""
    return known.get(value, value.replace("_", " ")) if value else missing
