"""A hotel's figures of a period, and the choice of the period."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from api.pages.staff.money_figures import CurrencyFigures, MoneyOfPeriod
from api.pages.staff.plot import Chart, Series, bar_chart
from domain.booking import Event
from domain.deadlines import hotel_today
from domain.period import Period, month_before, month_of, parse_month, parse_range
from models import Hotel
from storage.console import (
    DaySum,
    TimeToDecide,
    decisions_by_day,
    held_now,
    holds_by_day,
    time_to_decide,
)
from storage.money_movements import movements_by_day
from storage.stripe_fees import fees_in
from wording.values import short_day

DAYS: Final = 30
"""The length of the period that the page shows at first; it ends today."""
DRAWN_DAYS: Final = 62
"""The longest period that is drawn and listed day by day."""

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


@dataclass(frozen=True)
class PeriodChoice:
    """The chosen period, and those that one click chooses.

    Args:
        title: the page's heading.
        this_month, last_month: such as `2026-11`.
    """

    period: Period
    title: str
    this_month: str
    last_month: str


def choose_period(query: Mapping[str, str], hotel: Hotel, now: datetime) -> PeriodChoice:
    """Read the period of a request: `month`, or `from` and `to`; without them the last `DAYS` days.

    Raises:
        PeriodError: that is no period.
    """
    today = hotel_today(now, hotel.timezone)
    if query.get("month"):
        period = parse_month(query["month"])
        title = f"{period.first:%B %Y}"
    elif query.get("from") or query.get("to"):
        period = parse_range(query.get("from", ""), query.get("to", ""))
        title = f"{short_day(period.first)} – {short_day(period.last)}"
    else:
        period = Period(today - timedelta(days=DAYS - 1), today)
        title = f"The last {DAYS} days"
    return PeriodChoice(period, title, f"{month_of(today).first:%Y-%m}", f"{month_before(today).first:%Y-%m}")


async def figures(db: AsyncSession, hotel: Hotel, period: Period) -> Figures:
    """Count a hotel's period."""
    assert hotel.id is not None
    days = period.days
    since, until = period.instants(hotel.timezone)
    holds = await holds_by_day(db, hotel.id, since, until, hotel.timezone)
    decisions = await decisions_by_day(db, hotel.id, since, until, hotel.timezone)
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
    took = await time_to_decide(db, hotel.id, since, until)
    movements = await movements_by_day(db, hotel, period)
    held, fees = await held_now(db, hotel.id), await fees_in(db, hotel, period)
    money = MoneyOfPeriod(days, holds, movements, held, fees)
    return _add_up(counted, took, money.currencies(hotel.currency))


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
