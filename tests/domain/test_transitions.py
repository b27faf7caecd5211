"""Transitions of a booking: every status with every event, against the contract's table written out by hand."""

from __future__ import annotations

import pytest

from domain.booking import (
    DECIDED_AS,
    ENDED,
    STAFF_MAILS,
    STAFF_REASON_CODES,
    TRANSITIONS,
    ActorKind,
    Decision,
    Event,
    MailKind,
    ReasonCode,
    Status,
    allows,
    cancellation_event,
    transition,
)
from domain.errors import DomainError, IllegalTransitionError

STATUSES = "DRAFT PENDING_PAYMENT PENDING_APPROVAL CONFIRMED DECLINED EXPIRED CANCELLED".split()
EVENTS = (
    "created submitted authorized sold_out payment_window_closed approved declined approval_timed_out "
    "authorization_lost captured_outside capture_mismatched cancelled_by_guest cancelled_by_staff "
    "refund_recorded refund_returned paid_elsewhere cancellation_withdrawn dispute_recorded "
    "unmatched_payment_returned attention_needed attention_cleared"
).split()

# from, event, to, the system's reason, e-mails: the status table of the contract, row by row.
MOVES = """
DRAFT            submitted             PENDING_PAYMENT  -                     -
PENDING_PAYMENT  authorized            PENDING_APPROVAL -                     authorized,staff_request
PENDING_PAYMENT  sold_out              DECLINED         SOLD_OUT              declined
PENDING_PAYMENT  payment_window_closed EXPIRED          -                     expired
PENDING_APPROVAL approved              CONFIRMED        -                     confirmed
PENDING_APPROVAL declined              DECLINED         -                     declined
PENDING_APPROVAL approval_timed_out    DECLINED         -                     declined
PENDING_APPROVAL authorization_lost    DECLINED         AUTHORIZATION_EXPIRED declined
PENDING_APPROVAL captured_outside      CONFIRMED        -                     confirmed
PENDING_APPROVAL capture_mismatched    DECLINED         PAYMENT_MISMATCH      declined
PENDING_PAYMENT  cancelled_by_guest    CANCELLED        -                     cancelled
PENDING_APPROVAL cancelled_by_guest    CANCELLED        -                     cancelled
CONFIRMED        cancelled_by_guest    CANCELLED        -                     cancelled
CONFIRMED        cancelled_by_staff    CANCELLED        -                     cancelled
CONFIRMED        cancellation_withdrawn CONFIRMED       -                     cancellation_withdrawn
"""

# Records about the money, and reasons for attention, in any status of a submitted booking.
RECORDS = {
    "refund_recorded": "staff_payment_notice",
    "refund_returned": "staff_payment_notice",
    "paid_elsewhere": "-",
    "dispute_recorded": "staff_payment_notice",
    "unmatched_payment_returned": "staff_payment_notice",
    "attention_needed": "staff_attention",
    "attention_cleared": "-",
}


def _expected() -> dict[tuple[str, str], tuple[str, str | None, tuple[str, ...]]]:
    rows = [line.split() for line in MOVES.strip().splitlines()]
    rows += [
        [status, event, status, "-", mails]
        for status in STATUSES
        if status != "DRAFT"
        for event, mails in RECORDS.items()
    ]
    return {
        (status, event): (
            to,
            None if reason == "-" else reason,
            () if mails == "-" else tuple(mails.split(",")),
        )
        for status, event, to, reason, mails in rows
    }


EXPECTED = _expected()


