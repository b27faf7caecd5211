"""The product's promises, checked from outside against everything that can be seen of a run.

Each check looks at all bookings of an `Evidence` and names every violation. It holds once things have come to
rest: a booking whose money is under way right now may look wrong for a moment.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain, pairwise
from typing import Any, Final

from sandbox.case import Case, Found, Money
from sandbox.evidence import Booked, Evidence

OPEN: Final = frozenset({"PENDING_PAYMENT", "PENDING_APPROVAL"})
ENDED: Final = frozenset({"DECLINED", "EXPIRED", "CANCELLED"})
_DECIDED_AS: Final = {"approve": "CONFIRMED", "decline": "DECLINED", "cancel": "CANCELLED"}
_TAKES: Final = {
    "approve": frozenset({"PENDING_APPROVAL"}),
    "decline": frozenset({"PENDING_APPROVAL"}),
    "cancel": frozenset({"PENDING_PAYMENT", "PENDING_APPROVAL", "CONFIRMED"}),
}
"""In which statuses a decision can still be carried out."""
_GIVEN_BACK: Final = frozenset({"capture_mismatched", "stray_payment_returned", "cancelled_by_guest"})
_PUBLISHED_FIELDS: Final = {"booking_id", "status", "updated_at", "version"}
LATE: Final = timedelta(seconds=30)
"""How long after its deadline a booking may still be as it was."""

_SHORTEST_PRIVATE: Final = 3

_GUEST_MAILS: Final = {
    ("PENDING_PAYMENT", "PENDING_APPROVAL"): "Payment authorized — awaiting hotel confirmation ({})",
    ("PENDING_PAYMENT", "EXPIRED"): "Booking Expired - {}",
    ("PENDING_APPROVAL", "CONFIRMED"): "Booking Confirmed - {}",
    ("PENDING_APPROVAL", "DECLINED"): "Booking Update - {}",
    ("PENDING_PAYMENT", "CANCELLED"): "Booking Cancelled - {}",
    ("PENDING_APPROVAL", "CANCELLED"): "Booking Cancelled - {}",
    ("CONFIRMED", "CANCELLED"): "Booking Cancelled - {}",
}


@dataclass(frozen=True)
class Verdict:
    """What came of one invariant.

    Args:
        code: `M1` to `M9`.
        promise: the invariant in a few words.
        checked: how many things were looked at; None where it could not be looked at.
        violations: one sentence each.
    """

    code: str
    promise: str
    checked: int | None
    violations: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing was found."""
        return not self.violations


def check(evidence: Evidence, *, now: datetime | None = None) -> list[Verdict]:
    """Check every invariant.

    Args:
        now: the time at which the evidence was collected; the present by default.
    """
    case = Case(evidence, now or datetime.now(UTC))
    return [_verdict(code, promise, look, case) for code, promise, look in _CHECKS]


def violations(verdicts: Sequence[Verdict]) -> list[str]:
    """All violations, each with its invariant's code."""
    return [f"{verdict.code}: {text}" for verdict in verdicts for text in verdict.violations]


def _verdict(code: str, promise: str, look: Callable[[Case], Found | None], case: Case) -> Verdict:
    found = look(case)
    if found is None:
        return Verdict(code, promise, None, ())
    items = list(found)
    return Verdict(code, promise, len(items), tuple(item for item in items if item is not None))


def _captured_rightly(case: Case) -> Found:
    """M1."""
    for money in case.money:
        if not money.captures:
            yield None
            continue
        booking = case.bookings.get(money.booking_id or "")
        yield _capture_problem(money, booking)


def _capture_problem(money: Money, booking: Booked | None) -> str | None:
    if booking is None:
        return f"{money.intent_id} was captured for no booking of ours"
    if money.captures > 1:
        return f"{booking.booking_id}: captured {money.captures} times"
    confirming = booking.status == "PENDING_APPROVAL" and booking.pending_decision == "approve"
    if not (booking.has_been("CONFIRMED") or confirming):
        returned = any(step.event in _GIVEN_BACK for step in booking.timeline)
        explained = returned or booking.needs_attention
        return None if explained else f"{booking.booking_id}: captured, and never confirmed"
    is_own = money.intent_id == booking.payment_intent_id
    if is_own and money.received_minor != booking.amount_minor:
        return f"{booking.booking_id}: captured {money.received_minor} instead of {booking.amount_minor}"
    return None


def _confirmed_is_paid(case: Case) -> Found:
    """M2."""
    for booking in case.bookings.values():
        if booking.status != "CONFIRMED":
            continue
        own = next((m for m in case.money if m.intent_id == booking.payment_intent_id), None)
        name = booking.booking_id
        if own is None or own.status != "succeeded":
            yield f"{name}: CONFIRMED, but its payment is {own.status if own else 'unknown to Stripe'}"
        elif not own.received_minor == booking.captured_minor == booking.amount_minor:
            ours = f"{booking.captured_minor} of {booking.amount_minor}"
            yield f"{name}: Stripe has {own.received_minor}, we have {ours}"
        elif own.refunded_minor != booking.refunded_minor:
            yield f"{name}: Stripe refunded {own.refunded_minor}, we say {booking.refunded_minor}"
        else:
            yield None


