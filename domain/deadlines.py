"""A booking's deadlines. Every instant is timezone-aware; the hotel's calendar is local to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from domain.booking import ReasonCode
from domain.errors import DeadlineError

# Stripe: 30 minutes to 24 hours after creation. A minute is kept on either side for clock skew.
SESSION_SHORTEST = timedelta(minutes=31)
SESSION_LONGEST = timedelta(hours=24, seconds=-60)

CUTOFF_MARGIN = timedelta(minutes=30)
"""The payment window ends at least this long before the hotel's cutoff: the hotel still has to answer."""
NOTICE_SHORTEST = CUTOFF_MARGIN + SESSION_SHORTEST
"""A request with less time than this to the cutoff leaves none to pay in."""
_LAST_SESSION_MARGIN = timedelta(minutes=5)

# The shortest window a card network gives (Visa, merchant-initiated): the safe assumption if Stripe gives none.
HOLD_WITHOUT_CAPTURE_BEFORE = timedelta(days=4, hours=18)

NIGHTS_LONGEST = 30
DRAFT_LIFETIME = timedelta(hours=24)
FINISH_MAIL_AFTER = timedelta(minutes=2)
"""Most guests pay at once: one who has not after this time gets the link by e-mail."""
PAYMENT_REMINDER_BEFORE = timedelta(hours=1)
REMINDER_SHARE_LEFT = 0.25


@dataclass(frozen=True)
class DecisionDeadline:
    """The time at which a hold without a decision is released, and the booking's reason then."""

    at: datetime
    reason: ReasonCode


def local_hour(day: date, hour: int, timezone: str) -> datetime:
    """The instant of a full hour at the hotel.

    Args:
        hour: 0 to 24; 24 is the next midnight. An hour that the clocks skip begins when they have been put forward.
        timezone: IANA name.
    """
    if hour == 24:
        day, hour = day + timedelta(days=1), 0
    # In UTC, because differences of two local times ignore a change of the clocks between them.
    return datetime.combine(day, time(hour), ZoneInfo(timezone)).astimezone(UTC)


def midnight(day: date, timezone: str) -> datetime:
    """00:00 of `day` in the hotel's `timezone` (an IANA name)."""
    return local_hour(day, 0, timezone)


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


def cutoff_at(check_in: date, timezone: str, days_before: int, hour: int) -> datetime:
    """The hotel's cutoff: `hour` o'clock local time (0 to 24), `days_before` days before check-in."""
    return local_hour(check_in - timedelta(days=days_before), hour, timezone)


def is_too_late(cutoff: datetime, now: datetime) -> bool:
    """Whether a request made at `now` leaves no time to pay and to answer before the cutoff."""
    return cutoff - now < NOTICE_SHORTEST


def payment_window_end(submitted_at: datetime, payment_window_s: int, cutoff: datetime) -> datetime:
    """The end of the payment window: so many seconds after submission, with time for an answer before the cutoff."""
    return min(submitted_at + timedelta(seconds=payment_window_s), cutoff - CUTOFF_MARGIN)


def last_answer_at(window_end: datetime, approval_sla_s: int, cutoff: datetime) -> datetime:
    """The latest time at which the hotel may confirm a request paid at the very end of its window."""
    return min(window_end + timedelta(seconds=approval_sla_s), cutoff)


def last_session_at(submitted_at: datetime, window_end: datetime) -> datetime:
    """The last moment to open a Checkout session: 5 minutes before the window's end, or its last tenth if shorter."""
    return window_end - min(_LAST_SESSION_MARGIN, (window_end - submitted_at) / 10)


def finish_mail_at(submitted_at: datetime, window_end: datetime) -> datetime | None:
    """The time of the e-mail "Finish your request"; None for a window in which nobody could pay after it."""
    at = submitted_at + FINISH_MAIL_AFTER
    return at if at < last_session_at(submitted_at, window_end) else None


def payment_reminder_at(submitted_at: datetime, window_end: datetime) -> datetime | None:
    """The time of the reminder to a guest who has not paid: an hour is left, or half of a window under two hours.

    None for a window so short that "Finish your request" would come no earlier.
    """
    at = window_end - min(PAYMENT_REMINDER_BEFORE, (window_end - submitted_at) / 2)
    return at if at > submitted_at + FINISH_MAIL_AFTER else None


def session_expires_at(now: datetime, window_end: datetime) -> datetime:
    """The expiry of a Checkout session created at `now`: the window's end, within Stripe's bounds.

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
    cutoff: datetime,
    capture_before: datetime | None,
    authorization_margin_s: int,
) -> DecisionDeadline:
    """The earliest of the hotel's own limits and the hold's end less a margin.

    Args:
        authorized_at: when the hold was placed.
        approval_sla_s: the hotel's own time limit in seconds.
        cutoff: the hotel's cutoff; a hold first seen after it is released at once.
        capture_before: Stripe's time for the hold's lapse, if it gives one.
        authorization_margin_s: seconds to keep before that, at most a tenth of the hold's length.
    """
    lapses = last_capture_at(authorized_at, capture_before)
    margin = min(timedelta(seconds=authorization_margin_s), (lapses - authorized_at) / 10)
    # The first in the list wins a tie: a hotel's own limit tells the guest more than the bank's.
    candidates = [
        DecisionDeadline(authorized_at + timedelta(seconds=approval_sla_s), ReasonCode.APPROVAL_TIMEOUT),
        DecisionDeadline(cutoff, ReasonCode.APPROVAL_TIMEOUT),
        DecisionDeadline(lapses - margin, ReasonCode.AUTHORIZATION_EXPIRED),
    ]
    return min(candidates, key=lambda deadline: deadline.at)


def promised_deadline(promised: datetime | None, computed: DecisionDeadline) -> DecisionDeadline:
    """Keep the deadline people were shown, for a booking whose workflow was lost: the hotel may have new terms.

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
    """The time of the reminder to staff: a quarter of the time is left."""
    return deadline - (deadline - authorized_at) * REMINDER_SHARE_LEFT
