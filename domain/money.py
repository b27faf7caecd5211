"""Money as integer minor units with an ISO 4217 currency.

`minor` counts the currency's own smallest unit (cents for EUR, yen for JPY). Stripe counts in the same
units but for ISK and UGX, which it takes times one hundred with the last two digits zero:
https://docs.stripe.com/currencies#special-cases
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from domain.errors import AmountError, UnsupportedCurrencyError

ZERO_DECIMAL: Final = frozenset("BIF CLP DJF GNF ISK JPY KMF KRW MGA PYG RWF UGX VND VUV XAF XOF XPF".split())
THREE_DECIMAL: Final = frozenset("BHD JOD KWD OMR TND".split())
TWO_DECIMAL: Final = frozenset(
    (
        "AED AUD BGN BRL CAD CHF CNY CZK DKK EUR GBP HKD HUF IDR ILS INR MXN MYR NOK NZD PHP PLN RON SEK "
        "SGD THB TRY TWD USD ZAR"
    ).split()
)
_STRIPE_TIMES_100: Final = frozenset({"ISK", "UGX"})
# More digits than any charge needs, and few enough for any machine.
_AMOUNT: Final = re.compile(r"(?P<sign>-?)(?P<whole>[0-9]{1,18})(?:\.(?P<fraction>[0-9]*))?")

# https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts
MINIMUM_CHARGE_MINOR: Final = MappingProxyType({
    "USD": 50, "EUR": 50, "AUD": 50, "CAD": 50, "CHF": 50, "GBP": 30, "JPY": 50, "KRW": 50,
    "DKK": 250, "NOK": 300, "SEK": 300, "PLN": 200, "RON": 200, "CZK": 1500, "HUF": 17500,
    "MXN": 1000, "THB": 1000, "HKD": 400, "AED": 200, "MYR": 200,
})  # fmt: skip
MAXIMUM_CHARGE_MINOR: Final = 99_999_999
"""Stripe takes at most eight digits: https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts"""


def decimals(currency: str) -> int:
    """Number of decimals `currency` is written with.

    Raises:
        UnsupportedCurrencyError: unknown, or a three-decimal currency.
    """
    if currency in ZERO_DECIMAL:
        return 0
    if currency in TWO_DECIMAL:
        return 2
    if currency in THREE_DECIMAL:
        raise UnsupportedCurrencyError(f"{currency} has three decimals, which Stripe rounds; choose another")
    raise UnsupportedCurrencyError(f"{currency!r} is not a currency we charge in; give an ISO 4217 code")


@dataclass(frozen=True, order=False)
class Money:
    """An amount of one currency.

    Args:
        minor: the amount in the currency's smallest unit, zero or more.
        currency: ISO 4217 code in capitals.

    Raises:
        AmountError: a negative amount.
        UnsupportedCurrencyError: see `decimals`.
    """

    minor: int
    currency: str

    def __post_init__(self) -> None:
        decimals(self.currency)
        if self.minor < 0:
            raise AmountError(f"an amount cannot be negative: {self.minor}")

    def __str__(self) -> str:
        """The amount alone, with the currency's own number of decimals: `150.00`, `15000`."""
        places = decimals(self.currency)
        if places == 0:
            return str(self.minor)
        return f"{self.minor // 10**places}.{self.minor % 10**places:0{places}d}"

    def times(self, count: int) -> Money:
        """The amount, `count` times over (a price per night, say)."""
        return Money(self.minor * count, self.currency)

    def percent(self, percent: int) -> Money:
        """`percent` (0–100) of the amount, rounded down: fees are rounded in the guest's favour."""
        if not 0 <= percent <= 100:
            raise AmountError(f"a percentage lies between 0 and 100, not {percent}")
        return Money(self.minor * percent // 100, self.currency)

    def minus(self, other: Money) -> Money:
        """The difference of two amounts of the same currency."""
        if other.currency != self.currency:
            raise AmountError(f"cannot take {other.currency} from {self.currency}")
        return Money(self.minor - other.minor, self.currency)

    @property
    def stripe_amount(self) -> int:
        """The integer Stripe's API takes for this amount."""
        return to_stripe(self.minor, self.currency)


def to_stripe(minor: int, currency: str) -> int:
    """The integer Stripe's API takes for an amount; the inverse of `from_stripe`, with the same arguments."""
    return minor * 100 if currency.upper() in _STRIPE_TIMES_100 else minor


def from_stripe(amount: int, currency: str) -> int:
    """Read an amount as Stripe's API gives it: in the currency's smallest unit.

    Args:
        amount: Stripe's integer.
        currency: ISO 4217 code in any case, also one we do not charge in: a payment may have used it.
    """
    return amount // 100 if currency.upper() in _STRIPE_TIMES_100 else amount


def parse(text: str, currency: str) -> Money:
    """Read a decimal string such as `150.00` or `15000`, digit by digit: nothing is ever rounded.

    Raises:
        AmountError: not a number, negative, or more decimals than the currency has.
    """
    places = decimals(currency)
    written = _AMOUNT.fullmatch(text.strip())
    if written is None:
        raise AmountError(f"{text!r} is not an amount; write it like {Money(15000, currency)}")
    sign, whole, fraction = written["sign"], written["whole"], (written["fraction"] or "").rstrip("0")
    if len(fraction) > places:
        raise AmountError(f"{text!r} has more decimals than {currency} does ({places})")
    return Money(int(f"{sign}{whole}{fraction:0<{places}}"), currency)


def check_chargeable(money: Money) -> Money:
    """Return `money` if Stripe would charge it.

    Raises:
        AmountError: below the currency's minimum or above eight digits.
    """
    minimum = MINIMUM_CHARGE_MINOR.get(money.currency, 1)
    if money.minor < minimum:
        smallest = Money(minimum, money.currency)
        raise AmountError(
            f"{money} {money.currency} is below the smallest charge, {smallest} {money.currency}"
        )
    if money.stripe_amount > MAXIMUM_CHARGE_MINOR:
        raise AmountError(f"{money} {money.currency} is above the largest charge Stripe takes")
    return money
