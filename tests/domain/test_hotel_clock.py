"""The hotel's calendar and cutoff, in its own time zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.deadlines import (
    cutoff_at,
    hotel_today,
    is_too_late,
    last_answer_at,
    last_session_at,
    local_hour,
    midnight,
    nights,
    payment_window_end,
)
from domain.errors import DeadlineError

TIMEZONES = [
    "Europe/Dublin",
    "Asia/Tokyo",
    "America/New_York",
    "Africa/Cairo",
    "Pacific/Kiritimati",
    "Asia/Kathmandu",
]
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)

timezones = st.sampled_from(TIMEZONES)
days = st.dates(min_value=date(2020, 1, 1), max_value=date(2040, 12, 31))
instants = st.timedeltas(min_value=timedelta(0), max_value=20 * 365 * DAY).map(
    lambda passed: datetime(2020, 1, 1, tzinfo=UTC) + passed
)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# --- the hotel's calendar ---


@pytest.mark.parametrize(
    ("day", "timezone", "instant"),
    [
        ("2026-07-01", "Europe/Dublin", "2026-06-30T23:00"),
        ("2026-12-01", "Europe/Dublin", "2026-12-01T00:00"),
        ("2026-12-01", "Asia/Tokyo", "2026-11-30T15:00"),
        ("2026-12-01", "Asia/Kathmandu", "2026-11-30T18:15"),
        ("2026-12-01", "Pacific/Kiritimati", "2026-11-30T10:00"),
        # The day the clocks change, and the next: midnight comes 23 and 25 hours later.
        ("2026-03-29", "Europe/Dublin", "2026-03-29T00:00"),
        ("2026-03-30", "Europe/Dublin", "2026-03-29T23:00"),
        ("2026-10-25", "Europe/Dublin", "2026-10-24T23:00"),
        ("2026-10-26", "Europe/Dublin", "2026-10-26T00:00"),
        # Here the clocks go from 00:00 straight to 01:00: there is no midnight, the day begins at the change.
        ("2026-04-24", "Africa/Cairo", "2026-04-23T22:00"),
    ],
)
def test_midnight(day: str, timezone: str, instant: str) -> None:
    """00:00 at the hotel, as an instant."""
    assert midnight(date.fromisoformat(day), timezone) == utc(instant)


@given(days, timezones)
def test_midnight_is_when_the_day_begins(day: date, timezone: str) -> None:
    """At midnight it is that day at the hotel, a moment before it is not."""
    begins = midnight(day, timezone)
    assert begins.tzinfo is UTC
    assert hotel_today(begins, timezone) == day
    assert hotel_today(begins - timedelta(microseconds=1), timezone) == day - DAY


@given(instants, timezones, timezones)
def test_today_is_the_hotels(now: datetime, timezone: str, told_in: str) -> None:
    """In any time zone of the present."""
    today = hotel_today(now.astimezone(ZoneInfo(told_in)), timezone)
    assert midnight(today, timezone) <= now < midnight(today + DAY, timezone)


@pytest.mark.parametrize("count", [1, 2, 30])
def test_nights(count: int) -> None:
    """One night at least, thirty at most."""
    assert nights(date(2028, 2, 27), date(2028, 2, 27) + count * DAY) == count


@pytest.mark.parametrize("count", [-1, 0, 31, 366])
def test_nights_out_of_bounds(count: int) -> None:
    """Neither none, nor more than thirty, nor backwards."""
    with pytest.raises(DeadlineError, match=f"1 to 30 nights, not {count}"):
        nights(date(2026, 2, 27), date(2026, 2, 27) + count * DAY)


# --- the hotel's cutoff ---


@pytest.mark.parametrize(
    ("days_before", "hour", "timezone", "instant"),
    [
        (0, 12, "Europe/Dublin", "2026-03-30T11:00"),
        (1, 12, "Europe/Dublin", "2026-03-29T11:00"),
        # Before the change of the clocks: noon stays noon at the hotel.
        (2, 12, "Europe/Dublin", "2026-03-28T12:00"),
        (1, 0, "Asia/Tokyo", "2026-03-28T15:00"),
        (1, 23, "America/New_York", "2026-03-30T03:00"),
        # 01:30 to 02:00 do not exist that night; 01:00 is the very moment of the change.
        (1, 1, "Europe/Dublin", "2026-03-29T01:00"),
    ],
)
def test_cutoff(days_before: int, hour: int, timezone: str, instant: str) -> None:
    """So many days before check-in, at that hour of the hotel's clock."""
    assert cutoff_at(date(2026, 3, 30), timezone, days_before, hour) == utc(instant)


