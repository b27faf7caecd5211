"""The test cards of the hosted page, and their behaviour."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

DAY_S: Final = 86_400
STANDARD_HOLD_S: Final = 7 * DAY_S
EXTENDED_HOLDS_S: Final = {"visa": 29 * DAY_S + 18 * 3600, "mastercard": 30 * DAY_S, "discover": 30 * DAY_S}
"""By the card's brand, with `request_extended_authorization`; other brands refuse it.

https://docs.stripe.com/payments/extended-authorization
"""


class CardBehaviour(StrEnum):
    """The result of using a card."""

    APPROVED = "approved"
    DECLINED = "declined"
    CHALLENGED = "challenged"
    DISPUTED = "disputed"


class RefundCourse(StrEnum):
    """The course of a refund to a card. https://docs.stripe.com/testing#refunds"""

    SUCCEEDS = "succeeds"
    PENDS = "pends"
    """It is `pending` at first, and succeeds after `REFUND_SETTLES_AFTER_S`."""
    FAILS = "fails"
    """It has `succeeded` at first, and fails after `REFUND_SETTLES_AFTER_S`."""


REFUND_SETTLES_AFTER_S: Final = 60


@dataclass(frozen=True)
class Card:
    """A test card.

    Args:
        number: its digits.
        behaviour: the result of using it.
        about: one line for the page.
        hold_s: seconds from the authorization to `capture_before`.
        names_end: whether the charge has a `capture_before`.
        refunds: the course of its refunds.
        brand: the network, by Stripe's name.
        funding, cvc_check, postal_code_check, wallet, risk_level: as the charge has them; None for null.
    """

    number: str
    behaviour: CardBehaviour
    about: str
    hold_s: int = STANDARD_HOLD_S
    names_end: bool = True
    refunds: RefundCourse = RefundCourse.SUCCEEDS
    brand: str = "visa"
    funding: str = "credit"
    cvc_check: str | None = "pass"
    postal_code_check: str | None = None
    wallet: str | None = None
    risk_level: str | None = "normal"

    @property
    def extended_hold_s(self) -> int | None:
        """Seconds of an extended hold; None if the card cannot be held for longer than usual."""
        if self.hold_s < STANDARD_HOLD_S or not self.names_end:
            return None
        return EXTENDED_HOLDS_S.get(self.brand)


CARDS: Final = {
    card.number: card
    for card in (
        Card("4242424242424242", CardBehaviour.APPROVED, "succeeds; a hold lasts 7 days"),
        Card(
            "5555555555554444",
            CardBehaviour.APPROVED,
            "succeeds; may be held for 30 days",
            brand="mastercard",
        ),
        Card("3566002020360505", CardBehaviour.APPROVED, "succeeds; refuses an extended hold", brand="jcb"),
        Card("4000000000000002", CardBehaviour.DECLINED, "is declined"),
        Card("4000002500003155", CardBehaviour.CHALLENGED, "asks for a 3-D Secure step"),
        Card("4000000000006000", CardBehaviour.APPROVED, "succeeds; a hold lapses after 60 seconds", 60),
        Card("4000000000000259", CardBehaviour.DISPUTED, "succeeds, and is disputed once captured"),
        Card(
            "4000000000000077", CardBehaviour.APPROVED, "succeeds; no word on the hold's end", names_end=False
        ),
        Card(
            "4000000000007726",
            CardBehaviour.APPROVED,
            "succeeds; refunds are pending for a minute",
            refunds=RefundCourse.PENDS,
        ),
        Card(
            "4000000000005126",
            CardBehaviour.APPROVED,
            "succeeds; refunds fail after a minute",
            refunds=RefundCourse.FAILS,
        ),
        # https://docs.stripe.com/testing#fraud-prevention
        Card("4000000000009235", CardBehaviour.APPROVED, "succeeds; elevated risk", risk_level="elevated"),
        Card(
            "4000000000004954",
            CardBehaviour.APPROVED,
            "succeeds; highest risk, and the CVC and postal-code checks fail",
            cvc_check="fail",
            postal_code_check="fail",
            risk_level="highest",
        ),
        Card(
            "5200828282828210",
            CardBehaviour.APPROVED,
            "succeeds; debit with Apple Pay, and no risk level, as without Radar",
            brand="mastercard",
            funding="debit",
            cvc_check=None,
            wallet="apple_pay",
            risk_level=None,
        ),
    )
}
