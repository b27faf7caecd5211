"""Judging decisions: every decision, actor, status, reason and time of day, against the contract's words."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from domain.booking import STAFF_REASON_CODES, ActorKind, Decision, ReasonCode, Status
from domain.decisions import CommandOutcome, cancellable_until, immediate_outcome, is_carried_out

STATUSES = "DRAFT PENDING_PAYMENT PENDING_APPROVAL CONFIRMED DECLINED EXPIRED CANCELLED".split()

# One column per status, in the order above. `-`: may be carried out now.
#
#   "Before authorization 409 not_authorized; decided otherwise, timed out, cancelled or hold gone 409
#   already_decided; cancel in a status that has no such row 409 not_cancellable, for guests from the stay's start, for
#   managers from check-out on 409 too_late."
WORDS = """
approve          not_authorized  not_authorized  -               settled         already_decided already_decided already_decided
decline          not_authorized  not_authorized  -               already_decided BY_WHOM         already_decided already_decided
cancel:guest     not_cancellable -               -               IN_TIME         not_cancellable not_cancellable settled
cancel:others    not_cancellable not_cancellable not_cancellable IN_TIME         not_cancellable not_cancellable settled
"""  # noqa: E501  (a table is easier to check than a nest of conditions)

TABLE = {line.split()[0]: line.split()[1:] for line in WORDS.strip().splitlines()}


def expected(decision: str, actor: str, status: str, reason_code: str | None, too_late: bool) -> str | None:
    row = decision if decision != "cancel" else f"cancel:{'guest' if actor == 'guest' else 'others'}"
    word = TABLE[row][STATUSES.index(status)]
    if word == "IN_TIME":
        return "too_late" if too_late else None
    if word == "BY_WHOM":
        by_staff = reason_code in {
            "NO_AVAILABILITY",
            "RATE_ERROR",
            "GUEST_REQUIREMENTS",
            "SUSPECTED_FRAUD",
            "OTHER",
        }
        return "settled" if by_staff else "already_decided"
    return None if word == "-" else word


@pytest.mark.parametrize("too_late", [False, True], ids=["in time", "too late"])
@pytest.mark.parametrize("actor", ActorKind)
@pytest.mark.parametrize("decision", Decision)
def test_every_decision_is_judged_as_the_contract_says(
    decision: Decision, actor: ActorKind, too_late: bool
) -> None:
    """For every status and every reason code."""
    for status in Status:
        for reason_code in [None, *ReasonCode]:
            outcome = immediate_outcome(decision, actor, status, reason_code, too_late=too_late)
            wanted = expected(str(decision), str(actor), str(status), reason_code, too_late)
            assert outcome == wanted, (status, reason_code)


@pytest.mark.parametrize("actor", ActorKind)
def test_until_when_a_confirmed_stay_is_cancelled(actor: ActorKind) -> None:
    """Guests until the stay starts, the hotel until it is over."""
    starts, ends = datetime(2026, 12, 24, 15, tzinfo=UTC), datetime(2026, 12, 26, tzinfo=UTC)
    assert cancellable_until(actor, starts, ends) == (starts if actor == "guest" else ends)


@pytest.mark.parametrize("decision", Decision)
def test_reason_codes_may_be_plain_strings(decision: Decision) -> None:
    """The API reads them from the row, where they are text."""
    for reason_code in [*map(str, ReasonCode), "", "something else"]:
        for status in Status:
            done = is_carried_out(decision, status, reason_code)
            assert done is (
                immediate_outcome(decision, ActorKind.STAFF, status, reason_code, too_late=False)
                is CommandOutcome.SETTLED
            )


def test_a_timeout_is_no_decline_by_staff() -> None:
    """A decline of a booking that the system declined is not settled: staff must read that it came too late."""
    by_system = set(ReasonCode) - STAFF_REASON_CODES
    assert not any(is_carried_out(Decision.DECLINE, Status.DECLINED, code) for code in by_system)
    assert all(is_carried_out(Decision.DECLINE, Status.DECLINED, code) for code in STAFF_REASON_CODES)
    assert not is_carried_out(Decision.DECLINE, Status.DECLINED, None)


def test_verdicts_double_as_error_codes() -> None:
    """They are part of the API: none may be renamed."""
    assert [str(outcome) for outcome in CommandOutcome] == [
        "settled",
        "not_authorized",
        "already_decided",
        "decision_in_progress",
        "not_cancellable",
        "too_late",
        "needs_attention",
        "refund_pending",
        "nothing_owed",
        "more_than_owed",
        "other_currency",
        "nothing_to_withdraw",
        "money_at_stake",
    ]
