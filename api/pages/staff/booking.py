"""One booking as staff see it, with the decisions that their role may make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from api.auth import Colleague
from api.pages.staff.queue import Fullness
from api.views import UNDER_WAY_FOR, BookingDetails, PaymentState, payment_state
from domain.booking import STAFF_MAILS, ActorKind, Decision, Event, MailKind, Status
from domain.deadlines import nights
from domain.decisions import cancellable_until, immediate_outcome
from domain.roles import may_decide, may_manage
from models import Booking, BookingAttention, BookingCommand, BookingTimeline, SentMail
from storage.attention import as_attention, attention_of
from storage.bookings import timeline
from storage.card_details import cards_of
from storage.console import open_decision
from storage.disputes import disputes_of
from storage.mails import mails_of
from storage.owed import owed_minor
from storage.rooms import rooms_taken
from wording import staff as words
from wording.attention import AttentionWords, attention_words
from wording.cards import CardLines, card_lines
from wording.disputes import DisputeLines, dispute_lines
from wording.values import (
    count_in_words,
    money_in_words,
    people_in_words,
    short_day,
    short_instant,
    short_stay,
    short_time,
)

_MONEY: Final[dict[PaymentState, str]] = {
    "unpaid": "Nothing is held",
    "authorized": "Held, not charged",
    "captured": "Captured",
    "released": "The hold was released",
    "refunded": "Refunded",
}


@dataclass(frozen=True)
class StaffPermissions:
    """The decisions that the reader may make on the booking now."""

    decide: bool
    cancel: bool
    resume: bool
    manage: bool


@dataclass(frozen=True)
class TimelineLine:
    """A line of the timeline."""

    at: datetime
    local: str
    words: str
    actor: str
    version: int


@dataclass(frozen=True)
class EmailLine:
    """An e-mail about the booking; `sent` is None until the mail server has accepted it."""

    words: str
    subject: str
    recipient: str
    sent: str | None


@dataclass(frozen=True)
class DecisionInProgress:
    """A decision that was accepted and has no outcome yet."""

    kind: Decision
    words: str
    by: str
    at: str
    recent: bool


@dataclass(frozen=True)
class AttentionNotice:
    """One reason why a booking needs attention, and since when."""

    since: str
    words: AttentionWords


@dataclass(frozen=True)
class MoneyLines:
    """Amounts in words; `held` is None if nothing is held now."""

    state: str
    total: str
    held: str | None
    captured: str | None
    refunded: str | None
    paid_elsewhere: str | None
    owed: str | None


@dataclass(frozen=True)
class StaffBookingView:
    """All values of the page. `card` is for readers who decide, and None for others."""

    booking_id: str
    version: int
    guest: str
    email: str
    phone: str | None
    requests: str | None
    erased: bool
    room: str
    stay: str
    check_in: str
    check_out: str
    nights: str
    people: str
    policy: str
    free_cancellation: str | None
    status: Status
    status_words: str
    reason: str | None
    note: str | None
    decided: str | None
    decided_by: str | None
    urgency: words.Urgency | None
    deadline: str | None
    fullness: Fullness | None
    money: MoneyLines
    card: CardLines | None
    disputes: Sequence[DisputeLines]
    payment_intent_id: str | None
    under_way: DecisionInProgress | None
    attention: Sequence[AttentionNotice]
    may: StaffPermissions
    happened: frozenset[Event]
    steps: Sequence[TimelineLine]
    mails: Sequence[EmailLine]
    timezone: str


async def staff_booking_view(
    db: AsyncSession, found: BookingDetails, reader: Colleague, now: datetime
) -> StaffBookingView:
    """Read a booking with all that its page shows."""
    row = found.booking
    lines = await timeline(db, row.booking_id)
    open_request = await open_decision(db, row.booking_id)
    status = Status(row.status)
    waits = status is Status.PENDING_APPROVAL
    taken = await rooms_taken(db, [row]) if waits else {}
    mails = await mails_of(db, row.booking_id)
    cards = await cards_of(db, [row.booking_id]) if may_decide(reader.role) else {}
    policy = row.cancellation_policy
    return StaffBookingView(
        booking_id=row.booking_id,
        version=row.version,
        guest=f"{row.guest_first_name} {row.guest_last_name}",
        email=row.guest_email,
        phone=row.guest_phone,
        requests=row.special_requests,
        erased=row.guest_erased_at is not None,
        room=found.room_type.name,
        stay=short_stay(row.check_in, row.check_out),
        check_in=short_day(row.check_in),
        check_out=short_day(row.check_out),
        nights=count_in_words(nights(row.check_in, row.check_out), "night"),
        people=people_in_words(row.adults, row.children),
        policy=policy.in_words(),
        free_cancellation=_free_cancellation(row, now) if policy.has_fee else None,
        status=status,
        status_words=words.STATUS[status],
        reason=words.REASONS[row.told_reason] if row.told_reason else None,
        note=row.reason_note,
        decided=decision_words(found, lines, now),
        decided_by=moved[-1].actor if (moved := _moves(lines)) else None,
        urgency=words.urgency(row.decision_deadline, now) if waits else None,
        deadline=short_instant(row.decision_deadline, row.timezone, now)
        if waits and row.decision_deadline
        else None,
        fullness=Fullness(taken[row.booking_id], found.room_type.rooms + found.hotel.overbooking)
        if waits
        else None,
        money=_money(found),
        card=card_lines(cards[row.booking_id]) if row.booking_id in cards else None,
        disputes=[dispute_lines(each, row.timezone, now) for each in await disputes_of(db, row.booking_id)],
        payment_intent_id=row.payment_intent_id,
        under_way=_under_way(found, open_request, now),
        attention=attention(
            await attention_of(db, row), row, Decision(open_request.kind) if open_request else None, now
        ),
        may=_may(found, reader, now),
        happened=frozenset(Event(line.event) for line in lines),
        steps=[_step(line, row.timezone, now) for line in lines],
        mails=[_mail(mail, row.timezone, now) for mail in mails],
        timezone=row.timezone,
    )


def _free_cancellation(row: Booking, now: datetime) -> str:
    until = row.cancellation_terms.free_until
    if now >= until:
        return "Free cancellation has ended for this stay."
    return f"For this stay, cancelling is free until {short_instant(until, row.timezone, now)}."


def decision_words(found: BookingDetails, lines: Sequence[BookingTimeline], now: datetime) -> str | None:
    """The author and time of the last decision: `approved by ada@… at 14:02`."""
    moved = _moves(lines)
    if not moved or Event(moved[-1].event) not in _DECISION_WORDS:
        return None
    last = moved[-1]
    event = Event(last.event)
    by = f" by {words.actor(last.actor)}" if event in _EVENTS_WITH_ACTOR else ""
    return f"{_DECISION_WORDS[event]}{by} at {short_time(last.at, found.booking.timezone, now)}"


def _moves(lines: Sequence[BookingTimeline]) -> list[BookingTimeline]:
    return [line for line in lines if line.from_status != line.to_status]


_DECISION_WORDS: Final = {
    Event.APPROVED: "approved",
    Event.DECLINED: "declined",
    Event.APPROVAL_TIMED_OUT: "declined because no decision came in time,",
    Event.AUTHORIZATION_LOST: "declined because the hold had ended,",
    Event.CAPTURED_OUTSIDE: "confirmed by a capture in the Stripe Dashboard",
    Event.CAPTURE_MISMATCHED: "declined because another amount was captured,",
    Event.CANCELLED_BY_GUEST: "cancelled by the guest",
    Event.CANCELLED_BY_STAFF: "cancelled",
    Event.PAYMENT_WINDOW_CLOSED: "expired without a payment,",
}
_EVENTS_WITH_ACTOR: Final = frozenset({Event.APPROVED, Event.DECLINED, Event.CANCELLED_BY_STAFF})


def attention(
    rows: Sequence[BookingAttention], booking: Booking, pending: Decision | None, now: datetime
) -> list[AttentionNotice]:
    """Put into words why a booking needs attention.

    Args:
        pending: the decision on the booking that has no outcome yet.
    """
    return [
        AttentionNotice(
            short_instant(row.since, booking.timezone, now),
            attention_words(as_attention(row), booking, pending, now),
        )
        for row in rows
    ]


def _money(found: BookingDetails) -> MoneyLines:
    row = found.booking

    def written(minor: int) -> str:
        return money_in_words(minor, row.currency)

    state = payment_state(row)
    return MoneyLines(
        state=_MONEY[state],
        total=written(row.amount_minor),
        held=written(row.amount_minor) if state == "authorized" else None,
        captured=written(row.amount_captured_minor) if row.amount_captured_minor else None,
        refunded=written(row.amount_refunded_minor) if row.amount_refunded_minor else None,
        paid_elsewhere=written(row.amount_paid_elsewhere_minor) if row.amount_paid_elsewhere_minor else None,
        owed=written(owed_minor(row)) if owed_minor(row) else None,
    )


def _under_way(
    found: BookingDetails, open_request: BookingCommand | None, now: datetime
) -> DecisionInProgress | None:
    if open_request is None or found.booking.needs_attention:
        return None
    kind, actor = Decision(open_request.kind), ActorKind.STAFF
    if open_request.actor == ActorKind.GUEST:
        actor = ActorKind.GUEST
    if _has_no_effect(found, kind, actor, now):
        return None
    return DecisionInProgress(
        kind,
        words.UNDER_WAY[kind],
        words.actor(open_request.actor),
        short_time(open_request.created_at, found.booking.timezone, now),
        recent=now - open_request.created_at < UNDER_WAY_FOR,
    )


def _has_no_effect(found: BookingDetails, decision: Decision, actor: ActorKind, now: datetime) -> bool:
    """Whether that decision cannot change the booking any more, or not yet."""
    row = found.booking
    too_late = now >= cancellable_until(actor, row.check_in_at, row.check_out_at)
    return (
        immediate_outcome(decision, actor, Status(row.status), row.reason_code, too_late=too_late) is not None
    )


def _may(found: BookingDetails, reader: Colleague, now: datetime) -> StaffPermissions:
    manages = may_manage(reader.role)
    return StaffPermissions(
        decide=may_decide(reader.role) and not _has_no_effect(found, Decision.APPROVE, ActorKind.STAFF, now),
        cancel=manages and not _has_no_effect(found, Decision.CANCEL, ActorKind.STAFF, now),
        resume=manages and found.booking.needs_attention,
        manage=manages,
    )


def _step(line: BookingTimeline, timezone: str, now: datetime) -> TimelineLine:
    return TimelineLine(
        line.at,
        short_instant(line.at, timezone, now),
        words.EVENTS[Event(line.event)],
        words.actor(line.actor),
        line.version,
    )


def _mail(mail: SentMail, timezone: str, now: datetime) -> EmailLine:
    kind = MailKind(mail.kind)
    to = mail.recipient if kind in STAFF_MAILS else f"guest, {mail.recipient}"
    sent = short_instant(mail.sent_at, timezone, now) if mail.sent_at else None
    return EmailLine(words.MAILS[kind], mail.subject, to, sent)