def _nothing_left_behind(case: Case) -> Found:
    """M3: no hold or money beyond what the booking's status entitles us to."""
    for booking in case.bookings.values():
        yield from (_left_behind(money, booking) for money in case.money_of[booking.booking_id])


def _left_behind(money: Money, booking: Booked) -> str | None:
    is_own = money.intent_id == booking.payment_intent_id
    name = f"{booking.booking_id} ({booking.status})"
    if money.is_held and not (is_own and booking.status == "PENDING_APPROVAL"):
        return f"{name}: {money.intent_id} still holds the card"
    if booking.status in {"CONFIRMED", "PENDING_APPROVAL"} and is_own:
        return None
    fee = _fee(money, booking) if is_own else 0
    if booking.status == "CANCELLED" and is_own and money.refunded_minor != booking.refunded_minor:
        return f"{name}: Stripe refunded {money.refunded_minor}, we say {booking.refunded_minor}"
    # A refund somebody made before the cancellation may have been larger than the policy's.
    return f"{name}: {money.kept_minor} kept, the fee is {fee}" if money.kept_minor > fee else None


def _fee(money: Money, booking: Booked) -> int:
    if booking.status != "CANCELLED" or not booking.has_been("CONFIRMED"):
        return 0
    if booking.policy is None:
        return money.kept_minor
    if booking.guest_cancelled_in in OPEN:
        # A guest who asks before the hotel has confirmed is shown that it costs nothing.
        return 0
    cancelled = next(step for step in booking.timeline if step.to == "CANCELLED")
    # The fee is the one of the moment in which it was asked for, which may have had to wait for a worker.
    asked_at = min(booking.cancel_asked_at or cancelled.at, cancelled.at)
    return booking.policy.fee_minor(booking.amount_minor, booking.check_in, asked_at)


def _answers_stand(case: Case) -> Found:
    """M4."""
    for answer in case.evidence.answers:
        if not answer.settled:
            yield None
            continue
        booking, decided = case.bookings[answer.booking_id], _DECIDED_AS[answer.decision]
        # A confirmed booking may be cancelled afterwards; that undoes no answer.
        stands = booking.has_been(decided) and (decided == "CONFIRMED" or booking.status == decided)
        problem = f"{booking.booking_id}: {answer.decision} was settled, the booking is {booking.status}"
        yield None if stands else problem


def _nobody_hangs(case: Case) -> Found | None:
    """M5."""
    workflows = case.evidence.workflows
    return None if workflows is None else chain(_hanging(case, workflows), _left_unanswered(case))


def _hanging(case: Case, workflows: Any) -> Found:
    for booking in case.bookings.values():
        if booking.status == "DRAFT":
            continue
        status = workflows.get(f"booking-{booking.booking_id}", "missing")
        overdue = booking.deadline is not None and booking.deadline + LATE < case.now
        name = f"{booking.booking_id} ({booking.status})"
        if status not in {"RUNNING", "COMPLETED"} or (status == "COMPLETED" and booking.status in OPEN):
            yield f"{name}: its workflow is {status}"
        elif status == "RUNNING" and booking.status in ENDED and not booking.needs_attention:
            yield f"{name}: its workflow is still running"
        elif overdue and not booking.needs_attention:
            yield f"{name}: past its deadline, and asks nobody for help"
        else:
            yield None


def _left_unanswered(case: Case) -> Found:
    """Decisions that were promised to be safe, and have not come out."""
    for answer in case.evidence.answers:
        booking = case.bookings[answer.booking_id]
        # One whose sender died before it was signalled stays open in the books, too; nobody was promised that.
        waits = not answer.settled and answer.decision in booking.open_decisions
        hangs = waits and booking.status in _TAKES[answer.decision] and not booking.needs_attention
        problem = (
            f"{booking.booking_id} ({booking.status}): {answer.decision} was promised, and never came out"
        )
        yield problem if hangs else None


def _told_step_by_step(case: Case) -> Found:
    """M6."""
    published: set[tuple[Any, Any, Any, Any]] = {
        (m["channel"], data.get("booking_id"), data.get("version"), data.get("status"))
        for m in case.evidence.messages
        if m["name"] == "booking-updated" and isinstance(data := m["data"], dict)
    }
    for booking in case.bookings.values():
        name, steps = booking.booking_id, booking.timeline
        versions = [step.version for step in steps]
        complete = versions == list(range(1, booking.version + 1))
        yield None if complete else f"{name}: version {booking.version}, timeline rows {versions}"
        chained = all(after.before == before.to for before, after in pairwise(steps))
        ends_well = bool(steps) and steps[-1].to == booking.status
        yield None if chained and ends_well else f"{name}: the timeline does not lead to {booking.status}"
        for step in steps[1:]:
            for channel in (f"hotel-{booking.hotel}", f"private-booking-{name}"):
                told = (channel, name, step.version, step.to) in published
                yield None if told else f"{name}: version {step.version} was not published on {channel}"


