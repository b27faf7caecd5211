"""Clocks: the hotel's calendar through changes of its clocks, sessions' bounds, the decision deadline."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.booking import ReasonCode
from domain.deadlines import (
    DecisionDeadline,
    cutoff_at,
    decision_deadline,
    hotel_today,
    is_too_late,
    last_answer_at,
    last_capture_at,
    last_session_at,
    local_hour,
    midnight,
    nights,
    payment_window_end,
    promised_deadline,
    reminder_at,
    session_expires_at,
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
def test_nobody_approves_a_stay_that_is_over(timezone: str) -> None:
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


# --- Checkout sessions ---


@pytest.mark.parametrize(
    ("left", "lasts"),
    [
        (-DAY, 31 * MINUTE),
        (timedelta(0), 31 * MINUTE),
        (31 * MINUTE - timedelta(seconds=1), 31 * MINUTE),
        (31 * MINUTE, 31 * MINUTE),
        (31 * MINUTE + timedelta(seconds=1), 31 * MINUTE + timedelta(seconds=1)),
        (DAY - MINUTE, DAY - MINUTE),
        (DAY, DAY - MINUTE),
        (7 * DAY, DAY - MINUTE),
    ],
)
def test_a_session_lasts_as_long_as_the_window_within_bounds(left: timedelta, lasts: timedelta) -> None:
    """31 minutes at least, 24 hours less a minute at most."""
    assert session_expires_at(NOON, NOON + left) == NOON + lasts


@given(instants, st.timedeltas(min_value=-2 * DAY, max_value=40 * DAY))
def test_stripe_takes_every_session(now: datetime, left: timedelta) -> None:
    """Whole seconds, within Stripe's 30 minutes to 24 hours, though its clock be half a minute off."""
    expires_at = session_expires_at(now, now + left)
    assert expires_at.microsecond == 0
    assert 30 * MINUTE + timedelta(seconds=59) < expires_at - now <= DAY - MINUTE
    if 31 * MINUTE <= left <= DAY - MINUTE:
        assert timedelta(0) <= now + left - expires_at < timedelta(seconds=1)


# --- the decision deadline ---


def deadline(
    sla_s: float = 86400,
    cutoff: timedelta | None = None,
    hold: timedelta | None = 7 * DAY,
    margin_s: int = 3600,
) -> tuple[timedelta, ReasonCode]:
    """Hours and days from the hold, which is placed at noon."""
    found = decision_deadline(
        authorized_at=NOON,
        approval_sla_s=int(sla_s),
        cutoff=NOON + (100 * DAY if cutoff is None else cutoff),
        capture_before=None if hold is None else NOON + hold,
        authorization_margin_s=margin_s,
    )
    return found.at - NOON, found.reason


WEEKS_S = 60 * 86400


def test_the_hotel_has_a_day() -> None:
    """By default the hotel's own promise comes first."""
    assert deadline() == (DAY, ReasonCode.APPROVAL_TIMEOUT)


def test_the_cutoff_comes_first_where_it_is_earlier() -> None:
    """Even where it has passed when the hold is placed: then the booking ends at once."""
    assert deadline(cutoff=5 * HOUR) == (5 * HOUR, ReasonCode.APPROVAL_TIMEOUT)
    assert deadline(cutoff=2 * DAY) == (DAY, ReasonCode.APPROVAL_TIMEOUT)
    assert deadline(cutoff=-HOUR) == (-HOUR, ReasonCode.APPROVAL_TIMEOUT)


@pytest.mark.parametrize(
    ("hold", "margin_s", "at"),
    [
        # The margin as it is set, while it is less than a tenth of the hold.
        (7 * DAY, 3600, 7 * DAY - HOUR),
        (7 * DAY, 0, 7 * DAY),
        (10 * HOUR, 3600, 9 * HOUR),
        # A tenth of the hold, where that is less.
        (5 * HOUR, 3600, 4.5 * HOUR),
        (MINUTE, 3600, timedelta(seconds=54)),
        (7 * DAY, 30 * 86400, 6.3 * DAY),
        # Stripe names no end: 4 days and 18 hours.
        (None, 3600, timedelta(days=4, hours=17)),
        (None, 30 * 86400, 0.9 * timedelta(days=4, hours=18)),
    ],
)
def test_the_hold_less_its_margin(hold: timedelta | None, margin_s: int, at: timedelta) -> None:
    """The margin is the smaller of what is configured and a tenth of the hold."""
    assert deadline(sla_s=WEEKS_S, hold=hold, margin_s=margin_s) == (at, ReasonCode.AUTHORIZATION_EXPIRED)


