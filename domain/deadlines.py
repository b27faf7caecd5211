"""When a booking's clocks run out. Every instant is timezone-aware; the hotel's calendar is local to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from domain.booking import ReasonCode
from domain.errors import DeadlineError

# Stripe: 30 minutes to 24 hours after creation. A minute is kept on either side for clock skew.
SESSION_SHORTEST = timedelta(minutes=31)
SESSION_LONGEST = timedelta(hours=24, seconds=-60)

# The shortest window a card network gives (Visa, merchant-initiated): the safe guess where Stripe names none.
HOLD_WITHOUT_CAPTURE_BEFORE = timedelta(days=4, hours=18)

NIGHTS_LONGEST = 30
DRAFT_LIFETIME = timedelta(hours=24)
REMINDER_SHARE_LEFT = 0.25


@dataclass(frozen=True)
class DecisionDeadline:
    """When a hold that nobody decided on is released, and the reason the guest's booking then bears."""

    at: datetime
    reason: ReasonCode


def _local(day: date, hour: int, timezone: str) -> datetime:
    # In UTC, because differences of two local times ignore a change of the clocks between them.
    return datetime.combine(day, time(hour), ZoneInfo(timezone)).astimezone(UTC)


def midnight(day: date, timezone: str) -> datetime:
    """00:00 of `day` in the hotel's `timezone` (an IANA name): check-in, as the product counts it."""
    return _local(day, 0, timezone)


def hotel_today(now: datetime, timezone: str) -> date:
    """The date at the hotel at the instant `now`."""
    return now.astimezone(ZoneInfo(timezone)).date()


def nights(check_in: date, check_out: date) -> int:
    """Count the nights of a stay.

    Raises:
        DeadlineError: fewer than 1 or more than 30.
    """
    count = (check_out - check_in).days
    if not 1 <= count <= NIGHTS_LONGEST:
        raise DeadlineError(f"a stay has 1 to {NIGHTS_LONGEST} nights, not {count}")
    return count


def cutoff_at(check_in: date, timezone: str, days_before: int | None, hour: int) -> datetime | None:
    """The hotel's own cutoff before check-in: `hour` o'clock local time, `days_before` days ahead.

    Returns:
        The instant, or None where the hotel has switched the cutoff off.
    """
    if days_before is None:
        return None
    return _local(check_in - timedelta(days=days_before), hour, timezone)


def session_expires_at(now: datetime, window_end: datetime) -> datetime:
    """When a Checkout session made at `now` lapses: the window's end, held within Stripe's bounds.

    Whole seconds, because Stripe takes a Unix time.
    """
    expires = min(max(window_end, now + SESSION_SHORTEST), now + SESSION_LONGEST)
    return expires.replace(microsecond=0)


def last_capture_at(authorized_at: datetime, capture_before: datetime | None) -> datetime:
    """The instant after which the bank may have dropped the hold."""
    return capture_before or authorized_at + HOLD_WITHOUT_CAPTURE_BEFORE


def decision_deadline(
    *,
    authorized_at: datetime,
    approval_sla_s: int,
    cutoff: datetime | None,
    capture_before: datetime | None,
    authorization_margin_s: int,
) -> DecisionDeadline:
    """The earliest of the hotel's own limits and the hold's end less a margin.

    Args:
        authorized_at: when the hold was placed.
        approval_sla_s: seconds the hotel gives itself.
        cutoff: the hotel's cutoff before check-in, if it has one.
        capture_before: Stripe's word on when the hold lapses, if it gives one.
        authorization_margin_s: seconds to stay clear of that, at most a tenth of the hold's length.
    """
    lapses = last_capture_at(authorized_at, capture_before)
    margin = min(timedelta(seconds=authorization_margin_s), (lapses - authorized_at) / 10)
    # First in the list wins a tie: a hotel's own limit says more to the guest than the bank's.
    candidates = [
        DecisionDeadline(authorized_at + timedelta(seconds=approval_sla_s), ReasonCode.APPROVAL_TIMEOUT)
    ]
    if cutoff is not None:
        candidates.append(DecisionDeadline(cutoff, ReasonCode.APPROVAL_TIMEOUT))
    candidates.append(DecisionDeadline(lapses - margin, ReasonCode.AUTHORIZATION_EXPIRED))
    return min(candidates, key=lambda deadline: deadline.at)


def promised_deadline(promised: datetime | None, computed: DecisionDeadline) -> DecisionDeadline:
    """The deadline people were told, for a booking whose workflow was lost: a hotel's terms may be others since.

    Args:
        promised: the deadline on record, if there is one.
        computed: the deadline by today's terms.
    """
    if promised is None:
        return computed
    return DecisionDeadline(
        promised, computed.reason if computed.at <= promised else ReasonCode.APPROVAL_TIMEOUT
    )


def reminder_at(authorized_at: datetime, deadline: datetime) -> datetime:
    """When staff are reminded: a quarter of the time is left."""
    return deadline - (deadline - authorized_at) * REMINDER_SHARE_LEFT
