"""What an operator is told who sent `retry` or `resolve`."""

from __future__ import annotations

from dataclasses import dataclass

from dispatch.operator_commands import OperatorAction, OperatorOutcome, OperatorResult
from domain.booking import Status
from management.tools import DONE, FAILED, UNDER_WAY
from models import Booking


@dataclass(frozen=True)
class OperatorReport:
    """How it came out: the command's exit status, and what the operator is told."""

    exit_status: int
    words: str


def operator_report(
    kind: OperatorAction, booking_id: str, result: OperatorResult | None, wait_s: float
) -> OperatorReport:
    """Put into words what came of `kind`.

    Args:
        result: None where there is no such booking.
        wait_s: seconds that were waited for an outcome.
    """
    if result is None:
        return OperatorReport(FAILED, f"There is no booking {booking_id}.")
    row = result.booking
    where = f"{row.status}, version {row.version}"
    match result.outcome:
        case OperatorOutcome.NO_WORKFLOW:
            return OperatorReport(FAILED, _no_workflow(row))
        case OperatorOutcome.UNDER_WAY:
            return OperatorReport(
                UNDER_WAY,
                f"{booking_id}: `{kind}` is safe with its workflow, which has not answered within "
                f"{wait_s:g} s; it is {where}. Is a worker running? `booking show` tells more.",
            )
        case OperatorOutcome.NEEDS_ATTENTION:
            return OperatorReport(
                FAILED, f"{booking_id} still needs a person ({where}): {row.needs_attention}"
            )
        case OperatorOutcome.NOTHING_TO_DO:
            return OperatorReport(DONE, f"{booking_id}: nothing was stuck. Stripe was asked; it is {where}.")
        case OperatorOutcome.DONE:
            return OperatorReport(DONE, f"{booking_id}: done, it needs nobody any more. It is {where}.")


def _no_workflow(row: Booking) -> str:
    if row.status == Status.DRAFT:
        return f"{row.booking_id} is a draft: nothing was submitted, so nothing can be stuck."
    if row.needs_attention is None:
        return (
            f"{row.booking_id} has no running workflow. It is {row.status} and needs nobody; if its stay is "
            "still to come, `python manage.py reconcile` gives it its workflow back."
        )
    return (
        f"{row.booking_id} has no running workflow that could do this. `python manage.py reconcile` gives it "
        "one back; then repeat this command."
    )
