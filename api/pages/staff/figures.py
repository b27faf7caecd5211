"""A hotel's last thirty days in figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final

from babel.numbers import format_compact_currency
from sqlalchemy.ext.asyncio import AsyncSession

from api.pages.staff.plot import Chart, Series, bar_chart
from domain.booking import Event
from domain.deadlines import hotel_today, midnight
from domain.money import Money
from models import Hotel
from storage.console import (
    DaySum,
    HeldTotal,
    TimeToDecide,
    decisions_by_day,
    held_now,
    holds_by_day,
    time_to_decide,
)
from wording.values import money_in_words

DAYS: Final = 30

_APPROVED: Final = frozenset({Event.APPROVED, Event.CAPTURED_OUTSIDE})
_DECLINED: Final = frozenset({Event.DECLINED, Event.CAPTURE_MISMATCHED})
_LAPSED: Final = frozenset({Event.APPROVAL_TIMED_OUT, Event.AUTHORIZATION_LOST})


@dataclass(frozen=True)
class Day:
    """One day's requests, and the outcomes that any request had on it."""

    day: date
    requests: int
    approved: int
    declined: int
    lapsed: int


@dataclass(frozen=True)
class MoneyDay:
    """One day's money in one currency, in words.

    Args:
        refunded: the part of that day's captures refunded since.
        paid_elsewhere: the amount those guests were paid outside Stripe.
        net: the remainder.
    """

    day: date
    held: str
    captured: str
    refunded: str
    paid_elsewhere: str
    net: str


@dataclass(frozen=True)
class CurrencyFigures:
    """One currency: the amount held now, and the movements."""

    currency: str
    held_now: str
    holds_now: int
    held: str
    captured: str
    refunded: str
    paid_elsewhere: str
    net: str
    chart: Chart
    days: Sequence[MoneyDay]


@dataclass(frozen=True)
class Figures:
    """Everything the page shows.

    Args:
        approval_percent: of all requests with an outcome; None without any.
    """

    days: Sequence[Day]
    requests: int
    approved: int
    declined: int
    lapsed: int
    approval_percent: int | None
    time_to_decide: TimeToDecide
    outcomes: Chart
    currencies: Sequence[CurrencyFigures]


async def figures(db: AsyncSession, hotel: Hotel, now: datetime) -> Figures:
    """Count a hotel's last `DAYS` days, the present one included."""
    assert hotel.id is not None
    today = hotel_today(now, hotel.timezone)
    days = [today - timedelta(days=back) for back in reversed(range(DAYS))]
    since = midnight(days[0], hotel.timezone)
    holds = await holds_by_day(db, hotel.id, since, hotel.timezone)
    decisions = await decisions_by_day(db, hotel.id, since, hotel.timezone)
    counted = [
        Day(
            day,
            requests=_count(holds, day, {Event.AUTHORIZED}),
            approved=_count(decisions, day, _APPROVED),
            declined=_count(decisions, day, _DECLINED),
            lapsed=_count(decisions, day, _LAPSED),
        )
        for day in days
    ]
    held = await held_now(db, hotel.id)
    took = await time_to_decide(db, hotel.id, since)
    return _add_up(counted, took, _all_currencies(hotel, days, holds, decisions, held))


def _add_up(days: Sequence[Day], took: TimeToDecide, currencies: Sequence[CurrencyFigures]) -> Figures:
    approved, declined, lapsed = (
        sum(getattr(day, name) for day in days) for name in ("approved", "declined", "lapsed")
    )
    decided = approved + declined + lapsed
    series = (
        Series("approved", "approved", [day.approved for day in days]),
        Series("declined", "declined", [day.declined for day in days]),
        Series("lapsed", "lapsed", [day.lapsed for day in days]),
    )
    return Figures(
        days=days,
        requests=sum(day.requests for day in days),
        approved=approved,
        declined=declined,
        lapsed=lapsed,
        approval_percent=round(100 * approved / decided) if decided else None,
        time_to_decide=took,
        outcomes=bar_chart([day.day for day in days], series, str, stacked=True),
        currencies=currencies,
    )


def _count(sums: Iterable[DaySum], day: date, events: Iterable[Event]) -> int:
    wanted = set(events)
    return sum(each.count for each in sums if each.day == day and each.event in wanted)


def _all_currencies(
    hotel: Hotel,
    days: Sequence[date],
    holds: Sequence[DaySum],
    decisions: Sequence[DaySum],
    held: Sequence[HeldTotal],
) -> list[CurrencyFigures]:
    """One for each currency with movements; the hotel's own is always present, and first."""
    found = {each.currency for each in holds} | {each.currency for each in decisions}
    others = (found | {each.currency for each in held}) - {hotel.currency}
    return [
        _currency_figures(currency, days, holds, decisions, held)
        for currency in (hotel.currency, *sorted(others))
    ]


def _currency_figures(
    currency: str,
    days: Sequence[date],
    holds: Sequence[DaySum],
    decisions: Sequence[DaySum],
    held: Sequence[HeldTotal],
) -> CurrencyFigures:
    def words(minor: int) -> str:
        return money_in_words(minor, currency)

    def short(minor: int) -> str:
        return format_compact_currency(
            Decimal(str(Money(minor, currency))), currency, locale="en_IE", fraction_digits=1
        )

    held_by_day = [_minor(holds, day, currency) for day in days]
    captured_by_day = [_minor(decisions, day, currency) for day in days]
    refunded_by_day = [_refunded_minor(decisions, day, currency) for day in days]
    elsewhere_by_day = [_paid_elsewhere_minor(decisions, day, currency) for day in days]
    captured, refunded, elsewhere = sum(captured_by_day), sum(refunded_by_day), sum(elsewhere_by_day)
    now = next((each for each in held if each.currency == currency), HeldTotal(currency, 0, 0))
    series = (
        Series("held", "held", held_by_day),
        Series("captured", "captured", captured_by_day),
        Series("refunded", "refunded", refunded_by_day),
    )
    return CurrencyFigures(
        currency=currency,
        held_now=words(now.minor),
        holds_now=now.count,
        held=words(sum(held_by_day)),
        captured=words(captured),
        refunded=words(refunded),
        paid_elsewhere=words(elsewhere),
        net=words(captured - refunded - elsewhere),
        chart=bar_chart(days, series, words, stacked=False, in_short=short),
        days=[
            MoneyDay(day, words(on_hold), words(taken), words(back), words(paid), words(taken - back - paid))
            for day, on_hold, taken, back, paid in zip(
                days, held_by_day, captured_by_day, refunded_by_day, elsewhere_by_day, strict=True
            )
        ],
    )


def _minor(sums: Iterable[DaySum], day: date, currency: str) -> int:
    return sum(each.minor for each in sums if each.day == day and each.currency == currency)


def _refunded_minor(sums: Iterable[DaySum], day: date, currency: str) -> int:
    return sum(each.refunded_minor for each in sums if each.day == day and each.currency == currency)


def _paid_elsewhere_minor(sums: Iterable[DaySum], day: date, currency: str) -> int:
    return sum(each.paid_elsewhere_minor for each in sums if each.day == day and each.currency == currency)
