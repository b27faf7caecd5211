"""What somebody is told who has just decided: read from how the booking stands, not from what they hoped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from api.pages.staff.booking import Sheet
from api.pages.staff.words import UNDER_WAY
from api.views import Found
from dispatch.operator_commands import Came
from domain.booking import Decision, Event
from domain.decisions import Verdict, is_carried_out
from models import Staff

_DONE: Final = {
    Decision.APPROVE: "Approved: {captured} was captured, and the guest gets a confirmation.",
    Decision.DECLINE: "Declined: the hold was released, and the guest is told.",
    Decision.CANCEL: "Cancelled: {refunded} goes back to the guest, who is told.",
}
_CAME_OF: Final = {
    Decision.APPROVE: frozenset({Event.APPROVED, Event.CAPTURED_OUTSIDE}),
    Decision.DECLINE: frozenset({Event.DECLINED}),
    Decision.CANCEL: frozenset({Event.CANCELLED_BY_STAFF}),
}
_PASSING: Final = frozenset({Verdict.NOT_AUTHORIZED, Verdict.IN_PROGRESS})
"""What a decision was refused for that is no longer so once another one has come out."""

_NOUNS: Final = {
    Decision.APPROVE: "approval",
    Decision.DECLINE: "decline",
    Decision.CANCEL: "cancellation",
}
_SAID: Final = {
    Verdict.NOT_AUTHORIZED: "No card is held for this booking yet.",
    Verdict.IN_PROGRESS: "Another decision is being carried out at this moment; look at what comes of it.",
    Verdict.NOT_CANCELLABLE: "A booking in this status cannot be cancelled by the hotel.",
    Verdict.TOO_LATE: "The day of check-in has begun: it is too late to cancel.",
}
_HELPED: Final = {
    Came.UNDER_WAY: "It is safe with the booking's workflow, which has not answered yet. This page changes by itself.",
    Came.NOBODY_THERE: (
        "Nothing was sent: the booking has no running workflow. An operator has to give it one back "
        "(`manage.py reconcile`); then try again."
    ),
    Came.NOTHING_STUCK: "Nothing was stuck. Stripe was asked, and the booking is up to date.",
}


@dataclass(frozen=True)
class Told:
    """A notice: its kind is `good`, `wait` or `bad`."""

    kind: str
    words: str


def told(found: Found, sheet: Sheet, me: Staff, *, asked: str, said: str, helped: str) -> Told | None:
    """What to tell.

    Args:
        asked: the decision the reader has sent, from the address.
        said: the code it was refused with, from the address.
        helped: how an attempt to help came out, from the address.
    """
    if asked in set(Decision):
        return _decided(found, sheet, me, Decision(asked), said)
    if helped in set(Came):
        return _helped(sheet, Came(helped))
    return None


def _decided(found: Found, sheet: Sheet, me: Staff, decision: Decision, said: str) -> Told | None:
    row = found.booking
    if is_carried_out(decision, sheet.status, row.reason_code):
        return _carried_out(sheet, me, decision)
    if sheet.happened & _CAME_OF[decision]:
        # It came out, and the booking has moved on since: the page says how it stands.
        return None
    if sheet.under_way and sheet.under_way.recent and sheet.under_way.kind is decision:
        return Told("wait", f"Your {_NOUNS[decision]} is safe. {UNDER_WAY[decision]}")
    if said in set(Verdict) and Verdict(said) in _SAID and not (sheet.decided and Verdict(said) in _PASSING):
        return Told("bad", f"Not done. {_SAID[Verdict(said)]}")
    if sheet.attention:
        return Told("bad", f"Your {_NOUNS[decision]} could not be carried out. It needs a person; see below.")
    if sheet.decided:
        return Told("bad", f"Your {_NOUNS[decision]} came too late: {_clause(sheet)}.")
    if sheet.under_way:
        return Told("wait", f"Your {_NOUNS[decision]} is safe. {sheet.under_way.words}")
    return None


def _carried_out(sheet: Sheet, me: Staff, decision: Decision) -> Told:
    money = sheet.money
    done = _DONE[decision].format(captured=money.captured, refunded=money.refunded or "nothing")
    if sheet.decided_by == me.email or sheet.decided is None:
        return Told("good", done)
    return Told("good", f"Somebody was quicker: {_clause(sheet)}. Nothing was done twice.")


def _clause(sheet: Sheet) -> str:
    return sheet.decided or "it was decided otherwise"


def _helped(sheet: Sheet, came: Came) -> Told:
    if came in _HELPED:
        kind = {Came.UNDER_WAY: "wait", Came.NOBODY_THERE: "bad"}.get(came, "good")
        return Told(kind, _HELPED[came])
    if sheet.attention:
        return Told("bad", "It still needs a person; see below.")
    return Told("good", "Done: it needs nobody any more.")
