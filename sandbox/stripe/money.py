"""Amounts as Stripe counts them: https://docs.stripe.com/currencies"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from typing import Final

from babel.core import get_global
from babel.numbers import format_currency

_ZERO_DECIMAL: Final = frozenset("bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split())
_THREE_DECIMAL: Final = frozenset("bhd jod kwd omr tnd".split())
# Counted in hundredths, although these currencies have whole units only.
_WHOLE_UNITS: Final = frozenset("isk ugx".split())
_MINIMUM_MINOR: Final = {
    **dict.fromkeys("usd eur aud cad chf jpy krw".split(), 50),
    **dict.fromkeys("nok sek".split(), 300),
    **dict.fromkeys("pln ron aed myr".split(), 200),
    **dict.fromkeys("mxn thb".split(), 1000),
    "gbp": 30,
    "dkk": 250,
    "czk": 1500,
    "huf": 17500,
    "hkd": 400,
}
_DEFAULT_MINIMUM_MINOR: Final = 50
MAXIMUM_MINOR: Final = 99_999_999


def is_currency(code: str) -> bool:
    """Whether this is a currency's code, in either case."""
    return code.upper() in get_global("all_currencies")


def minimum_minor(currency: str) -> int:
    """Return the smallest amount that can be charged, in Stripe's minor units."""
    return _MINIMUM_MINOR.get(currency, _DEFAULT_MINIMUM_MINOR)


def step_minor(currency: str) -> int:
    """Return the step of a currency's amounts: Stripe accepts only its multiples."""
    if currency in _WHOLE_UNITS:
        return 100
    return 10 if currency in _THREE_DECIMAL else 1


@lru_cache(1000)
def shown(amount_minor: int, currency: str) -> str:
    """Return an amount for guests: `€150.00`, `¥15,000`."""
    decimals = 0 if currency in _ZERO_DECIMAL else 3 if currency in _THREE_DECIMAL else 2
    pattern = "¤#,##0" + ("." + "0" * decimals if decimals else "")
    amount = Decimal(amount_minor).scaleb(-decimals)
    return format_currency(amount, currency.upper(), pattern, locale="en_US", currency_digits=False)
