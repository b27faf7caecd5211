"""Checks the product's promises from outside, against the evidence of a run.

Each check covers all bookings of an `Evidence` and names every violation. The checks hold once no work is left: a
booking with a step under way may violate them for a moment.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain, pairwise
from typing import Any, Final

from sandbox.evidence import BookingEvidence, Evidence, TimelineEvidence
from sandbox.evidence_index import CheckItems, EvidenceIndex
from sandbox.faults import CANARY
from sandbox.money_invariants import (
    OPEN,
    captured_rightly,
    confirmed_is_paid,
    nothing_left_behind,
    owed_minor,
)
from sandbox.room_check import no_night_sold_twice

ENDED: Final = frozenset({"DECLINED", "EXPIRED", "CANCELLED"})
_DECIDED_AS: Final = {"approve": "CONFIRMED", "decline": "DECLINED", "cancel": "CANCELLED"}
_TAKES: Final = {
    "approve": frozenset({"PENDING_APPROVAL"}),
    "decline": frozenset({"PENDING_APPROVAL"}),
    "cancel": frozenset({"PENDING_PAYMENT", "PENDING_APPROVAL", "CONFIRMED"}),
}
"""In which statuses a decision can still be carried out."""
_PUBLISHED_FIELDS: Final = {"booking_id", "status", "updated_at", "version"}
LATE: Final = timedelta(seconds=30)
"""How long after its deadline a booking may still be as it was."""

_SHORTEST_PRIVATE: Final = 3

_GUEST_MAILS: Final = {
    ("PENDING_PAYMENT", "PENDING_APPROVAL"): "Payment authorized — awaiting hotel confirmation ({})",
    ("PENDING_PAYMENT", "EXPIRED"): "Booking Expired - {}",
    ("PENDING_PAYMENT", "DECLINED"): "Booking Update - {}",
    ("PENDING_APPROVAL", "CONFIRMED"): "Booking Confirmed - {}",
    ("PENDING_APPROVAL", "DECLINED"): "Booking Update - {}",
    ("PENDING_PAYMENT", "CANCELLED"): "Booking Cancelled - {}",
    ("PENDING_APPROVAL", "CANCELLED"): "Booking Cancelled - {}",
    ("CONFIRMED", "CANCELLED"): "Booking Cancelled - {}",
}


@dataclass(frozen=True)
class InvariantResult:
    """The result of one invariant.

    Args:
        code: `M1` to `M10`.
        invariant: the invariant in a few words.
        checked: the number of items checked; None if the evidence was missing.
        violations: one sentence each.
    """

    code: str
    invariant: str
    checked: int | None
    violations: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether there are no violations."""
        return not self.violations


def check(evidence: Evidence, *, now: datetime | None = None) -> list[InvariantResult]:
    """Check every invariant.

    Args:
        now: the time at which the evidence was collected; the present by default.
    """
    index = EvidenceIndex(evidence, now or datetime.now(UTC))
    return [_check_one(code, invariant, look, index) for code, invariant, look in _CHECKS]


def violations(results: Sequence[InvariantResult]) -> list[str]:
    """All violations, each with its invariant's code."""
    return [f"{result.code}: {text}" for result in results for text in result.violations]


def _check_one(
    code: str, invariant: str, look: Callable[[EvidenceIndex], CheckItems | None], index: EvidenceIndex
) -> InvariantResult:
    found = look(index)
    if found is None:
        return InvariantResult(code, invariant, None, ())
    items = list(found)
    return InvariantResult(code, invariant, len(items), tuple(item for item in items if item is not None))


def _answers_stand(index: EvidenceIndex) -> CheckItems:
    """M4."""
    for answer in index.evidence.answers:
        if not answer.settled:
            yield None
            continue
        booking, decided = index.bookings[answer.booking_id], _DECIDED_AS[answer.decision]
        # A confirmed booking may be cancelled later; that does not undo the decision.
        stands = booking.has_been(decided) and (decided == "CONFIRMED" or booking.status == decided)
        problem = f"{booking.booking_id}: {answer.decision} was settled, the booking is {booking.status}"
        yield None if stands else problem


