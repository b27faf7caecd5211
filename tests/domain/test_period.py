"""Months and ranges of a hotel's books."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from domain.errors import PeriodError
from domain.period import LONGEST_DAYS, Period, month_before, month_of, parse_month, parse_range


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2026-11", date(2026, 11, 1), date(2026, 11, 30)),
        ("2028-02", date(2028, 2, 1), date(2028, 2, 29)),
        (" 2026-12 ", date(2026, 12, 1), date(2026, 12, 31)),
    ],
)
def test_a_month_has_its_own_length(text: str, first: date, last: date) -> None:
    assert parse_month(text) == Period(first, last)
    assert month_of(last) == month_of(first) == Period(first, last)


def test_the_month_before_january_is_december() -> None:
    assert month_before(date(2027, 1, 31)) == parse_month("2026-12")


def test_days_are_those_of_the_hotel_when_the_clocks_change() -> None:
    start, end = Period(date(2026, 10, 25), date(2026, 10, 25)).instants("Europe/Dublin")
    assert start == datetime(2026, 10, 24, 23, tzinfo=UTC)
    assert end - start == timedelta(hours=25)


def test_both_ends_belong_to_a_range() -> None:
    days = parse_range("2026-11-28", "2026-12-01").days
    assert [day.day for day in days] == [28, 29, 30, 1]


@pytest.mark.parametrize("text", ["", "2026", "2026-00", "2026-13", "2026-1", "next", "0000-01", "9999-12"])
def test_other_text_is_no_month(text: str) -> None:
    with pytest.raises(PeriodError):
        parse_month(text)


def test_a_range_is_bounded() -> None:
    first = date(2026, 1, 1)
    Period(first, first + timedelta(days=LONGEST_DAYS - 1))
    for last in (first + timedelta(days=LONGEST_DAYS), first - timedelta(days=1)):
        with pytest.raises(PeriodError):
            Period(first, last)
    for pair in (("", "2026-01-01"), ("2026-01-01", "31.1.2026"), ("9999-12-31", "9999-12-31")):
        with pytest.raises(PeriodError):
            parse_range(*pair)
