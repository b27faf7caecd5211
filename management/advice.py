"""The next steps for a booking. The table in docs/runbook.md explains them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from domain.attention import AttentionCode, advice, meaning
from domain.booking import ENDED, UNDER_DECISION, Status
from management.account import BookingRows, Workflow
from reconciliation.findings import WorkflowState


def next_steps(rows: BookingRows, workflow: Workflow | str, now: datetime) -> list[str]:
    """Return the steps a person should take, in order; a single line if there is nothing to do.

    Args:
        workflow: the workflow, or the error with which Temporal failed.
    """
    steps = [*_about_the_workflow(rows, workflow, now), *_about_attention(rows)]
    steps += [f"Reconciliation found {_words(row.kind)}: {row.detail}." for row in rows.findings]
    return steps or [_nothing(rows, now)]


def _about_the_workflow(rows: BookingRows, workflow: Workflow | str, now: datetime) -> Iterator[str]:
    if isinstance(workflow, str):
        yield "Start Temporal, then repeat this command: the state of the workflow is not known."
        return
    booking = rows.booking
    running = workflow.state is WorkflowState.RUNNING
    if not running and _needs_workflow(rows, workflow, now):
        yield f"Its workflow is {workflow.state}: `reconcile` starts it again."
    if running and workflow.account is None:
        yield "Its workflow does not answer: is a worker running?"
    if workflow.account and workflow.account.version != booking.version:
        yield (
            f"The workflow is at version {workflow.account.version}, the row at {booking.version}: repeat this "
            "command in a moment. If they still differ, read the workflow's pending activities in the Temporal UI."
        )


def _needs_workflow(rows: BookingRows, workflow: Workflow, now: datetime) -> bool:
    status = Status(rows.booking.status)
    if status in UNDER_DECISION or (status is Status.CONFIRMED and now < rows.booking.check_out_at):
        return True
    return rows.booking.needs_attention and not workflow.payment_workflows


def _about_attention(rows: BookingRows) -> Iterator[str]:
    for row in rows.attention:
        code = AttentionCode(row.code)
        yield f"{meaning(code)} {advice(code, retry='`booking retry`', resolve='`booking resolve`')}"


def _nothing(rows: BookingRows, now: datetime) -> str:
    status = Status(rows.booking.status)
    if status in ENDED:
        return "Nothing: the booking has ended."
    if status is Status.CONFIRMED:
        return (
            f"Nothing: {'it waits for check-out' if now < rows.booking.check_out_at else 'the stay is over'}."
        )
    waits = {
        Status.DRAFT: "the guest has not submitted it; a draft is deleted after a day",
        Status.PENDING_PAYMENT: "it waits for the guest's payment",
        Status.PENDING_APPROVAL: "it waits for the hotel's decision",
    }
    return f"Nothing: {waits[status]}."


def _words(kind: str) -> str:
    return kind.replace("_", " ")