def _no_booking_hangs(index: EvidenceIndex) -> CheckItems | None:
    """M5."""
    workflows = index.evidence.workflows
    return None if workflows is None else chain(_hanging(index, workflows), _left_unanswered(index))


def _hanging(index: EvidenceIndex, workflows: Any) -> CheckItems:
    for booking in index.bookings.values():
        if booking.status == "DRAFT":
            continue
        status = workflows.get(f"booking-{booking.booking_id}", "missing")
        overdue = booking.deadline is not None and booking.deadline + LATE < index.now
        name = f"{booking.booking_id} ({booking.status})"
        if status not in {"RUNNING", "COMPLETED"} or (status == "COMPLETED" and booking.status in OPEN):
            yield f"{name}: its workflow is {status}"
        elif status == "RUNNING" and booking.status in ENDED and not booking.needs_attention:
            yield f"{name}: its workflow is still running"
        elif booking.status in ENDED and _is_forgotten(index, workflows, booking):
            yield f"{name}: its guest is owed money, and no workflow waits for a person"
        elif overdue and not booking.needs_attention:
            yield f"{name}: past its deadline, and asks nobody for help"
        else:
            yield None


def _is_forgotten(index: EvidenceIndex, workflows: Any, booking: BookingEvidence) -> bool:
    """Whether a guest is owed money after the booking's end, and no workflow is left for `retry` or `resolve`."""
    payments = index.payments_of[booking.booking_id]
    if owed_minor(payments, booking) == 0:
        return False
    ids = (f"ended-booking-payment-{payment.intent_id}-" for payment in payments)
    waiting = any(
        status == "RUNNING" and id_.startswith((f"booking-{booking.booking_id}", *ids))
        for id_, status in workflows.items()
    )
    return not (waiting and booking.needs_attention)


def _left_unanswered(index: EvidenceIndex) -> CheckItems:
    """Accepted decisions without an outcome."""
    for answer in index.evidence.answers:
        booking = index.bookings[answer.booking_id]
        # A decision whose sender died before the signal also stays open; its caller got no promise.
        waits = not answer.settled and answer.decision in booking.open_decisions
        hangs = waits and booking.status in _TAKES[answer.decision] and not booking.needs_attention
        problem = (
            f"{booking.booking_id} ({booking.status}): {answer.decision} was promised, and never came out"
        )
        yield problem if hangs else None


def _each_change_is_published(index: EvidenceIndex) -> CheckItems:
    """M6."""
    published: set[tuple[Any, Any, Any, Any]] = {
        (m["channel"], data.get("booking_id"), data.get("version"), data.get("status"))
        for m in index.evidence.messages
        if m["name"] == "booking-updated" and isinstance(data := m["data"], dict)
    }
    for booking in index.bookings.values():
        name, steps = booking.booking_id, booking.timeline
        versions = [step.version for step in steps]
        complete = versions == list(range(1, booking.version + 1))
        yield None if complete else f"{name}: version {booking.version}, timeline rows {versions}"
        chained = all(after.before == before.to for before, after in pairwise(steps))
        ends_well = bool(steps) and steps[-1].to == booking.status
        yield None if chained and ends_well else f"{name}: the timeline does not lead to {booking.status}"
        for step in steps[1:]:
            for channel in (f"hotel-{booking.hotel}", f"private-booking-{name}"):
                is_published = (channel, name, step.version, step.to) in published
                yield (
                    None if is_published else f"{name}: version {step.version} was not published on {channel}"
                )


def _inbox_is_done(index: EvidenceIndex) -> CheckItems | None:
    """M7."""
    rows = index.evidence.inbox
    return None if rows is None else _undone({row["event_id"]: row for row in rows}, index)


def _undone(rows: dict[str, Any], index: EvidenceIndex) -> CheckItems:
    for event_id in set(index.evidence.delivered) - rows.keys():
        yield f"{event_id} was answered 2xx, and is not in the inbox"
    for event_id, row in rows.items():
        yield None if row["processed_at"] else f"{event_id} ({row['event_type']}) was not processed"


def _each_change_is_mailed(index: EvidenceIndex) -> CheckItems:
    """M8."""
    subjects = Counter((to.lower(), mail["subject"]) for mail in index.evidence.mails for to in mail["to"])
    for booking in index.bookings.values():
        for step in booking.timeline:
            subject = _GUEST_MAILS.get((step.before or "", step.to))
            if subject is not None:
                yield _is_mailed(booking, step, subject.format(booking.booking_id), subjects)
    yield from _message_ids(index)


