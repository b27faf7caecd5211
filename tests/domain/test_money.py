"""Money: decimals of every currency, Stripe's units, smallest and largest charges, writing and reading."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import AmountError, UnsupportedCurrencyError
from domain.money import Money, check_chargeable, decimals, from_stripe, parse, to_stripe

# https://docs.stripe.com/currencies#zero-decimal, and the two that Stripe takes times one hundred.
NO_DECIMALS = "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF ISK UGX".split()
TWO_DECIMALS = (
    "AED AUD BGN BRL CAD CHF CNY CZK DKK EUR GBP HKD HUF IDR ILS INR MXN MYR NOK NZD PHP PLN RON SEK SGD THB TRY "
    "TWD USD ZAR"
).split()
THREE_DECIMALS = "BHD JOD KWD OMR TND".split()
CURRENCIES = NO_DECIMALS + TWO_DECIMALS

# In the currency as it is written: https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts
MINIMUMS = {
    **dict.fromkeys("USD EUR AUD CAD CHF".split(), "0.50"),
    "GBP": "0.30",
    **dict.fromkeys("JPY KRW".split(), "50"),
    "DKK": "2.50",
    **dict.fromkeys("NOK SEK".split(), "3.00"),
    **dict.fromkeys("PLN RON".split(), "2.00"),
    "CZK": "15.00",
    "HUF": "175.00",
    **dict.fromkeys("MXN THB".split(), "10.00"),
    "HKD": "4.00",
    **dict.fromkeys("AED MYR".split(), "2.00"),
}

currencies = st.sampled_from(CURRENCIES)
amounts = st.integers(min_value=0, max_value=10**15)
moneys = st.builds(Money, amounts, currencies)


@pytest.mark.parametrize("currency", CURRENCIES)
def test_decimals(currency: str) -> None:
    """Each currency is written with its own number of decimals."""
    assert decimals(currency) == (0 if currency in NO_DECIMALS else 2)
    assert str(Money(15000, currency)) == ("15000" if currency in NO_DECIMALS else "150.00")
    assert str(Money(5, currency)) == ("5" if currency in NO_DECIMALS else "0.05")


@pytest.mark.parametrize("currency", THREE_DECIMALS)
def test_three_decimals_are_refused(currency: str) -> None:
    """Stripe rounds them: a hotel could not be paid exactly."""
    with pytest.raises(UnsupportedCurrencyError, match=f"{currency} has three decimals"):
        Money(1, currency)


@pytest.mark.parametrize("currency", ["eur", "EURO", "", "XXX", "EU R", "ＥＵＲ"])
def test_unknown_currencies_are_refused(currency: str) -> None:
    """A code is three capitals of a currency we know."""
    with pytest.raises(UnsupportedCurrencyError, match="not a currency we charge in"):
        Money(1, currency)


@pytest.mark.parametrize("currency", CURRENCIES)
def test_stripe_counts_in_the_same_units_but_for_two(currency: str) -> None:
    """ISK and UGX go to Stripe times one hundred, with the last two digits zero."""
    sent = Money(15000, currency).stripe_amount
    assert sent == (1_500_000 if currency in {"ISK", "UGX"} else 15000)
    assert from_stripe(sent, currency.lower()) == 15000


@given(moneys)
def test_amounts_come_back_from_stripe(money: Money) -> None:
    """The value sent equals the value read."""
    assert from_stripe(money.stripe_amount, money.currency.lower()) == money.minor


@pytest.mark.parametrize("currency", ["bhd", "cop", "sar", "xxx"])
def test_amounts_we_would_not_charge_are_read_as_stripe_counts_them(currency: str) -> None:
    """Any amount and currency paid can be reported and refunded."""
    assert to_stripe(from_stripe(15000, currency), currency) == from_stripe(15000, currency) == 15000


@given(moneys)
def test_amounts_are_read_as_they_are_written(money: Money) -> None:
    """Writing and reading lose nothing."""
    text = str(money)
    assert parse(text, money.currency) == money
    whole, _, rest = text.partition(".")
    assert len(rest) == decimals(money.currency)
    assert whole.isascii()
    assert whole.isdigit()


@given(st.integers(min_value=0, max_value=10**9), currencies, st.integers(min_value=1, max_value=40))
def test_superfluous_zeros_are_read(minor: int, currency: str, zeros: int) -> None:
    """`150.000` is 150.00, however many zeros follow."""
    money = Money(minor, currency)
    text = str(money) if "." in str(money) else f"{money}."
    assert parse(text + "0" * zeros, currency) == money


@given(st.integers(min_value=0, max_value=10**9), currencies, st.integers(min_value=1, max_value=60))
def test_a_further_decimal_is_refused(minor: int, currency: str, places: int) -> None:
    """An amount is never rounded, however far behind the point the digit is."""
    money = Money(minor, currency)
    text = str(money) if "." in str(money) else f"{money}."
    with pytest.raises(AmountError, match="more decimals than"):
        parse(f"{text}{'0' * (places - 1)}1", currency)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        ".",
        ".5",
        "abc",
        "1,50",
        "1.2.3",
        "1e2",
        "1_000",
        "+1",
        "٣",
        "NaN",
        "Infinity",
        "€5",
        "1" * 19,
    ],
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    """Digits, perhaps a point and more digits: `Decimal` takes more than people write."""
    with pytest.raises(AmountError, match="is not an amount"):
        parse(text, "EUR")


@given(st.one_of(st.text(max_size=12), st.from_regex(r"\A ?-?[0-9]{1,20}(\.[0-9]{0,4})? ?\Z")), currencies)
def test_reading_junk_raises_nothing_else(text: str, currency: str) -> None:
    """Any text is either an amount, exactly, or refused by name."""
    try:
        money = parse(text, currency)
    except AmountError:
        return
    assert Fraction(money.minor, 10 ** decimals(currency)) == Fraction(text.strip().removesuffix("."))


def test_negative_amounts_are_refused() -> None:
    """There is no such thing as less than nothing."""
    with pytest.raises(AmountError, match="negative"):
        Money(-1, "EUR")
    with pytest.raises(AmountError, match="negative"):
        parse("-0.01", "EUR")
    with pytest.raises(AmountError, match="negative"):
        Money(1, "EUR").minus(Money(2, "EUR"))


@given(moneys, st.integers(min_value=0, max_value=100))
def test_percentages_round_down(money: Money, percent: int) -> None:
    """A fee is the exact share, less what is below the smallest coin: in the guest's favour."""
    share = money.percent(percent)
    exact = Fraction(money.minor * percent, 100)
    assert share.currency == money.currency
    assert exact - 1 < share.minor <= exact
    assert money.minus(share).minor + share.minor == money.minor


