"""`booking`: look at a booking, and help one that needs a person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from dispatch.operator_commands import OperatorAction, OperatorOutcome, OperatorResult, send_operator_command
from domain.booking import Status
from domain.identifiers import workflow_in_ui
from management.account import BookingRows, Workflow, read_rows, read_workflow
from management.checks import BookingId
from management.showing import console, show
from management.tools import DONE, FAILED, UNAVAILABLE, UNDER_WAY, Tools, fail, say, tools_of
from models import Booking, utc_now

app = typer.Typer(no_args_is_help=True, help="Look at bookings, and help those that need a person.")

WaitS = Annotated[float, typer.Option(min=1, max=600, help="Seconds to wait for the outcome.")]


@app.command("show")
def show_(context: typer.Context, booking_id: BookingId) -> None:
    """Show a booking: money, deadline, story, mails, what its workflow says, and what to do next.

    Exit status: 0 shown; 1 no such booking; 3 the database is away, or Temporal (then what the database has
    is shown).
    """
    tools = tools_of(context)
    rows, workflow = tools.run(_read(tools, booking_id))
    settings = tools.settings
    ui = settings.temporal_ui_url
    address = workflow_in_ui(ui, settings.temporal_namespace, booking_id) if ui else None
    show(console(), rows, workflow, livemode=settings.stripe_livemode, ui=address, now=utc_now())
    if isinstance(workflow, str):
        raise typer.Exit(UNAVAILABLE)


async def _read(tools: Tools, booking_id: str) -> tuple[BookingRows, Workflow | str]:
    async with tools.database() as database:
        rows = await read_rows(database, booking_id)
    if rows is None:
        fail(f"There is no booking {booking_id}.")
    return rows, await read_workflow(tools, booking_id)


@app.command("retry")
def retry(context: typer.Context, booking_id: BookingId, wait_s: WaitS = 20) -> None:
    """Try again what got stuck: the cause is gone, so Stripe or the mail server should take it now.

    May be repeated: each step reads Stripe first, and nothing is captured or refunded twice.

    Exit status: 0 done; 1 it still needs a person, has no running workflow, or there is no such booking;
    3 a service is away; 4 sent and safe, but the outcome is not known yet.
    """
    _end(_send_command(tools_of(context), booking_id, OperatorAction.RETRY, wait_s))


@app.command("resolve")
def resolve(context: typer.Context, booking_id: BookingId, wait_s: WaitS = 20) -> None:
    """Say that you settled it by hand: Stripe is read and followed, and nothing is tried again.

    A guest's cancellation of a booking the hotel has not decided on is never dropped: while the hold stands, its
    release is tried again.

    Money that came for a booking after its end is looked at again as with `retry`: what you gave back in the
    Stripe Dashboard is left alone.

    Exit status: 0 done; 1 it still needs a person, has no running workflow, or there is no such booking;
    3 a service is away; 4 sent and safe, but the outcome is not known yet.
    """
    _end(_send_command(tools_of(context), booking_id, OperatorAction.RESOLVE, wait_s))


def _send_command(tools: Tools, booking_id: str, kind: OperatorAction, wait_s: float) -> OperatorReport:
    async def work() -> OperatorReport:
        async with tools.database() as database:
            temporal = await tools.temporal()
            result = await send_operator_command(database, temporal, booking_id, kind, wait_s=wait_s)
            return _report(kind, booking_id, result, wait_s)

    return tools.run(work())


def _end(report: OperatorReport) -> None:
    if report.exit_status:
        fail(report.words, report.exit_status)
    say(report.words)


@dataclass(frozen=True)
class OperatorReport:
    """How it came out: the command's exit status, and what the operator is told."""

    exit_status: int
    words: str


def _report(
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
            reasons = "; ".join(f"{reason.code}: {reason.text}" for reason in result.attention)
            return OperatorReport(FAILED, f"{booking_id} still needs a person ({where}): {reasons}")
        case OperatorOutcome.NOTHING_TO_DO:
            return OperatorReport(DONE, f"{booking_id}: nothing was stuck. Stripe was asked; it is {where}.")
        case OperatorOutcome.DONE:
            return OperatorReport(DONE, f"{booking_id}: done, it needs nobody any more. It is {where}.")


def _no_workflow(row: Booking) -> str:
    if row.status == Status.DRAFT:
        return f"{row.booking_id} is a draft: nothing was submitted, so nothing can be stuck."
    if not row.needs_attention:
        return (
            f"{row.booking_id} has no running workflow. It is {row.status} and needs nobody; if its stay is "
            "still to come, `python manage.py reconcile` gives it its workflow back."
        )
    return (
        f"{row.booking_id} has no running workflow that could do this. `python manage.py reconcile` gives it "
        "one back; then repeat this command."
    )
