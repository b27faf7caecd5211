"""A month, or a range of days, of a hotel's books."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from domain.deadlines import midnight
from domain.errors import PeriodError

LONGEST_DAYS: Final = 366
_MONTH: Final = re.compile(r"(\d{4})-(\d{2})")
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True)
class Period:
    """Days at the hotel, the first and the last included.

    Raises:
        PeriodError: the last day comes before the first, or there are more than `LONGEST_DAYS`.
    """

    first: date
    last: date

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise PeriodError("the last day must not come before the first")
        if (self.last - self.first).days >= LONGEST_DAYS:
            raise PeriodError(f"choose at most {LONGEST_DAYS} days")
        if self.last == date.max:
            raise PeriodError("choose an earlier day")

    @property
    def days(self) -> Sequence[date]:
        """Every day, the first one first."""
        return [self.first + offset * _DAY for offset in range((self.last - self.first).days + 1)]

    def instants(self, timezone: str) -> tuple[datetime, datetime]:
        """The start of the first day at the hotel, and the start of the day after the last."""
        return midnight(self.first, timezone), midnight(self.last + _DAY, timezone)


def month_of(day: date) -> Period:
    """The calendar month of a day."""
    next_month = day.replace(day=28) + 4 * _DAY
    return Period(day.replace(day=1), next_month.replace(day=1) - _DAY)


def month_before(day: date) -> Period:
    """The calendar month before the one of a day."""
    return month_of(day.replace(day=1) - _DAY)


def parse_month(text: str) -> Period:
    """Read a month, such as `2026-11`.

    Raises:
        PeriodError: the text is not a month.
    """
    found = _MONTH.fullmatch(text.strip())
    try:
        if found:
            return month_of(date(int(found[1]), int(found[2]), 1))
    except (ValueError, OverflowError):
        pass
    raise PeriodError("give the month as year-month, such as 2026-11")


def parse_range(first: str, last: str) -> Period:
    """Read two days, such as `2026-11-01` and `2026-11-30`.

    Raises:
        PeriodError: one of them is not a day, or the range is impossible.
    """
    try:
        days = date.fromisoformat(first.strip()), date.fromisoformat(last.strip())
    except ValueError:
        raise PeriodError("give both days as year-month-day, such as 2026-11-30") from None
    return Period(*days)
