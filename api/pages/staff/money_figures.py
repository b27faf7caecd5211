"""The money of a period in figures: held, captured, refunded and paid elsewhere, by day and currency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from babel.numbers import format_compact_currency

from api.pages.staff.plot import Chart, Series, bar_chart
from domain.money import Money
from storage.console import DaySum, HeldTotal
from storage.money_movements import MovementKind, MovementSum
from storage.stripe_fees import FeeSum
from wording.values import count_in_words, money_in_words, signed_money_in_words


@dataclass(frozen=True)
class MoneySums:
    """Amounts of one currency, in words.

    Args:
        net: the captured amount less the refunds and the amounts paid elsewhere.
    """

    held: str
    captured: str
    refunded: str
    paid_elsewhere: str
    net: str


@dataclass(frozen=True)
class MoneyDay:
    """One day's money."""

    day: date
    sums: MoneySums


@dataclass(frozen=True)
class FeesInWords:
    """Stripe's fees for the captures of one currency.

    Args:
        total: in the fees' own currencies; None where Stripe told none.
        told: for how many of the captures.
    """

    total: str | None
    told: str


@dataclass(frozen=True)
class CurrencyFigures:
    """One currency: the amount held now, and what moved in the period."""

    currency: str
    held_now: str
    holds_now: int
    sums: MoneySums
    fees: FeesInWords
    chart: Chart
    days: Sequence[MoneyDay]


@dataclass(frozen=True)
class MoneyOfPeriod:
    """All that was counted of a period's money.

    Args:
        held: the holds that stand now.
    """

    days: Sequence[date]
    holds: Sequence[DaySum]
    movements: Sequence[MovementSum]
    held: Sequence[HeldTotal]
    fees: Sequence[FeeSum]

    def currencies(self, own: str) -> list[CurrencyFigures]:
        """One for each currency with movements; the hotel's `own` is always present, and first."""
        found = {each.currency for each in self.holds} | {each.currency for each in self.movements}
        others = (found | {each.currency for each in self.held}) - {own}
        return [self._figures(currency) for currency in (own, *sorted(others))]

    def _figures(self, currency: str) -> CurrencyFigures:
        held = self._by_day(self.holds, currency)
        by_kind = {
            kind: self._by_day([each for each in self.movements if each.kind is kind], currency)
            for kind in MovementKind
        }
        captured, refunded = by_kind[MovementKind.CAPTURED], by_kind[MovementKind.REFUNDED]
        elsewhere = by_kind[MovementKind.PAID_ELSEWHERE]
        series = (
            Series("held", "held", held),
            Series("captured", "captured", _drawn(captured)),
            Series("refunded", "refunded", _drawn(refunded)),
        )
        now = next((each for each in self.held if each.currency == currency), HeldTotal(currency, 0, 0))
        each_day = list(zip(held, captured, refunded, elsewhere, strict=True))
        return CurrencyFigures(
            currency=currency,
            held_now=money_in_words(now.minor, currency),
            holds_now=now.count,
            sums=_in_words(currency, *map(sum, (held, captured, refunded, elsewhere))),
            fees=_fees([each for each in self.fees if each.currency == currency]),
            chart=bar_chart(
                self.days,
                series,
                lambda minor: money_in_words(minor, currency),
                stacked=False,
                in_short=lambda minor: _in_short(minor, currency),
            ),
            days=[
                MoneyDay(day, _in_words(currency, *amounts))
                for day, amounts in zip(self.days, each_day, strict=True)
            ],
        )

    def _by_day(self, counted: Sequence[DaySum] | Sequence[MovementSum], currency: str) -> list[int]:
        sums = dict.fromkeys(self.days, 0)
        for each in counted:
            if each.currency == currency:
                sums[each.day] += each.minor
        return list(sums.values())


def _fees(sums: Sequence[FeeSum]) -> FeesInWords:
    captures = sum(each.captures for each in sums)
    told = [(each.fee, each.captures) for each in sums if each.fee]
    total = " and ".join(money_in_words(fee.minor, fee.currency) for fee, _ in told)
    known = sum(number for _, number in told)
    return FeesInWords(total or None, f"for {known} of {count_in_words(captures, 'capture')}")


def _drawn(values: Sequence[int]) -> list[int]:
    """Values for a chart, which has no room below zero: more refunds may come back on a day than go out."""
    return [max(value, 0) for value in values]


def _in_words(currency: str, held: int, captured: int, refunded: int, paid_elsewhere: int) -> MoneySums:
    amounts = (held, captured, refunded, paid_elsewhere, captured - refunded - paid_elsewhere)
    return MoneySums(*(signed_money_in_words(minor, currency) for minor in amounts))


def _in_short(minor: int, currency: str) -> str:
    amount = Decimal(str(Money(minor, currency)))
    return format_compact_currency(amount, currency, locale="en_IE", fraction_digits=1)
