"""The checker of the product's promises: it passes what is right, and finds each kind of wrong."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from sandbox.evidence import BookingEvidence, DecisionReply, Evidence, Policy, TimelineEvidence
from sandbox.invariants import check, violations
from sandbox.rooms import NightEvidence

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
ID, HOTEL, INTENT = "BK-AAAAA-BBBBB-CCCCC", "hotel-killarney", "pi_1"
LIFE = (
    (None, "DRAFT", "created"),
    ("DRAFT", "PENDING_PAYMENT", "submitted"),
    ("PENDING_PAYMENT", "PENDING_APPROVAL", "authorized"),
    ("PENDING_APPROVAL", "CONFIRMED", "approved"),
    ("CONFIRMED", "CANCELLED", "cancelled_by_guest"),
)
SUBJECTS = (
    f"Payment authorized — awaiting hotel confirmation ({ID})",
    f"Booking Confirmed - {ID}",
    f"Booking Cancelled - {ID}",
)


def booking_evidence(steps: int, **changes: Any) -> BookingEvidence:
    """A booking of 100.00 EUR after the first so many steps of its life."""
    timeline = tuple(
        TimelineEvidence(version, NOW, before, to, event, "guest")
        for version, (before, to, event) in enumerate(LIFE[:steps], start=1)
    )
    booking = BookingEvidence(
        booking_id=ID,
        hotel=HOTEL,
        status=timeline[-1].to,
        version=steps,
        currency="EUR",
        amount_minor=10000,
        captured_minor=10000 if steps >= 4 else 0,
        refunded_minor=7000 if steps == 5 else 0,
        payment_intent_id=INTENT,
        needs_attention=False,
        pending_decision=None,
        decision_deadline=None,
        check_in=date(2026, 5, 5),
        guest_email="ada@example.com",
        private=("Ada", "Lovelace", "ada@example.com"),
        timeline=timeline,
        policy=Policy(free_cancel_days=2, late_cancel_fee_percent=30, timezone="Europe/Dublin"),
        room_type_id=1,
        check_out=date(2026, 5, 6),
    )
    return replace(booking, **changes)


def intent(**changes: Any) -> dict[str, Any]:
    """A captured PaymentIntent of the ledger."""
    captured = {"id": INTENT, "booking_id": ID, "status": "succeeded", "currency": "eur", "captures": 1}
    return {**captured, "amount_received": 10000, "refunded": 0, **changes}


def message(version: int, status: str, channel: str) -> dict[str, Any]:
    """A realtime message."""
    data = {"booking_id": ID, "status": status, "updated_at": "2026-05-04T12:00:00Z", "version": version}
    return {"channel": channel, "name": "booking-updated", "data": data}


def night(**changes: Any) -> dict[tuple[int, date], NightEvidence]:
    """The booking's night, which it has a room for."""
    kept = NightEvidence(
        room_type=f"{HOTEL}/double",
        capacity=1,
        claimed=1,
        blocked=0,
        claims=frozenset({ID}),
        out_of_service=0,
        is_named=False,
    )
    return {(1, date(2026, 5, 5)): replace(kept, **changes)}


def evidence(steps: int = 4, **changes: Any) -> Evidence:
    """Everything about a booking with which nothing is wrong."""
    booking = booking_evidence(steps)
    return replace(
        Evidence(
            bookings=[booking],
            ledger={"payment_intents": [intent(refunded=booking.refunded_minor)]},
            messages=[
                message(step.version, step.to, channel)
                for step in booking.timeline[1:]
                for channel in (f"hotel-{HOTEL}", f"private-booking-{ID}")
            ],
            mails=[
                {"to": ["ada@example.com"], "subject": subject, "message_id": f"<{number}@hotel.test>"}
                for number, subject in enumerate(SUBJECTS[: steps - 2])
            ],
            answers=[DecisionReply(ID, "approve", settled=True)],
            workflows={f"booking-{ID}": "RUNNING" if steps == 4 else "COMPLETED"},
            histories={f"booking-{ID}": f"input {ID} 10000 EUR"},
            inbox=[{"event_id": "evt_1", "event_type": "charge.captured", "processed_at": NOW}],
            delivered=["evt_1"],
            logs={"worker": "worker ready"},
            secrets=["whsec_secret"],
            nights=night() if steps in {3, 4} else night(claimed=0, claims=frozenset()),
        ),
        **changes,
    )


def broken(found: Evidence) -> set[str]:
    """The codes of the promises that are broken."""
    return {text.partition(":")[0] for text in violations(check(found, now=NOW))}


@pytest.mark.parametrize("steps", [4, 5])
def test_what_is_right_passes(steps: int) -> None:
    """A confirmed booking, and one cancelled late with the policy's fee kept: everything holds."""
    results = check(evidence(steps), now=NOW)
    assert violations(results) == []
    assert [result.code for result in results] == [f"M{number}" for number in range(1, 11)]
    assert all(result.checked for result in results if steps == 4 or result.code != "M2")