def _is_mailed(
    booking: BookingEvidence, step: TimelineEvidence, subject: str, subjects: Counter[tuple[str, str]]
) -> str | None:
    sent = subjects[booking.guest_email.lower(), subject] > 0
    # A booking without a payment is cancelled without a mail: its address is unverified.
    due = (step.before, step.to) != ("PENDING_PAYMENT", "CANCELLED") or booking.payment_intent_id is not None
    if sent == due:
        return None
    return f"{booking.booking_id}: the guest was {'not ' if due else ''}sent {subject!r}"


def _message_ids(index: EvidenceIndex) -> CheckItems:
    meant: dict[str, tuple[Any, ...]] = {}
    ids: dict[tuple[Any, ...], str] = {}
    for mail in index.evidence.mails:
        message_id = mail["message_id"]
        what = (tuple(mail["to"]), mail["subject"])
        if not message_id:
            yield f"{mail['subject']!r} has no Message-ID"
        elif meant.setdefault(message_id, what) != what:
            yield f"{message_id} is borne by two different mails"
        # Payment notices may come several times for one booking; mails to the guest come once.
        elif _is_sent_once(mail["subject"]) and ids.setdefault(what, message_id) != message_id:
            yield f"{mail['subject']!r} was sent twice, under different Message-IDs"
        else:
            yield None


def _is_sent_once(subject: str) -> bool:
    return any(subject.startswith(text.partition("{")[0]) for text in _GUEST_MAILS.values())


def _nothing_leaks(index: EvidenceIndex) -> CheckItems:
    """M9."""
    for message in index.evidence.messages:
        extra = set(message["data"]) - _PUBLISHED_FIELDS if isinstance(message["data"], dict) else {"text"}
        yield f"{message['channel']}: carries {sorted(extra)}" if extra else None
    histories = index.evidence.histories or {}
    for booking in index.bookings.values():
        name, words = booking.booking_id, _words(booking.private)
        own = (text for text in histories.values() if name in text)
        yield from (_leak(f"history of {name}", text, words) for text in own)
    everything = [text for booking in index.bookings.values() for text in booking.private]
    words = _words([*everything, *index.evidence.secrets, CANARY])
    yield from (_leak(f"log of {part}", text, words) for part, text in index.evidence.logs.items())
    secrets = _words([*index.evidence.secrets, CANARY])
    yield from (_leak(f"history {name}", text, secrets) for name, text in histories.items())


def _words(texts: Sequence[str]) -> re.Pattern[str] | None:
    known = sorted({text for text in texts if len(text) >= _SHORTEST_PRIVATE}, key=len, reverse=True)
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, known))})(?!\w)") if known else None


def _leak(where: str, text: str, words: re.Pattern[str] | None) -> str | None:
    # The leaked text is left out, so that the report does not leak it again.
    found = words.search(text) if words else None
    return f"{where}: private text of {len(found[0])} characters at {found.start()}" if found else None


_CHECKS: Final[tuple[tuple[str, str, Callable[[EvidenceIndex], CheckItems | None]], ...]] = (
    ("M1", "Money is captured once, in full, and only for confirmed bookings", captured_rightly),
    ("M2", "A confirmed booking is paid, and refunds agree with Stripe's", confirmed_is_paid),
    ("M3", "A booking that ended otherwise leaves no hold and no money behind", nothing_left_behind),
    ("M4", "A settled answer is never undone", _answers_stand),
    ("M5", "No booking hangs without a workflow or a call for help", _no_booking_hangs),
    ("M6", "Every change: one timeline row, one version, published", _each_change_is_published),
    ("M7", "Every webhook answered 2xx was processed, or kept with a reason", _inbox_is_done),
    ("M8", "Every e-mail was sent for its change, with a Message-ID of its own", _each_change_is_mailed),
    ("M9", "No guest data in histories, realtime channels or logs", _nothing_leaks),
    ("M10", "No night is sold twice, and each booking has its room", no_night_sold_twice),
)
