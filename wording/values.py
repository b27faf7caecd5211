"""Amounts, times, durations and counts in words."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from babel.core import Locale
from babel.dates import format_date
from babel.numbers import format_currency

from domain.money import Money

_LOCALE: Final = "en_IE"
_MONEY_LOCALE: Final = "en"  # Ireland's locale writes JP¥ for the yen.
_DAY_NAMES: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTH_NAMES: Final = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sept", "Oct", "Nov", "Dec")
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86400


@lru_cache(maxsize=4096)  # Babel takes a tenth of a millisecond, and mails and pages repeat amounts.
def money_in_words(minor: int, currency: str) -> str:
    """An amount with its currency, such as `€150.00` or `¥15,000`."""
    text = format_currency(Decimal(str(Money(minor, currency))), currency, locale=_MONEY_LOCALE)
    # A currency without a sign is written by its code, and Babel puts no space between code and number.
    return text.replace(currency, f"{currency}\u00a0", 1) if text.startswith(currency) else text


def country_in_words(code: str) -> str:
    """A country by its ISO 3166-1 code, such as `Ireland`; a code that is unknown stands as it is."""
    return str(Locale.parse(_LOCALE).territories.get(code, code))


def signed_money_in_words(minor: int, currency: str) -> str:
    """An amount that may be below zero, such as `−€10.00`."""
    sign = "\N{MINUS SIGN}" if minor < 0 else ""
    return sign + money_in_words(abs(minor), currency)


def plain_amount(minor: int, currency: str) -> str:
    """An amount for programs, which may be below zero: `-10.00`, with the currency's own decimals."""
    return ("-" if minor < 0 else "") + str(Money(abs(minor), currency))


# --- counts ---------------------------------------------------------------------------------------------


def count_in_words(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun, such as `1 night` or `3 nights`."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def people_in_words(adults: int, children: int) -> str:
    """A party of guests: `2 adults, 1 child`."""
    also = f", {count_in_words(children, 'child', 'children')}" if children else ""
    return count_in_words(adults, "adult") + also


def sentence(text: str) -> str:
    """Capitalize the first letter."""
    return text[:1].upper() + text[1:]


def shortened(text: str, longest: int) -> str:
    """The beginning of a text in one line, of at most so many characters; an ellipsis says that there is more."""
    line = " ".join(text.split())
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"


# --- durations ------------------------------------------------------------------------------------------


def duration_in_words(seconds: float) -> str:
    """A duration in its two largest units, rounded down: `2 h 10 min`, `3 days 4 h`."""
    whole = int(seconds)
    if whole < _MINUTE_S:
        return "less than a minute"
    if whole < _HOUR_S:
        return f"{whole // _MINUTE_S} min"
    if whole < _DAY_S:
        minutes = whole % _HOUR_S // _MINUTE_S
        return f"{whole // _HOUR_S} h" + (f" {minutes} min" if minutes else "")
    hours = whole % _DAY_S // _HOUR_S
    return count_in_words(whole // _DAY_S, "day") + (f" {hours} h" if hours else "")


def limit_in_words(seconds: int) -> str:
    """A hotel's time limit without rounding: `24 hours`, `3 days`."""
    for unit_s, word in ((_DAY_S, "day"), (_HOUR_S, "hour"), (_MINUTE_S, "minute"), (1, "second")):
        # One day reads better in hours.
        if seconds % unit_s == 0 and (seconds, unit_s) != (_DAY_S, _DAY_S):
            return count_in_words(seconds // unit_s, word)
    raise AssertionError("a limit has at least one second")


# --- times, in full -------------------------------------------------------------------------------------


def instant_in_words(instant: datetime | None, timezone: str) -> str | None:
    """A date and time at the hotel, with its time zone."""
    return f"{moment_in_words(instant, timezone)} (hotel time, {timezone})" if instant else None


def moment_in_words(instant: datetime, timezone: str) -> str:
    """A date and time at the hotel, where the page names the time zone once."""
    there = instant.astimezone(ZoneInfo(timezone))
    return f"{day_in_words(there)}, {there:%H:%M}"


def day_in_words(day: date) -> str:
    """A day of a stay, in full."""
    return f"{_DAY_NAMES[day.weekday()]} {day.day} {_MONTH_NAMES[day.month - 1]} {day.year}"


# --- times, in short ------------------------------------------------------------------------------------


def short_instant(instant: datetime, timezone: str, now: datetime) -> str:
    """A date and time at the hotel; the year is left out if it is the present one."""
    zone = ZoneInfo(timezone)
    there, here = instant.astimezone(zone), now.astimezone(zone)
    return f"{_short_date(there, year=there.year != here.year)}, {there:%H:%M}"


def short_time(instant: datetime, timezone: str, now: datetime) -> str:
    """A date and time at the hotel, but only the time of day for today."""
    there = instant.astimezone(ZoneInfo(timezone))
    if there.date() == now.astimezone(ZoneInfo(timezone)).date():
        return f"{there:%H:%M}"
    return short_instant(instant, timezone, now)


def short_day(day: date) -> str:
    """A day of a stay: `Thu 31 Dec 2026`."""
    return _short_date(day, year=True)


def short_stay(check_in: date, check_out: date) -> str:
    """A stay in short: `Thu 31 Dec 2026 – Sat 2 Jan 2027`."""
    return f"{_short_date(check_in, year=check_in.year != check_out.year)} – {short_day(check_out)}"


def axis_day(day: date) -> str:
    """A day for a chart's axis: `25 Nov`."""
    return format_date(day, "d MMM", locale=_LOCALE)


def _short_date(of: date, *, year: bool) -> str:
    text = f"{_WEEKDAYS[of.weekday()]} {of.day} {_MONTHS[of.month - 1]}"
    return f"{text} {of.year}" if year else text