def test_words_are_those_of_the_contract() -> None:
    """Statuses, events and reason codes are stored and published: none appears, vanishes or is renamed."""
    assert [str(status) for status in Status] == STATUSES
    assert [str(event) for event in Event] == EVENTS
    assert {str(code) for code in STAFF_REASON_CODES} == {
        "NO_AVAILABILITY",
        "RATE_ERROR",
        "GUEST_REQUIREMENTS",
        "SUSPECTED_FRAUD",
        "OTHER",
    }
    assert {str(code) for code in set(ReasonCode) - STAFF_REASON_CODES} == {
        "APPROVAL_TIMEOUT",
        "AUTHORIZATION_EXPIRED",
        "PAYMENT_MISMATCH",
        "SOLD_OUT",
    }
    assert [str(decision) for decision in Decision] == ["approve", "decline", "cancel"]


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("status", STATUSES)
def test_every_status_meets_every_event(status: str, event: str) -> None:
    """A row of the contract is followed to the letter; whatever has no row is refused."""
    at, happens = Status(status), Event(event)
    expected = EXPECTED.get((status, event))
    assert allows(at, happens) is (expected is not None)
    if expected is None:
        with pytest.raises(
            IllegalTransitionError, match=f"no transition from {status} on {event}"
        ) as refused:
            transition(at, happens)
        assert (refused.value.status, refused.value.event) == (status, event)
        assert isinstance(refused.value, DomainError)
        return
    step = transition(at, happens)
    assert (step.to, step.reason, step.mails) == expected


def test_nothing_held_nothing_mailed() -> None:
    """The cancellation of a booking without a hold notifies no one."""
    unpaid = transition(Status.PENDING_PAYMENT, Event.CANCELLED_BY_GUEST)
    assert unpaid.mails_for(was_held=False) == ()
    assert unpaid.mails_for(was_held=True) == (MailKind.CANCELLED,)
    others = [step for step in TRANSITIONS.values() if step is not unpaid]
    assert all(step.mails_for(was_held=False) == step.mails for step in others)


def test_table_has_no_row_beyond_the_contract() -> None:
    """The table is read-only, and holds what was written by hand above."""
    assert {(str(status), str(event)) for status, event in TRANSITIONS} == set(EXPECTED)
    with pytest.raises(TypeError):
        TRANSITIONS[Status.DRAFT, Event.APPROVED] = transition(  # type: ignore[index]
            Status.PENDING_APPROVAL, Event.APPROVED
        )


def test_ends_are_ends() -> None:
    """Nothing leads out of a status that is an end, and something leads out of every other one."""
    leaving = {status for (status, _), step in TRANSITIONS.items() if step.to is not status}
    assert {str(status) for status in ENDED} == {"DECLINED", "EXPIRED", "CANCELLED"}
    assert leaving == set(Status) - ENDED


def test_every_status_but_draft_can_be_reached() -> None:
    """No status is a word without a way to it."""
    reached = {Status.DRAFT}
    for _ in Status:
        reached |= {step.to for (status, _), step in TRANSITIONS.items() if status in reached}
    assert reached == set(Status)


def test_a_booking_is_confirmed_from_pending_approval_only() -> None:
    """M1: no other way leads to CONFIRMED, and only with the card held before."""
    ways = {(status, event) for (status, event), step in TRANSITIONS.items() if step.to is Status.CONFIRMED}
    assert {way for way in ways if way[0] is not Status.CONFIRMED} == {
        (Status.PENDING_APPROVAL, Event.APPROVED),
        (Status.PENDING_APPROVAL, Event.CAPTURED_OUTSIDE),
    }


def test_staff_mails_are_told_from_guests() -> None:
    """A mail is either for the guest or for staff; the names are those of the template folders."""
    assert {str(kind) for kind in STAFF_MAILS} == {
        "staff_request",
        "staff_reminder",
        "staff_payment_notice",
        "staff_attention",
    }
    assert {str(kind) for kind in set(MailKind) - STAFF_MAILS} == {
        "authorized",
        "confirmed",
        "declined",
        "expired",
        "cancelled",
        "cancellation_withdrawn",
        "finish_request",
        "payment_reminder",
        "booking_link",
    }


@pytest.mark.parametrize("actor", ActorKind)
def test_cancellation_is_named_after_who_asked(actor: ActorKind) -> None:
    """Only a guest's cancellation is a guest's."""
    expected = "cancelled_by_guest" if actor == "guest" else "cancelled_by_staff"
    assert str(cancellation_event(actor)) == expected


def test_each_decision_has_the_status_it_leads_to() -> None:
    """Approved is CONFIRMED, declined DECLINED, cancelled CANCELLED."""
    assert {str(decision): str(status) for decision, status in DECIDED_AS.items()} == {
        "approve": "CONFIRMED",
        "decline": "DECLINED",
        "cancel": "CANCELLED",
    }
