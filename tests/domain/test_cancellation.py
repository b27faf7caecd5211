"""The cancellation policy: until when it is free, what is kept after that, and how a guest reads it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.booking import ActorKind
from domain.cancellation import CancellationPolicy, CancellationTerms
from domain.money import Money

TOTAL = Money(15000, "EUR")
MIDNIGHT = datetime(2026, 6, 1, tzinfo=UTC)
A_MOMENT = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("check_in", "days", "timezone", "until"),
    [
        ("2026-12-10", 2, "Europe/Dublin", "2026-12-08T00:00"),
        # None ahead: until the stay starts.
        ("2026-12-10", 0, "Europe/Dublin", "2026-12-10T15:00"),
        ("2026-12-10", 2, "Asia/Tokyo", "2026-12-07T15:00"),
        # The clocks change in between: midnight stays midnight at the hotel.
        ("2026-03-30", 1, "Europe/Dublin", "2026-03-29T00:00"),
        ("2026-03-29", 0, "Europe/Dublin", "2026-03-29T14:00"),
        ("2026-10-26", 1, "Europe/Dublin", "2026-10-24T23:00"),
        ("2028-03-01", 1, "Europe/Dublin", "2028-02-29T00:00"),
        ("2026-06-01", 365, "Europe/Dublin", "2025-05-31T23:00"),
        # The first and the last place on earth in which a day begins.
        ("2026-12-10", 1, "Pacific/Kiritimati", "2026-12-08T10:00"),
        ("2026-12-10", 0, "Pacific/Kiritimati", "2026-12-10T01:00"),
        ("2026-12-10", 1, "Pacific/Pago_Pago", "2026-12-09T11:00"),
        ("2026-12-10", 0, "Pacific/Pago_Pago", "2026-12-11T02:00"),
    ],
)
def test_free_until(check_in: str, days: int, timezone: str, until: str) -> None:
    """Midnight at the hotel, so many days before check-in; without days, 15:00 of the day itself."""
    found = CancellationPolicy(days, 100).free_until(date.fromisoformat(check_in), 15, timezone)
    assert found == datetime.fromisoformat(until).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("when", "percent", "back"),
    [
        (-A_MOMENT, 100, 15000),
        (timedelta(days=-30), 100, 15000),
        # The end of free cancellation is not part of it.
        (timedelta(0), 100, 0),
        (A_MOMENT, 100, 0),
        (A_MOMENT, 50, 7500),
        (A_MOMENT, 33, 10050),
        (A_MOMENT, 0, 15000),
    ],
)
def test_refund(when: timedelta, percent: int, back: int) -> None:
    """All of it in time, later less the hotel's share."""
    assert CancellationTerms(MIDNIGHT, percent).refund(TOTAL, MIDNIGHT + when) == Money(back, "EUR")


@given(
    minor=st.integers(min_value=1, max_value=99_999_999),
    currency=st.sampled_from(["EUR", "JPY", "ISK"]),
    percent=st.integers(min_value=0, max_value=100),
    late=st.booleans(),
)
def test_a_refund_is_what_is_not_kept(minor: int, currency: str, percent: int, late: bool) -> None:
    """Never more than the total, never less than the total without the exact fee."""
    total = Money(minor, currency)
    back = CancellationTerms(MIDNIGHT, percent).refund(total, MIDNIGHT if late else MIDNIGHT - A_MOMENT)
    assert back.currency == currency
    assert back.minor * 100 >= minor * (100 - percent)
    assert back.minor <= minor
    if late:
        assert total.minus(back) == total.percent(percent)
    else:
        assert back == total


@pytest.mark.parametrize(
    ("actor", "chosen", "back"),
    [
        (ActorKind.GUEST, None, 10500),
        (ActorKind.GUEST, 15000, 10500),
        (ActorKind.STAFF, None, 15000),
        (ActorKind.STAFF, 12000, 12000),
        # Never less than the guest was promised, nor more than was paid.
        (ActorKind.STAFF, 0, 10500),
        (ActorKind.STAFF, 15001, 15000),
    ],
)
def test_refund_at_cancellation(actor: ActorKind, chosen: int | None, back: int) -> None:
    """The policy binds a guest; a manager chooses, by default everything."""
    terms = CancellationTerms(MIDNIGHT, 30)
    assert terms.refund_asked_by(actor, TOTAL, MIDNIGHT, chosen) == Money(back, "EUR")


@pytest.mark.parametrize(
    ("days", "percent", "words"),
    [
        (
            2,
            100,
            "Cancel free of charge until 00:00 (hotel time) two days before check-in; "
            "after that the hotel keeps the full amount.",
        ),
        (
            1,
            50,
            "Cancel free of charge until 00:00 (hotel time) one day before check-in; "
            "after that the hotel keeps 50% of the total.",
        ),
        (7, 0, "Cancel free of charge until check-in."),
        (0, 0, "Cancel free of charge until check-in."),
        # A fee that would begin at check-in: from then on nothing can be cancelled any more.
        (0, 100, "Cancel free of charge until check-in."),
    ],
)
def test_policy_in_words(days: int, percent: int, words: str) -> None:
    """As the guest reads it before paying."""
    assert CancellationPolicy(days, percent).in_words() == words
