"""The notice after a decision, by the booking's state and not by the decision sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from api.pages.staff.booking import StaffBookingView
from api.views import BookingDetails
from dispatch.operator_commands import OperatorOutcome
from domain.booking import Decision, Event
from domain.decisions import RESOLUTION_REFUSALS, CommandOutcome, is_carried_out
from models import Staff
from wording.staff import REFUSALS, UNDER_WAY

_DONE: Final = {
    Decision.APPROVE: "Approved: {captured} was captured, and the guest gets a confirmation.",
    Decision.DECLINE: "Declined: the hold was released, and the guest is notified.",
    Decision.CANCEL: "Cancelled: {refunded} is refunded to the guest, who is notified.",
}
_EVENTS_OF: Final = {
    Decision.APPROVE: frozenset({Event.APPROVED, Event.CAPTURED_OUTSIDE}),
    Decision.DECLINE: frozenset({Event.DECLINED}),
    Decision.CANCEL: frozenset({Event.CANCELLED_BY_STAFF}),
}
_PASSING: Final = frozenset({CommandOutcome.NOT_AUTHORIZED, CommandOutcome.IN_PROGRESS})
"""Refusals that no longer apply once another decision has its outcome."""

_NOUNS: Final = {
    Decision.APPROVE: "approval",
    Decision.DECLINE: "decline",
    Decision.CANCEL: "cancellation",
}
_REFUSAL_WORDS: Final = {
    CommandOutcome.NOT_AUTHORIZED: "No card is held for this booking yet.",
    CommandOutcome.IN_PROGRESS: "Another decision is being carried out at this moment; wait for its outcome.",
    CommandOutcome.NOT_CANCELLABLE: "The hotel cannot cancel a booking in this status.",
    CommandOutcome.TOO_LATE: "The day of check-out has begun: it is too late to cancel.",
}
_OPERATOR_WORDS: Final = {
    OperatorOutcome.UNDER_WAY: (
        "The booking's workflow has it and has not answered yet. This page updates itself."
    ),
    OperatorOutcome.NO_WORKFLOW: (
        "Nothing was sent: the booking has no running workflow. An operator has to start a new one "
        "(`manage.py reconcile`); then try again."
    ),
    OperatorOutcome.NOTHING_TO_DO: "No step was left to retry. The booking now follows what Stripe shows.",
}


@dataclass(frozen=True)
class OutcomeNotice:
    """A notice: its kind is `good`, `wait` or `bad`."""

    kind: str
    words: str


def outcome_notice(
    found: BookingDetails,
    view: StaffBookingView,
    me: Staff,
    *,
    decision: str,
    refusal: str,
    operator_outcome: str,
) -> OutcomeNotice | None:
    """Choose the notice.

    Args:
        decision: the decision that the reader sent, from the address.
        refusal: the code of its refusal, from the address.
        operator_outcome: the outcome of a `retry` or `resolve`, from the address.
    """
    if decision in set(Decision):
        return _decision_notice(found, view, me, Decision(decision), refusal)
    if operator_outcome in set(OperatorOutcome):
        return _operator_notice(view, OperatorOutcome(operator_outcome), refusal)
    return None


def _decision_notice(
    found: BookingDetails, view: StaffBookingView, me: Staff, decision: Decision, refusal: str
) -> OutcomeNotice | None:
    row = found.booking
    if is_carried_out(decision, view.status, row.reason_code):
        return _carried_out(view, me, decision)
    if view.happened & _EVENTS_OF[decision]:
        # It was carried out, and the booking has changed since: the page shows its state.
        return None
    if view.under_way and view.under_way.recent and view.under_way.kind is decision:
        return OutcomeNotice("wait", f"Your {_NOUNS[decision]} is safe. {UNDER_WAY[decision]}")
    if (
        refusal in set(CommandOutcome)
        and CommandOutcome(refusal) in _REFUSAL_WORDS
        and not (view.decided and CommandOutcome(refusal) in _PASSING)
    ):
        return OutcomeNotice("bad", f"Not done. {_REFUSAL_WORDS[CommandOutcome(refusal)]}")
    if view.attention:
        return OutcomeNotice(
            "bad", f"Your {_NOUNS[decision]} could not be carried out. It needs attention; see below."
        )
    if view.decided:
        return OutcomeNotice("bad", f"Your {_NOUNS[decision]} came too late: {_clause(view)}.")
    if view.under_way:
        return OutcomeNotice("wait", f"Your {_NOUNS[decision]} is safe. {view.under_way.words}")
    return None


def _carried_out(view: StaffBookingView, me: Staff, decision: Decision) -> OutcomeNotice:
    money = view.money
    done = _DONE[decision].format(captured=money.captured, refunded=money.refunded or "nothing")
    if view.decided_by == me.email or view.decided is None:
        return OutcomeNotice("good", done)
    return OutcomeNotice("good", f"Already done: {_clause(view)}. Nothing was done twice.")


def _clause(view: StaffBookingView) -> str:
    return view.decided or "it was decided otherwise"


def _operator_notice(view: StaffBookingView, outcome: OperatorOutcome, refusal: str) -> OutcomeNotice:
    if outcome is OperatorOutcome.REFUSED:
        why = REFUSALS[CommandOutcome(refusal)] if refusal in RESOLUTION_REFUSALS else ""
        return OutcomeNotice("bad", f"Nothing was changed. {why}".strip())
    if outcome in _OPERATOR_WORDS:
        kind = {OperatorOutcome.UNDER_WAY: "wait", OperatorOutcome.NO_WORKFLOW: "bad"}.get(outcome, "good")
        return OutcomeNotice(kind, _OPERATOR_WORDS[outcome])
    if view.attention:
        return OutcomeNotice("bad", "The booking still needs attention; see below.")
    return OutcomeNotice("good", "Done: nothing left to do.")