def _inbox_is_done(case: Case) -> Found | None:
    """M7."""
    rows = case.evidence.inbox
    return None if rows is None else _undone({row["event_id"]: row for row in rows}, case)


def _undone(rows: dict[str, Any], case: Case) -> Found:
    for event_id in set(case.evidence.delivered) - rows.keys():
        yield f"{event_id} was answered 2xx, and is not in the inbox"
    for event_id, row in rows.items():
        yield None if row["processed_at"] else f"{event_id} ({row['event_type']}) was not processed"


def _mails_tell_it(case: Case) -> Found:
    """M8."""
    subjects = Counter((to.lower(), mail["subject"]) for mail in case.evidence.mails for to in mail["to"])
    for booking in case.bookings.values():
        for step in booking.timeline:
            subject = _GUEST_MAILS.get((step.before or "", step.to))
            if subject is not None:
                subject = subject.format(booking.booking_id)
                sent = subjects[booking.guest_email.lower(), subject]
                yield None if sent else f"{booking.booking_id}: the guest was not sent {subject!r}"
    yield from _message_ids(case)


def _message_ids(case: Case) -> Found:
    meant: dict[str, tuple[Any, ...]] = {}
    ids: dict[tuple[Any, ...], str] = {}
    for mail in case.evidence.mails:
        message_id = mail["message_id"]
        what = (tuple(mail["to"]), mail["subject"])
        if not message_id:
            yield f"{mail['subject']!r} has no Message-ID"
        elif meant.setdefault(message_id, what) != what:
            yield f"{message_id} is borne by two different mails"
        # Money notices may come several times about one booking; what the guest is told comes once.
        elif _is_told_once(mail["subject"]) and ids.setdefault(what, message_id) != message_id:
            yield f"{mail['subject']!r} was sent twice, under different Message-IDs"
        else:
            yield None


def _is_told_once(subject: str) -> bool:
    return any(subject.startswith(text.partition("{")[0]) for text in _GUEST_MAILS.values())


def _nothing_leaks(case: Case) -> Found:
    """M9."""
    for message in case.evidence.messages:
        extra = set(message["data"]) - _PUBLISHED_FIELDS if isinstance(message["data"], dict) else {"text"}
        yield f"{message['channel']}: carries {sorted(extra)}" if extra else None
    histories = case.evidence.histories or {}
    for booking in case.bookings.values():
        name, words = booking.booking_id, _words(booking.private)
        own = (text for text in histories.values() if name in text)
        yield from (_leak(f"history of {name}", text, words) for text in own)
    everything = [text for booking in case.bookings.values() for text in booking.private]
    words = _words([*everything, *case.evidence.secrets])
    yield from (_leak(f"log of {part}", text, words) for part, text in case.evidence.logs.items())
    secrets = _words(case.evidence.secrets)
    yield from (_leak(f"history {name}", text, secrets) for name, text in histories.items())


def _words(texts: Sequence[str]) -> re.Pattern[str] | None:
    known = sorted({text for text in texts if len(text) >= _SHORTEST_PRIVATE}, key=len, reverse=True)
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, known))})(?!\w)") if known else None


def _leak(where: str, text: str, words: re.Pattern[str] | None) -> str | None:
    # The word itself is left out: a report must not repeat the leak.
    found = words.search(text) if words else None
    return f"{where}: private text of {len(found[0])} characters at {found.start()}" if found else None


_CHECKS: Final[tuple[tuple[str, str, Callable[[Case], Found | None]], ...]] = (
    ("M1", "Money is captured once, in full, and only for confirmed bookings", _captured_rightly),
    ("M2", "A confirmed booking is paid, and refunds agree with Stripe's", _confirmed_is_paid),
    ("M3", "A booking that ended otherwise leaves no hold and no money behind", _nothing_left_behind),
    ("M4", "A settled answer is never undone", _answers_stand),
    ("M5", "No booking hangs without a workflow or a call for help", _nobody_hangs),
    ("M6", "Every change: one timeline row, one version, published", _told_step_by_step),
    ("M7", "Every webhook answered 2xx was processed, or kept with a reason", _inbox_is_done),
    ("M8", "Every e-mail was sent for its change, with a Message-ID of its own", _mails_tell_it),
    ("M9", "No guest data in histories, realtime channels or logs", _nothing_leaks),
)
