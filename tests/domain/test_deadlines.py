"""Clocks: the hotel's calendar through changes of its clocks, sessions' bounds, the decision deadline."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.booking import ReasonCode
from domain.deadlines import (
    DecisionDeadline,
    decision_deadline,
    finish_mail_at,
    last_capture_at,
    last_session_at,
    payment_reminder_at,
    promised_deadline,
    reminder_at,
    session_expires_at,
)

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

days = st.dates(min_value=date(2020, 1, 1), max_value=date(2040, 12, 31))
instants = st.timedeltas(min_value=timedelta(0), max_value=20 * 365 * DAY).map(
    lambda passed: datetime(2020, 1, 1, tzinfo=UTC) + passed
)


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


# --- e-mails to a guest who has not paid ---


@pytest.mark.parametrize(
    ("window", "finish", "remind"),
    [
        (7 * DAY, 2 * MINUTE, 7 * DAY - HOUR),
        (DAY, 2 * MINUTE, 23 * HOUR),
        (2 * HOUR, 2 * MINUTE, HOUR),
        (HOUR, 2 * MINUTE, 30 * MINUTE),
        (31 * MINUTE, 2 * MINUTE, 15.5 * MINUTE),
        (4 * MINUTE, 2 * MINUTE, None),
        (2.2 * MINUTE, None, None),
        (timedelta(0), None, None),
        (-HOUR, None, None),
    ],
)
def test_when_a_guest_who_has_not_paid_is_mailed(
    window: timedelta, finish: timedelta | None, remind: timedelta | None
) -> None:
    """Two minutes after submission, and an hour before the end or halfway; none that is of no use any more."""
    assert finish_mail_at(NOON, NOON + window) == (None if finish is None else NOON + finish)
    assert payment_reminder_at(NOON, NOON + window) == (None if remind is None else NOON + remind)


@given(instants, st.timedeltas(min_value=timedelta(0), max_value=30 * DAY))
def test_a_reminded_guest_can_still_open_a_payment_page(submitted_at: datetime, window: timedelta) -> None:
    """Each mail is followed by time to pay, and the second comes after the first."""
    end = submitted_at + window
    finish, remind = finish_mail_at(submitted_at, end), payment_reminder_at(submitted_at, end)
    for at in (finish, remind):
        assert at is None or submitted_at < at < last_session_at(submitted_at, end)
    assert remind is None or (finish is not None and finish < remind)


# --- the reminder to staff ---


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