def test_what_was_not_collected_is_not_judged() -> None:
    """Without workflows and inbox, M5 and M7 say that they were not looked at."""
    results = {v.code: v.checked for v in check(evidence(workflows=None, inbox=None), now=NOW)}
    assert (results["M5"], results["M7"]) == (None, None)


WRONG: dict[str, tuple[str, dict[str, Any]]] = {
    "captured twice": ("M1", {"ledger": {"payment_intents": [intent(captures=2)]}}),
    "captured too little": ("M1", {"ledger": {"payment_intents": [intent(amount_received=9999)]}}),
    "captured for nobody": (
        "M1",
        {"ledger": {"payment_intents": [intent(), intent(id="x", booking_id="y")]}},
    ),
    "captured while waiting": ("M1", {"bookings": [booking_evidence(3)]}),
    "confirmed, not captured": ("M2", {"ledger": {"payment_intents": [intent(status="requires_capture")]}}),
    "movement missing": ("M2", {"bookings": [booking_evidence(4, moved_minor=(0, 0, 0))]}),
    "refund unknown to us": ("M2", {"ledger": {"payment_intents": [intent(refunded=1)]}}),
    "second hold left": (
        "M3",
        {"ledger": {"payment_intents": [intent(), intent(id="pi_2", status="requires_capture", captures=0)]}},
    ),
    "answer undone": ("M4", {"answers": [DecisionReply(ID, "decline", settled=True)]}),
    "no workflow": ("M5", {"workflows": {}}),
    "workflow failed": ("M5", {"workflows": {f"booking-{ID}": "FAILED"}}),
    "version skipped": ("M6", {"bookings": [booking_evidence(4, version=5)]}),
    "row astray": ("M6", {"bookings": [booking_evidence(4, status="DECLINED")]}),
    "not published": ("M6", {"messages": evidence().messages[:-1]}),
    "event lost": ("M7", {"delivered": ["evt_1", "evt_2"]}),
    "event left lying": (
        "M7",
        {"inbox": [{"event_id": "evt_1", "event_type": "x", "processed_at": None}]},
    ),
    "mail missing": ("M8", {"mails": evidence().mails[:1]}),
    "one Message-ID for two": (
        "M8",
        {"mails": [{**mail, "message_id": "<same@hotel.test>"} for mail in evidence().mails]},
    ),
    "same mail, two Message-IDs": (
        "M8",
        {"mails": [*evidence().mails, {**evidence().mails[0], "message_id": "<other@hotel.test>"}]},
    ),
    "name in a history": ("M9", {"histories": {f"booking-{ID}": f"{ID} for Lovelace"}}),
    "address in a log": ("M9", {"logs": {"worker": "mail to ada@example.com"}}),
    "secret in a log": ("M9", {"logs": {"api": "signed with whsec_secret"}}),
    "no night at all": ("M10", {"nights": {}}),
    "no claim": ("M10", {"nights": night(claimed=0, claims=frozenset())}),
    "somebody else's claim": ("M10", {"nights": night(claimed=2, claims=frozenset({ID, "BK-2"}))}),
    "other counts": ("M10", {"nights": night(claimed=0)}),
    "other blocks": ("M10", {"nights": night(blocked=1)}),
    "sold twice": ("M10", {"nights": night(blocked=1, out_of_service=1)}),
    "too much published": (
        "M9",
        {"messages": [*evidence().messages, {"channel": "x", "name": "y", "data": {"email": "a"}}]},
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_found(wrong: str) -> None:
    """Each kind of wrong breaks its own promise."""
    code, changes = WRONG[wrong]
    assert code in broken(evidence(**changes))


def test_named_finding_explains_a_night_beyond_the_limit() -> None:
    assert broken(evidence(nights=night(blocked=1, out_of_service=1, is_named=True))) == set()


def test_money_kept_after_an_end() -> None:
    """A cancelled booking may keep the policy's fee and no more; a declined one keeps nothing."""
    too_little_back = evidence(5, ledger={"payment_intents": [intent(refunded=6999)]})
    assert "M3" in broken(too_little_back)
    still_held = evidence(3, ledger={"payment_intents": [intent(status="requires_capture", captures=0)]})
    declined = booking_evidence(3, status="DECLINED")
    assert "M3" in broken(replace(still_held, bookings=[declined]))


def test_money_owed_after_the_end_has_a_workflow_and_a_call_for_help() -> None:
    """A refund that came back is owed: it must need attention, and a workflow must wait for `retry`."""
    returned = booking_evidence(5, refunded_minor=0)
    owed = evidence(5, ledger={"payment_intents": [intent()]}, bookings=[returned])
    assert broken(owed) == {"M3", "M5"}
    flagged = replace(owed, bookings=[replace(returned, needs_attention=True)])
    assert broken(flagged) == {"M5"}, "nobody waits for a person"
    for subjects, found in ((INTENT,), {"M5"}), (("guest_cancelled",), {"M3", "M5"}):
        about = replace(returned, needs_attention=True, attention_subjects=subjects)
        assert broken(replace(owed, bookings=[about])) == found
    for waiting in (f"booking-{ID}", f"ended-booking-payment-{INTENT}-evt_1"):
        workflows = {f"booking-{ID}": "COMPLETED", waiting: "RUNNING"}
        assert broken(replace(flagged, workflows=workflows)) == set()


@pytest.mark.parametrize(("paid", "found"), [(7000, set()), (6999, {"M3", "M5"})])
def test_money_paid_elsewhere_counts_as_given_back(paid: int, found: set[str]) -> None:
    """A recorded payment outside Stripe makes up for a missing refund, to the cent."""
    elsewhere = booking_evidence(5, refunded_minor=0, paid_elsewhere_minor=paid)
    settled = evidence(5, ledger={"payment_intents": [intent()]}, bookings=[elsewhere])
    assert broken(settled) == found


def test_fee_counts_from_the_moment_of_asking() -> None:
    """A cancellation that was asked for while it was free costs nothing, whenever it was written."""
    late = evidence(5)
    assert broken(late) == set()
    free_until = datetime(2026, 5, 2, 23, tzinfo=UTC)
    asked_in_time = replace(late.bookings[0], cancel_asked_at=free_until - timedelta(minutes=10))
    assert broken(replace(late, bookings=[asked_in_time])) == {"M3", "M5"}
    asked_too_late = replace(asked_in_time, cancel_asked_at=free_until)
    assert broken(replace(late, bookings=[asked_too_late])) == set()


def test_no_fee_for_what_was_asked_before_the_confirmation() -> None:
    """The guest was shown that cancelling costs nothing, and is charged no fee."""
    late = evidence(5)
    asked_before = replace(late.bookings[0], guest_cancelled_in="PENDING_APPROVAL")
    assert broken(replace(late, bookings=[asked_before])) == {"M3", "M5"}
    asked_after = replace(asked_before, guest_cancelled_in="CONFIRMED")
    assert broken(replace(late, bookings=[asked_after])) == set()


def test_deadline_passed_without_a_call_for_help() -> None:
    """A booking long past its decision deadline hangs, unless it needs attention."""
    hold = {"payment_intents": [intent(status="requires_capture", captures=0, amount_received=0)]}
    overdue = booking_evidence(3, decision_deadline=datetime(2026, 5, 4, 11, tzinfo=UTC))
    waiting = evidence(3, bookings=[overdue], ledger=hold, answers=[], workflows={f"booking-{ID}": "RUNNING"})
    assert broken(waiting) == {"M5"}
    assert broken(replace(waiting, bookings=[replace(overdue, needs_attention=True)])) == set()


def test_unpaid_long_after_the_window() -> None:
    """An unpaid booking hangs once its window is over, unless it needs attention."""
    unpaid = booking_evidence(2, payment_intent_id=None, payment_deadline=NOW - timedelta(minutes=1))
    waiting = evidence(
        2,
        bookings=[unpaid],
        ledger={"payment_intents": []},
        answers=[],
        workflows={f"booking-{ID}": "RUNNING"},
    )
    assert broken(waiting) == {"M5"}
    for right in ({"needs_attention": True}, {"payment_deadline": NOW}, {"payment_deadline": None}):
        assert broken(replace(waiting, bookings=[replace(unpaid, **right)])) == set()


@pytest.mark.parametrize(
    ("steps", "decision"), [(2, "cancel"), (3, "approve"), (3, "decline"), (3, "cancel"), (4, "cancel")]
)
def test_a_decision_that_was_promised_and_never_came_out(steps: int, decision: str) -> None:
    """Each 202 answer gets an outcome, unless the booking needs attention."""
    held = intent(status="requires_capture", captures=0, amount_received=0)
    booking = booking_evidence(steps, open_decisions=(decision,))
    promised = evidence(
        steps,
        bookings=[booking],
        answers=[DecisionReply(ID, decision, settled=False)],
        workflows={f"booking-{ID}": "RUNNING"},
        ledger={"payment_intents": {2: [], 3: [held], 4: [intent()]}[steps]},
    )
    assert broken(promised) == {"M5"}
    assert broken(replace(promised, bookings=[replace(booking, open_decisions=())])) == set()
    assert broken(replace(promised, bookings=[replace(booking, needs_attention=True)])) == set()


def test_a_decision_that_was_not_promised_or_cannot_come_any_more() -> None:
    """A command whose sender died does not count, nor one that the booking has moved past."""
    unanswered = booking_evidence(4, open_decisions=("cancel",))
    assert broken(evidence(bookings=[unanswered])) == set()
    overtaken = booking_evidence(4, open_decisions=("decline",))
    replies = [DecisionReply(ID, "decline", settled=False)]
    assert broken(evidence(bookings=[overtaken], answers=replies)) == set()


def test_a_leak_is_reported_without_repeating_it() -> None:
    """The report says where, never what."""
    leaking = evidence(logs={"worker": "mail to ada@example.com"})
    assert not any("ada@example.com" in text for text in violations(check(leaking, now=NOW)))