@pytest.mark.parametrize(
    ("day", "hour", "timezone", "instant"),
    [
        # 24 is the next midnight, also on days of 23 and of 25 hours.
        ("2026-12-24", 24, "Europe/Dublin", "2026-12-25T00:00"),
        ("2026-03-29", 24, "Europe/Dublin", "2026-03-29T23:00"),
        ("2026-10-25", 24, "Europe/Dublin", "2026-10-26T00:00"),
        ("2026-04-23", 24, "Africa/Cairo", "2026-04-23T22:00"),
        ("2026-12-31", 24, "Pacific/Kiritimati", "2026-12-31T10:00"),
        ("2026-12-31", 24, "Pacific/Pago_Pago", "2027-01-01T11:00"),
        ("2028-02-28", 24, "Europe/Dublin", "2028-02-29T00:00"),
        # The first of two hours of that name.
        ("2026-10-25", 1, "Europe/Dublin", "2026-10-25T00:00"),
        # An hour the clocks skip begins after the change.
        ("2026-03-29", 2, "Europe/Berlin", "2026-03-29T01:00"),
        ("2026-12-24", 15, "Pacific/Kiritimati", "2026-12-24T01:00"),
        ("2026-12-24", 15, "Pacific/Pago_Pago", "2026-12-25T02:00"),
    ],
)
def test_hours_at_the_hotel(day: str, hour: int, timezone: str, instant: str) -> None:
    """0 to 24, on the hotel's clock."""
    assert local_hour(date.fromisoformat(day), hour, timezone) == utc(instant)


@given(days, timezones)
def test_hour_24_is_the_next_midnight(day: date, timezone: str) -> None:
    """On nights with a change of clocks, too."""
    assert local_hour(day, 24, timezone) == midnight(day + DAY, timezone)


@pytest.mark.parametrize("timezone", ["Pacific/Kiritimati", "Europe/Dublin", "Pacific/Pago_Pago"])
def test_a_stay_that_is_over_cannot_be_approved(timezone: str) -> None:
    """The latest cutoff there is comes no later than 00:00 of the earliest day of check-out."""
    day = date(2026, 12, 24)
    assert cutoff_at(day, timezone, 0, 24) == midnight(day + DAY, timezone)


@pytest.mark.parametrize(
    ("left", "late"),
    [(61 * MINUTE, False), (61 * MINUTE - timedelta(seconds=1), True), (timedelta(0), True), (-DAY, True)],
)
def test_a_request_comes_61_minutes_before_the_cutoff(left: timedelta, late: bool) -> None:
    """Half an hour to answer, and the shortest payment page before it."""
    assert is_too_late(NOON + left, NOON) is late


@pytest.mark.parametrize(
    ("window_s", "cutoff", "ends"),
    [
        (86400, 2 * DAY, DAY),
        (86400, DAY, DAY - 30 * MINUTE),
        (86400, DAY + 30 * MINUTE, DAY),
        (600, 61 * MINUTE, 10 * MINUTE),
        (86400, 61 * MINUTE, 31 * MINUTE),
    ],
)
def test_the_payment_window_ends_before_the_cutoff(window_s: int, cutoff: timedelta, ends: timedelta) -> None:
    """So long from submission, and 30 minutes before the cutoff at the latest."""
    assert payment_window_end(NOON, window_s, NOON + cutoff) == NOON + ends


@pytest.mark.parametrize(
    ("window", "before"),
    [(DAY, 5 * MINUTE), (50 * MINUTE, 5 * MINUTE), (31 * MINUTE, 3.1 * MINUTE), (MINUTE, MINUTE / 10)],
)
def test_no_session_opens_at_the_windows_end(window: timedelta, before: timedelta) -> None:
    """The last five minutes, or the last tenth where that is less."""
    assert last_session_at(NOON, NOON + window) == NOON + window - before


def test_the_last_answer() -> None:
    """So long from the window's end, and the cutoff at the latest."""
    assert last_answer_at(NOON, 3600, NOON + DAY) == NOON + HOUR
    assert last_answer_at(NOON, 3600, NOON + 30 * MINUTE) == NOON + 30 * MINUTE
