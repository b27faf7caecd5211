"""`booking`: look at a booking, and help one that needs a person."""

from __future__ import annotations

from typing import Annotated

import typer

from dispatch.operator_commands import OperatorAction, send_operator_command
from domain.identifiers import workflow_in_ui
from management.account import BookingRows, Workflow, read_rows, read_workflow
from management.checks import BookingId
from management.helping import OperatorReport, operator_report
from management.showing import console, show
from management.tools import UNAVAILABLE, Tools, fail, say, tools_of
from models import utc_now

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
            return operator_report(kind, booking_id, result, wait_s)

    return tools.run(work())


def _end(operator_report: OperatorReport) -> None:
    if operator_report.exit_status:
        fail(operator_report.words, operator_report.exit_status)
    say(operator_report.words)