def test_a_tie_is_the_hotels() -> None:
    """At one and the same moment the guest reads the hotel's own limit."""
    assert deadline(sla_s=9 * 3600, hold=10 * HOUR) == (9 * HOUR, ReasonCode.APPROVAL_TIMEOUT)
    assert deadline(sla_s=WEEKS_S, cutoff=9 * HOUR, hold=10 * HOUR) == (9 * HOUR, ReasonCode.APPROVAL_TIMEOUT)


def test_a_moment_earlier_is_the_banks() -> None:
    """One second decides."""
    assert deadline(sla_s=9 * 3600 + 1, hold=10 * HOUR) == (9 * HOUR, ReasonCode.AUTHORIZATION_EXPIRED)


@given(
    sla_s=st.integers(min_value=1, max_value=30 * 86400),
    cutoff=st.none() | st.timedeltas(min_value=-DAY, max_value=40 * DAY),
    hold=st.none() | st.timedeltas(min_value=timedelta(seconds=1), max_value=30 * DAY),
    margin_s=st.integers(min_value=0, max_value=30 * 86400),
)
def test_the_earliest_wins(
    sla_s: int, cutoff: timedelta | None, hold: timedelta | None, margin_s: int
) -> None:
    """Computed the long way round, in seconds."""
    at, reason = deadline(sla_s, cutoff, hold, margin_s)
    own = [float(sla_s)] + ([cutoff.total_seconds()] if cutoff is not None else [])
    hold_s = hold.total_seconds() if hold is not None else 410_400.0
    bank = hold_s - min(float(margin_s), hold_s / 10)
    assert at.total_seconds() == pytest.approx(min(*own, bank), abs=1e-5)
    if abs(min(own) - bank) > 1e-5:
        assert reason is (
            ReasonCode.APPROVAL_TIMEOUT if min(own) < bank else ReasonCode.AUTHORIZATION_EXPIRED
        )
    # For every configuration, the bank still has the hold at the deadline.
    assert NOON + at <= last_capture_at(NOON, None if hold is None else NOON + hold)


def test_last_capture() -> None:
    """Stripe's word, or the shortest time any card network gives."""
    assert last_capture_at(NOON, NOON + DAY) == NOON + DAY
    assert last_capture_at(NOON, None) == NOON + timedelta(days=4, hours=18)


def test_a_deadline_is_a_value() -> None:
    """It is compared and kept, never changed."""
    assert DecisionDeadline(NOON, ReasonCode.APPROVAL_TIMEOUT) == DecisionDeadline(
        NOON, ReasonCode.APPROVAL_TIMEOUT
    )


# --- the reminder ---


@pytest.mark.parametrize(("time_s", "reminded_s"), [(86400, 64800), (4, 3), (1, 0.75), (0, 0), (-4, -3)])
def test_reminder(time_s: float, reminded_s: float) -> None:
    """When a quarter of the time is left."""
    assert reminder_at(NOON, NOON + timedelta(seconds=time_s)) == NOON + timedelta(seconds=reminded_s)


@given(instants, st.timedeltas(min_value=timedelta(0), max_value=30 * DAY))
def test_reminder_comes_between(authorized_at: datetime, time: timedelta) -> None:
    """Never before the hold, never after the deadline."""
    assert authorized_at <= reminder_at(authorized_at, authorized_at + time) <= authorized_at + time


@pytest.mark.parametrize(
    ("promised", "computed", "expected"),
    [
        (None, DecisionDeadline(NOON, ReasonCode.AUTHORIZATION_EXPIRED), ReasonCode.AUTHORIZATION_EXPIRED),
        (NOON, DecisionDeadline(NOON, ReasonCode.AUTHORIZATION_EXPIRED), ReasonCode.AUTHORIZATION_EXPIRED),
        (NOON, DecisionDeadline(NOON + DAY, ReasonCode.APPROVAL_TIMEOUT), ReasonCode.APPROVAL_TIMEOUT),
        (NOON, DecisionDeadline(NOON + DAY, ReasonCode.AUTHORIZATION_EXPIRED), ReasonCode.APPROVAL_TIMEOUT),
        (
            NOON,
            DecisionDeadline(NOON - HOUR, ReasonCode.AUTHORIZATION_EXPIRED),
            ReasonCode.AUTHORIZATION_EXPIRED,
        ),
    ],
)
def test_the_deadline_that_was_told_stands(
    promised: datetime | None, computed: DecisionDeadline, expected: ReasonCode
) -> None:
    """The booking's own terms decide, not today's; the reason is the hold's end only if that comes first."""
    assert promised_deadline(promised, computed) == DecisionDeadline(promised or computed.at, expected)