@pytest.mark.parametrize(
    ("minor", "percent", "share"), [(1, 50, 0), (99, 1, 0), (101, 33, 33), (15000, 100, 15000)]
)
def test_percentages_by_example(minor: int, percent: int, share: int) -> None:
    """An exhaustive check beside the property."""
    assert Money(minor, "EUR").percent(percent) == Money(share, "EUR")


@pytest.mark.parametrize("percent", [-1, 101])
def test_percentages_lie_between_nothing_and_all(percent: int) -> None:
    """More than everything cannot be kept."""
    with pytest.raises(AmountError, match="between 0 and 100"):
        Money(100, "EUR").percent(percent)


def test_currencies_do_not_mix() -> None:
    """Yen cannot be taken from euros."""
    with pytest.raises(AmountError, match="cannot take JPY from EUR"):
        Money(100, "EUR").minus(Money(1, "JPY"))
    with pytest.raises(TypeError):
        sorted([Money(1, "EUR"), Money(2, "EUR")])  # type: ignore[type-var]


def test_nights_are_multiplied() -> None:
    """A price per night, thirty times over."""
    assert Money(7550, "EUR").times(30) == Money(226500, "EUR")


@pytest.mark.parametrize("currency", CURRENCIES)
def test_smallest_charge(currency: str) -> None:
    """Stripe's minimum can be charged, one unit less cannot; without a minimum, one unit can."""
    least = parse(MINIMUMS.get(currency, "1" if currency in NO_DECIMALS else "0.01"), currency)
    assert check_chargeable(least) is least
    with pytest.raises(AmountError, match="below the smallest charge"):
        check_chargeable(Money(least.minor - 1, currency))


@pytest.mark.parametrize("currency", CURRENCIES)
def test_largest_charge(currency: str) -> None:
    """Eight digits, in the units that Stripe counts in."""
    most = Money(999_999 if currency in {"ISK", "UGX"} else 99_999_999, currency)
    assert check_chargeable(most) is most
    with pytest.raises(AmountError, match="above the largest charge"):
        check_chargeable(Money(most.minor + 1, currency))
